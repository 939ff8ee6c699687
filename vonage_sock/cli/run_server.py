"""What ``serve``, ``record`` and ``play`` have in common: from options to a running server to an exit code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import OpenSource
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.play import Play, Then
from vonage_sock.behaviours.record import Record
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.call.events import Event, EventPosted, Notice, PlaybackFailed
from vonage_sock.cli import say_error
from vonage_sock.cli.by_hand import ByHand, InCalls
from vonage_sock.cli.combinations import STDIN, STDOUT, check_combinations
from vonage_sock.cli.descriptors import make_room
from vonage_sock.cli.hanging_up import HangUp, closes
from vonage_sock.cli.keys import Keys, keyboard_of
from vonage_sock.cli.leftovers import put_back_at_start
from vonage_sock.cli.loop import on_stop, run
from vonage_sock.cli.options import parse_headers, parse_pair, read_file
from vonage_sock.cli.printing import cannot_write, discard_stdout, say
from vonage_sock.cli.terminal import restore_modes
from vonage_sock.cli.tunnelling import Tunnelling
from vonage_sock.cli.voice import Voice, voice_of
from vonage_sock.clock import MS, SystemClock
from vonage_sock.display import Display, make_display
from vonage_sock.errors import ExitCode, UsageError
from vonage_sock.limits import Limits
from vonage_sock.media.decode import AudioFile, remove_spooled, spool
from vonage_sock.media.naming import RecordingPath
from vonage_sock.media.record import Recorder
from vonage_sock.protocol import jsontext
from vonage_sock.protocol.messages import DIGITS
from vonage_sock.protocol.ncco import Ncco, read_ncco
from vonage_sock.server.app import MakeBehaviours, VsockServer, failures_log, uses_direct
from vonage_sock.server.config import Engine, ServerConfig, check_base_url
from vonage_sock.server.figures import TICK_MS, Figures
from vonage_sock.server.gate import exposure
from vonage_sock.transport.tls import PASSWORD_VARIABLE, ServerTls

if TYPE_CHECKING:
    from vonage_sock.cli.reach import Reach

TICK_S: Final = 0.1
MS_PER_S: Final = 1000
DRAWING_TURN_S: Final = 0.0001
"""How long the thread that draws the screen may keep a frame waiting; Python's own 5 ms are a quarter of one."""
LAST_WEBHOOKS_S: Final = 1.5
SAVE_WAIT_S: Final = 60.0
SAVE_WAIT_AT_STOP_S: Final = 0.8
SHOW_WAIT_S: Final = 0.5
LAST_STATUSES: Final = frozenset({"completed", "failed", "rejected", "busy", "cancelled", "timeout", "unanswered"})
MAX_LEGS: Final = 1000
RECORDED_BY_HAND: Final = "vsock-{time}-{call}.wav"
"""Where a recording goes that a key has begun, without ``--record``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """The options of ``serve``, as click gives them."""

    host: str
    port: int
    rate: str
    url: str | None
    headers: tuple[str, ...]
    greeting: str | None
    ncco: str | None
    fallback: str | None
    signature_secret: str | None = field(repr=False)
    no_auth: bool
    allowed_origins: tuple[str, ...]
    echo: bool
    delay_ms: int
    overwrite: bool
    stereo: bool
    split: bool
    hangover_ms: int
    loop: int
    pace_ms: float
    lead_ms: int
    then: str | None
    on_dtmf: tuple[str, ...]
    barge_in: bool
    once: bool
    limits: Limits
    workers: int
    as_json: bool
    stats: bool
    quiet: bool
    verbose: bool
    ngrok_api: str
    tunnel: str
    engine: str
    tls_cert: str | None
    tls_key: str | None
    no_keys: bool
    voice: Voice
    record: str | None = None
    play: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: dict[str, Any], **more: Any) -> Self:
        """From a command's arguments."""
        known = {item.name for item in fields(cls)}
        given = {"limits": Limits.of(values), "voice": voice_of(values), **values, **more}
        return cls(**{key: value for key, value in given.items() if key in known})


def serve_and_exit(values: dict[str, Any], **more: Any) -> ExitCode:
    """
    Run the server that the options describe until it is stopped; the exit code.

    Raises:
        VsockError: something in the options can't be used, or the port can't be listened on.
    """
    options = ServeOptions.of(values, **more)
    try:
        plan = Plan(options)
        put_back_at_start()
        if options.workers == 1:
            return run(Session(plan).run())
        from vonage_sock.cli.run_workers import WorkersSession  # noqa: PLC0415  (only several processes need it)

        return run(WorkersSession(plan).run())
    finally:
        remove_spooled()


class Plan:
    """
    What the options ask for, checked.

    Raises:
        UsageError, AudioFileError: an option can't be used.
    """

    def __init__(self, options: ServeOptions) -> None:
        self.options = options
        check_combinations(options)
        self.config = ServerConfig(
            host=options.host,
            port=options.port,
            audio_format=AudioFormat(int(options.rate)),
            url=None if options.url is None else check_base_url(options.url),
            headers=parse_headers(options.headers),
            greeting=options.greeting,
            ncco=None if options.ncco is None else read_ncco_file(options.ncco, option_name="--ncco"),
            fallback=None if options.fallback is None else read_ncco_file(options.fallback, option_name="--fallback"),
            limits=replace(options.limits, calls=1) if options.once else options.limits,
            engine=Engine(options.engine),
            tls=tls_of(options),
            signature_secret=options.signature_secret,
            socket_auth=not options.no_auth,
            allowed_origins=options.allowed_origins,
        )
        check_tls(self.config)
        self.recording = None
        if options.record is not None:
            self.recording = RecordingPath(options.record, overwrite=options.overwrite).check_first()
        self.files = [open_playable(name) for name in options.play]
        self.keys = {}
        for text in options.on_dtmf:
            key, name = parse_pair(text, option_name="--on-dtmf", keys=DIGITS)
            self.keys[key] = open_playable(name)

    @property
    def behaviour_names(self) -> tuple[str, ...]:
        """What the server does in a call, in the order in which it does it."""
        wanted = (("record", self.recording), ("play", self.files or self.keys), ("echo", self.options.echo))
        return tuple(name for name, value in wanted if value)

    @property
    def then(self) -> Then:
        """What follows the files."""
        if self.options.then is not None:
            return Then(self.options.then)
        return Then.ECHO if self.options.echo else Then.STAY

    def behaviours(
        self, recorder: Recorder | None, *, hang_up: Callable[[Call], None] | None = None
    ) -> list[Behaviour]:
        """What is done in one call; recording comes first, so that a frame is recorded before it is answered."""
        options = self.options
        result: list[Behaviour] = []
        if recorder is not None:
            result.append(self.new_record(recorder))
        if self.files or self.keys:
            result.append(
                Play(
                    self.files,
                    loop=options.loop,
                    pace_ns=round(options.pace_ms * MS),
                    lead_ns=options.lead_ms * MS,
                    then=self.then,
                    on_dtmf=self.keys,
                    barge_in=options.barge_in,
                    echo_delay_ms=options.delay_ms,
                    hang_up=hang_up,
                )
            )
        elif options.echo:
            result.append(Echo(delay_ms=options.delay_ms, barge_in=options.barge_in))
        return result

    def new_record(self, recorder: Recorder, queued_frames: int = 0) -> Record:
        """A recording as the options want it; see ``Record``."""
        options = self.options
        return Record(
            recorder.open,
            stereo=options.stereo,
            split=options.split,
            hangover_ms=options.hangover_ms,
            queued_frames=queued_frames,
        )

    @property
    def descriptors(self) -> int:
        """How many files and sockets a call needs."""
        return 1 if self.recording is None else 2

    def make_server(self, make_behaviours: MakeBehaviours, **more: Any) -> VsockServer:
        """The server, as it is in each process; ``more`` is what differs between them."""
        return VsockServer(self.config, make_behaviours, behaviour_names=self.behaviour_names, **more)

    def make_display(self, clock: SystemClock) -> Display:
        """What shows its events."""
        options = self.options
        return make_display(
            json=options.as_json,
            quiet=options.quiet,
            verbose=options.verbose,
            stats=options.stats,
            stream=sys.stderr if options.record == STDOUT else sys.stdout,
            clock=clock,
            people=sys.stderr,
        )


def tls_of(options: ServeOptions) -> ServerTls | None:
    """The certificate to show; the key's password stands in the environment, where no list of processes shows it."""
    if options.tls_cert is None:
        return None
    key = None if options.tls_key is None else Path(options.tls_key)
    return ServerTls(cert=Path(options.tls_cert), key=key, password=os.environ.get(PASSWORD_VARIABLE))


def check_tls(config: ServerConfig) -> None:
    """
    Find out before anything starts what is wrong with a certificate.

    Raises:
        UsageError: it can't be used, or the engine that was asked for has no TLS.
    """
    if config.tls is not None:
        uses_direct(Engine(config.engine), tls=True)
        config.tls.context(wall_ns=SystemClock().wall_ns())


class Session:
    """
    One run of the server, from listening to the last line.

    Args:
        reach: the way from Vonage to us, where that is ours to make and to take back (``vsock dev``).
    """

    def __init__(self, plan: Plan, *, reach: Reach | None = None) -> None:
        self._plan = plan
        self._reach = reach
        self._clock = SystemClock()
        self._stopped = asyncio.Event()
        self._completed = asyncio.Event()
        self._open_legs: set[str] = set()
        self._playback_failed = False
        self._display = plan.make_display(self._clock)
        self._tunnelling = Tunnelling(
            plan.options, plan.config, show=self._show, clock=self._clock, moved=self._publish, reach=reach
        )
        self._server = plan.make_server(
            self._behaviours, observers=(self._watch, self._tunnelling.shows), clock=self._clock
        )
        self._hanging_up = HangUp(
            plan.options.voice,
            close=closes(self._server),
            is_public=lambda: self._server.is_public,
            notice=self._notice,
        )
        self._recorders = Recorders(plan.recording, self._new_recorder)
        self._keys: Keys | None = None

    async def run(self) -> ExitCode:
        """
        Serve until a signal, or until the first call has ended.

        Raises:
            ListenError: the port can't be listened on.
        """
        # The finding says it on the screen already, and a traceback would break the screen.
        failures_log.addHandler(logging.NullHandler())
        on_stop(self._stopped.set, self._give_up)
        try:
            await self._server.listen()
            await self._find_tunnel()
        except BaseException:
            await self._server.stop()
            self._display.close(SHOW_WAIT_S)
            raise
        self._recorders.start()
        self._server.announce(application=None if self._reach is None else self._reach.name)
        self._tunnelling.begin(checked=self._reach is not None)
        if self._server.is_public and (open_to := exposure(self._plan.config)):
            self._notice("info", open_to)
        if lack := make_room(self._plan.config.limits, self._plan.descriptors):
            self._notice("warning", lack)
        self._hanging_up.announce()
        ticker = asyncio.create_task(tick_server(self._display, self._clock, self._server))
        with self._keys_taken():
            await self._until_done()
        await self._stop_serving()
        self._hanging_up.stop()
        await self._recorders.save(self._notice)
        ticker.cancel()
        await self._tunnelling.close()
        self._server.tell_stopped()
        return finish(self._display, self._exit_code())

    async def _stop_serving(self) -> None:
        if self._reach is None:
            await self._server.stop()
        else:
            await asyncio.gather(self._server.stop(), self._reach.leave(self._server.tell))

    def _give_up(self) -> None:
        """What must still be put right when the program is ended at once."""
        restore_terminal(self._display)
        if self._reach is not None:
            self._reach.give_up()

    def _behaviours(self) -> Sequence[Behaviour]:
        return self._plan.behaviours(self._recorders.first, hang_up=self._hanging_up.from_within)

    @contextlib.contextmanager
    def _keys_taken(self) -> Iterator[None]:
        fd = keyboard_of(self._plan.options)
        if fd is None:
            yield
            return
        calls = in_calls(self._plan, self._server, self._recorders, self._notice)
        actions = ByHand(calls, self._hanging_up, notice=self._notice)
        self._keys = Keys(fd, self._display, actions)
        self._hanging_up.prepare()
        try:
            self._keys.start()
            yield
        finally:
            self._keys.close()

    def _new_recorder(self, path: RecordingPath) -> Recorder:
        return Recorder(path, observer=self._server.tell, clock=self._clock, limits=self._plan.config.limits)

    async def _find_tunnel(self) -> None:
        url = await self._tunnelling.open(self._server.port, self._stopped)
        if url is not None:
            self._server.publish(url)
        if self._reach is not None:
            await self._reach.begin(self._tunnelling, stopped=self._stopped, tell=self._server.tell)

    def _publish(self, url: str, _before: str) -> None:
        self._server.publish(url)
        if self._reach is not None:
            self._reach.follow(url, self._server.tell)

    async def _until_done(self) -> None:
        stopped = asyncio.create_task(self._stopped.wait())
        ended = asyncio.create_task(self._server.wait_for_end())
        await asyncio.wait([stopped, *([ended] if self._plan.options.once else [])], return_when="FIRST_COMPLETED")
        ended.cancel()
        if not stopped.done() and self._open_legs:
            # The platform posts its last events after the socket has closed.
            completed = asyncio.create_task(self._completed.wait())
            await asyncio.wait([stopped, completed], timeout=LAST_WEBHOOKS_S, return_when="FIRST_COMPLETED")
            completed.cancel()
        stopped.cancel()

    def _exit_code(self) -> ExitCode:
        if self._recorders.failures:
            return ExitCode.RECORDING
        if self._plan.options.once and self._server.error_findings:
            return ExitCode.PROTOCOL
        if self._plan.options.once and self._playback_failed:
            return ExitCode.AUDIO_FILE
        return ExitCode.OK

    def _show(self, event: Event) -> None:
        self._display(event)

    def _watch(self, event: Event) -> None:
        self._hanging_up.watch(event)
        if self._keys is not None:
            self._keys.watch(event)
        match event:
            case EventPosted(uuid=str(uuid), status=status):
                self._follow_leg(uuid, status)
            case PlaybackFailed():
                self._playback_failed = True

    def _follow_leg(self, uuid: str, status: str) -> None:
        if status not in LAST_STATUSES:
            if len(self._open_legs) < MAX_LEGS:
                self._open_legs.add(uuid)
            return
        self._open_legs.discard(uuid)
        if not self._open_legs and self._server.calls_ended:
            self._completed.set()

    def _notice(self, level: str, message: str, call: str | None = None) -> None:
        self._server.tell(Notice(at=self._clock.now(), call=call, level=level, message=message))


class Recorders:
    """
    That of ``--record``, and one for what keys begin without it, made when the first is begun.

    Args:
        path: where ``--record`` records to.
        make: a recorder of this process.
    """

    def __init__(self, path: RecordingPath | None, make: Callable[[RecordingPath], Recorder]) -> None:
        self._make = make
        self.first = None if path is None else make(path)
        self._by_hand: Recorder | None = None

    @property
    def failures(self) -> int:
        """How many recordings aren't complete."""
        return sum(recorder.failures for recorder in self._all)

    def start(self) -> None:
        """Take what ``--record`` records."""
        if self.first is not None:
            self.first.start()

    def any(self) -> Recorder:
        """
        One that can be recorded with.

        Raises:
            VsockError: nothing can be written here.
        """
        if self.first is not None:
            return self.first
        if self._by_hand is None:
            self._by_hand = self._make(RecordingPath(RECORDED_BY_HAND).check_first())
            self._by_hand.start()
        return self._by_hand

    async def save(self, notice: Callable[[str, str], None]) -> None:
        """Complete them all."""
        for recorder in self._all:
            await save(recorder, notice)

    @property
    def _all(self) -> list[Recorder]:
        return [recorder for recorder in (self.first, self._by_hand) if recorder is not None]


def in_calls(plan: Plan, server: VsockServer, recorders: Recorders, notice: Any) -> InCalls:
    """What keys do in the calls of this process."""
    options = plan.options
    return InCalls(
        server,
        recorder=recorders.any,
        make_record=plan.new_record,
        recordings_may_follow=options.record != STDOUT,
        pace_ns=round(options.pace_ms * MS),
        lead_ns=options.lead_ms * MS,
        notice=notice,
    )


async def save(recorder: Recorder, notice: Callable[[str, str], None]) -> None:
    """Complete all recordings; ``notice`` is told, with a level, when that takes long."""
    if not await recorder.finish(SAVE_WAIT_AT_STOP_S):
        notice("info", "a recording is still being written; a second Ctrl-C leaves it as it is")
    if not await recorder.stop(SAVE_WAIT_S):
        notice("warning", "a recording could not be completed in time")


async def tick(display: Display, clock: SystemClock, tell_stats: Callable[[], None]) -> None:
    """Give a display its time, and the figures of its few calls as often as it wants them."""
    every_ns = None if display.wants_stats_ms is None else display.wants_stats_ms * MS
    stats_at = clock.now()
    while True:
        await asyncio.sleep(TICK_S)
        now = clock.now()
        if every_ns is not None and now - stats_at >= every_ns - 10 * MS:
            stats_at = now
            tell_stats()
        display.tick(now)


async def tick_server(display: Display, clock: SystemClock, server: VsockServer) -> None:
    """The same for a server of any number of calls, none of which may wait for the figures of all."""
    shown = display.shown_calls
    if shown is not None:
        sys.setswitchinterval(DRAWING_TURN_S)
    figures = Figures(
        server,
        clock,
        everyone=display.wants_stats_ms is not None and shown is None,
        watched=lambda: display.shown_calls or (),
    )
    while True:
        await asyncio.sleep(TICK_MS / MS_PER_S)
        await figures.tick()
        display.tick(clock.now())


def finish(display: Display, code: ExitCode) -> ExitCode:
    """
    Close the display; when its terminal is stuck there is nothing to wait for, and the program ends here.

    How much nobody read is said then.

    What couldn't be written for want of space was for somebody: that is said, and is no success.
    """
    if not display.close(SHOW_WAIT_S):
        say(f"{display.unshown:,} lines were not shown: nobody reads standard output")
        os._exit(code)
    if display.broken:
        discard_stdout()
    if display.fault is not None:
        say_error(cannot_write(display.fault))
        return code or ExitCode.ERROR
    return code


def restore_terminal(display: Display) -> None:
    """Put the cursor back, and the keys, before the program is ended the hard way."""
    restore_modes()
    display.close(0.2)


def open_playable(name: str) -> OpenSource:
    """
    A file to play; ``-`` is standard input, read to its end first.

    Raises:
        AudioFileError: it can't be played.
    """
    if name != STDIN:
        return AudioFile(Path(name))
    if sys.stdin is None:
        raise UsageError("there is nothing to play from standard input, which is closed; name a file instead")
    # Until the event loop takes over, a SIGTERM would leave behind what was read so far.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return spool(sys.stdin.buffer)


def read_ncco_file(path: str, *, option_name: str) -> Ncco:
    """
    An NCCO from a file.

    Raises:
        UsageError: the file can't be read, or isn't an NCCO.
    """
    raw = read_file(path, option_name=option_name)
    try:
        value = jsontext.loads(raw)
    except ValueError as error:
        raise UsageError(f"{option_name} {path} isn't JSON: {error}") from error
    try:
        return read_ncco(value)
    except ValueError as error:
        raise UsageError(f"{option_name} {path}: the NCCO {error}") from error
