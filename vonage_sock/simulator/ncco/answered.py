"""
The webhooks around a call: what an answer URL says is carried out, and told to the event URLs.

This module orchestrates; ``actions``, ``connecting`` and ``meetings`` carry out what an NCCO says, ``posting`` posts events,
``line`` is what the caller hears.

Rule: nothing here lasts for ever. A call has an end (``LegPlan.duration_ns``, else Vonage's two hours), an NCCO at most
``reading.MAX_ACTIONS`` actions, and a call at most ``MAX_NCCOS`` of them, since an application may answer every event
with one.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from vonage_sock.call.events import AnswerRequested
from vonage_sock.clock import SECOND
from vonage_sock.errors import ConnectError
from vonage_sock.protocol.ncco import Ncco, WebsocketEndpoint
from vonage_sock.protocol.webhooks import Leg, completed_fields, fallback_request
from vonage_sock.simulator.control import CallControl, Speak
from vonage_sock.simulator.drills.running import Drilling, Twin
from vonage_sock.simulator.leg.plan import HeardSink
from vonage_sock.simulator.ncco.actions import Actions, Desk
from vonage_sock.simulator.ncco.checking import problems_of
from vonage_sock.simulator.ncco.connecting import OUTCOMES, Connector, RunLeg, upgrade_headers
from vonage_sock.simulator.ncco.keypad import Keypad
from vonage_sock.simulator.ncco.line import HUNG_UP, CallOverError, CallSink, Line, Pause, TakenOverError
from vonage_sock.simulator.ncco.meetings import MEETINGS, Meetings
from vonage_sock.simulator.ncco.reading import first_endpoint, ncco_of
from vonage_sock.simulator.ncco.recording import Recordings
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.telling import Teller
from vonage_sock.simulator.webhooks.posting import Destination, Fallback, Poster
from vonage_sock.simulator.webhooks.web import Answer, LateAnswerError, Webhooks, is_unreachable

SLOW_ANSWER_MS: Final = 1000
MAX_NCCOS: Final = 20
MAX_TOLD: Final = 5
NO_WEBSOCKET: Final = "the NCCO led to no websocket"
GOODBYE_S: Final = 2.0
"""How long the last events of a call may take that was hung up before its end."""

JsonObject = dict[str, Any]
TrySocket = Callable[[WebsocketEndpoint, dict[str, str], Callable[[], None]], Awaitable[None]]


class RefusedAnswerError(ConnectError):
    """The answer URL gave another status than 200."""


class AnsweredCall:
    """
    The webhooks around a call: what an answer URL says is carried out, and told to the event URLs.

    Args:
        run_leg: opens a websocket and stays until it is closed.
        control: what the call is told from outside.
        hung_up: whether the caller wants no more.
        drilling: what the call is to suffer.
    """

    def __init__(
        self,
        order: CallOrder,
        web: Webhooks,
        teller: Teller,
        run_leg: RunLeg,
        *,
        control: CallControl,
        heard: HeardSink | None,
        pause: Pause,
        speak: Speak | None,
        hung_up: Callable[[], bool],
        drilling: Drilling,
    ) -> None:
        self._order = order
        self._drilling = drilling
        self._web = web
        self._teller = teller
        self._run_leg = run_leg
        self._control = control
        self._heard = heard
        self._pause = pause
        self._speak = speak
        self._hung_up = hung_up
        self._nccos = 0
        self._poster = Poster(
            web,
            teller,
            default=Destination(order.event_url or neighbour_event_url(order.target)),
            fallback=Fallback(order.fallback_url, order.fallback_method),
            shuffle=None if order.shuffle_seed is None else random.Random(order.shuffle_seed),  # noqa: S311
            watch=control.book.note,
        )
        control.tell_digits(self._tell_digit)
        self._phone = Leg(
            uuid=str(uuid.uuid4()),
            conversation_uuid=f"CON-{uuid.uuid4()}",
            from_=order.from_number,
            to=order.to_number,
        )

    async def run(self) -> JsonObject:
        """
        The whole call; the websocket leg's report, or why no socket was opened.

        Raises:
            ConnectError: the answer URL or the NCCO's only socket can't be reached.
        """
        self._control.enter_caller(self._phone, self._teller.call_id)
        self._poster.doubt(self._order.target)
        try:
            await self._post("started")
            await self._post("ringing")
            ncco = await self._fetch_ncco()
        except ConnectError as error:
            await self._post("failed", **OUTCOMES["failed"])
            await self._poster.flush()
            self._poster.settle(told=is_unreachable(error))
            raise
        except asyncio.CancelledError:
            self._poster.settle(told=False)
            await self._say_goodbye("cancelled")
            return {"no_socket": HUNG_UP}
        self._poster.settle(told=False)
        with self._open_line(ncco) as line:
            return await self._go_through(ncco, line, answered=True)

    async def _go_through(self, ncco: Ncco, line: Line, *, answered: bool = False) -> JsonObject:
        order = self._order
        desk = Desk(
            line=line,
            keypad=Keypad(order.plan.key_presses),
            poster=self._poster,
            teller=self._teller,
            web=self._web,
            phone=self._phone,
            control=self._control,
            audio=order.audio,
            recordings=Recordings(
                order.record_dir,
                observer=self._teller.tell,
                clock=self._teller.clock,
                call_id=self._teller.call_id,
            ),
            speech=deque(order.speech),
            speak=self._speak,
        )
        actions = Actions(desk)
        connector = Connector(desk, self._run_leg, plan=order.plan, outcomes=order.connect_outcomes)
        start_time = self._poster.timestamp()
        by_user, cancelled, why = False, False, NO_WEBSOCKET
        try:
            if answered:
                await self._post("answered")
            await self._perform(ncco, desk, actions, connector, Meetings(desk, actions))
        except CallOverError as over:
            by_user, why = True, str(over)
        except asyncio.CancelledError:
            by_user, cancelled, why = True, True, HUNG_UP
        self._phone = desk.phone
        self._control.end_transfers()
        line.catch_up()
        fields = completed_fields(
            start_time=start_time,
            end_time=self._poster.timestamp(),
            duration_s=line.position_ns / SECOND,
            by="user" if by_user and not self._control.hung_up_from_outside else "platform",
        )
        if cancelled:
            await self._say_goodbye("completed", actions, **fields)
        else:
            await actions.finish()
            await self._control.digits_told()
            await self._post("completed", **fields)
            await self._poster.flush()
        whole = bool(ncco) and not by_user
        return self._summary(connector, whole=whole, why=why if ncco else "the NCCO can't be carried out")

    def _summary(self, connector: Connector, *, whole: bool, why: str) -> JsonObject:
        if connector.refused is not None:
            self._teller.find("VS425", reason=str(connector.refused))
        if not connector.reports:
            if connector.refused is not None:
                raise connector.refused
            if whole and not connector.spared:
                self._teller.find("VS409")
            return {"no_socket": "; ".join([*connector.called[:MAX_TOLD], why])}
        last = connector.reports[-1]
        findings = [finding for report in connector.reports for finding in report["findings"]]
        return {**last, "legs": len(connector.reports), "findings": findings}

    async def _perform(
        self, ncco: Ncco, desk: Desk, actions: Actions, connector: Connector, meetings: Meetings
    ) -> None:
        """One action after the other; in their place those of an NCCO that an event's answer or the REST API brings."""
        left = deque(enumerate(ncco, 1))
        while True:
            if (destination := self._control.take_transfer()) is not None:
                left = deque(enumerate(await self._transferred(destination, desk), 1))
                continue
            if not left:
                return
            desk.line.catch_up()
            desk.line.check()
            number, action = left.popleft()
            try:
                if action["action"] == "connect":
                    answer = await connector.connect(action)
                elif action["action"] in MEETINGS:
                    await meetings.enter(action, left=len(left))
                    continue
                else:
                    answer = await actions.carry_out(number, action, left[0][1] if left else None)
            except TakenOverError:
                continue
            if not answer.strip():
                continue
            if self._nccos >= MAX_NCCOS:
                self._teller.find("VS427", most=MAX_NCCOS)
                return
            taken_over = self._read_event_answer(action["action"], answer)
            if taken_over is not None:
                self._teller.note("the event URL answers with an NCCO, which takes over")
                left = deque(enumerate(taken_over, 1))

    async def _transferred(self, destination: Ncco | str, desk: Desk) -> Ncco:
        """The caller's leg goes to a conversation of its own, where another NCCO is carried out."""
        conversation = f"CON-{uuid.uuid4()}"
        await self._poster.tell(self._phone.transfer_event(conversation, timestamp=self._poster.timestamp()))
        self._phone = desk.phone = replace(self._phone, conversation_uuid=conversation)
        self._nccos += 1
        if self._nccos > MAX_NCCOS:
            self._teller.find("VS427", most=MAX_NCCOS)
            return []
        if not isinstance(destination, str):
            self._teller.note("the call is transferred to another NCCO, which takes over")
            return self._check(destination)
        self._teller.note(f"the call is transferred to the NCCO of {destination[:200]}")
        try:
            return await self._fetch_ncco_of(destination, "GET")
        except ConnectError as error:
            self._teller.find("VS501", reason=str(error))
            return []

    async def _tell_digit(self, digit: str, where: Destination) -> None:
        body = self._phone.input_event(timestamp=self._poster.timestamp(), dtmf={"digits": digit, "timed_out": False})
        await self._poster.tell(body, where)

    async def _say_goodbye(self, status: str, actions: Actions | None = None, **fields: object) -> None:
        """The caller hung up while nobody listened; who made the call waits for its end, but not for long."""
        task = asyncio.current_task()
        if not self._hung_up() or task is None:
            raise asyncio.CancelledError
        task.uncancel()
        self._poster.break_off()
        try:
            async with asyncio.timeout(GOODBYE_S):
                if actions is not None:
                    await actions.finish()
                await self._post(status, **fields)
                await self._poster.flush()
        except TimeoutError:
            self._teller.note("the last events couldn't be told in time")

    @contextlib.contextmanager
    def _open_line(self, ncco: Ncco) -> Iterator[Line]:
        order, heard = self._order, self._heard
        endpoint = first_endpoint(ncco)
        audio_format = order.plan.audio_format if endpoint is None else endpoint.audio_format
        # What takes no time uses up none of that which the socket is to have.
        all_for_socket = order.fast and endpoint is not None
        if isinstance(heard, CallSink):
            heard.begin(audio_format, {"from": order.from_number, "to": order.to_number})
        try:
            line = self._control.line = Line(
                audio_format,
                clock=self._teller.clock,
                pause=self._pause,
                fast=order.fast,
                limit_ns=None if all_for_socket else order.plan.duration_ns,
                sink=heard,
                hung_up=self._hung_up,
                ears=self._control.caller,
            )
            yield line
        finally:
            if isinstance(heard, CallSink):
                heard.end()

    # The answer webhook.

    async def _fetch_ncco(self) -> Ncco:
        order = self._order
        params: JsonObject = dict(self._phone.answer_params(order.region_url))
        method = order.method
        try:
            answer = await self._ask_for_ncco(order.target, params, method)
        except ConnectError as error:
            if order.fallback_url is None:
                raise
            self._find_failed(error)
            self._teller.note(f"{error}; the fallback URL is asked")
            params = fallback_request(params, url=order.target, kind="answer", reason="Connection closed.")
            method = order.fallback_method
            answer = await self._ask_for_ncco(order.fallback_url, params, method)
        return await self._ncco_in(answer, params, method)

    def _find_failed(self, error: ConnectError) -> None:
        """Why the answer URL gave nothing, which the fallback URL's answer mustn't hide; a status was told."""
        limit_ms = round(self._web.timeout_s * 1000)
        if isinstance(error, LateAnswerError):
            self._teller.find("VS407", took_ms=limit_ms, limit_ms=limit_ms)
        elif not isinstance(error, RefusedAnswerError):
            self._teller.find("VS501", reason=str(error))

    async def _fetch_ncco_of(self, url: str, method: str) -> Ncco:
        """The NCCO of an address that has no fallback."""
        params: JsonObject = dict(self._phone.answer_params(self._order.region_url))
        return await self._ncco_in(await self._ask_for_ncco(url, params, method), params, method)

    async def _ncco_in(self, answer: Answer, params: JsonObject, method: str) -> Ncco:
        if answer.content_type != "application/json":
            self._teller.find("VS403", content_type=answer.content_type[:60])
        if answer.took_ms > SLOW_ANSWER_MS:
            self._teller.find("VS407", took_ms=answer.took_ms, limit_ms=round(self._web.timeout_s * 1000))
        ncco = self._check(await self._read_ncco(answer.body))
        if self._drilling.asks_twice:
            await self._ask_twice(params, method)
        self._teller.tell(
            AnswerRequested(
                at=self._teller.clock.now(), call=self._teller.call_id, method=method, params=dict(params), ncco=ncco
            )
        )
        return ncco

    async def _ask_twice(self, params: JsonObject, method: str) -> None:
        """As the platform does where the first answer came too late for it: now both are under way."""
        failure = ""
        try:
            answer = await self._web.fetch_answer(self._order.target, params, method=method)
            ncco = ncco_of(answer.body) if answer.status == 200 else []
            failure = "" if answer.status == 200 else f"it answered the second request with HTTP {answer.status}"
        except (ConnectError, ValueError) as error:
            ncco, failure = [], f"its second answer is of no use: {error}"
        endpoint = first_endpoint(ncco)
        twin = None if endpoint is None else Twin(endpoint, upgrade_headers(endpoint, self._web), self._web.trust)
        self._drilling.second_answer(twin, failure)

    def close(self) -> None:
        """What couldn't be told by now never is."""
        self._poster.close()

    async def ask_again(self, try_socket: TrySocket, opened: Callable[[], None]) -> None:
        """
        Whether a call that comes now would be answered.

        Args:
            try_socket: makes a short call on the NCCO's first websocket.
            opened: called where the call is answered: when that socket is open, or by an NCCO that has none.

        Raises:
            ConnectError: it wouldn't.
        """
        params = {**self._phone.answer_params(), "uuid": str(uuid.uuid4()), "conversation_uuid": f"CON-{uuid.uuid4()}"}
        target = self._order.target
        answer = await self._web.fetch_answer(target, params, method=self._order.method)
        if answer.status != 200:
            raise ConnectError(f"{target} gave HTTP {answer.status} instead of 200")
        try:
            endpoint = first_endpoint(ncco_of(answer.body))
        except ValueError as error:
            raise ConnectError(f"{target} gave no NCCO: it {error}") from error
        if endpoint is None:
            opened()
        else:
            await try_socket(endpoint, upgrade_headers(endpoint, self._web), opened)

    async def _ask_for_ncco(self, url: str, params: JsonObject, method: str) -> Answer:
        answer = await self._web.fetch_answer(url, params, method=method)
        if answer.status != 200:
            self._teller.find("VS401", status=answer.status)
            wants = "; it may want signed webhooks, with the right --signature-secret" if answer.status == 401 else ""
            raise RefusedAnswerError(
                f"{url} gave HTTP {answer.status} instead of 200{wants}; the platform ends the call"
            )
        return answer

    def _check(self, ncco: Ncco) -> Ncco:
        """The same, once it was told what is wrong with it."""
        for problem in problems_of(ncco):
            self._teller.find(problem.code, **problem.numbers)
        return ncco

    async def _read_ncco(self, body: bytes) -> Ncco:
        """No action is carried out of a bad one; the application is told by an event with a reason alone."""
        try:
            return ncco_of(body)
        except ValueError as error:
            self._teller.find("VS402", reason=str(error))
            event = self._phone.conversation_event(
                timestamp=self._poster.timestamp(), reason=f"Syntax error in NCCO. The NCCO {error}."
            )
            await self._poster.tell(event)
            return []

    def _read_event_answer(self, action: str, body: bytes) -> Ncco | None:
        """What isn't an NCCO doesn't end the call: it goes on with the next action."""
        self._nccos += 1
        try:
            return self._check(ncco_of(body))
        except ValueError as error:
            self._teller.find("VS423", event=f"an event of {action}", reason=str(error))
            return None

    async def _post(self, status: str, **fields: object) -> None:
        await self._poster.tell(self._phone.event(status, timestamp=self._poster.timestamp(), **fields))


def neighbour_event_url(answer_url: str) -> str | None:
    """``…/event`` beside an answer URL that ends in ``/answer``; None for any other."""
    base, _, query = answer_url.partition("?")
    return f"{base.removesuffix('answer')}event" if base.endswith("/answer") and not query else None
