"""Events in words: what a line says, without colour, column or time. Everything from outside goes through ``clean``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from vonage_sock.call.events import (
    AnswerRequested,
    ApiRequested,
    Connected,
    Ended,
    EventPosted,
    FindingRaised,
    ScenarioStepped,
)
from vonage_sock.display.safe import clean
from vonage_sock.protocol import jsontext
from vonage_sock.protocol.rfc6455 import CLOSE_ABNORMAL

WHOLE: Final = 4000
"""How much of a body or a message is shown when everything is asked for."""

_SHORT: Final = 60
_UUID = re.compile(r"(CON-)?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RATE = re.compile(r"rate\s*=\s*(\d{1,6})", re.ASCII)

_CLOSE_CODES: Final = {
    1000: "normal",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no code given",
    1006: "no close frame",
    1007: "invalid data",
    1008: "policy violation",
    1009: "message too big",
    1010: "extension missing",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
    1015: "TLS failure",
}


def answer_text(event: AnswerRequested) -> str:
    """Who was called by whom, and what the call was told to do."""
    who = _from_to(event.params)
    actions = ", ".join(_action_text(action) for action in event.ncco) or "nothing"
    return f"{clean(event.method, 8)}{who} → NCCO: {actions}{_signature_text(event.verified)}"


def event_text(event: EventPosted) -> str:
    """The state a leg has come to, and what is said about it."""
    body = event.body
    parts = [" ".join(filter(None, (clean(event.status, 30), short_id(event.uuid), _text(body, "direction"))))]
    parts.append(_from_to(body).strip())
    if duration := _text(body, "duration"):
        parts.append(f"{duration} s")
    if by := _text(body, "disconnected_by"):
        parts.append(f"ended by {by}")
    for key in ("reason", "detail", "sip_code"):
        value = _text(body, key)
        parts.append(f"{key.replace('_', ' ')} {value}" if value else "")
    return joined(parts) + _signature_text(event.verified)


def api_text(event: ApiRequested) -> str:
    """What the application asks the REST API for, and what came of it."""
    asked = f"{clean(event.method, 10)} {short_path(event.path)} → {event.status}"
    return joined([asked, clean(event.detail, 300)])


def short_path(path: str) -> str:
    """A path whose uuids are as short as they are elsewhere."""
    return clean(_UUID.sub(lambda match: short_id(match[0]), path), 120)


def connected_text(event: Connected) -> str:
    """The format, the other side's address and the metadata."""
    remote = f"from {clean(event.remote, _SHORT)}" if event.remote else ""
    headers = " ".join(f"{clean(key, 30)}={_header_text(value)}" for key, value in event.headers.items())
    usual = event.content_type == f"audio/l16;rate={event.rate_hz}"
    content_type = "" if usual else clean(event.content_type, 40)
    return joined([khz(event.rate_hz), content_type, remote, clean(headers, 300)])


def ended_text(event: Ended, *, simulated: bool, wrong_size: bool = False) -> str:
    """
    Who closed the socket, with which code, after how long, and what went over it.

    Args:
        simulated: we are the platform's end, and a close by the platform is ours.
        wrong_size: a strict platform took offence at a frame's size.
    """
    code = event.close_code
    reason = f": {clean(event.close_reason, 125)}" if event.close_reason else ""
    close = f"({code} {_CLOSE_CODES.get(code, 'unknown code')}{reason})"
    ours = "platform" if simulated else "server"
    if event.closed_by == "network":
        why = f": {clean(event.close_reason, 300)}" if event.close_reason else f" without a close frame ({code})"
        who = f"connection lost{why}"
    elif simulated and event.closed_by == ours and code == CLOSE_ABNORMAL:
        who = f"the platform dropped the connection{' (frame of a wrong size)' if wrong_size else ''}"
    elif event.closed_by == ours:
        who = f"we closed it {close}"
    elif event.closed_by == "platform":
        who = f"caller or platform hung up {close}"
    else:
        who = f"the {clean(event.closed_by, 20)} closed it {close}"
    keys = f"keys {clean(event.dtmf, 40)}" if event.dtmf else ""
    frames = f"{event.frames_in:,} frames in, {event.frames_out:,} out"
    return joined([f"{who} after {span_text(event.duration_s)}", frames, keys])


def finding_text(event: FindingRaised) -> str:
    """What is wrong, how often and since when."""
    often = f" (\u00d7{event.count:,})" if event.count > 1 else ""
    since = f" · first at frame {event.first_frame:,}" if event.count > 1 and event.first_frame else ""
    return f"{clean(event.message, 400)}{often}{since}"


def step_text(event: ScenarioStepped) -> str:
    """A step of a scenario, and why it failed."""
    return f"{event.number}: {clean(event.step, 80)}" + (f": {clean(event.reason, 400)}" if event.reason else "")


def file_text(file: str, seconds: float | None, *more: str) -> str:
    """A file, its length and what else there is to say."""
    return joined([clean(file), "" if seconds is None else span_text(seconds), *more])


def span_text(seconds: float) -> str:
    """``12.3 s``, ``4 min 05 s``, ``1 h 02 min``."""
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size_text(size_bytes: int) -> str:
    """``640 B``, ``1.2 kB``, ``3.4 MB``."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


def khz(rate_hz: int) -> str:
    """``16 kHz``."""
    return f"{rate_hz / 1000:g} kHz"


def short_id(uuid: str | None) -> str:
    """The first eight characters, enough to tell legs apart; a conversation's without its ``CON-``."""
    return clean((uuid or "").removeprefix("CON-"), WHOLE)[:8]


def counted(count: int, word: str) -> str:
    """``1 call``, ``2 calls``."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def joined(parts: Iterable[str]) -> str:
    """What there is, with a dot between."""
    return " · ".join(part for part in parts if part)


def _from_to(params: dict[str, Any]) -> str:
    caller, callee = _text(params, "from"), _text(params, "to")
    return (f" from {caller}" if caller else "") + (f" to {callee}" if callee else "")


def _text(values: dict[str, Any], key: str) -> str:
    value = values.get(key)
    return "" if value is None or value == {} else clean(value, _SHORT)


def _action_text(action: object) -> str:
    if not isinstance(action, dict):
        return clean(action, 20)
    name = clean(action.get("action", "?"), 20)
    endpoints = action.get("endpoint")
    if name != "connect" or not isinstance(endpoints, list) or not endpoints or not isinstance(endpoints[0], dict):
        return name
    rate = _RATE.search(str(endpoints[0].get("content-type", "")))
    target = endpoints[0].get("uri") or endpoints[0].get("number") or endpoints[0].get("type", "")
    return " ".join(filter(None, (name, khz(int(rate[1])) if rate else "", clean(target, 120))))


def _header_text(value: object) -> str:
    if not isinstance(value, str):
        return clean(jsontext.dumps(value), 40)
    return short_id(value) if _UUID.fullmatch(value) else clean(value, 40)


def _signature_text(verified: bool | None) -> str:  # noqa: FBT001 - a value of three states, not a switch
    return {None: "", True: " · signed", False: " · signature is NOT valid"}[verified]
