"""What a call's report holds, for a test to assert on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from vonage_sock.audio.frames import FRAMES_PER_SECOND
from vonage_sock.call.events import Event
from vonage_sock.display.ladder import ladder_text
from vonage_sock.display.safe import clean

if TYPE_CHECKING:
    from vonage_sock.simulator.scenario.judging import Judgement

JsonObject = dict[str, Any]

MAX_REPR: Final = 120
MAX_TOLD: Final = 600


@dataclass(frozen=True, slots=True)
class Found:
    """Something that is wrong with the server; ``vsock explain CODE`` and the README say more about it."""

    code: str
    level: str
    message: str
    count: int

    def __str__(self) -> str:
        often = f" (\u00d7{self.count:,})" if self.count > 1 else ""
        return f"{self.code} {self.level}: {self.message}{often}"


@dataclass(frozen=True, slots=True)
class EchoDelay:
    """
    How long after it was said something was heard again.

    Args:
        frames: how many came back bit for bit; 0 where the echo was changed on the way and found by its likeness.
        p99_ms: None where it was found by its likeness.
    """

    frames: int
    p50_ms: float
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class TurnLatency:
    """
    How soon the server answered: from the caller's last word to the next thing heard.

    Args:
        count: how many turns were measured.
        own_lateness_ms: how late our own timer was within them at most.
    """

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    own_lateness_ms: float


@dataclass(frozen=True, slots=True)
class BargeIn:
    """
    The caller pressed a key or began to speak while the server was being heard.

    Args:
        at_s: when, from the socket's opening on.
        by: ``key`` or ``speech``.
        stopped_after_ms: until silence was heard; None where the server went on.
    """

    at_s: float
    by: str
    stopped_after_ms: float | None


@dataclass(slots=True, eq=False, kw_only=True)
class CallReport:
    """
    What the platform's side saw and measured in one call. Without a socket the figures are 0 and ``close_code`` is None.

    Args:
        connect_ms: how long the (last) socket took to open; None when there was none.
        first_audio_ms: from the socket's opening to the server's first audio; None when there was none.
        echo: None when nothing that was heard is an echo.
        turns: None when the server answered nothing.
        barge_ins: the first fifty; none in an echo.
        underruns: how often the caller heard a gap between the server's audio.
        overflow_frames: how many frames the platform lost because its buffer was full.
        closed_by: platform (the caller hung up), server, or network (no close frame).
        findings: what is wrong, webhooks' and leg's.
        passed: whether a scenario's steps were done and its expectations came true; None without a scenario.
        expectations: a scenario's expectations: ``expect``, ``passed``, ``wanted`` and ``found`` of each.
        steps: a scenario's steps, as ``call.report`` in ``vsock call --json`` has them.
        failures: what went wrong in a scenario, a sentence each.
        drills: what each fault drill did, and how the server took it: ``drill``, ``at_s``, ``did``, ``took``.
        events: everything that was told, in order.
        said_pcm, heard_pcm: 16-bit PCM at the rate of the call's first socket; both begin with the call, so that each
            sample stands beside the other's of the same moment. What was heard comes out of the model of the platform's
            buffer, gaps and all.
        figures: the whole report, as ``call.report`` in ``vsock call --json`` has it.
    """

    target: str
    duration_s: float = 0.0
    rate_hz: int = 0
    frames_sent: int = 0
    frames_received: int = 0
    frames_heard: int = 0
    connect_ms: float | None = None
    first_audio_ms: float | None = None
    echo: EchoDelay | None = None
    turns: TurnLatency | None = None
    barge_ins: list[BargeIn] = field(default_factory=list)
    underruns: int = 0
    underrun_ms: float = 0.0
    overflow_frames: int = 0
    dtmf_sent: str = ""
    close_code: int | None = None
    close_reason: str = ""
    closed_by: str | None = None
    findings: list[Found] = field(default_factory=list)
    passed: bool | None = None
    expectations: list[Judgement] = field(default_factory=list)
    steps: list[JsonObject] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    drills: list[JsonObject] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    said_pcm: bytes = b""
    heard_pcm: bytes = b""
    figures: JsonObject = field(default_factory=dict)

    @property
    def heard_s(self) -> float:
        """How much of the server's audio the caller heard, in seconds; gaps don't count."""
        return self.frames_heard / FRAMES_PER_SECOND

    @property
    def codes(self) -> list[str]:
        """The codes of the findings."""
        return [found.code for found in self.findings]

    def ladder(self, width: int = 100, *, ascii_only: bool = False) -> str:
        """The call on one time axis, its numbers and findings, as text in lines of at most ``width`` cells."""
        return ladder_text(self.events, self.figures, width, ascii_only=ascii_only)

    def unmet(self) -> str:
        """What went wrong in a scenario, a line each, and of each expectation what was wanted and found; empty without."""
        told = {judgement.failure for judgement in self.expectations}
        lines = [f"FAIL  {clean(failure, MAX_TOLD)}" for failure in self.failures if failure not in told]
        for judgement in self.expectations:
            if not judgement.passed:
                lines += [
                    f"FAIL  {clean(judgement.expect, MAX_TOLD)}",
                    f"      wanted  {clean(judgement.wanted, MAX_TOLD)}",
                    f"      found   {clean(judgement.found, MAX_TOLD)}",
                ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        if self.failures:
            more = f" and {len(self.failures) - 1} more" if len(self.failures) > 1 else ""
            return f"<CallReport {self.target!r}: {clean(self.failures[0], MAX_REPR)}{more}>"
        if self.close_code is None:
            why = ": ".join(
                filter(None, ("no socket was opened", self.figures.get("no_socket") or self.figures.get("error")))
            )
            return f"<CallReport {self.target!r}: {why}>"
        return (
            f"<CallReport {self.target!r}: {self.frames_sent} frames sent, {self.frames_received} received, "
            f"closed by {self.closed_by} ({self.close_code}), findings: {', '.join(self.codes) or 'none'}>"
        )


_TAKEN_OVER: Final = (
    "duration_s",
    "rate_hz",
    "frames_sent",
    "frames_received",
    "frames_heard",
    "connect_ms",
    "first_audio_ms",
    "underruns",
    "underrun_ms",
    "overflow_frames",
    "dtmf_sent",
    "close_code",
    "close_reason",
    "closed_by",
    "drills",
)


def fill_in(report: CallReport, figures: JsonObject) -> None:
    """Take over what ``call.report`` tells."""
    report.figures = figures
    for name in _TAKEN_OVER:
        if name in figures:
            setattr(report, name, figures[name])
    report.findings = [
        Found(found["code"], found["level"], found["message"], found["count"]) for found in figures.get("findings", [])
    ]
    if (echo := figures.get("echo")) is not None:
        delay = echo["delay_ms"]
        report.echo = EchoDelay(echo.get("frames", 0), delay["p50"], delay.get("p99"))
    if (turns := figures.get("turns")) is not None and turns["count"]:
        latency = {f"{key}_ms": value for key, value in turns["latency_ms"].items()}
        report.turns = TurnLatency(count=turns["count"], own_lateness_ms=turns["own_lateness_ms"], **latency)
    report.barge_ins = [BargeIn(**item) for item in figures.get("barge_in", {}).get("each", [])]
