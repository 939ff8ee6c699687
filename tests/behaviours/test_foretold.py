"""What a playback foretells, and that nothing but its cost depends on who sends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from playing import STORIES, Course, File, Happening, Story, Telling

from vonage_sock.behaviours.play import Then
from vonage_sock.call.machine import Close
from vonage_sock.call.session import CallSession
from vonage_sock.clock import MS

PROPERTY = settings(deadline=None, database=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


class Asking:
    """A driver that knows nothing of what is foretold: it asks for each frame."""

    def __init__(self, machine: CallSession) -> None:
        self.machine = machine
        self.now = 0
        self.sent: list[tuple[int, bytes]] = []
        self.told: list[Any] = []
        self.deadline: int | None = None

    @property
    def wakes_at(self) -> int | None:
        """The machine's deadline."""
        return self.deadline

    def wake(self, now: int) -> None:
        """Do what is due."""
        self.machine.handle_deadline(now)
        self.settle(now)

    def text(self, text: str, now: int) -> None:
        """From the platform."""
        self.machine.receive_text(text, now)
        self.settle(now)

    def binary(self, data: bytes, now: int) -> None:
        """From the platform."""
        self.machine.receive_bytes(data, now)
        self.settle(now)

    def act(self, action: Callable[[int], object], now: int) -> None:
        """From outside."""
        action(now)
        self.settle(now)

    def settle(self, now: int) -> None:
        """A driver's duties."""
        for message in self.machine.messages_to_send():
            if not isinstance(message, Close):
                self.sent.append((now, message if isinstance(message, bytes) else str(message).encode()))
        self.told += iter(self.machine.next_event, None)
        self.deadline = self.machine.next_deadline()


class Foretold(Asking):
    """A driver that asks for no frame of which it was told before."""

    frames: Sequence[bytes] = ()
    left = end = at = step_ns = by_itself = 0
    times: list[int]

    @property
    def wakes_at(self) -> int | None:
        """The passage's next frame, or the machine's deadline."""
        return self.at if self.left else self.deadline

    def wake(self, now: int) -> None:
        """Send what is due, if it was foretold."""
        if self.left and now - self.at < self.step_ns:
            self.sent.append((now, self.frames[self.end - self.left]))
            self.times.append(now)
            self.left -= 1
            self.at += self.step_ns
            self.by_itself += 1
            self.deadline = self.at
        else:
            super().wake(now)

    def settle(self, now: int) -> None:
        """A driver's duties, and its question."""
        super().settle(now)
        self.machine.foretell(self)


def course_with(runner: type[Asking], story: Story) -> Course:
    """How a story goes."""
    return Telling(story, runner).run()


@PROPERTY
@given(story=STORIES)
def test_what_is_foretold_changes_nothing(story: Story) -> None:
    """Whatever happens: the same is sent at the same times, told and counted, whoever sends it."""
    assert course_with(Asking, story) == course_with(Foretold, story)


LONG = Story(
    files=[File(97, 4000, 50, 4000, MS, None, at_hand=True)],
    happenings=[Happening(0, "audio", 30)],
    lateness_ns=[0, 300_000, 900_000, 12 * MS, 0, 0, 0],
    pace_ns=18_500_000,
    lead_ns=2000 * MS,
    loop=1,
    then=Then.STAY,
    barge_in=False,
    echo_delay_ms=0,
    ppm=200,
    others=[],
)


@pytest.mark.parametrize(
    "story",
    [LONG, replace(LONG, ppm=-400), replace(LONG, lead_ns=400 * MS), replace(LONG, lateness_ns=[0] * 500 + [300 * MS])],
    ids=["slow platform", "fast platform", "short lead", "stalls"],
)
def test_a_steady_call_is_hardly_asked_for_frames(story: Story) -> None:
    """Of a file that plays undisturbed, with audio that comes in and a clock that is followed; the course is the same."""
    telling = Telling(story, Foretold)
    course = telling.run()
    runner = telling._runner

    assert course_with(Asking, story) == course
    assert isinstance(runner, Foretold)
    assert runner.by_itself >= 0.93 * len(course.sent) > 2000
