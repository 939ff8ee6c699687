"""
What a key means: which call it is for, what is asked first, and what is to be done.

It knows no terminal and no call, only ids: keys in, ``Actions`` and a ``Controls`` to show out. Rule: nothing is done to a
call that the person didn't see to be the current one; where several are up and none was chosen, it is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from vonage_sock.clock import MS, Clock
from vonage_sock.display.controls import Controls
from vonage_sock.display.typing import END_OF_INPUT, ENTER, ESCAPE, MAX_LINE, TAB, LineEditor

MOST_NUMBERS: Final = 9
NEEDS_CALL: Final = {"h": "hang up", "p": "play to", "c": "clear", "s": "say to", "r": "record"}
HELD_NS: Final = 800 * MS
"""A key that comes again so soon is still held down: keyboards wait up to two thirds of a second before they repeat it."""

_ONCE: Final = frozenset("hr")
"""What a key that is held down must not do again, to this call or to the next."""


class Actions(Protocol):
    """What is done; each returns at once, and tells by itself what came of it."""

    def hang_up(self, call: str) -> None:
        """End the call."""
        ...

    def play(self, call: str, path: str) -> None:
        """Play a file."""
        ...

    def clear(self, call: str) -> None:
        """Cut off what plays."""
        ...

    def why_not_say(self, call: str) -> str | None:
        """Why nothing can be said; None where it can."""
        ...

    def say(self, call: str, text: str) -> None:
        """Have a text spoken."""
        ...

    def record(self, call: str) -> None:
        """Begin a recording, or complete it."""
        ...

    def complete(self, path: str, take: Callable[[str], None]) -> None:
        """Give the rest of a path's name, as far as it is certain, to ``take``."""
        ...

    def quit(self) -> None:
        """Stop the program as Ctrl-C does."""
        ...

    def tell(self, sentence: str, call: str | None = None) -> None:
        """Say something to the person, about a call or none."""
        ...


@dataclass(slots=True)
class _Question:
    """A line that is being typed, and the call that it is for."""

    key: str
    call: str
    editor: LineEditor


class Desk:
    """
    Where the keys arrive.

    Args:
        show: is given what is to be seen, whenever that changes.
    """

    def __init__(self, actions: Actions, show: Callable[[Controls], None], *, clock: Clock) -> None:
        self._actions = actions
        self._show = show
        self._clock = clock
        self._pressed: tuple[str, int] | None = None
        self._numbers: dict[int, str] = {}
        self._others: dict[str, None] = {}
        self._chosen: str | None = None
        self._question: _Question | None = None
        self._choosing: str | None = None
        self._last: dict[str, str] = {}
        self._help = False

    @property
    def current(self) -> str | None:
        """The call that the keys are for: the only one, or the one that was chosen."""
        if self._chosen is None and len(self._numbers) == 1:
            return next(iter(self._numbers.values()))
        return self._chosen

    def begin(self) -> None:
        """Show that there are keys."""
        self._refresh()

    def call_began(self, call: str) -> None:
        """A call is up: it gets the lowest number that is free, and keeps it."""
        if not self._give_number(call):
            self._others[call] = None
        self._refresh()

    def call_ended(self, call: str) -> None:
        """It is over; what was being asked for it has become idle."""
        self._others.pop(call, None)
        self._numbers = {number: other for number, other in self._numbers.items() if other != call}
        if self._others and len(self._numbers) < MOST_NUMBERS:
            waiting = next(iter(self._others))
            del self._others[waiting]
            self._give_number(waiting)
        if self._chosen == call:
            self._chosen = None
        if self._question is not None and self._question.call == call:
            self._question = None
            self._actions.tell("the call has ended meanwhile", call)
        if not self._numbers:
            self._choosing = None
        self._refresh()

    def press(self, key: str) -> None:
        """A key was pressed."""
        held = self._is_held(key)
        if self._question is not None:
            self._type(self._question, key)
        elif self._choosing is not None:
            self._choose(self._choosing, key)
        elif not (held and key in _ONCE):
            self._command(key)
        self._refresh()

    def _is_held(self, key: str) -> bool:
        before, now = self._pressed, self._clock.now()
        self._pressed = key, now
        return before is not None and before[0] == key and now - before[1] < HELD_NS

    def _command(self, key: str) -> None:
        helped, self._help = self._help, False
        if key == "?":
            self._help = not helped
        elif key == "q":
            self._actions.quit()
        elif key in NEEDS_CALL:
            self._for_a_call(key)
        elif key.isdecimal() and len(key) == 1:
            self._chosen = self._numbers.get(int(key), self._chosen)
        elif key == TAB and self._numbers:
            numbers = sorted(self._numbers)
            at = next((place for place, number in enumerate(numbers) if self._numbers[number] == self.current), -1)
            self._chosen = self._numbers[numbers[(at + 1) % len(numbers)]]

    def _for_a_call(self, key: str) -> None:
        if not self._numbers:
            self._actions.tell(f"no call is up that {key!r} could be for")
        elif self.current is None:
            self._choosing = key
        else:
            self._do(key, self.current)

    def _choose(self, command: str, key: str) -> None:
        self._choosing = None
        if key.isdecimal() and len(key) == 1 and int(key) in self._numbers:
            self._chosen = self._numbers[int(key)]
            self._do(command, self._chosen)

    def _do(self, key: str, call: str) -> None:
        match key:
            case "h":
                self._actions.hang_up(call)
            case "c":
                self._actions.clear(call)
            case "r":
                self._actions.record(call)
            case "s" if (why := self._actions.why_not_say(call)) is not None:
                self._actions.tell(why, call)
            case _:
                self._question = _Question(key, call, LineEditor(self._last.get(key, "")))

    def _type(self, question: _Question, key: str) -> None:
        editor = question.editor
        if key == ENTER:
            self._question = None
            self._answer(question, editor.text.strip() or self._last.get(question.key, ""))
        elif key == ESCAPE or (key == END_OF_INPUT and not editor.text):
            self._question = None
        elif key == TAB:
            if question.key == "p":
                self._complete(question)
        else:
            editor.press(key)

    def _answer(self, question: _Question, text: str) -> None:
        if not text:
            return
        self._last[question.key] = text
        if question.key == "p":
            self._actions.play(question.call, text)
        else:
            self._actions.say(question.call, text)

    def _complete(self, question: _Question) -> None:
        editor = question.editor
        typed = editor.text[: editor.at]

        def take(completed: str) -> None:
            # It may come late: what was typed meanwhile comes first.
            if self._question is question and editor.text[: editor.at] == typed:
                editor.put(completed)
                self._refresh()

        self._actions.complete(typed, take)

    def _give_number(self, call: str) -> bool:
        free = next((number for number in range(1, MOST_NUMBERS + 1) if number not in self._numbers), None)
        if free is not None:
            self._numbers[free] = call
        return free is not None

    def _refresh(self) -> None:
        controls = Controls(calls=tuple(sorted(self._numbers.items())), current=self.current, help=self._help)
        if (question := self._question) is not None:
            editor = question.editor
            asked = self._ask(question)
            controls = replace(controls, ask=asked, asked_for=question.call, text=editor.text, at=editor.at)
        elif self._choosing is not None:
            controls = replace(controls, choose=f"{NEEDS_CALL[self._choosing]} which call?")
        self._show(controls)

    def _ask(self, question: _Question) -> str:
        last = self._last.get(question.key)
        again = f" (Enter: {last})" if last and not question.editor.text else ""
        if len(question.editor.text) >= MAX_LINE:
            again = " (no more fits)"
        return f"{NEEDS_CALL[question.key]} {question.call}{again}:"
