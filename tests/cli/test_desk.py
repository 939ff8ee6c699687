"""What keys mean, without a terminal and without calls."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vonage_sock.cli.by_hand import completed
from vonage_sock.cli.desk import HELD_NS, Desk
from vonage_sock.clock import ManualClock
from vonage_sock.display.controls import Controls


class Noted:
    """Actions that are only noted."""

    def __init__(self, why_not: str | None = None) -> None:
        self.done: list[tuple[str, ...]] = []
        self.why_not = why_not
        self.takes: list[Callable[[str], None]] = []

    def hang_up(self, call: str) -> None:
        self.done.append(("hang up", call))

    def play(self, call: str, path: str) -> None:
        self.done.append(("play", call, path))

    def clear(self, call: str) -> None:
        self.done.append(("clear", call))

    def why_not_say(self, call: str) -> str | None:
        return self.why_not

    def say(self, call: str, text: str) -> None:
        self.done.append(("say", call, text))

    def record(self, call: str) -> None:
        self.done.append(("record", call))

    def complete(self, path: str, take: Callable[[str], None]) -> None:
        self.takes.append(take)

    def quit(self) -> None:
        self.done.append(("quit",))

    def tell(self, sentence: str, call: str | None = None) -> None:
        self.done.append(("told", call or "", sentence))


class Table:
    """A desk, what was done, and what it shows."""

    def __init__(self, *calls: str, why_not: str | None = None) -> None:
        self.noted = Noted(why_not)
        self.shown: list[Controls] = []
        self.clock = ManualClock()
        self.desk = Desk(self.noted, self.shown.append, clock=self.clock)
        for call in calls:
            self.desk.call_began(call)

    def press(self, *keys: str) -> list[tuple[str, ...]]:
        """What is done for them."""
        before = len(self.noted.done)
        for key in keys:
            self.desk.press(key)
        return self.noted.done[before:]

    @property
    def now(self) -> Controls:
        """What is shown."""
        return self.shown[-1]


def test_the_only_call_is_the_current_one() -> None:
    """Nobody has to choose it."""
    table = Table("c7")

    assert [("hang up", "c7"), ("clear", "c7"), ("record", "c7"), ("quit",)] == table.press("h", "c", "r", "q", "x")
    assert "c7" == table.now.current


def test_without_a_call_a_key_says_so() -> None:
    """And does nothing."""
    assert [("told", "", "no call is up that 'h' could be for")] == Table().press("h", "1", "tab")


def test_of_several_calls_one_is_asked_for() -> None:
    """Its number does what was asked, and makes it the current one; any other key does nothing."""
    table = Table("c1", "c2")
    nothing = table.press("h", "escape"), table.press("h", "5")
    asked = table.press("c")
    choose = table.now.choose

    assert ([], [], "clear which call?", [("clear", "c2")]) == (*nothing, choose, table.press("2"))
    assert [] == asked
    assert [("record", "c2")] == table.press("r")


def test_a_call_is_chosen_by_its_number_or_as_the_next() -> None:
    """Tab goes round, and numbers stay with their calls."""
    table = Table("c1", "c2", "c3")
    chosen = []
    for key in ("tab", "tab", "tab", "tab", "3", "9"):
        table.press(key)
        chosen.append(table.now.current)
    table.desk.call_ended("c1")
    table.desk.call_began("c4")

    assert ["c1", "c2", "c3", "c1", "c3", "c3"] == chosen
    assert ((1, "c4"), (2, "c2"), (3, "c3")) == table.now.calls


def test_the_end_of_the_chosen_call_chooses_no_other() -> None:
    """A key that was meant for it must not hang up somebody else."""
    table = Table("c1", "c2", "c3")
    table.press("2")
    table.desk.call_ended("c2")

    assert (None, []) == (table.now.current, table.press("h"))
    assert "hang up which call?" == table.now.choose


def test_more_calls_than_numbers_wait_for_one() -> None:
    """The tenth gets the first that becomes free."""
    table = Table(*(f"c{number}" for number in range(1, 12)))
    table.desk.call_ended("c11")
    table.desk.call_ended("c4")

    assert (9, (4, "c10")) == (len(table.now.calls), table.now.calls[3])


def test_a_path_is_asked_for_and_kept() -> None:
    """Enter alone plays the last one again, the arrow brings it back to be changed."""
    table = Table("c1")
    first = table.press("p", *"a b.wav", "enter")
    table.press("p")
    ask = table.now.ask
    again = table.press("enter")
    changed = table.press("p", "up", "backspace", *"e", "enter")

    assert [("play", "c1", "a b.wav")] == first == again
    assert ("play to c1 (Enter: a b.wav):", [("play", "c1", "a b.wae")]) == (ask, changed)


@pytest.mark.parametrize("key", ["escape", "end-of-input", "enter"])
def test_a_question_can_be_left(key: str) -> None:
    """Nothing is done, and keys are commands again."""
    table = Table("c1")

    assert [] == table.press("p", key)
    assert [("hang up", "c1")] == table.press("h")


def test_letters_are_no_commands_while_a_line_is_typed() -> None:
    """Nor are q and digits."""
    table = Table("c1")
    typed = table.press("s", *"hq?1")

    assert ([], "hq?1") == (typed, table.now.text)
    assert [("say", "c1", "hq?1")] == table.press("enter")


def test_what_can_t_be_said_isn_t_asked_for() -> None:
    """Why is told at once."""
    table = Table("c1", why_not="no credentials")

    assert [("told", "c1", "no credentials")] == table.press("s")
    assert table.now.ask is None


def test_a_question_ends_with_its_call() -> None:
    """What was typed isn't played to another."""
    table = Table("c1", "c2")
    table.press("1", "p", *"a.wav")
    table.desk.call_ended("c1")

    assert [("told", "c1", "the call has ended meanwhile")] == table.noted.done
    assert (None, []) == (table.now.ask, table.press("enter"))


def test_a_path_is_completed_unless_more_was_typed_meanwhile() -> None:
    """The disk may be slow; a text that is spoken has no files."""
    table = Table("c1")
    table.press("p", *"we", "tab")
    table.noted.takes[0]("welcome.wav")
    text = table.now.text
    table.press("tab", "x")
    table.noted.takes[1]("welcome.wav.bak")
    table.press("escape", "s", "tab")

    assert ("welcome.wav", 2) == (text, len(table.noted.takes))


def test_help_is_put_away_by_any_key() -> None:
    """Which does what it does."""
    table = Table("c1")
    table.press("?")
    shown = table.now.help
    done = table.press("c")
    table.press("?", "?")

    assert (True, [("clear", "c1")], False) == (shown, done, table.now.help)


@pytest.mark.parametrize(
    ("typed", "completed_to"),
    [("", ""), ("w", "welcome"), ("welcome-", "welcome-2.wav"), ("x", "x"), ("dir", "dir/"), ("dir/", "dir/in.wav")],
)
def test_a_path_is_completed_as_far_as_it_is_certain(
    typed: str, completed_to: str, tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a shell does; hidden files only where they are asked for."""
    monkeypatch.chdir(tmp_path)
    for name in ("welcome.wav", "welcome-2.wav", ".hidden", "dir/in.wav"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()

    assert completed_to == completed(typed)
    assert f"{tmp_path}/{completed_to}" == completed(f"{tmp_path}/{typed}") or not typed


def test_a_key_that_is_held_down_was_pressed_once() -> None:
    """The call after the one that is hung up isn't hung up with it; pressed again, the key does it again."""
    table = Table("c1", "c2")
    table.press("2", "r", "c", "r", "h")
    for times in range(10):
        table.clock.advance_to(times * (HELD_NS - 1))
        table.desk.call_ended("c2")
        table.press("h")
    table.clock.advance_to(10 * HELD_NS)
    table.press("h", "r", "r")

    assert [
        *[("record", "c2"), ("clear", "c2"), ("record", "c2"), ("hang up", "c2")],
        *[("hang up", "c1"), ("record", "c1")],
    ] == table.noted.done
