"""
What was expected of a call against what came of it.

Each expectation has one function, which says what it wanted and what it found, in words, and whether that will do. A figure
that the call doesn't have never passes. Heard is what a caller can hear: frames louder than -50 dBFS as they are played,
with the short pauses between them; see ``Conductor``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vonage_sock.call.events import EventPosted
from vonage_sock.clock import MS, SECOND
from vonage_sock.protocol import jsontext
from vonage_sock.simulator.leg.turns import GIVE_WAY_WITHIN_NS
from vonage_sock.simulator.scenario.conductor import fits_message, has, name_of
from vonage_sock.simulator.scenario.model import Expectation

MAX_SHOWN: Final = 200

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """
    What a call leaves behind.

    Args:
        report: as ``VonageCall`` gives it; without a socket it has no figures.
        nccos: each NCCO that was fetched.
        posted: the events, in order.
        messages: the server's text messages, in order.
        first_heard_ms, heard_s: when the server was first heard on a socket, and for how long in all; see ``Conductor``.
    """

    report: JsonObject
    nccos: Sequence[Sequence[JsonObject]] = ()
    posted: Sequence[EventPosted] = ()
    messages: Sequence[object] = ()
    first_heard_ms: float | None = None
    heard_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """An expectation, and whether it holds; ``wanted`` and ``found`` are in words."""

    expect: str
    passed: bool
    wanted: str
    found: str

    @property
    def failure(self) -> str:
        """One sentence."""
        return f"{self.expect}: wanted {self.wanted}; found {self.found}"

    def report(self) -> JsonObject:
        """In JSON's types."""
        return {"expect": self.expect, "passed": self.passed, "wanted": self.wanted, "found": self.found}


def judge(expectations: Sequence[Expectation], evidence: Evidence) -> list[Judgement]:
    """Each expectation, in order."""
    judged = []
    for expectation in expectations:
        passed, wanted, found = JUDGES[expectation.name](expectation.value, evidence)
        judged.append(Judgement(expectation.text, passed, wanted, found))
    return judged


Verdict = tuple[bool, str, str]
Judge = Callable[[Any, Evidence], Verdict]


# Times.


def _first_audio(limit_ns: int, evidence: Evidence) -> Verdict:
    wanted = f"the first audio heard within {_span(limit_ns)}"
    nothing = "none that can be heard" if evidence.report.get("frames_heard") else "no audio came"
    return _at_most(evidence.first_heard_ms, limit_ns, wanted, nothing, "the first after ")


def _heard_at_least(limit_ns: int, evidence: Evidence) -> Verdict:
    wanted = f"at least {_span(limit_ns)} of audio heard"
    return round(evidence.heard_s * SECOND) >= limit_ns, wanted, _heard(evidence)


def _heard_at_most(limit_ns: int, evidence: Evidence) -> Verdict:
    return round(evidence.heard_s * SECOND) <= limit_ns, f"at most {_span(limit_ns)} of audio heard", _heard(evidence)


def _heard(evidence: Evidence) -> str:
    inaudible = " that can be heard" if evidence.report.get("frames_heard") and not evidence.heard_s else ""
    return f"{evidence.heard_s:.2f} s{inaudible}"


def _lasts_at_least(limit_ns: int, evidence: Evidence) -> Verdict:
    lasted_s, found = _lasted(evidence)
    return lasted_s * SECOND >= limit_ns, f"a socket open for {_span(limit_ns)} or more", found


def _lasts_at_most(limit_ns: int, evidence: Evidence) -> Verdict:
    lasted_s, found = _lasted(evidence)
    return 0 < lasted_s * SECOND <= limit_ns, f"a socket open for {_span(limit_ns)} at most", found


def _lasted(evidence: Evidence) -> tuple[float, str]:
    lasted_s = evidence.report.get("duration_s")
    return (0.0, "no socket was opened") if lasted_s is None else (float(lasted_s), f"{lasted_s:.2f} s")


def _stops(limit_ns: int, evidence: Evidence) -> Verdict:
    wanted = f"silence within {_span(limit_ns)} of each barge-in and clear"
    barge_in = evidence.report.get("barge_in") or {}
    stops = [
        *((f"the barge-in ({stop.get('by')})", stop) for stop in barge_in.get("each", ())),
        *(("the clear", stop) for stop in evidence.report.get("clear_stops", ())),
    ]
    if not stops:
        too_soon = "the call ended too soon to tell" if barge_in.get("cut_short") else "neither a barge-in nor a clear"
        return False, wanted, too_soon
    slow = [(what, stop) for what, stop in stops if not _in_time(stop["stopped_after_ms"], limit_ns)]
    # Only the first ones are listed one by one.
    unlisted = (barge_in.get("stop_ms") or {}).get("max")
    if not slow and (barge_in.get("unstopped") or not _in_time(unlisted if unlisted is not None else 0, limit_ns)):
        return (
            False,
            wanted,
            f"up to {unlisted} ms after {barge_in['count']} barge-ins, {barge_in['unstopped']} unstopped",
        )
    if slow:
        what, stop = slow[0]
        more = f", and {len(slow) - 1} more of {len(stops)}" if len(slow) > 1 else ""
        return False, wanted, f"audio for {_heard_on(stop, evidence)} after {what} at {stop['at_s']:.2f} s{more}"
    longest = max(stop["stopped_after_ms"] for _, stop in stops)
    return True, wanted, f"{longest:,.0f} ms at most, of {len(stops)}"


def _heard_on(stop: JsonObject, evidence: Evidence) -> str:
    after_ms = stop["stopped_after_ms"]
    if after_ms is not None:
        return f"{after_ms:,.0f} ms"
    left_s = float(evidence.report.get("duration_s", 0)) - stop["at_s"]
    measured_s = GIVE_WAY_WITHIN_NS / SECOND
    return f"{left_s:.1f} s, to the call's end," if 0 < left_s < measured_s else f"more than {measured_s:g} s"


def _in_time(after_ms: float | None, limit_ns: int) -> bool:
    return after_ms is not None and after_ms * MS <= limit_ns


def _answers(limit_ns: int, evidence: Evidence) -> Verdict:
    wanted = f"an answer within {_span(limit_ns)} in every turn"
    latency = (evidence.report.get("turns") or {}).get("latency_ms") or {}
    return _at_most(latency.get("max"), limit_ns, wanted, "no turn", "up to ")


def _echo(percentile: str) -> Judge:
    def judge_echo(limit_ns: int, evidence: Evidence) -> Verdict:
        wanted = f"an echo within {_span(limit_ns)} ({percentile})"
        delay = (evidence.report.get("echo") or {}).get("delay_ms", {})
        if delay and percentile not in delay:
            found = f"an echo that was changed on the way, of which only the p50 is known: {delay['p50']:,.1f} ms"
            return False, wanted, found
        return _at_most(delay.get(percentile), limit_ns, wanted, "no echo")

    return judge_echo


def _at_most(value_ms: float | None, limit_ns: int, wanted: str, nothing: str, before: str = "") -> Verdict:
    if value_ms is None:
        return False, wanted, nothing
    return value_ms * MS <= limit_ns, wanted, f"{before}{value_ms:,.1f} ms"


# Counts and codes.


def _underruns(most: int, evidence: Evidence) -> Verdict:
    count, gaps_ms = evidence.report.get("underruns"), evidence.report.get("underrun_ms", 0)
    wanted = f"at most {_counted(most, 'underrun')}" if most else "no underrun"
    if count is None:
        return False, wanted, "no socket was opened"
    return count <= most, wanted, f"{_counted(count, 'underrun')}" + (f" of {gaps_ms:,.0f} ms in all" if count else "")


def _no_underruns(_: bool, evidence: Evidence) -> Verdict:  # noqa: FBT001  (the expectation's value, which says nothing)
    return _underruns(0, evidence)


def _no_overflow(_: bool, evidence: Evidence) -> Verdict:  # noqa: FBT001  (see above)
    lost = evidence.report.get("overflow_frames")
    if lost is None:
        return False, "no overflow", "no socket was opened"
    return not lost, "no overflow", f"{_counted(lost, 'frame')} lost"


def _no_findings(_: bool, evidence: Evidence) -> Verdict:  # noqa: FBT001  (see above)
    codes = _codes(evidence)
    return not codes, "no findings", ", ".join(codes) or "none"


def _finding(code: str, evidence: Evidence) -> Verdict:
    codes = _codes(evidence)
    return code in codes, f"the finding {code}", ", ".join(codes) or "no findings"


def _no_finding(code: str, evidence: Evidence) -> Verdict:
    codes = _codes(evidence)
    return code not in codes, f"no {code}", ", ".join(codes) or "no findings"


def _codes(evidence: Evidence) -> list[str]:
    return [finding["code"] for finding in evidence.report.get("findings", ())]


def _close_code(code: int, evidence: Evidence) -> Verdict:
    found = evidence.report.get("close_code")
    return found == code, f"close code {code}", "no socket was opened" if found is None else str(found)


def _closed_by(who: str, evidence: Evidence) -> Verdict:
    found = evidence.report.get("closed_by")
    wanted = "the connection lost (network)" if who == "network" else f"the socket closed by the {who}"
    return found == who, wanted, "no socket was opened" if found is None else _CLOSERS[found]


_CLOSERS: Final = {"platform": "the platform", "server": "the server", "network": "nobody: the connection was lost"}


# Webhooks and messages.


def _ncco_has(wanted: Mapping[str, Any], evidence: Evidence) -> Verdict:
    text = f"an action with {_json(wanted)}"
    if not evidence.nccos:
        return False, text, "no NCCO was fetched"
    actions = [action for ncco in evidence.nccos for action in ncco]
    if not actions:
        return False, text, "an NCCO without actions"
    nearest = max(
        actions, key=lambda action: (has(action, wanted), sum(has(action, {key: wanted[key]}) for key in wanted))
    )
    return has(nearest, wanted), text, _json(_likeness(nearest, wanted))


def _likeness(found: object, wanted: object) -> object:
    """Of what was found, what there is to compare."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return {key: _likeness(found[key], item) for key, item in wanted.items() if key in found}
    if isinstance(found, list) and isinstance(wanted, list) and len(wanted) == 1:
        return [_likeness(item, wanted[0]) for item in found]
    return found


def _event_posted(status: str, evidence: Evidence) -> Verdict:
    names = [event.status for event in evidence.posted]
    return status in names, f"an event {status}", ", ".join(names) or "no event was posted"


def _event_reply(value: Mapping[str, Any], evidence: Evidence) -> Verdict:
    status, wanted = value["event"], f"HTTP {value['status']} for each {value['event']}"
    replies = [event.reply_status for event in evidence.posted if event.status == status]
    if not replies:
        names = ", ".join(event.status for event in evidence.posted)
        return False, wanted, f"no {status} was posted and answered" + (f", only {names}" if names else "")
    return set(replies) == {value["status"]}, wanted, "HTTP " + ", ".join(map(str, replies))


def _message(pattern: str | Mapping[str, Any], evidence: Evidence) -> Verdict:
    wanted = f"a text message {pattern if isinstance(pattern, str) else 'with ' + _json(pattern)}"
    found = any(fits_message(pattern, message) for message in evidence.messages)
    return found, wanted, ", ".join(map(name_of, evidence.messages[:8])) or "no text message"


JUDGES: Final[Mapping[str, Judge]] = {
    "first_audio_within": _first_audio,
    "heard_at_least": _heard_at_least,
    "heard_at_most": _heard_at_most,
    "lasts_at_least": _lasts_at_least,
    "lasts_at_most": _lasts_at_most,
    "stops_within": _stops,
    "answers_within": _answers,
    "echo_delay_p50": _echo("p50"),
    "echo_delay_p99": _echo("p99"),
    "no_underruns": _no_underruns,
    "underruns_at_most": _underruns,
    "no_overflow": _no_overflow,
    "no_findings": _no_findings,
    "finding": _finding,
    "no_finding": _no_finding,
    "ncco_has": _ncco_has,
    "event_posted": _event_posted,
    "event_reply": _event_reply,
    "message": _message,
    "close_code": _close_code,
    "closed_by": _closed_by,
}
"""By the names in the schema."""


def _span(span_ns: int) -> str:
    return f"{span_ns / MS:g} ms" if span_ns < SECOND else f"{span_ns / SECOND:g} s"


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def _json(value: object) -> str:
    text = jsontext.dumps(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
