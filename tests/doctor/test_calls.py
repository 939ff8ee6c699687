"""What the opening of a socket and a short call on it say of a server."""

from __future__ import annotations

from typing import Any, cast

import pytest

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.audio.source import FramesSource
from vonage_sock.call.events import Ended, StatsUpdated
from vonage_sock.clock import MS, SECOND
from vonage_sock.doctor.addresses import Place
from vonage_sock.doctor.calls import judge_call, judge_pace, judge_socket_address, judge_upgrade
from vonage_sock.doctor.checks import Check
from vonage_sock.doctor.trying import TRY_S, Opening, Tried
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.socket import ClientSocket

PUBLIC = Place("a.example", 443, secure=True)
PLAIN = Place("a.example", 80, secure=False)
HERE = Place("127.0.0.1", 8000, secure=False)
TUNNEL = Place("x.ngrok.app", 443, secure=True)
OPEN = cast("ClientSocket", object())


def told(check: Check) -> str:
    """Its result, and all its text."""
    return " | ".join([check.result.value, check.message, *check.cures])


@pytest.mark.parametrize(
    ("place", "asked", "expected"),
    [
        (PUBLIC, PUBLIC, "ok | wss://x"),
        (HERE, HERE, "ok | wss://x"),
        (TUNNEL, HERE, "ok | wss://x"),
        (HERE, None, "ok | wss://x"),
        (
            HERE,
            PUBLIC,
            "fault | wss://x is on this machine or network, where Vonage can't come | build it from X-Forwarded",
        ),
        (PLAIN, PUBLIC, "ok | wss://x | ws:// is read by anybody between"),
    ],
)
def test_an_address_that_vonage_cannot_come_to_is_a_fault_of_a_public_server(
    place: Place, asked: Place | None, expected: str
) -> None:
    """Of a server on this machine it is what one expects."""
    assert told(judge_socket_address("wss://x", place, asked=asked)).startswith(expected)


@pytest.mark.parametrize(
    ("found", "place", "expected"),
    [
        (Opening(took_ms=7, socket=OPEN), PUBLIC, "ok | open in 7 ms"),
        (Opening(took_ms=7, socket=OPEN), TUNNEL, "ok | open through ngrok in 7 ms"),
        (Opening(took_ms=2500, socket=OPEN), PUBLIC, "ok | open in 2500 ms | the caller hears nothing meanwhile"),
        (
            Opening(took_ms=7, status=401),
            PUBLIC,
            "fault | HTTP 401 in place of 101 | the NCCO must have an authorization",
        ),
        (Opening(took_ms=7, status=403), PUBLIC, "many frameworks say 403 for a wrong path"),
        (
            Opening(took_ms=7, status=404),
            TUNNEL,
            "fault | HTTP 404 in place of 101 through ngrok | there is nothing at",
        ),
        (Opening(took_ms=7, status=404, body=b"<p>ERR_NGROK_3200"), TUNNEL, "fault | HTTP 404: the ngrok tunnel of"),
        (Opening(took_ms=7, status=301, headers={"location": "https://b"}), PUBLIC, "fault | HTTP 301 to https://b"),
        (Opening(took_ms=7, status=200), PUBLIC, "this path answers as a page"),
        (Opening(took_ms=7, status=426), PUBLIC, "let the proxy or tunnel pass Upgrade and Connection"),
        (Opening(took_ms=7, status=418), PUBLIC, "let the server answer the upgrade with 101"),
        (
            Opening(took_ms=7, unoffered="the subprotocol x"),
            PUBLIC,
            "fault | the answer takes what wasn't offered: the sub",
        ),
        (Opening(took_ms=7, late=True, error="x"), PUBLIC, "fault | not answered within 10 s"),
        (Opening(took_ms=7, error="it closed"), PUBLIC, "fault | it closed | look at the server's log"),
    ],
)
def test_an_upgrade_that_fails_says_how_and_what_to_do(found: Opening, place: Place, expected: str) -> None:
    """By its status, by the tunnel that answers in the server's place, or by what came instead."""
    assert expected in told(judge_upgrade(found, place))


NO_STATS = StatsUpdated(
    at=0,
    duration_s=2.0,
    frames_in=0,
    frames_out=0,
    rate_in_hz=0,
    rate_out_hz=0,
    level_in_dbfs=0,
    peak_in_dbfs=0,
    level_out_dbfs=0,
    peak_out_dbfs=0,
    jitter_ms=0,
    longest_gap_ms=0,
    depth_ms=0,
)


def tried(*findings: dict[str, Any], end: tuple[int, str] | None = (1000, "platform"), **report: Any) -> Tried:
    """A call; ``end`` is its code and who closed, None where nobody did."""
    figures = {
        "duration_s": 2.0,
        "frames_received": 0,
        "first_audio_ms": None,
        "echo": None,
        "dtmf_sent": "5",
        **report,
    }
    ended = None
    if end is not None:
        ended = Ended(
            at=0,
            duration_s=2.0,
            frames_in=figures["frames_received"],
            frames_out=1,
            dtmf="5",
            close_code=end[0],
            close_reason="why",
            closed_by=end[1],
        )
    return Tried(report={**figures, "findings": list(findings)}, stats=NO_STATS, ended=ended)


def finding(code: str, level: str) -> dict[str, Any]:
    """One of the leg's."""
    return {"code": code, "level": level, "message": "what was seen", "count": 1}


HEARD = {"frames_received": 90, "first_audio_ms": 12.3}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (tried(), ["ok | it takes silence, the key 5 and sound; it sent no audio"]),
        (tried(**HEARD), ["ok | it takes silence, the key 5 and sound; its first audio came after 12 ms"]),
        (tried(**HEARD, echo={"delay_ms": {"p50": 3.2}}), ["an echo after 3 ms"]),
        (tried(finding("VS101", "error")), ["fault | VS101 what was seen | "]),
        (tried(finding("VS109", "warning"), **HEARD), ["12 ms | VS109 what was seen. "]),
        (tried(finding("VS201", "warning"), **HEARD), ["first audio came after 12 ms"]),
        (tried(end=None), ["fault | the server doesn't answer the end of the call"]),
        (tried(end=(1006, "network")), ["fault | the connection was lost after 2.0 s", "traceback"]),
        (
            tried(end=(1011, "server")),
            ["fault | the server closed the socket after 2.0 s, with 1011 (why)", "traceback"],
        ),
        (tried(end=(1000, "server")), ["fault | ", "stay in the handler until the caller hangs up"]),
        (tried(end=(1000, "server"), **HEARD), ["ok | ", "when it had said what it has to say (90 frames)"]),
    ],
)
def test_a_call_is_judged_by_how_it_ended_and_by_what_was_sent(found: Tried, expected: list[str]) -> None:
    """A caller that was hung up on, or sent what isn't audio, is a fault; how steady it is needs a longer call."""
    (text,) = [told(check) for check in judge_call(found)]

    assert [] == [part for part in expected if part not in text]
    assert "VS201" not in text


def test_what_was_found_and_how_it_ended_are_both_told() -> None:
    """The first may be why of the second."""
    checks = judge_call(tried(finding("VS101", "error"), finding("VS308", "error"), end=(1006, "network")))

    assert ["VS101", "the c"] == [check.message[:5] for check in checks]


FORMAT = AudioFormat(8000)
SOUND = [bytes([number % 251, number % 7]) * (FORMAT.frame_bytes // 2) for number in range(1, 4000)]


def heard(times_ns: list[int], *, sounds: list[bytes] = SOUND, said: list[bytes] | None = None) -> Tried:
    """As long a call as a doctor's, in which frames come at these times."""
    source = FramesSource("doctor", iter(said or []), len(said or []))
    leg = VonageLeg("doctor", LegPlan(audio_format=FORMAT, strict=True), source, now=0)
    arriving = list(zip(times_ns, sounds, strict=False))
    for step_at in range(0, round(TRY_S * SECOND), FRAME_NS):
        while arriving and arriving[0][0] <= step_at:
            at, frame = arriving.pop(0)
            leg.receive_bytes(frame, at)
        leg.handle_deadline(step_at)
    leg.close(1000, round(TRY_S * SECOND))
    leg.receive_close(1000, "", round(TRY_S * SECOND))
    return Tried(report=leg.report(), stats=leg.stats(round(TRY_S * SECOND)), ended=None)


def every(span_ns: int, count: int, *, ahead: int = 5) -> list[int]:
    """So many frames with this between them, the first ones at once."""
    return [max(0, number - ahead) * span_ns for number in range(count)]


STEADY = every(20 * MS, 200)
ONE_GAP = STEADY[:50] + [at + 170 * MS for at in STEADY[50:190]]
CHOPPED = [at + at // (500 * MS) * 150 * MS for at in STEADY][:140]


@pytest.mark.parametrize(
    ("times_ns", "expected"),
    [
        ([], "skipped | no frames came: too few to judge"),
        ([0], "skipped | 1 frame came: too few to judge"),
        (STEADY, "ok | 4.0 s of audio: at most 20 ms between two frames, jitter 0."),
        (STEADY[:50], "jitter 0.3 ms; too short to say whether it keeps up with time"),
        (every(20 * MS, 300, ahead=150), "ok | 6.0 s of audio, 2.0 s of it ahead: at most 20 ms"),
        (every(22 * MS, 185, ahead=0), "fault | VS204 audio has come at 90.9 % of real time"),
        (CHOPPED, "fault | VS203 "),
        (
            ONE_GAP,
            "ok | 3.8 s of audio: at most 190 ms between two frames, jitter 0.0 ms | VS201 the caller heard a gap of ",
        ),
        (every(0, 3500), "fault | VS202 more than 3072 frames wait to be played"),
    ],
    ids=["nothing", "one", "steady", "short", "ahead", "slow", "chopped", "one gap", "flood"],
)
def test_a_pace_is_judged_by_whether_the_caller_hears_it(times_ns: list[int], expected: str) -> None:
    """Audio that is late all along, chopped or lost is a fault; one gap is advice, and being ahead is neither."""
    assert expected in told(judge_pace(heard(times_ns)))


def test_gaps_in_an_echo_may_be_the_network_s() -> None:
    """What comes back can be no more even than what arrived: it is advice."""
    echoed = heard([at + 40 * MS for at in CHOPPED], sounds=SOUND, said=SOUND)

    assert told(judge_pace(echoed)).startswith("ok | 2.8 s of audio: at most 170 ms")
    assert "VS203" in told(judge_pace(echoed))
