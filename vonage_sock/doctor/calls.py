"""
What the opening of a socket and a short call on it say of a server. Values in, checks out.

The call is just long enough to hear whether audio keeps up with time; what shows later is ``vsock call``'s to say.
"""

from __future__ import annotations

from typing import Any, Final

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.call.events import Ended, StatsUpdated
from vonage_sock.call.findings import CATALOGUE, Level
from vonage_sock.clock import SECOND
from vonage_sock.doctor.addresses import Place
from vonage_sock.doctor.answers import REDIRECTS
from vonage_sock.doctor.checks import Check, fault, fine, skipped
from vonage_sock.doctor.trying import OPEN_WAIT_S, Opening, Tried
from vonage_sock.protocol.rfc6455 import CLOSE_ABNORMAL, CLOSE_NORMAL
from vonage_sock.tunnels.pages import recognise

ADDRESS: Final = "socket address"
UPGRADE: Final = "upgrade"
FRAMES: Final = "first frames"
PACE: Final = "pace"

SLOW_OPEN_MS: Final = 2_000
STEADINESS: Final = frozenset({"VS108", "VS201", "VS202", "VS203", "VS204"})
"""What the check of the pace tells."""

CHOPPED: Final = "VS203"
GAPS: Final = frozenset({"VS201", CHOPPED})
LEAST_FRAMES: Final = 25
AHEAD_MS: Final = 1000
ENOUGH_S: Final = 3.2
"""So much audio shows whether it keeps up with time."""

TOLD_OTHERWISE: Final = frozenset({"VS308", "VS309", "VS318"})
"""How the server ended it is a check of its own."""

_CURES: Final = {
    400: "let what stands in front of the server pass the headers Upgrade and Connection",
    401: "the NCCO must have an authorization that it takes; for the type vonage give --signature-secret",
    403: "let it take clients without an Origin or a login; many frameworks say 403 for a wrong path, too",
    404: "there is nothing at this path: let the NCCO's uri and the server's route be the same",
    426: "the path is right, and the upgrade got lost: let the proxy or tunnel pass Upgrade and Connection",
    500: "look at the traceback in the server's log",
    502: "the proxy or tunnel is there and the server behind it isn't, or it doesn't speak WebSocket to it",
    503: "it takes no more calls: let others end, or start it with more",
}


def judge_socket_address(uri: str, place: Place, *, asked: Place | None) -> Check:
    """
    Whether Vonage could come to the socket.

    Args:
        asked: the place whose NCCO names it; None where it was named on the command line.
    """
    remote = asked is not None and not asked.is_local
    if place.is_local and remote:
        return fault(
            ADDRESS,
            f"{uri} is on this machine or network, where Vonage can't come",
            "build it from X-Forwarded-Host and X-Forwarded-Proto, or set it (vsock serve --url)",
        )
    if not place.secure and not place.is_local:
        return fine(ADDRESS, uri, "ws:// is read by anybody between; Vonage's guide asks for wss://")
    return fine(ADDRESS, uri)


def judge_upgrade(found: Opening, place: Place) -> Check:
    """The socket opens."""
    through = "" if place.tunnel is None else f" through {place.tunnel}"
    if found.socket is not None:
        slow = ["the caller hears nothing meanwhile: accept the socket first, and prepare afterwards"]
        return fine(UPGRADE, f"open{through} in {found.took_ms} ms", *(slow if found.took_ms > SLOW_OPEN_MS else []))
    if found.unoffered is not None:
        return fault(UPGRADE, f"the answer takes what wasn't offered: {found.unoffered}", CATALOGUE["VS314"].cure)
    if found.late:
        return fault(
            UPGRADE, f"not answered within {OPEN_WAIT_S:g} s", "accept the socket at once; see that nothing blocks"
        )
    if found.status is None:
        return fault(UPGRADE, found.error or "not answered", "look at the server's log; a websocket server answers 101")
    page = recognise(found.status, found.headers, found.body)
    if page is not None:
        return fault(UPGRADE, f"HTTP {found.status}: {page.what}", page.cure)
    if found.status in REDIRECTS:
        where = found.headers.get("location", "")[:200] or "nowhere"
        return fault(UPGRADE, f"HTTP {found.status} to {where}", "name the address that it leads to in the NCCO")
    said = f"HTTP {found.status} in place of 101{through}"
    if found.status == 200:
        return fault(
            UPGRADE, said, "this path answers as a page: name that of the websocket, and let proxies pass Upgrade"
        )
    return fault(UPGRADE, said, _CURES.get(found.status, "let the server answer the upgrade with 101"))


def judge_call(found: Tried) -> list[Check]:
    """It takes silence, a key and noise, and what it sends is audio."""
    report = found.report
    broken = [
        fault(FRAMES, f"{item['code']} {item['message']}", CATALOGUE[item["code"]].cure)
        for item in report["findings"]
        if item["level"] == Level.ERROR.value and item["code"] not in TOLD_OTHERWISE
    ]
    end = _judge_end(found.ended, report["duration_s"])
    if end is not None:
        return [*broken, end]
    if broken:
        return broken
    advice = [
        f"{item['code']} {item['message']}. {CATALOGUE[item['code']].cure}"
        for item in report["findings"]
        if item["level"] == Level.WARNING.value and item["code"] not in STEADINESS
    ]
    return [fine(FRAMES, f"it takes silence, the key {report['dtmf_sent']} and sound; {_sent(report)}", *advice)]


def judge_pace(found: Tried) -> Check:
    """
    Whether the audio keeps up with time, is even, and is no more than can wait.

    A gap or two may be anybody's, and in an echo all of them may be the network's: that is advice.
    """
    report, stats = found.report, found.stats
    if stats.frames_in < LEAST_FRAMES:
        return skipped(
            PACE, f"{stats.frames_in or 'no'} frame{'' if stats.frames_in == 1 else 's'} came: too few to judge"
        )
    seen = {item["code"]: item["message"] for item in report["findings"] if item["code"] in STEADINESS}
    forgiven = GAPS if report["echo"] is not None else GAPS - {CHOPPED}
    wrong = [code for code in seen if code not in forgiven]
    if wrong:
        cures = dict.fromkeys(CATALOGUE[code].cure for code in wrong)
        return fault(PACE, "; ".join(f"{code} {seen[code]}" for code in wrong), *cures)
    return fine(PACE, _steady(stats), *(f"{code} {text}. {CATALOGUE[code].cure}" for code, text in seen.items()))


def _steady(stats: StatsUpdated) -> str:
    span_s = stats.frames_in * FRAME_NS / SECOND
    ahead = f", {stats.depth_ms / 1000:.1f} s of it ahead" if stats.depth_ms >= AHEAD_MS else ""
    even = f"at most {stats.longest_gap_ms:.0f} ms between two frames, jitter {stats.jitter_ms:.1f} ms"
    short = "" if span_s >= ENOUGH_S else "; too short to say whether it keeps up with time"
    return f"{span_s:.1f} s of audio{ahead}: {even}{short}"


def _judge_end(ended: Ended | None, duration_s: float) -> Check | None:
    """None where it was the caller who hung up."""
    if ended is None:
        return fault(FRAMES, "the server doesn't answer the end of the call", "answer a close frame with one")
    if ended.closed_by == "platform":
        return None
    after = f"after {duration_s:.1f} s" if duration_s >= 1 else f"after {duration_s * 1000:.0f} ms"
    if ended.close_code == CLOSE_ABNORMAL:
        return fault(
            FRAMES,
            f"the connection was lost {after}, without a close frame",
            "look for a traceback in the server's log",
        )
    said = f"the server closed the socket {after}, with {ended.close_code}{_because(ended.close_reason)}"
    if ended.close_code == CLOSE_NORMAL and ended.frames_in:
        return fine(FRAMES, f"{said}, when it had said what it has to say ({ended.frames_in} frames)")
    cure = _END_CURES.get(ended.close_code, "stay in the handler until the caller hangs up; look at the server's log")
    return fault(FRAMES, said, cure)


_END_CURES: Final = {
    1003: "take binary frames: the call's audio is in them",
    1008: "it refuses this call: see what it wants of the headers or the authorization",
    1009: "let it take messages of 640 bytes (960 at 24 kHz)",
    1011: "its handler failed: look for a traceback in the server's log",
    1013: "it takes no more calls now",
}


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _sent(report: dict[str, Any]) -> str:
    if not report["frames_received"]:
        return "it sent no audio"
    first = f"its first audio came after {report['first_audio_ms']:.0f} ms"
    echo = report["echo"]
    if echo is None:
        return first
    return f"{first}, an echo after {echo['delay_ms']['p50']:.0f} ms"
