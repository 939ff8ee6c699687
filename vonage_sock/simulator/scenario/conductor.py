"""
Leads a caller through the steps of a scenario.

The steps are one generator that is resumed in each 20 ms of the leg and gives what is said in them; all that it waits for
is in what the leg told before. So a run is exact, and the same under a manual clock as on a socket. When the socket is
gone the generator is run to its end: what is then still waited for can only have been told already.

The server is heard in a step whose frame is louder than ``AUDIBLE_DBFS``; a pause shorter than ``SPURT_PAUSE_NS`` doesn't
end what it says. What was heard or came while the caller spoke or pressed keys is there for the next step that waits: an
echo is over when the caller is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.audio.level import AUDIBLE_DBFS, rms_dbfs
from vonage_sock.call.events import (
    AnswerRequested,
    Connected,
    DrillStruck,
    Ended,
    Event,
    EventPosted,
    MessageReceived,
    ScenarioStepped,
)
from vonage_sock.call.machine import Abort, Close
from vonage_sock.clock import MS, SECOND
from vonage_sock.protocol.rfc6455 import CLOSE_NORMAL
from vonage_sock.simulator.drills.plan import BREAKING
from vonage_sock.simulator.leg.dtmf import KeyPress
from vonage_sock.simulator.leg.script import Move
from vonage_sock.simulator.scenario import model
from vonage_sock.simulator.scenario.voices import Voices

SPURT_PAUSE_NS: Final = 200 * MS
STAY_NS: Final = 1 * SECOND
"""How long the server has to be quiet after the last step until the caller hangs up."""

MAX_KEPT: Final = 20_000

ItemT = TypeVar("ItemT")

NOT_REACHED: Final = "not reached"
BEGUN: Final = "begun"
DONE: Final = "done"
FAILED: Final = "failed"


class _StepFailedError(Exception):
    """A step can't be done; why, in a sentence."""


@dataclass(slots=True)
class StepResult:
    """How a step went; ``at_s`` is when it began, counted from the call's first event."""

    step: model.Step
    state: str = NOT_REACHED
    at_s: float | None = None
    reason: str = ""

    def report(self) -> dict[str, Any]:
        """In JSON's types."""
        told: dict[str, Any] = {"number": self.step.number, "step": self.step.text, "state": self.state}
        if self.at_s is not None:
            told["at_s"] = self.at_s
        return told | ({"reason": self.reason} if self.reason else {})


class Conductor:
    """
    The ``Script`` of one run of a scenario.

    Args:
        call: the id that its events have.
    """

    def __init__(self, scenario: model.Scenario, voices: Voices, *, call: str) -> None:
        self.scenario = scenario
        self.results = [StepResult(step) for step in scenario.steps]
        self.answers: list[AnswerRequested] = []
        self.posted: list[EventPosted] = []
        self.messages: list[object] = []
        self._voices = voices
        self._call = call
        self._rate_hz = 0
        self._began_at: int | None = None
        self._at = 0
        self._heard_now = False
        self._heard_unwaited = False
        self._spurt_at: int | None = None
        self._quiet_at: int | None = None
        self._closes = 0
        self._connected_at = 0
        self._first_heard_ns: int | None = None
        self._heard_ns = 0
        self._drilled = ""
        self._ended = "the call was over"
        self._stopped = ""
        self._over = False
        self._used: set[tuple[str, int]] = set()
        self._events: list[Event] = []
        self._keys = ""
        self._end: Close | Abort | None = None
        self._play = self._perform()
        self._finished = False

    @property
    def failure(self) -> StepResult | None:
        """The step that failed."""
        return next((result for result in self.results if result.state == FAILED), None)

    @property
    def first_heard_ms(self) -> float | None:
        """How long after a socket was opened the server was first heard on it."""
        return None if self._first_heard_ns is None else round(self._first_heard_ns / MS, 1)

    @property
    def heard_s(self) -> float:
        """For how long the server was heard in all, with the short pauses in what it said."""
        return round(self._heard_ns / SECOND, 3)

    @property
    def stopped(self) -> str:
        """By what the call was stopped; empty where it came to its own end."""
        return self._stopped

    def stop(self, why: str) -> None:
        """The call is ended from outside, and what isn't done by then is so for this reason."""
        self._stopped = why

    def step(self, at: int, heard: bytes | None) -> Move:
        """The next 20 ms."""
        self._begin(at)
        self._at = at
        self._listen(at, heard)
        self._keys, self._end = "", None
        frame = self._resume()
        events, self._events = tuple(self._events), []
        return Move(frame, self._keys, self._end, events)

    def observe(self, event: Event) -> None:
        """Something happened in the leg."""
        self._begin(event.at)
        match event:
            case Connected(rate_hz=rate_hz):
                self._rate_hz = rate_hz
                self._connected_at = event.at
                self._drilled = ""
            case MessageReceived(message=message) if len(self.messages) < MAX_KEPT:
                self.messages.append(message)
            case Ended(closed_by="platform"):
                self._ended = "the call was over"
            case Ended(closed_by=closed_by):
                self._closes += 1
                self._ended = "the connection was lost" if closed_by == "network" else "the server closed the socket"

    def watch(self, event: Event) -> None:
        """Something happened in the call around the leg: webhooks."""
        match event:
            case AnswerRequested() if len(self.answers) < MAX_KEPT:
                self._begin(event.at)
                self.answers.append(event)
            case EventPosted() if len(self.posted) < MAX_KEPT:
                self._begin(event.at)
                self.posted.append(event)
            case DrillStruck(drill=drill):
                self._drilled = drill

    def finish(self, at: int) -> list[Event]:
        """The call is over: what is left of the steps fails, unless it can be done without a socket. What is to be told."""
        self._begin(at)
        self._at, self._over = max(self._at, at), True
        while not self._finished:
            self._resume()
        events, self._events = self._events, []
        return events

    # How it works inside.

    def _begin(self, at: int) -> None:
        if self._began_at is None:
            self._began_at = at

    def _since_began_ns(self) -> int:
        return self._at - (self._at if self._began_at is None else self._began_at)

    def _listen(self, at: int, heard: bytes | None) -> None:
        self._heard_now = heard is not None and rms_dbfs(heard) > AUDIBLE_DBFS
        if self._heard_now:
            self._heard_unwaited = True
            self._heard_ns += FRAME_NS
            if self._first_heard_ns is None:
                self._first_heard_ns = at - self._connected_at
            if self._quiet_at is None or at - self._quiet_at > SPURT_PAUSE_NS:
                self._spurt_at = at
            else:
                self._heard_ns += max(0, at - self._quiet_at)
            self._quiet_at = at + FRAME_NS

    def _resume(self) -> bytes | None:
        try:
            return next(self._play)
        except StopIteration:
            self._finished = True
            return None

    def _perform(self) -> Iterator[bytes | None]:
        """All steps, the staying after them, and the end."""
        for result in self.results:
            result.state, result.at_s = BEGUN, round(self._since_began_ns() / SECOND, 3)
            self._tell(result)
            try:
                yield from self._do(result.step)
            except _StepFailedError as error:
                result.state, result.reason = FAILED, str(error)
                self._tell(result)
                break
            result.state = DONE
            if isinstance(result.step.action, model.WaitFor | model.Interrupt):
                self._heard_unwaited = self._heard_now
        else:
            yield from self._stay()
        yield from self._leave(Close(CLOSE_NORMAL))

    def _tell(self, result: StepResult) -> None:
        step = result.step
        self._events.append(
            ScenarioStepped(
                at=self._at,
                call=self._call,
                number=step.number,
                step=step.text,
                state=result.state,
                reason=result.reason,
            )
        )

    def _do(self, step: model.Step) -> Iterator[bytes | None]:
        match step.action:
            case model.Silence(span_ns):
                yield from self._say_nothing(span_ns)
            case model.WaitFor(condition, within_ns):
                yield from self._wait(self._test(condition), within_ns)
            case model.Interrupt(action, after_ns, within_ns):
                yield from self._wait(_Waiting(lambda: self._is_heard_for(after_ns), self._what_is_heard), within_ns)
                yield from self._act(step.number, action)
            case model.HangUp():
                yield from self._leave(Close(CLOSE_NORMAL))
            case model.Drop():
                yield from self._leave(Abort())
            case action:
                yield from self._act(step.number, action)

    def _act(self, number: int, action: model.Say | model.Play | model.Press) -> Iterator[bytes | None]:
        if isinstance(action, model.Press):
            yield from self._press(action.presses)
            return
        for index in itertools.count():
            # Looked up each time: the next leg of a call may have another rate.
            frames = self._voices[number].get(self._rate_hz, ())
            if index >= len(frames) and not self._over:
                return
            yield from self._pass(frames[index] if index < len(frames) else None)

    def _press(self, presses: tuple[KeyPress, ...]) -> Iterator[bytes | None]:
        self._check_open()
        start = self._at
        for key in presses:
            while self._at - start < key.after_ns:
                yield from self._pass()
            self._keys += key.digit
        yield from self._pass()

    def _say_nothing(self, span_ns: int) -> Iterator[bytes | None]:
        start = self._at
        while self._at - start < span_ns:
            yield from self._pass()

    def _stay(self) -> Iterator[bytes | None]:
        """As long as there is something to hear; here the limit is no failure."""
        start = self._at
        while not (self._over or self._is_out_of_time() or self._is_quiet_for(STAY_NS, start)):
            yield None

    def _leave(self, end: Close | Abort) -> Iterator[bytes | None]:
        if not self._over:
            self._end = end
            yield None

    def _pass(self, frame: bytes | None = None) -> Iterator[bytes | None]:
        """20 ms on the socket."""
        self._check_open()
        yield frame

    def _check_open(self) -> None:
        if self._over and not self._rate_hz:
            raise _StepFailedError("no socket was opened")
        if self._over:
            raise _StepFailedError(self._stopped or f"{self._how_it_ended()} before this step was done")
        if self._is_out_of_time():
            raise _StepFailedError(f"the scenario's limit of {self.scenario.limit_ns / SECOND:g} s was reached")

    def _how_it_ended(self) -> str:
        if self._drilled in BREAKING and self._ended != "the server closed the socket":
            return f"our own drill {self._drilled} broke the connection"
        return self._ended

    def _is_out_of_time(self) -> bool:
        return self._since_began_ns() >= self.scenario.limit_ns

    # Waiting.

    def _wait(self, waiting: _Waiting, within_ns: int) -> Iterator[bytes | None]:
        start = self._at
        while not waiting.has_come():
            self._check_open()
            if self._at - start >= within_ns:
                raise _StepFailedError(f"it didn't happen within {within_ns / SECOND:g} s; {waiting.instead()}")
            yield None

    def _test(self, condition: model.Condition) -> _Waiting:
        match condition:
            case model.AudioHeard():
                return _Waiting(lambda: self._heard_unwaited, self._what_is_heard)
            case model.Quiet(span_ns):
                start = self._at
                return _Waiting(lambda: self._is_quiet_for(span_ns, start), self._what_is_heard)
            case model.MessageCame(pattern):
                fits = partial(fits_message, pattern)
                return _Waiting(self._first_unused("message", self.messages, fits), self._what_came)
            case model.WebhookPosted("answer"):
                return _Waiting(lambda: bool(self.answers), self._what_was_posted)
            case model.WebhookPosted(status):
                came = self._first_unused("webhook", self.posted, lambda event: event.status == status)
                return _Waiting(came, self._what_was_posted)
        return _Waiting(lambda: self._closes > 0, lambda: "the socket is still open")

    def _is_heard_for(self, span_ns: int) -> bool:
        return self._heard_now and self._spurt_at is not None and self._at + FRAME_NS - self._spurt_at >= span_ns

    def _is_quiet_for(self, span_ns: int, start: int) -> bool:
        return not self._heard_now and self._at - max(start, self._quiet_at or start) >= span_ns

    def _first_unused(self, kind: str, items: Sequence[ItemT], fits: Callable[[ItemT], bool]) -> Callable[[], bool]:
        """Whether one has come that fits and that no step has waited for yet; each is looked at once."""
        unseen = 0

        def has_come() -> bool:
            nonlocal unseen
            while unseen < len(items):
                number, unseen = unseen, unseen + 1
                if (kind, number) not in self._used and fits(items[number]):
                    self._used.add((kind, number))
                    return True
            return False

        return has_come

    def _what_is_heard(self) -> str:
        if self._heard_now:
            return "the server is still heard"
        return "the server was never heard" if self._quiet_at is None else "the server isn't heard"

    def _what_came(self) -> str:
        names = [name_of(message) for message in self.messages]
        return f"what came: {_few(names)}" if names else "no text message came"

    def _what_was_posted(self) -> str:
        names = [event.status for event in self.posted]
        return f"what was posted: {_few(names)}" if names else "nothing was posted"


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Whether it has come, and else what there was instead."""

    has_come: Callable[[], bool]
    instead: Callable[[], str]


def fits_message(pattern: model.Pattern, message: object) -> bool:
    """Whether a text message is of this name, or has these fields."""
    if isinstance(pattern, Mapping):
        return has(message, pattern)
    return pattern in (message, name_of(message))


def name_of(message: object) -> str:
    """The name of a message's action or event; the text itself where it isn't an object."""
    if isinstance(message, dict):
        return str(message.get("action", message.get("event", "?")))[:60]
    return str(message)[:60]


def has(found: object, wanted: object) -> bool:
    """Whether it has at least what is wanted: all fields of an object, and for each item of a list one that has it."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            key in found and has(found[key], item) for key, item in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and all(any(has(one, item) for one in found) for item in wanted)
    # True is 1 to Python, not to JSON.
    return isinstance(found, bool) is isinstance(wanted, bool) and found == wanted


def _few(names: list[str]) -> str:
    return ", ".join(names[-5:]) if len(names) <= 5 else f"… {', '.join(names[-5:])}"
