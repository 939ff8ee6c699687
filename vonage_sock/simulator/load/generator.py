"""
The calls of one process: opens them on their schedule, gives each its turns, and counts.

One timer serves all calls. A turn is what was due, in its order; how late each frame left is counted beside it, since that
is what this program adds to every figure.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import OpenSource
from vonage_sock.call.events import Event
from vonage_sock.clock import SECOND, Clock
from vonage_sock.errors import ConnectError
from vonage_sock.media.naming import RecordingPath
from vonage_sock.protocol.rfc6455 import CLOSE_ABNORMAL
from vonage_sock.simulator.heard import HeardRecording
from vonage_sock.simulator.load.answering import Directory, Place
from vonage_sock.simulator.load.calls import LoadCall, WatchedCall
from vonage_sock.simulator.load.correlation import Matched
from vonage_sock.simulator.load.framed import FramedFrames, frames_of
from vonage_sock.simulator.load.lag import Lag, stamped_every
from vonage_sock.simulator.load.lane import Lane, say
from vonage_sock.simulator.load.opening import open_channel
from vonage_sock.simulator.load.plan import FOLLOWED_CALLS, LoadPlan
from vonage_sock.simulator.load.schedule import MemberT, Wheel, slot_of
from vonage_sock.simulator.load.tally import Book, Tally
from vonage_sock.simulator.webhooks.web import Webhooks
from vonage_sock.transport.poller import Poller, available
from vonage_sock.transport.tls import trusting

SAVE_WAIT_S: Final = 30.0
CALLS_PER_CLOCK: Final = 8
"""So many calls speak as of one time."""

LAST_WAIT_S: Final = 6.0
"""How long calls may take to close when all of them should be over."""

Report = Callable[[int, Tally], None]
"""Given the second, from 0 on, and what was counted in it."""


class Timer(Protocol):
    """One action at one time."""

    def cancel(self) -> None:
        """Don't do it."""
        ...


class LoopTimers:
    """Timers where there is no poller: those of the event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()

    def call_at(self, at: int, action: Callable[[int], None]) -> Timer:
        """Do something at a time of the clock."""
        delay_s = max(0, at - self._clock.now()) / SECOND
        return self._loop.call_later(delay_s, lambda: action(max(at, self._clock.now())))


@dataclass(frozen=True, slots=True)
class Share:
    """Which calls are this process's: each ``of``-th, from ``first`` on."""

    first: int = 0
    of: int = 1

    def numbers(self, calls: int) -> range:
        """Their numbers."""
        return range(self.first, calls, self.of)


class Generator:
    """
    The calls of one process.

    Args:
        audio: what all callers say.
        report: told of each second.
    """

    def __init__(self, plan: LoadPlan, share: Share, audio: OpenSource, *, clock: Clock, report: Report) -> None:
        self._plan = plan
        self._share = share
        self._audio = audio
        self._clock = clock
        self._report = report
        self._book = Book(plan.late_ns)
        self._trust = trusting(None if plan.ca is None else Path(plan.ca))
        self._frames: dict[int, FramedFrames] = {}
        self._lag = Lag(self._count_lag) if plan.engine != "library" and available() else None
        self._poller = Poller(clock, waking=self._lag) if self._lag is not None else None
        self._timers = self._poller or LoopTimers(clock)
        self._turn: Timer | None = None
        self._turn_at = 0
        self._calls: set[LoadCall] = set()
        self._watched: list[WatchedCall] = []
        self._recordings: list[HeardRecording] = []
        self._none_left = asyncio.Event()
        self._stopping = asyncio.Event()
        self._opening: set[asyncio.Task[None]] = set()
        self._second = 0

    async def prepare(self) -> None:
        """
        Make what all calls say; before the start, since it takes a while.

        Raises:
            AudioFileError: it can't be played.
        """
        await self._frames_of(AudioFormat(self._plan.rate_hz))

    async def run(self, start_at: int) -> int:
        """
        Make the calls, from ``start_at`` on; how many recordings failed.

        The last reports come when all calls are over; with them those of changed audio, which are told of the seconds in
        which it came.
        """
        self._start_at = start_at
        self._end_at = start_at + self._plan.schedule.end_ns
        self._steady: Wheel[Lane] = Wheel(start_at)
        self._stepped: Wheel[LoadCall] = Wheel(start_at)
        reporting = asyncio.create_task(self._report_each_second())
        web = self._make_web()
        async with contextlib.AsyncExitStack() as stack:
            if web is not None:
                await stack.enter_async_context(web)
            await self._open_all(Directory(self._plan, web, self._clock))
        await self._until_over()
        reporting.cancel()
        for call in self._watched:
            call.conclude()
        self._tell_second()
        for recording in self._recordings:
            await recording.stop(SAVE_WAIT_S)
        self._compare()
        if self._poller is not None:
            self._poller.close()
        return sum(recording.failures for recording in self._recordings)

    def stop(self) -> None:
        """Open no more calls, give up those that are being opened, and hang up all others."""
        now = self._clock.now()
        self._end_at = min(self._end_at, now)
        self._stopping.set()
        for opening in self._opening:
            opening.cancel()
        for call in self._calls:
            call.stop(now)

    # Opening.

    def _make_web(self) -> Webhooks | None:
        if urlsplit(self._plan.target).scheme in ("ws", "wss"):
            return None
        return Webhooks(
            clock=self._clock,
            signature_secret=self._plan.signature_secret,
            connect_timeout_s=self._plan.open_timeout_s,
            timeout_s=self._plan.open_timeout_s,
            trust=self._trust,
        )

    async def _open_all(self, directory: Directory) -> None:
        schedule = self._plan.schedule
        async with asyncio.TaskGroup() as opening:
            for number in self._share.numbers(self._plan.calls):
                await self._wait_until(self._start_at + schedule.open_ns(number))
                if self._stopping.is_set():
                    return
                task = opening.create_task(self._open(number, directory))
                self._opening.add(task)
                task.add_done_callback(self._opening.discard)

    async def _wait_until(self, at: int) -> None:
        delay_s = (at - self._clock.now()) / SECOND
        if delay_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)

    async def _open(self, number: int, directory: Directory) -> None:
        try:
            place = await directory.find()
            if place.took_ns is not None:
                self._book.tally.answer.add(place.took_ns)
            await self._open_socket(number, place)
        except ConnectError as error:
            if not self._stopping.is_set():
                self._book.tally.refuse(str(error))

    async def _open_socket(self, number: int, place: Place) -> None:
        frames = await self._frames_of(place.audio_format)
        call = self._make_call(number, frames)
        began_at = self._clock.now()
        channel = await open_channel(
            place.url,
            call,
            poller=self._poller,
            clock=self._clock,
            headers=place.upgrade,
            frames=frames,
            timeout_s=self._plan.open_timeout_s,
            trust=self._trust,
            waited=self._waited(number),
        )
        now = self._clock.now()
        tally = self._book.tally
        tally.connect.add(now - began_at)
        tally.opened += 1
        tally.open_calls += 1
        self._calls.add(call)
        self._none_left.clear()
        if call.is_steady:
            first_at = self._steady.join(call.lane, call.slot, now)
        else:
            first_at = self._stepped.join(call, call.slot, now)
        call.begin(channel, place.headers, first_at)
        if self._stopping.is_set():
            call.stop(now)
        self._arm()

    def _waited(self, number: int) -> Callable[[int], None] | None:
        """Who is told how long what comes in this call waits to be read; in most calls nobody."""
        every = stamped_every(len(self._share.numbers(self._plan.calls)))
        if self._lag is None or (number // self._share.of + 1) % every:
            return None
        return self._lag.stands_for(every)

    def _make_call(self, number: int, frames: FramedFrames) -> LoadCall:
        slot = slot_of(number)
        if number >= self._plan.watched:
            return LoadCall(number, slot, self._book, frames, end_at=self._end_at, over=self._call_over)
        recording = self._recording(number)
        call = WatchedCall(
            number,
            slot,
            self._book,
            frames,
            end_at=self._end_at,
            over=self._call_over,
            heard=recording,
            observe=None if recording is None else recording.observe,
            follow=number < FOLLOWED_CALLS,
        )
        self._watched.append(call)
        return call

    def _recording(self, number: int) -> HeardRecording | None:
        if number >= self._plan.record:
            return None
        path = RecordingPath(self._plan.record_path.replace("{n}", str(number + 1)), overwrite=self._plan.overwrite)
        recording = HeardRecording(path, None, observer=_nobody, clock=self._clock, call_id=f"call-{number + 1}")
        recording.start()
        self._recordings.append(recording)
        return recording

    async def _frames_of(self, audio_format: AudioFormat) -> FramedFrames:
        if audio_format.rate_hz not in self._frames:
            self._frames[audio_format.rate_hz] = await frames_of(self._audio, audio_format)
        return self._frames[audio_format.rate_hz]

    # Taking turns.

    def _arm(self) -> None:
        due_at = min((at for at in (self._steady.next_at, self._stepped.next_at) if at is not None), default=None)
        if due_at is None or (self._turn is not None and self._turn_at <= due_at):
            return
        if self._turn is not None:
            self._turn.cancel()
        self._turn_at = due_at
        self._turn = self._timers.call_at(due_at, self._take_turns)

    def _take_turns(self, now: int) -> None:
        self._turn = None
        began_at = self._clock.now()
        if now >= self._end_at:
            self._wind_up()
        for due_at, lanes in self._steady.due(now):
            for few, at in self._in_lots(lanes, due_at):
                say(few, at)
            self._book.tally.sent += len(lanes)
        for due_at, calls in self._stepped.due(now):
            for some, at in self._in_lots(calls, due_at):
                for call in some:
                    call.step(due_at, at)
        if self._lag is not None:
            self._lag.kept(self._clock.now() - began_at)
        self._arm()

    def _in_lots(self, members: list[MemberT], due_at: int) -> Iterator[tuple[list[MemberT], int]]:
        """A few at a time, and when that is; how late they are is counted."""
        clock_now, lateness = self._clock.now, self._book.tally.own_lateness
        for first in range(0, len(members), CALLS_PER_CLOCK):
            some, at = members[first : first + CALLS_PER_CLOCK], max(clock_now(), due_at)
            yield some, at
            lateness.add(at - due_at, len(some))

    def _wind_up(self) -> None:
        """From now on each call is asked what it does at its turns: it has said all, or is about to."""
        next_at = self._steady.next_at
        if next_at is None:
            return
        for call in self._calls:
            if call.is_steady:
                self._steady.leave(call.lane, call.slot)
                self._stepped.join(call, call.slot, next_at)

    def _count_lag(self, frames: int, lag_ns: int) -> None:
        self._book.tally.read_late.add(lag_ns, frames)

    def _call_over(self, call: LoadCall) -> None:
        self._steady.leave(call.lane, call.slot)
        self._stepped.leave(call, call.slot)
        self._calls.discard(call)
        self._book.tally.open_calls -= 1
        if not self._calls:
            self._none_left.set()

    async def _until_over(self) -> None:
        if not self._calls:
            return
        end_s = max(0, self._end_at - self._clock.now()) / SECOND
        waiting = [asyncio.create_task(event.wait()) for event in (self._none_left, self._stopping)]
        await asyncio.wait(waiting, timeout=end_s, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._none_left.wait(), LAST_WAIT_S)
        for call in list(self._calls):
            call.gone(CLOSE_ABNORMAL, "", self._clock.now())

    # Telling.

    async def _report_each_second(self) -> None:
        while True:
            at = self._start_at + (self._second + 1) * SECOND
            await asyncio.sleep(max(0, at - self._clock.now()) / SECOND)
            self._tell_second()

    def _tell_second(self) -> None:
        # Those that are open stand in each tally, so that the tallies of several processes can be added.
        open_calls = len(self._calls)
        tally = self._book.turn()
        tally.open_calls = open_calls
        self._report(self._second, tally)
        self._second += 1

    def _compare(self) -> None:
        """Of calls whose audio came back changed, tell what the comparison gives, for the seconds in which it came."""
        for call in self._watched:
            follower = call.follower
            if follower is not None and not call.meter.saw_marks:
                for second, tally in self._by_second(follower.match()).items():
                    self._report(second, tally)

    def _by_second(self, matched: Matched) -> Mapping[int, Tally]:
        tallies: dict[int, Tally] = {}
        for item in matched.returned:
            tally = tallies.setdefault((item.at - self._start_at) // SECOND, Tally())
            tally.round_trip.add(item.span_ns)
            tally.compared += 1
            tally.late += item.span_ns > self._plan.late_ns
        first = tallies.setdefault(0, Tally())
        first.audible_windows, first.matched_windows = matched.audible, matched.matched
        if matched.repeats_s is not None:
            first.repeating[f"{matched.repeats_s:g}"] = 1
        return tallies


def _nobody(_: Event) -> None:
    """Recordings tell of themselves by their files."""
