"""
For tests: calls to any server as Vonage would make them, servers in the test's own process, and calls without waiting.

``VonageCaller`` and ``ServerMaker`` are what the pytest fixtures ``vonage_call`` and ``vonage_server`` are made of; they
know nothing of pytest. ``run_call`` runs both ends of a leg against each other under a manual clock: an hour of two-way
audio takes seconds, and the time of every message is exact and the same in each run.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from vonage_sock.audio.frames import FRAMES_PER_SECOND, AudioFormat
from vonage_sock.audio.source import FramesSource, OpenSource
from vonage_sock.call import machine
from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.events import ApiRequested, Event, Observer
from vonage_sock.call.machine import Close, Machine, Outgoing
from vonage_sock.clock import MS, SECOND, ManualClock, SystemClock
from vonage_sock.display.ladder import ladder_text
from vonage_sock.errors import ConnectError, UsageError
from vonage_sock.protocol.ncco import check_headers
from vonage_sock.server.facade import Handler
from vonage_sock.server.library import Server
from vonage_sock.simulator.api.beside import RestApi
from vonage_sock.simulator.api.certificate import tls_context
from vonage_sock.simulator.api.tokens import TokenCheck
from vonage_sock.simulator.caller import CLIP, open_audio
from vonage_sock.simulator.dtmf import parse_dtmf
from vonage_sock.simulator.leg import LegPlan, Platform
from vonage_sock.simulator.telling import CALL_ID
from vonage_sock.simulator.vonage import CallOrder, MakeCall, VonageCall

DEFAULT_LATENCY_NS: Final = 1 * MS
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


@dataclass(slots=True, eq=False, kw_only=True)
class CallReport:
    """
    What the platform's side saw and measured in one call. Without a socket the figures are 0 and ``close_code`` is None.

    Args:
        first_audio_ms: from the socket's opening to the server's first audio; None when there was none.
        echo: None when nothing that was heard is an echo.
        underruns: how often the caller heard a gap between the server's audio.
        overflow_frames: how many frames the platform lost because its buffer was full.
        closed_by: platform (the caller hung up), server, or network (no close frame).
        findings: what is wrong, webhooks' and leg's.
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
    underruns: int = 0
    underrun_ms: float = 0.0
    overflow_frames: int = 0
    dtmf_sent: str = ""
    close_code: int | None = None
    close_reason: str = ""
    closed_by: str | None = None
    findings: list[Found] = field(default_factory=list)
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
        return ladder_text(self.events, self.figures, width, ascii_only=ascii_only)

    def __repr__(self) -> str:
        if self.close_code is None:
            return f"<CallReport {self.target!r}: no socket was opened>"
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
        self._api: VoiceApi | None = None

    async def __call__(
        self,
        url: str,
        *,
        say: str | None = None,
        audio: str | Path | OpenSource | None = None,
        pcm: bytes | None = None,
        press: str = "",
        duration_s: float | None = None,
        rate_hz: int = 16000,
        headers: Mapping[str, object] | None = None,
        strict: bool = False,
        platform: str = "current",
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
            rate_hz, headers: for a socket; an NCCO's own take their place.
            strict: drop the connection on a frame of the wrong size, as Vonage does.
            platform: ``current`` or ``2021``.
            order: other fields of ``CallOrder``: ``from_number``, ``method``, ``signature_secret`` and so on.

        Raises:
            ConnectError: the target can't be reached or refuses.
            UsageError: an argument can't be used.
            AudioFileError: the file can't be played.
        """
        report = CallReport(target=url)
        self.calls.append(report)
        call_order = CallOrder(
            target=url,
            audio=await asyncio.to_thread(_open_audio, say=say, audio=audio, pcm=pcm, seconds=duration_s),
            plan=_plan(press, duration_s, rate_hz, headers or {}, platform, strict=strict),
            **order,
        )
        return await self._make(report, call_order)

    @contextlib.asynccontextmanager
    async def api(
        self,
        *,
        public_key: bytes | None = None,
        application_id: str | None = None,
        tls: Path | None = None,
        port: int = 0,
        **order: Any,
    ) -> AsyncIterator[VoiceApi]:
        """
        Answer ``/v1/calls`` on this machine while the block lasts, for this caller's calls and for those that are ordered.

        Args:
            public_key: checks the signatures of tokens: the application's key, as PEM.
            application_id: takes only this application's tokens.
            tls: speaks https with the certificate and key in this file, which is made where there is none.
            order: fields of ``CallOrder`` for the calls that are ordered: ``connect_outcomes``, ``fast`` and so on.

        Raises:
            UsageError: the key or the certificate can't be used.
        """
        clock = SystemClock()
        template = CallOrder(
            target="http://127.0.0.1:9/",
            audio=order.pop("audio", None) or open_audio(CLIP),
            plan=_plan("", None, 16000, {}, Platform.CURRENT.value, strict=False),
            **order,
        )
        api = VoiceApi()
        api.server = RestApi(
            template,
            functools.partial(self._make_ordered, api),
            tokens=TokenCheck(public_key=public_key, application_id=application_id),
            observer=api.observe,
            clock=clock,
            port=port,
            tls=None if tls is None else tls_context(tls, host="127.0.0.1", wall_ns=clock.wall_ns()),
        )
        await api.server.start()
        self._api = api
        try:
            yield api
        finally:
            self._api = None
            api.hang_up()
            await api.server.stop()

    async def _make_ordered(self, api: VoiceApi, call_id: str, order: CallOrder, answered: MakeCall) -> None:
        report = CallReport(target=order.target, events=[asked for asked in api.requests if asked.call == call_id])
        self.calls.append(report)
        api.calls.append(report)
        try:
            await self._run(report, order, api, call_id, answered)
        except ConnectError as error:
            report.figures = {"error": str(error)}

    async def _make(self, report: CallReport, order: CallOrder) -> CallReport:
        api = self._api
        if api is None:
            return await self._run(report, order)
        return await self._run(report, replace(order, region_url=api.url), api, api.server.exchange.next_id())

    async def _run(
        self,
        report: CallReport,
        order: CallOrder,
        api: VoiceApi | None = None,
        call_id: str = CALL_ID,
        answered: MakeCall | None = None,
    ) -> CallReport:
        sink = HeardPcm()
        book = None if api is None else api.server.book
        phone = VonageCall(
            order, observers=[report.events.append], heard=sink, call_id=call_id, book=book, answered=answered
        )
        if api is not None:
            api.phones[call_id] = phone, report
        try:
            figures = await phone.run()
            phone.tell_report(figures)
            _fill_in(report, figures)
        finally:
            report.said_pcm, report.heard_pcm = bytes(sink.said), bytes(sink.heard)
        return report


class VoiceApi:
    """
    A Voice REST API that runs; ``VonageCaller.api`` makes one.

    ``calls`` are the reports of the calls that were ordered, ``requests`` what it was asked for.
    """

    server: RestApi

    def __init__(self) -> None:
        self.calls: list[CallReport] = []
        self.requests: list[ApiRequested] = []
        self.phones: dict[str, tuple[VonageCall, CallReport]] = {}

    @property
    def url(self) -> str:
        """Its address: ``http://127.0.0.1:40123``."""
        return self.server.url

    @property
    def host(self) -> str:
        """The same without its scheme, as the Python SDK wants it (``HttpClientOptions(api_host=…)``)."""
        return self.url.partition("://")[2]

    async def idle(self) -> None:
        """Wait until every call that was ordered is over."""
        await self.server.exchange.idle()

    def observe(self, event: Event) -> None:
        """Keep what is asked for, with the call that it is about."""
        if isinstance(event, ApiRequested):
            self.requests.append(event)
        if event.call in self.phones:
            self.phones[event.call][1].events.append(event)

    def hang_up(self) -> None:
        """End all calls."""
        for phone, _ in self.phones.values():
            phone.hang_up()


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
