"""
Calls in a process of their own, for programs that have no asyncio loop to spare, as Locust's is gevent's.

``python -m vonage_sock.testing.apart`` reads a line of JSON for each thing to do:

- ``{"call": 1, "target": URL, "press": "1#", …}``: make a call and call it 1; the other names are ``VonageCaller``'s.
- ``{"hang_up": 1}``: end it.

It writes a line for each call that is over: ``call``, ``steps`` (see ``Step``), and ``figures``, which are those of
``call.report``; of an order that can't be carried out they are an ``error`` alone. When stdin ends it hangs up all calls and
is gone. Rule: stdout is for these lines alone, and no frame waits for whoever reads them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from string import Formatter
from typing import Any, Final

from vonage_sock.call.events import AnswerRequested, Event
from vonage_sock.call.findings.catalogue import CATALOGUE, Level
from vonage_sock.clock import MS, Clock, SystemClock
from vonage_sock.errors import ConnectError, VsockError
from vonage_sock.protocol import jsontext
from vonage_sock.protocol.logtext import logger
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.vonage import VonageCall
from vonage_sock.testing.plans import DEFAULT_RATE_HZ, plan_of, said_of

MAX_ORDER_BYTES: Final = 1 << 20
GOODBYE_S: Final = 3.0
WHOLE_CALL: Final = "whole call"

_log = logger("vonage_sock.testing")

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """
    Something that was measured or found in a call.

    Args:
        kind: webhook, socket, audio, call, error, warning or note.
        name: the same for all calls: ``answer``, ``connect``, ``first heard``, a finding's code, and so on.
        took_ms: None where nothing took time, as with a finding.
        failure: why it is a failure, in words without the call's own numbers, so that failures can be counted; None if not.
    """

    kind: str
    name: str
    took_ms: float | None
    failure: str | None = None


@dataclass(slots=True)
class Course:
    """How a call went, as far as the report doesn't say."""

    began_at: int
    answered_at: int | None = None
    over_at: int = 0
    cut_short: bool = False

    def observe(self, event: Event) -> None:
        """Note when the answer URL had answered."""
        if isinstance(event, AnswerRequested) and self.answered_at is None:
            self.answered_at = event.at


def steps_of(course: Course, figures: JsonObject, *, has_webhook: bool) -> list[Step]:
    """A call in steps; the last is the call itself, whole or cut short by whoever ordered it."""
    steps = list(_opening(course, figures, has_webhook=has_webhook))
    if "frames_sent" in figures:
        steps += _heard(figures)
    steps += (_finding(found) for found in figures["findings"])
    name = "cut short" if course.cut_short else WHOLE_CALL
    return [*steps, Step("call", name, (course.over_at - course.began_at) / MS, _why_failed(figures))]


def _opening(course: Course, figures: JsonObject, *, has_webhook: bool) -> Iterator[Step]:
    failure = figures.get("error")
    failed_ms = (course.over_at - (course.answered_at or course.began_at)) / MS
    if has_webhook:
        if course.answered_at is not None:
            yield Step("webhook", "answer", (course.answered_at - course.began_at) / MS)
        elif failure is not None:
            yield Step("webhook", "answer", failed_ms, failure)
            return
    if "connect_ms" in figures:
        yield Step("socket", "connect", figures["connect_ms"])
    elif failure is not None:
        yield Step("socket", "connect", failed_ms, failure)


def _heard(figures: JsonObject) -> Iterator[Step]:
    if figures["first_audio_ms"] is not None:
        yield Step("audio", "first heard", figures["first_audio_ms"])
    if figures["echo"] is not None:
        delay_ms = figures["echo"]["delay_ms"]
        yield from (Step("audio", f"echo {key}", delay_ms[key]) for key in ("p50", "p99") if key in delay_ms)
    yield Step("audio", "own lateness p99", figures["own_lateness_ms"]["p99"])


def _finding(found: JsonObject) -> Step:
    is_error = found["level"] == Level.ERROR.value
    return Step(found["level"], found["code"], None, _in_general(found["code"]) if is_error else None)


def _why_failed(figures: JsonObject) -> str | None:
    if (error := figures.get("error")) is not None:
        return str(error)
    code = next((found["code"] for found in figures["findings"] if found["level"] == Level.ERROR.value), None)
    return None if code is None else f"{code}: {_in_general(code)}"


def _in_general(code: str) -> str:
    parts = Formatter().parse(CATALOGUE[code].message)
    return "".join(text + ("" if field is None else "…") for text, field, _, _ in parts)


class Switchboard:
    """
    Makes the calls that are ordered, all at once.

    Args:
        tell: given a line for each call that is over.
    """

    def __init__(self, tell: Callable[[JsonObject], None], *, clock: Clock | None = None) -> None:
        self._tell = tell
        self._clock = clock or SystemClock()
        self._phones: dict[int, VonageCall] = {}
        self._courses: dict[int, Course] = {}
        self._calls: dict[int, asyncio.Task[None]] = {}

    def take(self, order: JsonObject) -> None:
        """Do what a line says."""
        if "hang_up" in order:
            self._hang_up(order["hang_up"])
            return
        number = order.pop("call")
        course = self._courses[number] = Course(began_at=self._clock.now())
        self._calls[number] = asyncio.create_task(self._call(number, course, order))

    async def close(self) -> None:
        """Hang up all calls, and wait for their ends, but not for long."""
        for number in list(self._calls):
            self._hang_up(number)
        if self._calls:
            await asyncio.wait(self._calls.values(), timeout=GOODBYE_S)

    def _hang_up(self, number: int) -> None:
        course, phone = self._courses.get(number), self._phones.get(number)
        if course is not None:
            course.cut_short = True
        if phone is not None:
            phone.hang_up()

    async def _call(self, number: int, course: Course, order: JsonObject) -> None:
        target = str(order.pop("target"))
        try:
            figures = await self._try(number, course, target, order)
            course.over_at = self._clock.now()
            steps = steps_of(course, figures, has_webhook=target.startswith("http"))
        except Exception as error:  # noqa: BLE001  (whoever ordered the call waits for its line)
            if not isinstance(error, VsockError):
                _log.exception("call %s failed", number)
            figures = {"error": str(error)}
            steps = [Step("call", WHOLE_CALL, None, str(error) or type(error).__name__)]
        for kept in (self._phones, self._courses, self._calls):
            kept.pop(number, None)
        self._tell({"call": number, "steps": list(map(asdict, steps)), "figures": figures})

    async def _try(self, number: int, course: Course, target: str, order: JsonObject) -> JsonObject:
        try:
            return await self._make(number, course, target, **order)
        except ConnectError as error:
            return self._phones[number].failure(error)

    async def _make(
        self,
        number: int,
        course: Course,
        target: str,
        *,
        say: str | None = None,
        audio: str | None = None,
        press: str = "",
        duration_s: float | None = None,
        rate_hz: int = DEFAULT_RATE_HZ,
        headers: JsonObject | None = None,
        strict: bool = False,
        platform: str = "current",
        **order: Any,
    ) -> JsonObject:
        plan = plan_of(press, duration_s, rate_hz, headers or {}, platform, strict=strict)
        said = await asyncio.to_thread(said_of, say=say, audio=audio, pcm=None, seconds=duration_s)
        call_order = CallOrder(target=target, audio=said, plan=plan, **order)
        course.began_at = self._clock.now()
        phone = self._phones[number] = VonageCall(call_order, observers=[course.observe], clock=self._clock)
        if course.cut_short:
            phone.hang_up()
        return await phone.run()


async def serve() -> None:
    """Read orders until stdin ends."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader(limit=MAX_ORDER_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    out, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout)

    def tell(line: JsonObject) -> None:
        if not out.is_closing():
            out.write(jsontext.dumps(line).encode() + b"\n")

    switchboard = Switchboard(tell)
    async for line in orders:
        switchboard.take(jsontext.loads(line))
    await switchboard.close()
    out.close()


def main() -> None:
    """Run on uvloop where it is installed, else on the standard loop."""
    factory = asyncio.new_event_loop
    with suppress(ImportError):
        import uvloop  # noqa: PLC0415  (not on every platform)

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
