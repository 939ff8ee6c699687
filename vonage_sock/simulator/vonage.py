"""
A call as Vonage makes it: answer webhook, NCCO, websocket leg, events.

The phone's leg and the websocket's have uuids of their own and share a conversation. What is wrong with the webhooks is
told as findings beside those of the leg.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from vonage_sock.audio.source import OpenSource
from vonage_sock.call.events import AnswerRequested, CallReported, Ended, Event, EventPosted, Notice, Observer
from vonage_sock.call.findings import Findings
from vonage_sock.call.machine import CLOSE_NORMAL
from vonage_sock.clock import Clock, SystemClock, iso_utc
from vonage_sock.errors import ConnectError, UsageError
from vonage_sock.media.decode import ready
from vonage_sock.protocol import jsontext
from vonage_sock.protocol.ncco import KNOWN_ACTIONS, Ncco, WebsocketEndpoint, read_ncco, websocket_endpoint
from vonage_sock.protocol.webhooks import Leg
from vonage_sock.simulator.leg import HeardSink, LegPlan, VonageLeg
from vonage_sock.simulator.socket import OPEN_WAIT_S, open_socket
from vonage_sock.simulator.web import ANSWER_TIMEOUT_S, Webhooks
from vonage_sock.transport import Driver, tell

CALL_ID: Final = "call"
SLOW_ANSWER_MS: Final = 1000

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOrder:
    """
    The call to make.

    Args:
        target: a websocket's address, or an answer URL.
        audio: what the caller says.
        plan: the leg's format and headers for a websocket; an NCCO's own take their place.
        event_url: where the phone leg's events go; for an answer URL ``…/answer`` its neighbour ``…/event`` otherwise.
    """

    target: str
    audio: OpenSource
    plan: LegPlan
    from_number: str = "447700900001"
    to_number: str = "442079460000"
    event_url: str | None = None
    method: str = "GET"
    signature_secret: str | None = None

    def __post_init__(self) -> None:
        check_target(self.target)
        if self.event_url is not None and urlsplit(self.event_url).scheme not in ("http", "https"):
            raise UsageError(
                f"--event-url {self.event_url!r} isn't a web address; give it as https://example.com/events"
            )


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


class Teller:
    """What a call tells, and the findings that are not the leg's own."""

    def __init__(self, observers: Sequence[Observer], clock: Clock) -> None:
        self.findings = Findings(CALL_ID)
        self.clock = clock
        self.ended: Ended | None = None
        self._observers = observers

    def tell(self, event: Event) -> None:
        """Give an event to the observers."""
        if isinstance(event, Ended):
            self.ended = event
        for observer in self._observers:
            tell(observer, event)

    def find(self, code: str, **numbers: object) -> None:
        """Note something that is wrong."""
        event = self.findings.add(code, at=self.clock.now(), frame=0, **numbers)
        if event is not None:
            self.tell(event)

    def note(self, message: str) -> None:
        """Say something to the person at the screen."""
        self.tell(Notice(at=self.clock.now(), call=CALL_ID, level="info", message=message))


class VonageCall:
    """
    One call, from the answer webhook to its end.

    Args:
        observers: told of every event; the last is ``CallReported``.
        heard: takes what was said and heard.
        answer_timeout_s, open_timeout_s: how long a webhook's answer and the opening of the socket may take.
    """

    def __init__(
        self,
        order: CallOrder,
        *,
        observers: Sequence[Observer] = (),
        heard: HeardSink | None = None,
        clock: Clock | None = None,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        open_timeout_s: float = OPEN_WAIT_S,
    ) -> None:
        self._order = order
        self._answer_timeout_s = answer_timeout_s
        self._open_timeout_s = open_timeout_s
        self._heard = heard
        self._clock = clock or SystemClock()
        self._teller = Teller(observers, self._clock)
        self._driver: Driver | None = None
        self._leg: VonageLeg | None = None
        self._connecting: asyncio.Task[JsonObject] | None = None
        self._hung_up = False

    def hang_up(self) -> None:
        """End the call early, as the caller; before the socket is open it is given up."""
        self._hung_up = True
        if self._driver is not None:
            self._driver.close(CLOSE_NORMAL)
        elif self._connecting is not None:
            self._connecting.cancel()

    def tell_stats(self) -> None:
        """Tell where the call stands; whoever wants to know calls this as often as that."""
        if self._leg is not None:
            self._teller.tell(self._leg.stats(self._clock.now()))

    def tell_report(self, report: JsonObject) -> None:
        """The last event."""
        self._teller.tell(CallReported(at=self._clock.now(), call=CALL_ID, report=report))

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
            report = {}
        findings = [
            {"code": f.code, "level": f.level, "message": f.message, "count": f.count}
            for f in self._teller.findings.all()
        ]
        return {"target": order.target, **report, "findings": findings + report.get("findings", [])}

    async def _make(self) -> JsonObject:
        order = self._order
        if urlsplit(order.target).scheme in ("ws", "wss"):
            return await self._run_leg(order.target, order.plan, {})
        async with Webhooks(
            clock=self._clock, signature_secret=order.signature_secret, timeout_s=self._answer_timeout_s
        ) as web:
            return await AnsweredCall(order, web, self._teller, self._run_leg).run()

    async def _run_leg(
        self, url: str, plan: LegPlan, headers: dict[str, str], opened: Callable[[], None] | None = None
    ) -> JsonObject:
        source = await ready(self._order.audio(plan.audio_format))
        try:
            socket = await open_socket(url, headers, timeout_s=self._open_timeout_s)
        except BaseException:
            source.close()
            raise
        if opened is not None:
            opened()
        leg = self._leg = VonageLeg(CALL_ID, plan, source, now=self._clock.now(), remote=url, heard=self._heard)
        self._driver = Driver(leg, socket, clock=self._clock, observer=self._teller.tell)
        if self._hung_up:
            self._driver.close(CLOSE_NORMAL)
        await self._driver.run()
        self._leg = None
        report = leg.report()
        if (ended := self._teller.ended) is not None:
            report |= {
                "close_code": ended.close_code,
                "close_reason": ended.close_reason,
                "closed_by": ended.closed_by,
            }
        return report


RunLeg = Callable[[str, LegPlan, dict[str, str], Callable[[], None]], Awaitable[JsonObject]]


class AnsweredCall:
    """
    The webhooks around a leg: what an answer URL says is carried out, and told to the event URLs.

    Args:
        run_leg: opens a socket and stays until it is closed; calls its last argument once the socket is open.
    """

    def __init__(self, order: CallOrder, web: Webhooks, teller: Teller, run_leg: RunLeg) -> None:
        self._order = order
        self._web = web
        self._teller = teller
        self._run_leg = run_leg
        self._event_urls: dict[str, tuple[str, str]] = {}
        self._fell_back = False
        self._phone = Leg(
            uuid=str(uuid.uuid4()),
            conversation_uuid=f"CON-{uuid.uuid4()}",
            from_=order.from_number,
            to=order.to_number,
        )

    async def run(self) -> JsonObject:
        """
        The whole call; the leg's report, empty when no socket was opened.

        Raises:
            ConnectError: the answer URL or the NCCO's socket can't be reached.
        """
        await self._post(self._phone, "started")
        await self._post(self._phone, "ringing")
        try:
            ncco = await self._fetch_ncco()
        except ConnectError:
            await self._post(self._phone, "failed", detail="cannot_route")
            raise
        await self._post(self._phone, "answered")
        report = await self._perform(ncco)
        await self._post(self._phone, "completed", **_completed_fields(report))
        if ncco and not report:
            self._teller.find("VS409")
        return report

    async def _perform(self, ncco: Ncco) -> JsonObject:
        report: JsonObject = {}
        was_fallback = self._fell_back
        for number, action in enumerate(ncco, 1):
            report = await self._carry_out(number, action) or report
            if self._fell_back is not was_fallback:
                break  # the fallback was performed in place of what is left
        return report

    async def _perform_fallback(self, endpoint: WebsocketEndpoint, answer: bytes) -> JsonObject:
        """What a synchronous event was answered with takes the place of the NCCO, once in a call."""
        if not endpoint.synchronous or self._fell_back or not answer.strip():
            return {}
        self._fell_back = True
        self._teller.note("the event URL answers with an NCCO, which takes over")
        return await self._perform(self._read_ncco(answer))

    async def _fetch_ncco(self) -> Ncco:
        order = self._order
        params = self._phone.answer_params()
        answer = await self._web.fetch_answer(order.target, params, method=order.method)
        if answer.status != 200:
            self._teller.find("VS401", status=answer.status)
            raise ConnectError(f"{order.target} gave HTTP {answer.status} instead of 200; the platform ends the call")
        if answer.content_type != "application/json":
            self._teller.find("VS403", content_type=answer.content_type[:60])
        if answer.took_ms > SLOW_ANSWER_MS:
            self._teller.find("VS407", took_ms=answer.took_ms, limit_ms=round(ANSWER_TIMEOUT_S * 1000))
        ncco = self._read_ncco(answer.body)
        self._teller.tell(
            AnswerRequested(
                at=self._teller.clock.now(), call=CALL_ID, method=order.method, params=dict(params), ncco=ncco
            )
        )
        return ncco

    def _read_ncco(self, body: bytes) -> Ncco:
        try:
            value = jsontext.loads(body)
        except ValueError as error:
            self._teller.find("VS402", reason=f"isn't JSON: {error}")
            return []
        try:
            return read_ncco(value)
        except ValueError as error:
            self._teller.find("VS402", reason=str(error))
            return []

    async def _carry_out(self, number: int, action: JsonObject) -> JsonObject | None:
        match action["action"]:
            case "connect":
                return await self._connect(action)
            case "talk":
                self._teller.note(f"the caller hears: {str(action.get('text', ''))[:200]}")
            case name if name in KNOWN_ACTIONS:
                self._teller.note(f"action {number} of the NCCO, {name}, is passed over")
            case name:
                self._teller.find("VS406", number=number, action=str(name)[:40])
        return None

    async def _connect(self, action: JsonObject) -> JsonObject | None:
        try:
            endpoint = websocket_endpoint(action)
        except ValueError as error:
            self._teller.find("VS402", reason=f"has a connect that {error}")
            return None
        if endpoint is None:
            self._teller.note("the connect leads to something other than a websocket and is passed over")
            return None
        for problem in endpoint.problems:
            self._teller.find("VS404", reason=problem)
        return await self._run_websocket(endpoint)

    async def _run_websocket(self, endpoint: WebsocketEndpoint) -> JsonObject:
        leg = Leg(
            uuid=str(uuid.uuid4()),
            conversation_uuid=self._phone.conversation_uuid,
            from_=self._order.to_number,
            to=endpoint.uri,
            direction="outbound",
            headers=endpoint.headers,
        )
        if endpoint.event_urls:
            self._event_urls[leg.uuid] = endpoint.event_urls[0], endpoint.event_method
        await self._post(leg, "started")
        plan = replace(self._order.plan, audio_format=endpoint.audio_format, headers=endpoint.headers)
        posts: list[asyncio.Task[bytes]] = []

        def opened() -> None:
            posts.append(asyncio.create_task(self._post(leg, "answered")))

        try:
            report = await self._run_leg(endpoint.uri, plan, self._upgrade_headers(endpoint), opened)
        except ConnectError:
            answer = await self._post(leg, "failed", detail="cannot_route")
            report = await self._perform_fallback(endpoint, answer)
            await self._post(self._phone, "completed", **_completed_fields(report))
            raise
        finally:
            await asyncio.gather(*posts)
        answer = b"" if report.get("closed_by") == "platform" else await self._post(leg, "disconnected")
        await self._post(leg, "completed", **_completed_fields(report))
        return await self._perform_fallback(endpoint, answer) or report

    def _upgrade_headers(self, endpoint: WebsocketEndpoint) -> dict[str, str]:
        authorization = endpoint.authorization
        if authorization is None:
            return {}
        if authorization.get("type") == "custom":
            return {"Authorization": str(authorization.get("value", ""))}
        return self._web.authorization(None)

    async def _post(self, leg: Leg, status: str, **fields: object) -> bytes:
        """Tell an event; what came with a 200."""
        own_url = self._order.event_url or neighbour_event_url(self._order.target)
        url, method = self._event_urls.get(leg.uuid, (own_url, "POST"))
        if url is None:
            return b""
        clock = self._teller.clock
        body = leg.event(status, timestamp=iso_utc(clock.wall_ns()), **fields)
        try:
            answer = await self._web.post_event(url, body, method=method)
        except ConnectError as error:
            self._teller.find("VS408", event=status, reason=str(error))
            return b""
        if not 200 <= answer.status <= 205:
            self._teller.find("VS405", status=answer.status, event=status)
        self._teller.tell(
            EventPosted(
                at=clock.now(),
                call=CALL_ID,
                status=status,
                uuid=leg.uuid,
                conversation_uuid=leg.conversation_uuid,
                body=body,
            )
        )
        return answer.body if answer.status == 200 else b""


def neighbour_event_url(answer_url: str) -> str | None:
    """``…/event`` beside an answer URL that ends in ``/answer``; None for any other."""
    base, _, query = answer_url.partition("?")
    return f"{base.removesuffix('answer')}event" if base.endswith("/answer") and not query else None


def _completed_fields(report: JsonObject) -> JsonObject:
    return {
        "duration": str(round(report.get("duration_s", 0))),
        "rate": "0.00",
        "price": "0.00",
        "network": "vsock",
        "sip_code": 200,
        "disconnected_by": "platform" if report.get("closed_by") == "server" else "user",
    }
