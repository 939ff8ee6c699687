"""
Whole Vonage calls as the load of Locust, on as many machines as Locust has workers.

Locust replaces the threads and sockets of its process by gevent's and holds it up as long as its users like, while frames
must leave every 20 ms. So each Locust worker has its calls made in a process beside it (``vonage_sock.testing.apart``), and
counts what comes of them. Rule: nothing of asyncio is imported here.
"""

from __future__ import annotations

import itertools
import json
import logging
import sys
from collections import Counter
from contextlib import suppress
from typing import Any, BinaryIO, ClassVar, Final, cast

from vonage_sock.display.safe import clean

try:
    from gevent import GreenletExit, spawn
    from gevent.event import AsyncResult
    from gevent.lock import BoundedSemaphore
    from gevent.subprocess import PIPE, Popen
    from gevent.timeout import Timeout
    from locust import User, constant, events, task
    from locust.env import Environment
    from locust.runners import WorkerRunner
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "vonage_sock.locust needs Locust, which isn't installed; run: pip install 'vonage-sock[locust]'",
        name=error.name,
    ) from None

GOODBYE_S: Final = 5.0
MAX_TOLD: Final = 400
TOTALS: Final = ("frames_sent", "frames_received", "frames_heard", "underruns", "overflow_frames")

_log = logging.getLogger("vonage_sock.locust")

JsonObject = dict[str, Any]


class CallFailedError(Exception):
    """What is wrong with a call, as Locust counts failures: by their words."""


class VonageCallUser(User):
    """
    A caller: makes one whole call after the other to ``host``, an answer URL (``http…``) or a socket (``ws…``).

    Set what it does on your own class; the fields mean what they mean for ``VonageCaller``. Each call is told to Locust's
    statistics in steps: ``answer``, ``connect``, ``first heard``, ``echo p50`` and ``p99``, ``own lateness p99`` (how late
    our own frames were, beside which all else has to be read) and ``whole call``; findings of level error are failures under
    their code, others are counted. Who listens to Locust's ``request`` event gets the call's whole report as ``response``.
    A call that is under way when its user is stopped is hung up and told; ``--stop-timeout`` lets it run to its end.
    """

    abstract = True
    wait_time = constant(1)

    say: ClassVar[str | None] = None
    audio: ClassVar[str | None] = None
    press: ClassVar[str] = ""
    duration_s: ClassVar[float | None] = None
    rate_hz: ClassVar[int] = 16_000
    headers: ClassVar[JsonObject] = {}
    strict: ClassVar[bool] = False
    platform: ClassVar[str] = "current"
    order: ClassVar[JsonObject] = {}
    """Other fields of ``CallOrder``: ``from_number``, ``event_url``, ``method``, ``signature_secret`` and so on."""

    @task
    def _place_call(self) -> None:
        # Locust takes a base class's tasks as they stand there; through this one ``call`` can be overridden.
        self.call()

    def call(self, **changes: object) -> JsonObject:
        """
        Make one call and tell Locust what came of it; its report, as ``vsock call --json`` has it.

        Args:
            changes: take the place of the class's fields in this call.
        """
        order: JsonObject = {
            "target": self.host or "",
            "say": self.say,
            "audio": self.audio,
            "press": self.press,
            "duration_s": self.duration_s,
            "rate_hz": self.rate_hz,
            "headers": self.headers,
            "strict": self.strict,
            "platform": self.platform,
            **self.order,
            **changes,
        }
        number = _CALLS.begin(order)
        try:
            over = _CALLS.over(number)
        except GreenletExit:
            _CALLS.hang_up(number)
            with suppress(Timeout):
                self._tell(_CALLS.over(number, timeout_s=GOODBYE_S))
            raise
        finally:
            _CALLS.forget(number)
        return self._tell(over)

    def _tell(self, over: JsonObject) -> JsonObject:
        figures: JsonObject = over["figures"]
        for step in over["steps"]:
            failure = step["failure"]
            self.environment.events.request.fire(
                request_type=step["kind"],
                name=step["name"],
                response_time=step["took_ms"],
                response_length=_heard_bytes(figures) if step["kind"] == "call" else 0,
                response=figures,
                exception=None if failure is None else CallFailedError(clean(failure, MAX_TOLD)),
                context=self.context(),
                url=self.host,
            )
        _TOTALS.update({name: figures.get(name, 0) for name in TOTALS}, calls=1)
        return figures


def _heard_bytes(figures: JsonObject) -> int:
    return int(figures.get("frames_heard", 0) * figures.get("rate_hz", 0) // 50 * 2)


class _Calls:
    """The process that makes this one's calls. It is started with the first, and again where it has died."""

    def __init__(self) -> None:
        self._process: Popen[bytes] | None = None
        self._writing = BoundedSemaphore()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, AsyncResult[JsonObject]] = {}

    def begin(self, order: JsonObject) -> int:
        """Order a call; its number."""
        number = next(self._numbers)
        self._waiting[number] = AsyncResult()
        self._write({"call": number, **order})
        return number

    def over(self, number: int, *, timeout_s: float | None = None) -> JsonObject:
        """
        Wait for the end of a call; what came of it.

        Raises:
            Timeout: it didn't end so soon.
        """
        return cast("JsonObject", self._waiting[number].get(timeout=timeout_s))

    def forget(self, number: int) -> None:
        """Nobody waits for it any more."""
        del self._waiting[number]

    def hang_up(self, number: int) -> None:
        """End it."""
        self._write({"hang_up": number})

    def _write(self, line: JsonObject) -> None:
        with self._writing:
            if self._process is None:
                self._process = _start()
                spawn(self._read, self._process)
            orders = cast("BinaryIO", self._process.stdin)
            # Where it has died, whoever reads from it tells that.
            with suppress(BrokenPipeError):
                orders.write(json.dumps(line).encode() + b"\n")
                orders.flush()

    def _read(self, process: Popen[bytes]) -> None:
        for text in cast("BinaryIO", process.stdout):
            line = json.loads(text)
            if (waiting := self._waiting.get(line["call"])) is not None:
                waiting.set(line)
        failure = f"the process that makes the calls has ended with code {process.wait()}"
        self._process = None
        lost = {"kind": "call", "name": "whole call", "took_ms": None, "failure": failure}
        for waiting in self._waiting.values():
            if not waiting.ready():
                waiting.set({"steps": [lost], "figures": {"error": failure}})


def _start() -> Popen[bytes]:
    # A group of its own: Ctrl-C is for Locust, which then stops its users; and the process ends when its stdin does.
    command = [sys.executable, "-P", "-m", "vonage_sock.testing.apart"]
    return Popen(command, stdin=PIPE, stdout=PIPE, start_new_session=True)


class _Totals(Counter[str]):
    """What Locust's own statistics have no place for; workers tell the master."""

    def listen(self, environment: Environment) -> None:
        """Gather on the master, or where there is no other, and say it at the end."""
        hooks = environment.events
        hooks.report_to_master.add_listener(self._report)
        hooks.worker_report.add_listener(self._gather)
        if not isinstance(environment.runner, WorkerRunner):
            hooks.quit.add_listener(self._say)

    def _report(self, client_id: str, data: JsonObject) -> None:
        data["vonage_sock"] = dict(self)
        self.clear()

    def _gather(self, client_id: str, data: JsonObject) -> None:
        self.update(data.get("vonage_sock", {}))

    def _say(self, exit_code: int | None) -> None:
        _log.info("%s calls: %s", f"{self['calls']:,}", ", ".join(f"{n.replace('_', ' ')} {self[n]:,}" for n in TOTALS))


_CALLS: Final = _Calls()
_TOTALS: Final = _Totals()


@events.init.add_listener
def _listen(environment: Environment, **_more: object) -> None:
    _TOTALS.listen(environment)
