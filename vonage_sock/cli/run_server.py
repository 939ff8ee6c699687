"""What ``serve``, ``record`` and ``play`` have in common: from options to a running server to an exit code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final

from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.events import Event, Notice, PlaybackFailed
from vonage_sock.cli.by_hand import ByHand, InCalls
from vonage_sock.cli.combinations import STDOUT
from vonage_sock.cli.descriptors import make_room
from vonage_sock.cli.hanging_up import HangUp, closes
from vonage_sock.cli.keys import Keys, keyboard_of
from vonage_sock.cli.leftovers import put_back_at_start
from vonage_sock.cli.loop import on_stop, run
from vonage_sock.cli.plan import Plan, ServeOptions
from vonage_sock.cli.showing import SHOW_WAIT_S, StartedFirst, alone, finish, restore_terminal, tick_server
from vonage_sock.cli.tunnelling import Tunnelling
from vonage_sock.clock import MS, SECOND, SystemClock
from vonage_sock.errors import ExitCode
from vonage_sock.media.decode import remove_spooled
from vonage_sock.media.naming import RecordingPath
from vonage_sock.media.record import Recorder
from vonage_sock.server.app import STOP_WAIT_S, VsockServer, failures_log
from vonage_sock.server.gate import exposure
from vonage_sock.transport.tls import trusting

if TYPE_CHECKING:
    from vonage_sock.cli.reach import Reach

LAST_WEBHOOKS_S: Final = 1.5
SAVE_WAIT_S: Final = 60.0
SAVE_WAIT_AT_STOP_S: Final = 0.8
RECORDED_BY_HAND: Final = "vsock-{time}-{call}.wav"
"""Where a recording goes that a key has begun, without ``--record``."""


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
        self._playback_failed = False
        self._display = plan.make_display(self._clock)
        self._in_order = StartedFirst(self._display)
        self._tunnelling = Tunnelling(
            plan.options,
            plan.config,
            show=self._show,
            clock=self._clock,
            moved=self._publish,
            reach=reach,
            trust=trusting(plan.options.voice.ca),
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
            self._in_order.release()
            self._display.close(SHOW_WAIT_S)
            raise
        self._recorders.start()
        self._server.announce(application=None if self._reach is None else self._reach.name)
        self._tunnelling.begin(checked=self._checks_first)
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

    @property
    def _checks_first(self) -> bool:
        """The public address is tried before anything depends on it, and not beside the calls."""
        return self._reach is not None

    async def _stop_serving(self) -> None:
        if self._reach is None:
            await self._end_calls()
        else:
            await asyncio.gather(self._end_calls(), self._reach.leave(self._server.tell))

    async def _end_calls(self) -> None:
        began_at, over = self._clock.now(), self._server.open_legs.over if self._server.calls else None
        await self._hanging_up.all_at_stop()
        await self._server.stop(wait_s=STOP_WAIT_S - (self._clock.now() - began_at) / SECOND, last_events=over)

    def _give_up(self) -> None:
        """What must still be put right when the program is ended at once."""
        restore_terminal(self._display)
        if self._reach is not None:
            self._reach.give_up()

    def _behaviours(self) -> Sequence[Behaviour]:
        return self._plan.behaviours(self._recorders.first, hang_up=self._hanging_up.from_within)

    def _keys_taken(self) -> AbstractContextManager[object]:
        fd = keyboard_of(self._plan.options)
        if fd is None:
            return contextlib.nullcontext()
        calls = in_calls(self._plan, self._server, self._recorders, self._notice)
        actions = ByHand(calls, self._hanging_up, notice=self._notice)
        self._keys = Keys(fd, self._display, actions, clock=self._clock)
        self._hanging_up.prepare()
        return self._keys

    def _new_recorder(self, path: RecordingPath) -> Recorder:
        return Recorder(path, observer=self._server.tell, clock=self._clock, limits=self._plan.config.limits)

    async def _find_tunnel(self) -> None:
        url = await self._tunnelling.open(self._server.port, self._stopped)
        if url is not None:
            self._server.publish(url)
        if self._reach is not None:
            await self._reach.begin(
                self._tunnelling,
                stopped=self._stopped,
                tell=self._server.tell,
                alone=lambda: alone(self._display),
            )

    def _publish(self, url: str, _before: str) -> None:
        self._server.publish(url)
        if self._reach is not None:
            self._reach.follow(url, self._server.tell)

    async def _until_done(self) -> None:
        stopped = asyncio.create_task(self._stopped.wait())
        ended = asyncio.create_task(self._server.wait_for_end())
        await asyncio.wait([stopped, *([ended] if self._plan.options.once else [])], return_when="FIRST_COMPLETED")
        ended.cancel()
        if not stopped.done():
            # The platform posts its last events after the socket has closed.
            completed = asyncio.create_task(self._server.open_legs.over())
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
        (self._in_order if self._plan.options.as_json else self._display)(event)

    def _watch(self, event: Event) -> None:
        self._hanging_up.watch(event)
        if self._keys is not None:
            self._keys.watch(event)
        match event:
            case PlaybackFailed():
                self._playback_failed = True

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
