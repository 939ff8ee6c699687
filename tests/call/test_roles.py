"""Who of a call's behaviours is asked for what."""

from __future__ import annotations

import pytest

from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.record import Record
from vonage_sock.call.behaviour import Ahead, Behaviour, Call
from vonage_sock.call.roles import Roles


class Hears(Behaviour):
    """Wants the caller's frames."""

    def audio(self, call: Call, frame: bytes) -> None:
        """Hears it."""


class Tells(Behaviour):
    """Wants to know what is sent."""

    def sent(self, call: Call, frame: bytes) -> None:
        """Is told."""


class Deaf(Tells):
    """Says that it doesn't, after all."""

    wants_sent = False


class Clock(Behaviour):
    """Wants to be called at its time, which nothing else moves."""

    def due_at(self) -> int | None:
        """At once."""
        return 0


class Timeless(Clock):
    """Has no time, after all."""

    timed = False


class Prompt(Clock):
    """Knows what it will send."""

    def foretell(self, most: int) -> Ahead | None:
        """Nothing now."""
        return None


class OtherPrompt(Prompt):
    """Decides at its time what is sent: what the first class foretold isn't its last word."""

    def due(self, call: Call) -> None:
        """Whatever comes to its mind."""


class Talker(Hears, Clock):
    """Its time hangs on what it hears."""


class Counter(Talker):
    """It does not, after all."""

    audio_moves_due = False


class Watcher(Tells, Clock):
    """Its time hangs on what is sent, and that may be what was heard."""


ECHO, RECORD, HEARS, TELLS, CLOCK = Echo(), Record(lambda *_: None), Hears(), Tells(), Clock()


@pytest.mark.parametrize(
    ("behaviours", "hearing", "told", "timed"),
    [
        ([], 0, 0, 0),
        ([Behaviour()], 0, 0, 0),
        ([HEARS, TELLS, CLOCK], 1, 1, 1),
        ([Deaf(), Timeless()], 0, 0, 0),
        ([RECORD, HEARS], 2, 0, 0),
    ],
)
def test_nobody_is_asked_for_what_he_does_not_do(
    behaviours: list[Behaviour], hearing: int, told: int, timed: int
) -> None:
    """What a behaviour overrides says what it wants, unless a flag says otherwise."""
    roles = Roles.of(behaviours)

    assert (hearing, told, timed) == (len(roles.hearing), len(roles.sent_hooks), len(roles.timed))


def test_they_keep_their_order() -> None:
    """Each hears after those before it."""
    behaviours = [Hears(), Tells(), Hears(), Clock(), Hears(), Clock()]
    roles = Roles.of(behaviours)

    assert tuple(behaviours[::2]) == roles.hearing[:3]
    assert (behaviours[3], behaviours[5]) == roles.timed


@pytest.mark.parametrize(
    ("behaviours", "moved"),
    [([CLOCK, HEARS], False), ([Talker()], True), ([Counter(), HEARS], False), ([Watcher(), HEARS], True)],
    ids=["another hears", "it hears", "it says no", "it is told"],
)
def test_a_time_may_hang_on_what_is_heard(behaviours: list[Behaviour], moved: bool) -> None:
    """Then it is asked for again after each frame."""
    assert moved == Roles.of(behaviours).moved_by_audio


@pytest.mark.parametrize(
    ("behaviours", "foretells"),
    [
        ([Prompt()], True),
        ([Prompt(), HEARS], True),
        ([Prompt(), TELLS], False),
        ([Prompt(), CLOCK], False),
        ([CLOCK], False),
        ([OtherPrompt()], False),
    ],
    ids=["alone", "another hears", "another is told", "another is timed", "it doesn't", "not its last word"],
)
def test_one_may_foretell_where_nobody_else_has_to_do_with_it(behaviours: list[Behaviour], foretells: bool) -> None:
    """And what it foretells is what it would have sent."""
    assert (behaviours[0] if foretells else None) is Roles.of(behaviours).foreteller


@pytest.mark.parametrize(
    ("behaviours", "free"),
    [
        ([ECHO], True),
        ([HEARS], False),
        ([ECHO, Echo()], False),
        ([ECHO, HEARS], False),
        ([ECHO, RECORD], False),
        ([ECHO, TELLS], False),
        ([ECHO, CLOCK], False),
    ],
    ids=[
        "alone",
        "nobody returns",
        "two return",
        "another hears",
        "not connected",
        "another is told",
        "another is timed",
    ],
)
def test_frames_go_straight_back_where_nobody_need_be_asked(behaviours: list[Behaviour], free: bool) -> None:
    """There may be somebody who listens only, and has said what is to be given the frames."""
    assert (() if free else None) == Roles.of(behaviours).listeners()


def test_who_listens_names_what_is_given_the_frames() -> None:
    """It is looked at each time: a recorder knows its file when it is connected."""
    heard: list[bytes] = []
    listener = Hears()
    roles = Roles.of([listener, ECHO])
    before = roles.listeners()
    listener.listener = heard.append
    after = roles.listeners()

    assert (None, (listener.listener,)) == (before, after)
