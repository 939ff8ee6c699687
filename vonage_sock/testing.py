"""
For tests: calls to any server as Vonage would make them, servers in the test's own process, and calls without waiting.

``VonageCaller`` and ``ServerMaker`` are what the pytest fixtures ``vonage_call`` and ``vonage_server`` are made of; they
know nothing of pytest. ``run_call`` runs both ends of a leg against each other under a manual clock: an hour of two-way
audio takes seconds, and the time of every message is exact and the same in each run.

Rule: at the top stands what ``run_call`` needs; whoever calls or serves waits for the network's libraries and the screen's
then, not with the import.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vonage_sock.audio.frames import FRAMES_PER_SECOND, AudioFormat
from vonage_sock.audio.source import FramesSource, OpenSource
from vonage_sock.call import machine
from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.events import Event, Observer
from vonage_sock.call.machine import Close, Machine, Outgoing
from vonage_sock.clock import MS, SECOND, ManualClock
from vonage_sock.errors import UsageError, VsockError
from vonage_sock.protocol.ncco import check_headers
from vonage_sock.simulator.dtmf import parse_dtmf
from vonage_sock.simulator.leg import LegPlan, Platform

if TYPE_CHECKING:
    from vonage_sock.server.facade import Handler
    from vonage_sock.server.library import Server
    from vonage_sock.simulator.scenario.judging import Judgement
    from vonage_sock.simulator.scenario.model import Scenario
    from vonage_sock.simulator.scenario.running import Outcome
    from vonage_sock.simulator.vonage import CallOrder

DEFAULT_LATENCY_NS: Final = 1 * MS
DEFAULT_RATE_HZ: Final = 16_000
DEFAULT_LIMIT_NS: Final = 24 * 3600 * SECOND

Lateness = Callable[[int], int]
"""Given a deadline in nanoseconds, how much later its wake-up comes."""


JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sent:
    """A message left one end at ``at``."""

    at: int
    message: Outgoing


@dataclass(slots=True)
class Transcript:
    """What happened in a call, each end by itself. With ``keep_messages`` off the lists of messages stay empty."""

    platform_sent: list[Sent] = field(default_factory=list)
    server_sent: list[Sent] = field(default_factory=list)
    platform_events: list[Event] = field(default_factory=list)
    server_events: list[Event] = field(default_factory=list)
    ended_at: int = 0

    def server_audio(self) -> bytes:
        """All audio that the server sent."""
        return b"".join(sent.message for sent in self.server_sent if isinstance(sent.message, bytes))

    def platform_audio(self) -> bytes:
        """All audio that the platform sent."""
        return b"".join(sent.message for sent in self.platform_sent if isinstance(sent.message, bytes))


def run_call(
    platform: Machine,
    server: Machine,
    *,
    clock: ManualClock,
    latency_ns: int = DEFAULT_LATENCY_NS,
    platform_lateness: Lateness | None = None,
    server_lateness: Lateness | None = None,
    keep_messages: bool = True,
    limit_ns: int = DEFAULT_LIMIT_NS,
) -> Transcript:
    """
    Run a call until its socket is closed.

    Args:
        clock: moved along; both machines must have been made with its present time.
        latency_ns: how long a message takes, either way.
        platform_lateness, server_lateness: how late each end's timers fire.

    Raises:
        TimeoutError: the call wasn't over after ``limit_ns``.
    """
    transcript = Transcript()
    ends = (
        _End(platform, transcript.platform_sent, transcript.platform_events, platform_lateness),
        _End(server, transcript.server_sent, transcript.server_events, server_lateness),
    )
    wire = _Wire(ends, latency_ns, keep_messages=keep_messages)
    limit_at = clock.now() + limit_ns
    wire.flush(clock.now())
    while not wire.closed:
        at = wire.next_at()
        if at is None or at > limit_at:
            raise TimeoutError(f"the call wasn't over after {limit_ns / SECOND:g} s")
        clock.advance_to(max(at, clock.now()))
        wire.step(clock.now())
    transcript.ended_at = clock.now()
    return transcript


@dataclass(slots=True)
class _End:
    machine: Machine
    sent: list[Sent]
    events: list[Event]
    lateness: Lateness | None
    deadline: int | None = None
    wakes_at: int | None = None
    touched: bool = True

    def arm(self) -> None:
        deadline = self.machine.next_deadline()
        if deadline != self.deadline:
            self.deadline = deadline
            late_ns = self.lateness(deadline) if self.lateness is not None and deadline is not None else 0
            self.wakes_at = None if deadline is None else deadline + late_ns

    def take_events(self) -> None:
        while (event := self.machine.next_event()) is not None:
            self.events.append(event)


class _Wire:
    """Carries messages between two ends, in order, each after the same time."""

    def __init__(self, ends: tuple[_End, _End], latency_ns: int, *, keep_messages: bool) -> None:
        self._ends = ends
        self._latency_ns = latency_ns
        self._keep_messages = keep_messages
        # All messages take the same time, so that they arrive in the order in which they left.
        self._under_way: deque[tuple[int, _End, Outgoing]] = deque()
        self.closed = False

    def next_at(self) -> int | None:
        next_at = self._under_way[0][0] if self._under_way else None
        for end in self._ends:
            wakes_at = end.wakes_at
            if wakes_at is not None and (next_at is None or wakes_at < next_at):
                next_at = wakes_at
        return next_at

    def step(self, now: int) -> None:
        under_way = self._under_way
        while under_way and under_way[0][0] <= now and not self.closed:
            _, receiver, message = under_way.popleft()
            self._deliver(receiver, message, now)
            receiver.touched = True
        for end in self._ends:
            if end.wakes_at is not None and end.wakes_at <= now and not self.closed:
                end.deadline = end.wakes_at = None
                end.machine.handle_deadline(now)
                end.touched = True
        self.flush(now)

    def flush(self, now: int) -> None:
        for end in self._ends:
            if not end.touched:
                continue
            end.touched = False
            other = self._ends[0] if end is self._ends[1] else self._ends[1]
            for message in end.machine.messages_to_send():
                if self._keep_messages:
                    end.sent.append(Sent(now, message))
                self._under_way.append((now + self._latency_ns, other, message))
            end.take_events()
            end.arm()

    def _deliver(self, receiver: _End, message: Outgoing, now: int) -> None:
        if isinstance(message, bytes):
            receiver.machine.receive_bytes(message, now)
        elif isinstance(message, str):
            receiver.machine.receive_text(message, now)
        elif isinstance(message, Close):
            self._close(message.code, message.reason, now)
        else:
            self._close(machine.CLOSE_ABNORMAL, "", now)

    def _close(self, code: int, reason: str, now: int) -> None:
        self.closed = True
        for end in self._ends:
            end.machine.receive_close(code, reason, now)
            end.touched = True


class PcmSource(FramesSource):
    """
    Audio from memory.

    Args:
        pcm: 16-bit PCM; an incomplete last frame is filled with zeros.
    """

    def __init__(self, pcm: bytes, audio_format: AudioFormat, *, name: str = "memory") -> None:
        size = audio_format.frame_bytes
        frames = (pcm[at : at + size].ljust(size, b"\0") for at in range(0, len(pcm), size))
        super().__init__(name, frames, -(-len(pcm) // size))


class HeardPcm:
    """A ``HeardSink`` that keeps what was said and heard, sample beside sample."""

    def __init__(self) -> None:
        self.said = bytearray()
        self.heard = bytearray()

    def write(self, said: bytes, heard: bytes) -> None:
        """One step of 20 ms."""
        self.said += said
        self.heard += heard


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
        """The call on one time axis, its numbers and findings, as text."""
        from vonage_sock.display.ladder import ladder_text  # noqa: PLC0415  (see the rule above)

        return ladder_text(self.events, self.figures, width, ascii_only=ascii_only)

    def __repr__(self) -> str:
        if self.failures:
            return f"<CallReport {self.target!r}: {'; '.join(self.failures)}>"
        if self.close_code is None:
            why = ": ".join(
                filter(None, ("no socket was opened", self.figures.get("no_socket") or self.figures.get("error")))
            )
            return f"<CallReport {self.target!r}: {why}>"
        return (
            f"<CallReport {self.target!r}: {self.frames_sent} frames sent, {self.frames_received} received, "
            f"closed by {self.closed_by} ({self.close_code}), findings: {', '.join(self.codes) or 'none'}>"
        )


class VonageCaller:
    """
    Calls servers, in any language and anywhere, as Vonage would. Await it for a call's report.

    ``calls`` keeps the calls, the one under way or failed included, for whoever wants to show their ladders.
    """

    def __init__(self) -> None:
        self.calls: list[CallReport] = []

    async def __call__(
        self,
        url: str,
        *,
        say: str | None = None,
        audio: str | Path | OpenSource | None = None,
        pcm: bytes | None = None,
        press: str = "",
        duration_s: float | None = None,
        rate_hz: int | None = None,
        headers: Mapping[str, object] | None = None,
        strict: bool = False,
        platform: str = "current",
        scenario: str | Path | Scenario | None = None,
        **order: Any,
    ) -> CallReport:
        """
        Make one call, in real time, and wait for its end.

        Args:
            url: a socket (``ws://``, ``wss://``) or an answer URL (``http://``, ``https://``).
            say: what the caller says, spoken by espeak-ng.
            audio: a file, or what ``vsock call --audio`` takes (``tone:440``, ``noise``, ``silence``); the shipped clip of
                5.4 s when none of ``say``, ``audio`` and ``pcm`` is given.
            pcm: 16-bit PCM of the call's rate.
            press: keys, as ``--dtmf`` takes them: ``1,w2,34#``.
            duration_s: hang up then; None ends the call a second after all has been said and heard.
            rate_hz, headers: for a socket, 16,000 Hz when None; an NCCO's own take their place.
            strict: drop the connection on a frame of the wrong size, as Vonage does.
            platform: ``current`` or ``2021``.
            scenario: a file that says what the caller does, in place of ``say``, ``audio``, ``pcm``, ``press`` and
                ``duration_s``, and what is expected: see the report's ``passed``, ``failures`` and ``expectations``.
            order: other fields of ``CallOrder``: ``from_number``, ``method``, ``signature_secret`` and so on.

        Raises:
            ConnectError: the target can't be reached or refuses.
            UsageError: an argument can't be used.
            AudioFileError: the file can't be played.
        """
        from vonage_sock.simulator.vonage import CallOrder  # noqa: PLC0415

        report = CallReport(target=url)
        self.calls.append(report)
        call_order = CallOrder(
            target=url,
            audio=await asyncio.to_thread(_open_audio, say=say, audio=audio, pcm=pcm, seconds=duration_s),
            plan=_plan(press, duration_s, rate_hz or DEFAULT_RATE_HZ, headers or {}, platform, strict=strict),
            **order,
        )
        sink = HeardPcm()
        try:
            if scenario is not None:
                if press or any(said is not None for said in (say, audio, pcm, duration_s)):
                    raise UsageError(
                        "the scenario says what the caller does; leave say, audio, pcm, press and duration_s out"
                    )
                given = {*order, *(() if rate_hz is None else ("rate",))}
                await _call_with_scenario(report, scenario, call_order, given, sink)
                return report
            await _call(report, call_order, sink)
        finally:
            report.said_pcm, report.heard_pcm = bytes(sink.said), bytes(sink.heard)
        return report


async def _call(report: CallReport, order: CallOrder, sink: HeardPcm) -> None:
    from vonage_sock.simulator.vonage import VonageCall  # noqa: PLC0415

    phone = VonageCall(order, observers=[report.events.append], heard=sink)
    try:
        figures = await phone.run()
    except VsockError as error:
        _fill_in(report, phone.failure(error))
        raise
    phone.tell_report(figures)
    _fill_in(report, figures)


async def _call_with_scenario(
    report: CallReport, scenario: str | Path | Scenario, order: CallOrder, given: Collection[str], sink: HeardPcm
) -> None:
    from vonage_sock.simulator.scenario.preparing import prepare_run  # noqa: PLC0415  (see the rule above)

    run = await prepare_run(scenario, order, given=given, observers=[report.events.append], heard=sink)
    outcome = await run.run()
    _judge(report, outcome)
    if outcome.error is not None:
        raise outcome.error


def run_scenario(
    scenario: str | Path | Scenario,
    *behaviours: Behaviour,
    rate_hz: int | None = None,
    headers: Mapping[str, object] | None = None,
    strict: bool = False,
    platform: str = "current",
) -> CallReport:
    """
    Run a scenario against behaviours of yours in no time: under a manual clock, and the same in each run.

    Args:
        scenario: a file, or what ``vonage_sock.simulator.scenario.reading.read`` gives.
        behaviours: what the server does in this call; files that they play are best given through ``at_once``, since a
            decoder takes its own time.
        rate_hz: the scenario's, or 16,000, when None.

    Raises:
        UsageError: the scenario can't be used; one that needs webhooks can't.
        AudioFileError: a file that it plays can't be played.
    """
    from vonage_sock.simulator.scenario.preparing import prepare_rehearsal  # noqa: PLC0415

    plan = _plan("", None, rate_hz or DEFAULT_RATE_HZ, headers or {}, platform, strict=strict)
    sink = HeardPcm()
    both = prepare_rehearsal(scenario, behaviours, plan, given=() if rate_hz is None else ("rate",), heard=sink)
    transcript = run_call(both.leg, both.session, clock=both.clock, keep_messages=False)
    outcome = both.outcome(transcript.platform_events)
    report = CallReport(target=both.target, events=list(outcome.events))
    _judge(report, outcome)
    report.said_pcm, report.heard_pcm = bytes(sink.said), bytes(sink.heard)
    return report


def at_once(audio: str | Path | OpenSource) -> OpenSource:
    """
    Audio for behaviours under a manual clock: decoded whole, and not by a decoder that takes its own time.

    Raises:
        AudioFileError: the file can't be played.
    """
    from vonage_sock.media.decode import AudioFile  # noqa: PLC0415
    from vonage_sock.simulator.scenario.rehearsal import at_once as decoded  # noqa: PLC0415

    return decoded(AudioFile(Path(audio)) if isinstance(audio, str | Path) else audio)


def _judge(report: CallReport, outcome: Outcome) -> None:
    _fill_in(report, outcome.report)
    report.passed = outcome.passed
    report.expectations = list(outcome.judgements)
    report.steps = outcome.report.get("steps", [])
    report.failures = outcome.failures


class ServerMaker:
    """Starts servers for a test, each on a free port of this machine, and stops them all."""

    def __init__(self) -> None:
        self._keepers: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    async def __call__(
        self,
        handler: Handler | None = None,
        *,
        behaviours: Callable[[], Sequence[Behaviour]] | None = None,
        observers: Sequence[Observer] = (),
        **config: Any,
    ) -> Server:
        """
        Start one, as ``Server`` would with the same arguments.

        Raises:
            UsageError: neither a handler nor behaviours, or a field that can't be used.
        """
        from vonage_sock.server.library import Server  # noqa: PLC0415

        server = Server(handler, behaviours=behaviours, observers=observers, **{"port": 0, **config})
        await server.start()
        # A runner cancels its loop's tasks and waits for them: so the server stops also where nobody asks for it before.
        task = asyncio.create_task(_keep(server))
        self._keepers.append((asyncio.get_running_loop(), task))
        await asyncio.sleep(0)  # a task that is cancelled before its first step has no "finally"
        return server

    def stop(self) -> None:
        """Stop them; to be called while their loop doesn't run."""
        for loop, task in self._taken():
            if not loop.is_closed():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    loop.run_until_complete(task)

    async def aclose(self) -> None:
        """Stop them, on the loop on which they were started."""
        for _, task in self._taken():
            task.cancel()
            await asyncio.wait([task])

    def _taken(self) -> list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]]:
        taken, self._keepers = self._keepers, []
        return taken


async def _keep(server: Server) -> None:
    try:
        await server.serve_forever()
    finally:
        await server.stop()
        server.tell_stopped()


def _open_audio(
    *, say: str | None, audio: str | Path | OpenSource | None, pcm: bytes | None, seconds: float | None
) -> OpenSource:
    from vonage_sock.simulator.caller import CLIP, open_audio  # noqa: PLC0415

    if sum(given is not None for given in (say, audio, pcm)) > 1:
        raise UsageError("a caller says one thing: give say, audio or pcm")
    if say is not None:
        return open_audio(f"say:{say}")
    if pcm is not None:
        return lambda audio_format: PcmSource(pcm, audio_format)
    if audio is None or isinstance(audio, str | Path):
        return open_audio(CLIP if audio is None else str(audio), seconds=seconds)
    return audio


def _plan(
    press: str, duration_s: float | None, rate_hz: int, headers: Mapping[str, object], platform: str, *, strict: bool
) -> LegPlan:
    check_headers(headers)
    editions = [edition.value for edition in Platform]
    if platform not in editions:
        raise UsageError(f"platform {platform!r} isn't known; give {' or '.join(editions)}")
    return LegPlan(
        audio_format=AudioFormat(rate_hz),
        headers=dict(headers),
        key_presses=parse_dtmf(press),
        duration_ns=None if duration_s is None else round(duration_s * SECOND),
        platform=Platform(platform),
        strict=strict,
    )


_TAKEN_OVER: Final = (
    "duration_s",
    "rate_hz",
    "frames_sent",
    "frames_received",
    "frames_heard",
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


def _fill_in(report: CallReport, figures: JsonObject) -> None:
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
