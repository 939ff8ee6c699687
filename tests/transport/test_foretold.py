"""What is foretold goes from the driver's timer to the kernel, and nobody can tell but by what it costs."""

from __future__ import annotations

import json
import select
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from playing import STORIES, Course, Story, Telling
from rig import MASK, MAX_BYTES, StandInPoller, StandInSocket

from vonage_sock.call.session import CallSession
from vonage_sock.clock import ManualClock
from vonage_sock.protocol.rfc6455 import Opcode, frame_of
from vonage_sock.transport.direct import DirectDriver

PROPERTY = settings(deadline=None, database=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
CONNECTED = json.dumps({"event": "websocket:connected", "content-type": "audio/l16;rate=8000"})


class Silent:
    """A session that foretells nothing."""

    def __init__(self, session: CallSession) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        if name == "foretell":
            raise AttributeError(name)
        return getattr(self._session, name)


class Direct:
    """A driver whose kernel takes nothing now and then; ``asked`` is how often its machine was asked for what is due."""

    def __init__(self, session: CallSession, machine: Any, story: Story) -> None:
        self.now = 0
        self.sent: list[tuple[int, bytes]] = []
        self.told: list[Any] = []
        self._session = session
        self._clock = ManualClock(0)
        self._poller = StandInPoller(self._clock)
        self._socket = StandInSocket()
        self._noted = 0
        # Every so many writes one is taken in part, or not at all.
        every = len(story.lateness_ns) * 7
        self._socket.takes = [
            (1 << 20 if number % every else [BlockingIOError(), 100][number // every % 2]) for number in range(1, 3000)
        ]
        self._driver = DirectDriver(
            machine,
            self._poller,  # type: ignore[arg-type]
            self._socket,  # type: ignore[arg-type]
            max_message_bytes=MAX_BYTES,
            observer=self.told.append,
            ended=lambda: None,
        )
        self._driver.start()

    @property
    def wakes_at(self) -> int | None:
        """The first of its timers."""
        return min((timer.at for timer in self._poller.timers if timer.action is not None), default=None)

    def wake(self, now: int) -> None:
        """All that are due fire."""
        due = [timer for timer in self._poller.timers if timer.at <= now]
        self._poller.timers = [timer for timer in self._poller.timers if timer.at > now]
        for timer in due:
            if timer.action is not None:
                timer.action(now)
        self._note(now)

    def text(self, text: str, now: int) -> None:
        """From the platform."""
        self._read(Opcode.TEXT, text.encode(), now)

    def binary(self, data: bytes, now: int) -> None:
        """From the platform."""
        self._read(Opcode.BINARY, data, now)

    def act(self, action: Callable[[int], object], now: int) -> None:
        """From outside."""
        self._clock.advance_to(now)
        self._driver.act(lambda at: (action(at), None)[1])
        self._note(now)

    def _read(self, opcode: Opcode, payload: bytes, now: int) -> None:
        self._clock.advance_to(now)
        if not self._socket.closed:
            self._socket.incoming = [frame_of(opcode, payload, mask=MASK)]
            self._driver._socket.readable(now)
        self._note(now)

    def _note(self, now: int) -> None:
        self._clock.advance_to(now)
        if self._poller.writing:
            self._driver._socket.ready(select.EPOLLOUT, now)
        taken = bytes(self._socket.taken[self._noted :])
        if taken:
            self._noted = len(self._socket.taken)
            self.sent.append((now, taken))


def course_of(story: Story, *, foretells: bool) -> Course:
    """How a story goes on a driver's timers."""

    def driven(session: CallSession) -> Direct:
        return Direct(session, session if foretells else Silent(session), story)

    return Telling(story, driven).run()


@PROPERTY
@given(story=STORIES)
def test_a_lane_sends_what_a_driver_would(story: Story) -> None:
    """Byte by byte and at the same times, whatever happens and whatever the kernel takes; and all is counted alike."""
    assert course_of(story, foretells=False) == course_of(story, foretells=True)
