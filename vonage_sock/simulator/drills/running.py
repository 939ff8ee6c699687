"""
The fault drills of one call, for whoever makes it: what to do at each turn, and what the report says of it.

Rule: whatever a drill broke, one more call is tried afterwards, within ``PROBE_WAIT_S``, so that a server which came out of
it unable to take calls is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Final

from vonage_sock.call.events import DrillStruck
from vonage_sock.call.machine import Machine
from vonage_sock.clock import MS, Clock
from vonage_sock.errors import ConnectError
from vonage_sock.protocol.ncco import WebsocketEndpoint
from vonage_sock.protocol.rfc6455 import CLOSE_NORMAL
from vonage_sock.simulator.drills.machine import DrilledLeg
from vonage_sock.simulator.drills.plan import BREAKING, ON_WEBHOOKS, Drills, drill_of
from vonage_sock.simulator.drills.sentences import how_it_ended, row
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.ncco.reading import ncco_of
from vonage_sock.simulator.socket import ClientSocket, open_socket
from vonage_sock.simulator.telling import CALL_ID, Teller
from vonage_sock.transport import Driver

PROBE_WAIT_S: Final = 5.0
TWIN_ID: Final = "call-twin"

TWIN_WAIT_S: Final = 2.0

JsonObject = dict[str, Any]
MakeLeg = Callable[[str, LegPlan], Awaitable[VonageLeg]]
TryIt = Callable[[Callable[[], None]], Awaitable[None]]
"""Makes a call, and calls what it is given when that is answered."""


class DrillRefusalError(ConnectError):
    """A drill keeps a socket from being opened; ``answered`` tells what came of the event that says so."""

    def __init__(self, url: str) -> None:
        super().__init__(f"can't reach {url}: the drill --refuse opens no socket")
        self.took = "the application was not told"

    def answered(self, status: str, body: bytes, *, synchronous: bool) -> None:
        """The event of this ``status`` was answered with this body."""
        if not synchronous:
            self.took = f"it was told {status}; its connect isn't synchronous, and the next action of the NCCO follows"
        else:
            self.took = f"it was told {status} and answered with {_what_follows(body)}"


def _what_follows(body: bytes) -> str:
    if not body.strip():
        return "nothing; the next action of the NCCO follows"
    try:
        actions = len(ncco_of(body))
    except ValueError as error:
        return f"what is no NCCO (it {error}); the next action follows"
    return f"an NCCO of {actions} {'action' if actions == 1 else 'actions'}, which takes over"


class Twin:
    """
    The second socket of a call whose answer webhook was asked twice.

    Args:
        endpoint: where the second answer leads.
        headers: of the upgrade.
        trust: whom to believe where the address asks for TLS.
    """

    def __init__(
        self, endpoint: WebsocketEndpoint, headers: dict[str, str], trust: ssl.SSLContext | None = None
    ) -> None:
        self.endpoint = endpoint
        self.headers = headers
        self._trust = trust
        self.frames = 0
        self.failure = ""
        self.closed = ""
        """How it was closed, where the server did that."""
        self._driver: Driver | None = None

    @contextlib.asynccontextmanager
    async def beside(self, make_leg: MakeLeg, plan: LegPlan, clock: Clock) -> AsyncIterator[None]:
        """Open while the first socket is."""
        plan = replace(plan, audio_format=self.endpoint.audio_format, headers=self.endpoint.headers, key_presses=())
        task = asyncio.create_task(self._run(make_leg, plan, clock))
        try:
            yield
        finally:
            if self._driver is not None:
                self._driver.close(CLOSE_NORMAL)
            await asyncio.wait([task], timeout=TWIN_WAIT_S)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, make_leg: MakeLeg, plan: LegPlan, clock: Clock) -> None:
        try:
            socket = await open_socket(self.endpoint.uri, self.headers, timeout_s=PROBE_WAIT_S, trust=self._trust)
        except ConnectError as error:
            self.failure = str(error)
            return
        leg = await make_leg(TWIN_ID, plan)
        self._driver = Driver(leg, socket, clock=clock, observer=lambda _event: None)
        await self._driver.run()
        self.frames = leg.report()["frames_received"]
        if not leg.closed_by_us:
            self.closed = how_it_ended(socket.close_code(), socket.close_reason())


class Drilling:
    """
    The drills of one call.

    Args:
        teller: told when a drill strikes that strikes no leg, and of findings.
    """

    def __init__(self, drills: Drills, teller: Teller) -> None:
        self._drills = drills
        self._teller = teller
        self._probed = ""
        self._leg: DrilledLeg | None = None
        self._refusal: DrillRefusalError | None = None
        self._struck: dict[str, tuple[int, str]] = {}
        self._started_at = teller.clock.now()
        self._legs = 0
        self._twin: Twin | None = None
        self._waiting_twin: Twin | None = None
        self._twin_failure = ""

    @property
    def narrow(self) -> bool:
        """Whether the next socket should have small buffers."""
        return self._legs == 0 and self._drills.stop_reading_after_s is not None

    @property
    def asks_twice(self) -> bool:
        """Whether the answer URL is to be asked twice."""
        return self._drills.answer_twice

    @property
    def killed(self) -> bool:
        """Whether a connection was hurt so that it couldn't go on."""
        return self._leg is not None and self._leg.killed

    def check_refusal(self, url: str) -> None:
        """
        Before a socket is opened.

        Raises:
            DrillRefusalError: it isn't to be.
        """
        if self._drills.refuse and self._refusal is None:
            self._refusal = DrillRefusalError(url)
            self._strike("refuse", f"the opening of {url} failed as if nobody listened")
            raise self._refusal

    def begin(self, leg: VonageLeg, socket: ClientSocket, plan: LegPlan) -> Machine:
        """What is to be driven: the leg itself, or, on a call's first socket, one that suffers."""
        self._legs += 1
        if self._legs > 1 or not self._drills.on_the_socket:
            return leg
        self._leg = DrilledLeg(
            leg,
            self._drills,
            socket,
            call_id=CALL_ID,
            chance=random.Random(self._drills.seed),  # noqa: S311  (a drill is to be repeated, not to be secret)
            now=self._teller.clock.now(),
            duration_ns=plan.duration_ns,
        )
        return self._leg

    def beside(self, make_leg: MakeLeg, plan: LegPlan, clock: Clock) -> AbstractAsyncContextManager[None]:
        """While a call's first socket is open, that of its second answer is too."""
        twin, self._waiting_twin = self._waiting_twin, None
        return contextlib.nullcontext() if twin is None else twin.beside(make_leg, plan, clock)

    def second_answer(self, twin: Twin | None, failure: str) -> None:
        """The answer URL was asked a second time; where its answer leads, or why it leads nowhere."""
        self._twin = self._waiting_twin = twin
        self._twin_failure = failure
        self._strike("answer-twice", "the answer URL was asked once more for the same call, and its socket opened too")

    def rows(self, report: JsonObject) -> list[JsonObject]:
        """What the report says of the drills; ``report`` is the last socket's, empty when none was opened."""
        rows: list[JsonObject] = []
        if self._drills.refuse:
            took = "" if self._refusal is None else self._refusal.took
            rows.append(self._row("refuse", took, "the NCCO opens no websocket"))
        if self._drills.answer_twice:
            rows.append(self._row("answer-twice", self._took_twin(report), "the call had no answer"))
        if self._leg is not None:
            rows += self._leg.rows()
        elif self._drills.on_the_socket:
            names = set(self._drills.names) - ON_WEBHOOKS
            rows += [row(drill_of(name), None, "nothing: no socket was opened", "") for name in sorted(names)]
        for done in rows:
            if self._probed and done["drill"] in BREAKING:
                done["took"] += f"; {self._probed}"
        return rows

    async def probe(self, try_it: TryIt) -> None:
        """
        Does the server take a new call, after what was done to it?

        Args:
            try_it: makes one and says when it is answered, or raises a ``ConnectError``.
        """
        clock = self._teller.clock
        started_at, answered_at = clock.now(), list[int]()
        reason = ""
        try:
            async with asyncio.timeout(PROBE_WAIT_S):
                await try_it(lambda: answered_at.append(clock.now()))
        except ConnectError as error:
            reason = str(error)
        except TimeoutError:
            reason = "" if answered_at else f"nothing within {PROBE_WAIT_S:g} s"
        if reason:
            self._teller.find("VS503", reason=reason)
            self._probed = f"it takes no new call: {reason}"
        else:
            self._probed = f"it takes a new call, within {max(1, (answered_at[0] - started_at) // MS)} ms"

    def _strike(self, drill: str, did: str) -> None:
        now = self._teller.clock.now()
        self._struck[drill] = now, did
        self._teller.tell(DrillStruck(at=now, call=CALL_ID, drill=drill, did=did))

    def _row(self, drill: str, took: str, nothing: str) -> JsonObject:
        if drill not in self._struck:
            return row(drill, None, f"nothing: {nothing}", "")
        at, did = self._struck[drill]
        return row(drill, at - self._started_at, did, took)

    def _took_twin(self, report: JsonObject) -> str:
        if self._twin_failure or self._twin is None:
            return self._twin_failure or "its second answer leads to no socket"
        if self._twin.failure:
            return f"it refused the second socket: {self._twin.failure}"
        if self._twin.closed and not self._twin.frames:
            return f"it refused the second socket, which {self._twin.closed} before any audio"
        endings = [f"the second {self._twin.closed}"] if self._twin.closed else []
        if report.get("closed_by") in ("server", "network"):
            endings.insert(0, f"the first {how_it_ended(report['close_code'], report['close_reason'])}")
        first = report.get("frames_received", 0)
        frames = f"{first} frames came on the first, {self._twin.frames} on the second"
        return "; ".join([f"both sockets were {'opened' if endings else 'taken'}: {frames}", *endings])
