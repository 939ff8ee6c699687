"""
A call as Vonage makes it: answer webhook, NCCO, the legs it asks for, events.

The caller's leg and every other have uuids of their own and share a conversation. What is wrong with the webhooks is told
as findings beside those of the websocket's leg.
"""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from vonage_sock.call.events import CallReported, Event, Observer
from vonage_sock.clock import MS, Clock, SystemClock, iso_utc
from vonage_sock.errors import ConnectError
from vonage_sock.media.decode import ready
from vonage_sock.protocol.ncco import WebsocketEndpoint
from vonage_sock.protocol.rfc6455 import CLOSE_NORMAL
from vonage_sock.protocol.webhooks import Leg
from vonage_sock.simulator.control import CallBook, CallControl, Speak, Tools
from vonage_sock.simulator.drills.running import Drilling, TryIt
from vonage_sock.simulator.drills.sentences import how_it_ended
from vonage_sock.simulator.giving_up import GivenUpError, unless_given_up
from vonage_sock.simulator.leg.machine import REFUSALS, VonageLeg
from vonage_sock.simulator.leg.plan import HeardSink, LegPlan
from vonage_sock.simulator.ncco.actions import espeak
from vonage_sock.simulator.ncco.answered import AnsweredCall
from vonage_sock.simulator.ncco.connecting import LegRequest, LegResult
from vonage_sock.simulator.ncco.line import HUNG_UP, Pause
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.socket import OPEN_WAIT_S, UnofferedError, open_socket
from vonage_sock.simulator.telling import CALL_ID, Teller
from vonage_sock.simulator.webhooks.web import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S, Webhooks
from vonage_sock.transport import Driver, Patience
from vonage_sock.transport.tls import trusting

PATIENCE: Final = Patience(check_every_s=2.5, ping_every_s=5.0, gone_after_s=math.inf)
"""A server that answers no ping and says nothing is odd, and told; its call goes on."""

ENDED_BY_REQUEST: Final = "the REST API ended the leg before it was open"
PROBE_ID: Final = "call-again"
PROBE_NS: Final = 100 * MS

JsonObject = dict[str, Any]
MakeCall = Callable[..., AnsweredCall]
"""``AnsweredCall``, or another kind of call that takes the same."""


class VonageCall:
    """
    One call, from the answer webhook to its end.

    Args:
        observers: told of every event; the last is ``CallReported``.
        heard: takes what was said and heard; a ``CallSink`` that of the whole call, on one time line.
        answer_timeout_s, connect_timeout_s, open_timeout_s: how long a webhook's answer, its connection and the opening of
            the socket may take. Events have twice as long as answers.
        pause: how time passes where only the NCCO wants it to.
        speak: makes a voice of a ``talk`` when somebody hears it; espeak-ng, where it is installed, when None.
        call_id: what events call it.
        book: where its legs can be found while it goes on.
        answered: makes what carries the call out, once it isn't a websocket's address that is called.

    Raises:
        UsageError: the order's ``ca`` can't be used.
    """

    def __init__(
        self,
        order: CallOrder,
        *,
        observers: Sequence[Observer] = (),
        heard: HeardSink | None = None,
        clock: Clock | None = None,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        open_timeout_s: float = OPEN_WAIT_S,
        pause: Pause = asyncio.sleep,
        speak: Speak | None = None,
        call_id: str = CALL_ID,
        book: CallBook | None = None,
        answered: MakeCall | None = None,
    ) -> None:
        self._order = order
        self._answered = answered or AnsweredCall
        self._answer_timeout_s = answer_timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._open_timeout_s = open_timeout_s
        self._heard = heard
        self._pause = pause
        self._speak = speak
        self._clock = clock or SystemClock()
        self._control = CallControl(
            CallBook() if book is None else book,
            hang_up=self._hang_up_in_order,
            clock_text=lambda: iso_utc(self._clock.wall_ns()),
        )
        self._teller = Teller(observers, self._clock, call_id, pressed=self._control.pressed)
        self._drilling = Drilling(order.drills, self._teller)
        self._trust = trusting(order.ca)
        self._driver: Driver | None = None
        self._leg: VonageLeg | None = None
        self._connecting: asyncio.Task[JsonObject] | None = None
        self._hung_up = False

    def hang_up(self) -> None:
        """End the call early, as the caller; before a socket is open it is given up."""
        if self._driver is not None:
            self._driver.close(CLOSE_NORMAL)
        elif self._connecting is not None and not self._hung_up:
            self._connecting.cancel()
        self._hung_up = True

    def _hang_up_in_order(self) -> None:
        """End the call at its next step, without breaking off a webhook that is under way."""
        self._hung_up = True
        if self._driver is not None:
            self._driver.close(CLOSE_NORMAL)

    def tell_stats(self) -> None:
        """Tell where the call stands; whoever wants to know calls this as often as that."""
        if self._leg is not None:
            self._teller.tell(self._leg.stats(self._clock.now()))

    def failure(self, error: Exception) -> JsonObject:
        """The report of a call that couldn't be made."""
        return {"target": self._order.target, "error": str(error), "findings": self._own_findings()}

    def _own_findings(self) -> list[JsonObject]:
        return [
            {"code": f.code, "level": f.level, "message": f.message, "count": f.count}
            for f in self._teller.findings.all()
        ]

    def tell_report(self, report: JsonObject) -> None:
        """The last event."""
        self._teller.tell(CallReported(at=self._clock.now(), call=self._teller.call_id, report=report))

    async def run(self) -> JsonObject:
        """
        Make the call; its report, which is not told yet.

        Raises:
            ConnectError: the target can't be reached or refuses.
        """
        order = self._order
        self._connecting = asyncio.create_task(self._make())
        try:
            report = await self._connecting
        except asyncio.CancelledError:
            if not self._hung_up:
                self._connecting.cancel()
                raise
            report = {"no_socket": HUNG_UP}
        finally:
            await self._control.close()
        findings = self._own_findings() + report.get("findings", [])
        drills = {"drills": self._drilling.rows(report)} if order.drills.names else {}
        return {"target": order.target, **report, **drills, "findings": findings}

    async def _make(self) -> JsonObject:
        order = self._order
        speak = self._speak or espeak()
        async with Webhooks(
            clock=self._clock,
            signature_secret=order.signature_secret,
            timeout_s=self._answer_timeout_s,
            connect_timeout_s=self._connect_timeout_s,
            event_timeout_s=2 * self._answer_timeout_s,
            trust=self._trust,
        ) as web:
            self._control.equip(Tools(self._teller, web, speak), order.plan.audio_format)
            if urlsplit(order.target).scheme in ("ws", "wss"):
                report = await self._call_socket(web.authorization(None))
                await self._try_again(lambda opened: self._call_socket_again(opened, web.authorization(None)))
                return report
            call = self._answered(
                order,
                web,
                self._teller,
                self._run_leg,
                control=self._control,
                heard=self._heard,
                pause=self._pause,
                speak=speak,
                hung_up=lambda: self._hung_up,
                drilling=self._drilling,
            )
            try:
                report = await call.run()
            finally:
                call.close()
            await self._try_again(lambda opened: call.ask_again(self._open_and_close, opened))
            return report

    async def _try_again(self, try_it: TryIt) -> None:
        if not self._drilling.killed or self._hung_up:
            return
        try:
            await self._drilling.probe(try_it)
        except asyncio.CancelledError:
            if not self._goes_on_after_cancelling():
                raise

    def _goes_on_after_cancelling(self) -> bool:
        """It was the caller, who hung up and waits for the report."""
        task = asyncio.current_task()
        if self._hung_up and task is not None:
            task.uncancel()
            return True
        return False

    async def _call_socket_again(self, opened: Callable[[], None], headers: dict[str, str]) -> None:
        plan = self._order.plan
        endpoint = WebsocketEndpoint(self._order.target, plan.audio_format, plan.headers, None)
        await self._open_and_close(endpoint, headers, opened)

    async def _open_and_close(
        self, endpoint: WebsocketEndpoint, headers: dict[str, str], opened: Callable[[], None]
    ) -> None:
        """
        The shortest call there is.

        Raises:
            ConnectError: its socket can't be opened, or the server ends it.
        """
        socket = await open_socket(endpoint.uri, headers, timeout_s=self._open_timeout_s, trust=self._trust)
        opened_at = self._clock.now()
        opened()
        plan = LegPlan(audio_format=endpoint.audio_format, headers=endpoint.headers, duration_ns=PROBE_NS)
        leg = await self._make_leg(PROBE_ID, plan)
        await Driver(leg, socket, clock=self._clock, observer=_nobody).run()
        code = socket.close_code()
        if not leg.closed_by_us or code in REFUSALS:
            after_ms = (self._clock.now() - opened_at) // MS
            raise ConnectError(f"{endpoint.uri} {how_it_ended(code, socket.close_reason())} after {after_ms} ms")

    async def _call_socket(self, headers: dict[str, str]) -> JsonObject:
        """A websocket without any webhook; who looks into the book finds its leg all the same."""
        order, control = self._order, self._control
        leg = Leg(
            uuid=str(uuid.uuid4()),
            conversation_uuid=f"CON-{uuid.uuid4()}",
            from_=order.from_number,
            to=order.target,
            direction="outbound",
            headers=order.plan.headers,
        )
        endpoint = {"type": "websocket", "uri": order.target}
        socket = control.enter_socket(leg, self._teller.call_id, order.plan.audio_format, endpoint)

        def note(status: str, **fields: object) -> None:
            control.book.note(leg.event(status, timestamp=iso_utc(self._clock.wall_ns()), **fields))

        request = LegRequest(
            url=order.target,
            socket=socket,
            plan=order.plan,
            headers=headers,
            opened=lambda: note("answered"),
            heard=self._heard,
        )
        try:
            result = await self._run_leg(request)
        except GivenUpError:
            note("cancelled")
            return {"no_socket": ENDED_BY_REQUEST}
        except BaseException:
            note("failed")
            raise
        finally:
            control.leave_socket(socket)
        note("completed", duration=str(round(result.report["duration_s"])))
        return result.report

    async def _run_leg(self, request: LegRequest) -> LegResult:
        self._drilling.check_refusal(request.url)
        audio = self._order.audio if request.audio is None else request.audio
        source = await ready(audio(request.plan.audio_format))
        timeout_s = self._open_timeout_s if request.timeout_s is None else request.timeout_s
        opening_at = self._clock.now()
        try:
            opening = open_socket(
                request.url,
                request.headers,
                timeout_s=timeout_s,
                narrow=self._drilling.narrow,
                trust=self._trust,
            )
            socket = await unless_given_up(request.socket.given_up, opening)
        except BaseException as error:
            source.close()
            if isinstance(error, UnofferedError):
                self._teller.find(error.found.code, **error.found.numbers)
            raise
        connect_ms = round((self._clock.now() - opening_at) / MS, 1)
        if request.opened is not None:
            request.opened()
        leg = self._leg = VonageLeg(
            self._teller.call_id,
            request.plan,
            source,
            now=self._clock.now(),
            remote=request.url,
            heard=request.heard,
            patch=self._control.bridge(request.socket),
        )
        driver = self._driver = Driver(
            self._drilling.begin(leg, socket, request.plan),
            socket,
            clock=self._clock,
            observer=self._teller.tell,
            patience=PATIENCE,
        )
        request.socket.opened(leg, driver)
        limit = None
        limited: list[bool] = []

        def end_of_limit() -> None:
            limited.append(not leg.closed_by_us)
            driver.close(CLOSE_NORMAL)

        if request.limit_s is not None:
            limit = asyncio.get_running_loop().call_later(request.limit_s, end_of_limit)
        if self._hung_up:
            driver.close(CLOSE_NORMAL)
        try:
            async with self._drilling.beside(self._make_leg, request.plan, self._clock):
                await driver.run()
        finally:
            self._leg = self._driver = None
            if limit is not None:
                limit.cancel()
        report = {**leg.report(), "connect_ms": connect_ms}
        if (ended := self._teller.ended) is not None:
            report |= {
                "close_code": ended.close_code,
                "close_reason": ended.close_reason,
                "closed_by": ended.closed_by,
            }
        if request.socket.closed_from_outside or self._control.hung_up_from_outside:
            report["ended_by_request"] = True
        return LegResult(report, limited=True in limited, ended_alone=request.socket.closed_from_outside)

    async def _make_leg(self, leg_id: str, plan: LegPlan) -> VonageLeg:
        source = await ready(self._order.audio(plan.audio_format))
        return VonageLeg(leg_id, plan, source, now=self._clock.now())


def _nobody(event: Event) -> None:
    """For a leg that nobody looks at."""
