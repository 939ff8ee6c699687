"""
The program that a worker's process runs: the same server as one process alone, on sockets that it is given.

It takes no options and prints nothing: its parent gives it its job and is told what happens, over a channel. It outlives
signals, which are for the parent to act on, and ends when the parent says so or is gone.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Final, TypeVar

from vonage_sock.behaviours.play import PLAYED_REASON
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.call.events import Notice
from vonage_sock.cli.by_hand import InCalls
from vonage_sock.cli.hanging_up import closes
from vonage_sock.cli.loop import STOP_SIGNALS, run
from vonage_sock.cli.plan import Plan
from vonage_sock.cli.run_server import Recorders, in_calls
from vonage_sock.clock import SystemClock
from vonage_sock.errors import ExitCode, VsockError
from vonage_sock.media.naming import RecordingPath
from vonage_sock.media.record import Recorder
from vonage_sock.server.app import STOP_WAIT_S, VsockServer, failures_log
from vonage_sock.server.figures import TICK_MS, Figures
from vonage_sock.supervisor.channel import (
    Begin,
    Channel,
    Failed,
    Go,
    Message,
    Order,
    Outbox,
    Quiet,
    Ready,
    Stop,
    Stopped,
    Stopping,
    Wanted,
    Watch,
)
from vonage_sock.supervisor.ledger import Ledger, WorkerAdmission

MS_PER_S: Final = 1000

ValueT = TypeVar("ValueT")


def main() -> None:
    """Run as a worker; the last argument is the descriptor of the channel."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    failures_log.addHandler(logging.NullHandler())
    sys.exit(run(WorkerProcess(socket.socket(fileno=int(sys.argv[-1]))).run()))


class WorkerProcess:
    """One worker, from its job to its last word."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._clock = SystemClock()
        self._begin: list[Begin] = []
        self._go: list[Go] = []
        self._channel: Channel | None = None
        self._server: VsockServer | None = None
        self._outbox: Outbox | None = None
        self._in_calls: InCalls | None = None
        self._watched: tuple[str, ...] = ()
        self._stopping = False
        self._wait_s = STOP_WAIT_S
        self._quiet = asyncio.Event()
        self._changed = asyncio.Event()
        self._gone = asyncio.Event()

    async def run(self) -> ExitCode:
        """Do what the parent says until it says stop, or is gone."""
        channel = self._channel = await Channel.open(self._end, self._receive, self._lose_parent)
        code = ExitCode.OK
        try:
            if (begin := await self._given(self._begin)) is not None:
                await self._work(begin, channel)
            else:
                channel.send(Stopped(failures=0))
        except VsockError as error:
            channel.send(Failed(reason=str(error), exit_code=error.exit_code))
            code = error.exit_code
        except Exception as error:  # noqa: BLE001  (the parent is the one who can say it)
            channel.send(Failed(reason=f"{type(error).__name__}: {error}", exit_code=ExitCode.ERROR))
            code = ExitCode.ERROR
        channel.close()
        await self._gone.wait()
        return code

    async def _work(self, begin: Begin, channel: Channel) -> None:
        plan: Plan = begin.job
        ledger = Ledger(begin.ledger, begin.workers)
        outbox = self._outbox = Outbox(channel)
        recorders: list[Recorders] = []

        def behaviours() -> Sequence[Behaviour]:
            return plan.behaviours(recorders[0].first, hang_up=hang_up)

        def hang_up(call: Call) -> None:
            if plan.options.voice.is_asked(public=server.is_public):
                channel.send(Wanted(call.id, PLAYED_REASON))
            else:
                call.close(reason=PLAYED_REASON)

        def recorder(path: RecordingPath) -> Recorder:
            return Recorder(path, observer=server.tell, clock=self._clock, names=ledger, limits=plan.config.limits)

        server = plan.make_server(
            behaviours,
            observers=(outbox,),
            clock=self._clock,
            admission=WorkerAdmission(
                ledger, slot=begin.slot, limit=plan.config.limits.calls, silent=plan.config.limits.silent_sockets
            ),
            replays=None if plan.config.signature_secret is None else ledger.replays(),
        )
        recorders.append(Recorders(plan.recording, recorder))
        recorders[0].start()
        self._in_calls = in_calls(plan, server, recorders[0], self._tell)
        channel.send(Ready())
        if (go := await self._given(self._go)) is not None:
            await self._serve(server, go, begin)
        self._in_calls.close()
        await recorders[0].save(self._tell)
        outbox.flush()
        channel.send(Stopped(failures=recorders[0].failures))

    async def _serve(self, server: VsockServer, go: Go, begin: Begin) -> None:
        if go.url is not None:
            server.publish(go.url)
        self._server = server
        await server.listen([socket.socket(fileno=number) for number in begin.sockets])
        figures = Figures(server, self._clock, everyone=True, watched=lambda: self._watched)
        ticker = asyncio.create_task(_tick(figures))
        await self._given([])
        await server.stop(wait_s=self._wait_s, last_events=self._all_said)
        ticker.cancel()

    async def _all_said(self) -> None:
        """A leg's events come to any of the workers, so that only the parent knows."""
        await self._quiet.wait()

    async def _given(self, values: list[ValueT]) -> ValueT | None:
        """What the parent has given, as soon as it has; None when all is to end first."""
        while not values and not self._stopping:
            self._changed.clear()
            await self._changed.wait()
        return None if self._stopping else values[0]

    def _receive(self, message: Message) -> None:
        match message:
            case Begin():
                self._begin.append(message)
            case Go():
                self._go.append(message)
                if self._server is not None and message.url is not None:
                    self._server.publish(message.url)
            case Watch(calls=calls):
                self._watched = calls
            case Order():
                self._carry_out(message)
            case Stop(wait_s=wait_s):
                self._stopping, self._wait_s = True, wait_s
                self._answer_stop()
            case Quiet():
                self._quiet.set()
        self._changed.set()

    def _answer_stop(self) -> None:
        if self._outbox is not None:
            # What it says of recordings decides on how long there is for them.
            self._outbox.flush()
        if self._channel is not None:
            self._channel.send(Stopping())

    def _lose_parent(self) -> None:
        self._gone.set()
        self._quiet.set()
        self._stopping = True
        self._changed.set()

    def _carry_out(self, order: Order) -> None:
        if self._server is None or self._in_calls is None:
            return
        match order.what:
            case "close":
                closes(self._server)(order.call, order.text)
            case "play":
                self._in_calls.play(order.call, order.text)
            case "clear":
                self._in_calls.clear(order.call)
            case "record":
                self._in_calls.record(order.call)

    def _tell(self, level: str, message: str, call: str | None = None) -> None:
        if self._outbox is not None:
            self._outbox(Notice(at=self._clock.now(), call=call, level=level, message=message))


async def _tick(figures: Figures) -> None:
    while True:
        await asyncio.sleep(TICK_MS / MS_PER_S)
        await figures.tick()
