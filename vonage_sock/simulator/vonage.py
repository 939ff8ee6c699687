"""
A call as Vonage makes it: answer webhook, NCCO, the legs it asks for, events.

The caller's leg and every other have uuids of their own and share a conversation. What is wrong with the webhooks is told
as findings beside those of the websocket's leg. This module orchestrates; ``actions`` and ``connecting`` carry out what an
NCCO says, ``posting`` posts events, ``line`` is what the caller hears.

Rule: nothing here lasts for ever. A call has an end (``LegPlan.duration_ns``, else Vonage's two hours), an NCCO at most
``MAX_ACTIONS`` actions, and a call at most ``MAX_NCCOS`` of them, since an application may answer every event with one.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import OpenSource
from vonage_sock.call.events import AnswerRequested, CallReported, Event, Observer
from vonage_sock.call.machine import CLOSE_NORMAL
from vonage_sock.clock import MS, SECOND, Clock, SystemClock, iso_utc
from vonage_sock.errors import ConnectError, UsageError
from vonage_sock.media.decode import ready
from vonage_sock.protocol import jsontext
from vonage_sock.protocol.ncco import Ncco, WebsocketEndpoint, read_ncco, websocket_endpoint
from vonage_sock.protocol.webhooks import REGION_URL, Leg, completed_fields, fallback_request
from vonage_sock.simulator.actions import Actions, Desk, espeak
from vonage_sock.simulator.connecting import OUTCOMES, Connector, LegRequest, LegResult, RunLeg, upgrade_headers
from vonage_sock.simulator.control import CallBook, CallControl, Speak, Tools
from vonage_sock.simulator.drilling import Drilling, Twin
from vonage_sock.simulator.drills import Drills
from vonage_sock.simulator.keypad import Keypad
from vonage_sock.simulator.leg import HeardSink, LegPlan, VonageLeg
from vonage_sock.simulator.line import HUNG_UP, CallOverError, CallSink, Line, Pause, TakenOverError
from vonage_sock.simulator.meetings import MEETINGS, Meetings
from vonage_sock.simulator.posting import Destination, Fallback, Poster
from vonage_sock.simulator.recording import Recordings
from vonage_sock.simulator.socket import OPEN_WAIT_S, UnofferedError, open_socket
from vonage_sock.simulator.telling import CALL_ID, Teller
from vonage_sock.simulator.web import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S, Answer, Webhooks, is_unreachable
from vonage_sock.transport import Driver, Patience

SLOW_ANSWER_MS: Final = 1000
MAX_ACTIONS: Final = 100
MAX_NCCOS: Final = 20
MAX_TOLD: Final = 5
NO_WEBSOCKET: Final = "the NCCO led to no websocket"
GOODBYE_S: Final = 2.0
"""How long the last events of a call may take that was hung up before its end."""

PATIENCE: Final = Patience(check_every_s=2.5, ping_every_s=5.0, gone_after_s=math.inf)
"""A server that answers no ping and says nothing is odd, and told; its call goes on."""
PROBE_ID: Final = "call-again"
PROBE_NS: Final = 100 * MS

JsonObject = dict[str, Any]


MakeCall = Callable[..., "AnsweredCall"]
"""``AnsweredCall``, or another kind of call that takes the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOrder:
    """
    The call to make.

    Args:
        target: a websocket's address, or an answer URL.
        audio: what the caller says, on each leg and in each recording anew.
        plan: the leg's format and headers for a websocket; an NCCO's own take their place.
        event_url: where the caller's events go; for an answer URL ``…/answer`` its neighbour ``…/event`` otherwise.
        fallback_url: is asked where the answer URL, or an event URL that should answer with an NCCO, fails.
        connect_outcomes: how phones and others answer, one after the other; the last holds for all that follow.
        speech: what a speech ``input`` recognises, one text for each.
        record_dir: where ``record`` writes; a new temporary directory when None.
        fast: let no time pass in ``talk``, ``stream``, ``wait`` and the like; a websocket's leg takes its time.
        shuffle_seed: post events out of order and some of them twice; None for the usual order.
        drills: what the call is to suffer.
        region_url: where the application finds the REST API for this call.
    """

    target: str
    audio: OpenSource
    plan: LegPlan
    from_number: str = "447700900001"
    to_number: str = "442079460000"
    event_url: str | None = None
    method: str = "GET"
    signature_secret: str | None = None
    fallback_url: str | None = None
    fallback_method: str = "GET"
    connect_outcomes: tuple[str, ...] = ("answered",)
    speech: tuple[str, ...] = ()
    record_dir: Path | None = None
    fast: bool = False
    shuffle_seed: int | None = None
    drills: Drills = field(default_factory=Drills)
    region_url: str = REGION_URL

    def __post_init__(self) -> None:
        check_target(self.target)
        self.drills.check_target(self.target)
        for name, url in (("--event-url", self.event_url), ("--fallback-url", self.fallback_url)):
            if url is not None and urlsplit(url).scheme not in ("http", "https"):
                raise UsageError(f"{name} {url!r} isn't a web address; give it as https://example.com/events")
        if unknown := set(self.connect_outcomes) - set(OUTCOMES):
            raise UsageError(f"the outcome {min(unknown)!r} isn't known; give one of {', '.join(OUTCOMES)}")
        if self.record_dir is not None and not self.record_dir.is_dir():
            raise UsageError(f"--record-dir {self.record_dir} isn't a directory; create it first")


def check_target(target: str) -> str:
    """
    An address that can be called.

    Raises:
        UsageError: neither a websocket's address nor a web server's.
    """
    example = "give an answer URL (http://127.0.0.1:8000/webhooks/answer) or a socket (ws://127.0.0.1:8000/socket)"
    try:
        parts = urlsplit(target)
        usable = parts.scheme in ("ws", "wss", "http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(letter.isspace() or not letter.isprintable() for letter in target):
        raise UsageError(f"{target!r} can't be called; {example}")
    return target


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
        ) as web:
            self._control.equip(Tools(self._teller, web, speak), order.plan.audio_format)
            if urlsplit(order.target).scheme in ("ws", "wss"):
                report = await self._call_socket()
                await self._try_again(self._open_and_close)
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
            report = await call.run()
            await self._try_again(call.ask_again)
            return report

    async def _try_again(self, try_it: Callable[[], Awaitable[None]]) -> None:
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

    async def _open_and_close(self) -> None:
        """The shortest call there is."""
        socket = await open_socket(self._order.target, {}, timeout_s=self._open_timeout_s)
        plan = replace(self._order.plan, key_presses=(), duration_ns=PROBE_NS)
        await Driver(await self._make_leg(PROBE_ID, plan), socket, clock=self._clock, observer=_nobody).run()

    async def _call_socket(self) -> JsonObject:
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
            headers={},
            opened=lambda: note("answered"),
            heard=self._heard,
        )
        try:
            result = await self._run_leg(request)
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
        try:
            socket = await open_socket(request.url, request.headers, timeout_s=timeout_s, narrow=self._drilling.narrow)
        except BaseException as error:
            source.close()
            if isinstance(error, UnofferedError):
                self._teller.find(error.found.code, **error.found.numbers)
            raise
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
        report = leg.report()
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
        await self._post("answered")
        with self._open_line(ncco) as line:
            return await self._go_through(ncco, line)

    async def _go_through(self, ncco: Ncco, line: Line) -> JsonObject:
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
        if not connector.reports:
            if connector.refused is not None:
                raise connector.refused
            if whole and not connector.spared:
                self._teller.find("VS409")
            return {"no_socket": "; ".join([*connector.called[:MAX_TOLD], why])}
        if connector.refused is not None:
            self._teller.find("VS425", reason=str(connector.refused))
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
            return destination
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
        audio_format = next(filter(None, map(_format_of, ncco)), order.plan.audio_format)
        if isinstance(heard, CallSink):
            heard.begin(audio_format, {"from": order.from_number, "to": order.to_number})
        try:
            line = self._control.line = Line(
                audio_format,
                clock=self._teller.clock,
                pause=self._pause,
                fast=order.fast,
                limit_ns=order.plan.duration_ns,
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
            self._teller.note(f"{error}; the fallback URL is asked")
            params = fallback_request(params, url=order.target, kind="answer", reason="Connection closed.")
            method = order.fallback_method
            answer = await self._ask_for_ncco(order.fallback_url, params, method)
        return await self._ncco_in(answer, params, method)

    async def _fetch_ncco_of(self, url: str, method: str) -> Ncco:
        """The NCCO of an address that has no fallback."""
        params: JsonObject = dict(self._phone.answer_params(self._order.region_url))
        return await self._ncco_in(await self._ask_for_ncco(url, params, method), params, method)

    async def _ncco_in(self, answer: Answer, params: JsonObject, method: str) -> Ncco:
        if answer.content_type != "application/json":
            self._teller.find("VS403", content_type=answer.content_type[:60])
        if answer.took_ms > SLOW_ANSWER_MS:
            self._teller.find("VS407", took_ms=answer.took_ms, limit_ms=round(self._web.timeout_s * 1000))
        ncco = await self._read_ncco(answer.body)
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
            ncco = _ncco_of(answer.body) if answer.status == 200 else []
            failure = "" if answer.status == 200 else f"it answered the second request with HTTP {answer.status}"
        except (ConnectError, ValueError) as error:
            ncco, failure = [], f"its second answer is of no use: {error}"
        endpoint = next(filter(None, map(_endpoint_of, ncco)), None)
        twin = None if endpoint is None else Twin(endpoint, upgrade_headers(endpoint, self._web))
        self._drilling.second_answer(twin, failure)

    async def ask_again(self) -> None:
        """
        Whether a call that comes now would be answered.

        Raises:
            ConnectError: it wouldn't.
        """
        params = {**self._phone.answer_params(), "uuid": str(uuid.uuid4()), "conversation_uuid": f"CON-{uuid.uuid4()}"}
        answer = await self._web.fetch_answer(self._order.target, params, method=self._order.method)
        if answer.status != 200:
            raise ConnectError(f"{self._order.target} gave HTTP {answer.status} instead of 200")

    async def _ask_for_ncco(self, url: str, params: JsonObject, method: str) -> Answer:
        answer = await self._web.fetch_answer(url, params, method=method)
        if answer.status != 200:
            self._teller.find("VS401", status=answer.status)
            raise ConnectError(f"{url} gave HTTP {answer.status} instead of 200; the platform ends the call")
        return answer

    async def _read_ncco(self, body: bytes) -> Ncco:
        """No action is carried out of a bad one; the application is told by an event with a reason alone."""
        try:
            return _ncco_of(body)
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
            return _ncco_of(body)
        except ValueError as error:
            self._teller.find("VS423", event=f"an event of {action}", reason=str(error))
            return None

    async def _post(self, status: str, **fields: object) -> None:
        await self._poster.tell(self._phone.event(status, timestamp=self._poster.timestamp(), **fields))


def _ncco_of(body: bytes) -> Ncco:
    try:
        value = jsontext.loads(body)
    except ValueError as error:
        raise ValueError(f"isn't JSON: {error}") from error
    ncco = read_ncco(value)
    if len(ncco) > MAX_ACTIONS:
        raise ValueError(f"has {len(ncco)} actions; {MAX_ACTIONS} are carried out at most")
    return ncco


def _format_of(action: JsonObject) -> AudioFormat | None:
    """The format of the websocket that an action leads to."""
    endpoint = _endpoint_of(action)
    return None if endpoint is None else endpoint.audio_format


def _endpoint_of(action: JsonObject) -> WebsocketEndpoint | None:
    """The websocket that an action leads to."""
    if action["action"] != "connect":
        return None
    try:
        return websocket_endpoint(action)
    except ValueError:
        return None


def _nobody(event: Event) -> None:
    """For a leg that nobody looks at."""


def neighbour_event_url(answer_url: str) -> str | None:
    """``…/event`` beside an answer URL that ends in ``/answer``; None for any other."""
    base, _, query = answer_url.partition("?")
    return f"{base.removesuffix('answer')}event" if base.endswith("/answer") and not query else None
