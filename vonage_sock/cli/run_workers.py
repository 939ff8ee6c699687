"""``--workers``: the parent of several processes, which together are to a user what one process is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vonage_sock.call.events import Connected, Ended, Event, Notice, RecordingFailed, ServerStarted, ServerStopped
from vonage_sock.cli.by_hand import ByHand
from vonage_sock.cli.descriptors import make_room
from vonage_sock.cli.hanging_up import HangUp
from vonage_sock.cli.hanging_up import Notice as Tell
from vonage_sock.cli.keys import Keys, keyboard_of
from vonage_sock.cli.loop import on_stop
from vonage_sock.cli.plan import Plan
from vonage_sock.cli.showing import SHOW_WAIT_S, StartedFirst, alone, finish, restore_terminal, tick
from vonage_sock.cli.tunnelling import Tunnelling
from vonage_sock.clock import SECOND, SystemClock
from vonage_sock.errors import ExitCode
from vonage_sock.server.app import STOP_WAIT_S
from vonage_sock.server.config import Addresses, local_url, trying
from vonage_sock.server.gate import exposure
from vonage_sock.server.listening import Listeners, bind
from vonage_sock.server.open_legs import OpenLegs
from vonage_sock.supervisor.channel import Order
from vonage_sock.supervisor.team import Team, program

if TYPE_CHECKING:
    from vonage_sock.cli.reach import Reach

WORKER: Final = "vonage_sock.cli.worker"


class WorkersSession:
    """One run of a server of several processes, from listening to the last line; ``reach`` as for ``Session``."""

    def __init__(self, plan: Plan, *, reach: Reach | None = None) -> None:
        self._plan = plan
        self._reach = reach
        self._clock = SystemClock()
        self._stopped = asyncio.Event()
        self._display = plan.make_display(self._clock)
        self._in_order = StartedFirst(self._display)
        show = self._in_order if plan.options.as_json else self._display
        self._tunnelling = Tunnelling(
            plan.options, plan.config, show=show, clock=self._clock, moved=self._publish, reach=reach
        )
        self._team: Team | None = None
        elsewhere = self._elsewhere = _Elsewhere(lambda: self._team, self._notice)
        # Events of all workers come here, so that a leg is known whichever of them was told of it.
        self._hanging_up = HangUp(
            plan.options.voice,
            close=elsewhere.close_call,
            is_public=lambda: self._tunnelling.url is not None,
            notice=self._notice,
        )
        self._keys: Keys | None = None
        self._calls_ended = 0
        self._live: set[str | None] = set()
        self._open_legs = OpenLegs()
        self._recordings_failed = 0

    async def run(self) -> ExitCode:
        """
        Serve until a signal.

        Raises:
            ListenError: the port can't be listened on.
            WorkersError: workers can't be started, or not any more.
        """
        on_stop(self._stopped.set, self._give_up)
        ticker = asyncio.create_task(tick(self._display, self._clock, self._watch))
        try:
            code = await self._run_team()
        except BaseException:
            self._in_order.release()
            self._display.close(SHOW_WAIT_S)
            raise
        ticker.cancel()
        self._tell(ServerStopped(at=self._clock.now(), calls=self._calls_ended))
        return finish(self._display, code)

    async def _run_team(self) -> ExitCode:
        lack = make_room(self._plan.config.limits, self._plan.descriptors)
        listeners = await bind(self._plan.config, self._plan.options.workers)
        self._team = team = self._make_team(listeners)
        try:
            await self._serve(team, listeners, lack)
        finally:
            if not team.over:
                # A worker's end can't be noted any more when the team is closed.
                if team.ready:
                    team.stop(wait_s=STOP_WAIT_S)
                else:
                    team.abandon()
                team.quiet()
                await _heard_out(team)
            team.close()
            await self._tunnelling.close()
        if team.error is not None:
            raise team.error
        failed = self._recordings_failed or team.recording_failures
        return ExitCode.RECORDING if failed else ExitCode.OK

    def _make_team(self, listeners: Listeners) -> Team:
        return Team(
            self._plan,
            workers=self._plan.options.workers,
            listening=listeners,
            tell=self._tell,
            clock=self._clock,
            command=program(WORKER),
            hang_up=self._hanging_up.wanted,
        )

    async def _serve(self, team: Team, listeners: Listeners, lack: str | None) -> None:
        host, port = listeners.host, listeners.port
        team.begin()
        url = await self._tunnelling.open(port, self._stopped)
        while not (team.ready or team.over or self._stopped.is_set()):
            await self._news(team)
        if team.error is None:
            await self._let_in(team, lambda: self._announce(host, port, url), url)
            self._tunnelling.begin(checked=self._reach is not None)
            self._hanging_up.announce()
            if url is not None and (open_to := exposure(self._plan.config)):
                self._notice("info", open_to)
            ids = ", ".join(map(str, team.processes))
            self._notice("info", f"{self._plan.options.workers} workers take the calls (processes {ids})")
        if lack:
            self._notice("warning", lack)
        with self._keys_taken():
            while not (team.over or self._stopped.is_set()):
                await self._news(team)
        leaving = None if self._reach is None else asyncio.create_task(self._reach.leave(self._tell))
        await self._end_calls(team)
        await _heard_out(team)
        if leaving is not None:
            await leaving

    def _keys_taken(self) -> AbstractContextManager[object]:
        fd = keyboard_of(self._plan.options)
        if fd is None:
            return contextlib.nullcontext()
        actions = ByHand(self._elsewhere, self._hanging_up, notice=self._notice)
        self._keys = Keys(fd, self._display, actions, clock=self._clock)
        self._hanging_up.prepare()
        return self._keys

    async def _let_in(self, team: Team, announce: Callable[[], None], url: str | None) -> None:
        """Take calls, and tell of it: first of all, but where an application is pointed at us, which wants an answer."""
        if self._reach is None:
            announce()
            team.go(url)
            return
        team.go(url)
        await self._reach.begin(
            self._tunnelling, stopped=self._stopped, tell=self._tell, alone=lambda: alone(self._display)
        )
        announce()

    async def _end_calls(self, team: Team) -> None:
        """End the calls, and listen to the platform's last events, which come after the sockets have closed."""
        began_at, live = self._clock.now(), bool(self._live)
        await self._hanging_up.all_at_stop()
        wait_s = STOP_WAIT_S - (self._clock.now() - began_at) / SECOND
        team.stop(wait_s=wait_s)
        if live:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._open_legs.over()
        team.quiet()

    async def _news(self, team: Team) -> None:
        """Wait for a signal, or until something has become of the team."""
        waits = [asyncio.create_task(self._stopped.wait()), asyncio.create_task(team.changed())]
        await asyncio.wait(waits, return_when="FIRST_COMPLETED")
        for wait in waits:
            wait.cancel()

    def _publish(self, url: str, _before: str) -> None:
        if self._team is not None:
            self._team.publish(url)
        if self._reach is not None:
            self._reach.follow(url, self._tell)

    def _announce(self, host: str, port: int, url: str | None) -> None:
        config = self._plan.config
        addresses = Addresses((url or local_url(host, port, tls=config.tls is not None)).rstrip("/"))
        self._tell(
            ServerStarted(
                at=self._clock.now(),
                host=host,
                port=port,
                url=addresses.base_url,
                answer_url=addresses.answer_url,
                event_url=addresses.event_url,
                socket_url=addresses.socket_url,
                behaviours=self._plan.behaviour_names,
                application=None if self._reach is None else self._reach.name,
                signed=config.signature_secret is not None,
                try_with=trying(replace(config, url=url), addresses),
            )
        )

    def _watch(self) -> None:
        if self._team is not None:
            self._team.watch(self._display.shown_calls or ())

    def _give_up(self) -> None:
        if self._team is not None:
            self._team.kill()
        restore_terminal(self._display)
        if self._reach is not None:
            self._reach.give_up()

    def _tell(self, event: Event) -> None:
        self._open_legs(event)
        match event:
            case Connected():
                self._live.add(event.call)
            case Ended():
                self._live.discard(event.call)
                self._calls_ended += 1
            case RecordingFailed():
                self._recordings_failed += 1
        self._hanging_up.watch(event)
        if self._keys is not None:
            self._keys.watch(event)
        self._tunnelling.shows(event)

    def _notice(self, level: str, message: str, call: str | None = None) -> None:
        self._tell(Notice(at=self._clock.now(), call=call, level=level, message=message))


async def _heard_out(team: Team) -> None:
    """Wait until no worker is left."""
    while not team.over:
        await team.changed()


class _Elsewhere:
    """What keys do in a call: it is in another process, which does it and tells what came of it."""

    def __init__(self, team: Callable[[], Team | None], notice: Tell) -> None:
        self._team = team
        self._notice = notice

    def play(self, call: str, path: str) -> None:
        """Behind what is playing."""
        self._order(call, "play", path)

    def clear(self, call: str) -> None:
        """Cut off what plays."""
        self._order(call, "clear")

    def record(self, call: str) -> None:
        """Begin, or complete what is being recorded."""
        self._order(call, "record")

    def close_call(self, call: str, reason: str) -> None:
        """Close its socket."""
        self._order(call, "close", reason)

    def close(self) -> None:
        """What goes on there ends there."""

    def _order(self, call: str, what: str, text: str = "") -> None:
        team = self._team()
        if team is None or not team.order(Order(call, what, text)):
            self._notice("info", "the call has ended meanwhile", call)
