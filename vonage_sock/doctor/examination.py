"""
The order in which things are looked at, and what is left out when what it builds on is broken.

Rule: nothing is asked but what was named: by the command line, by the application that the credentials lead to, or by the
NCCO; by GET and POST, and one short call on the socket that the NCCO names. What a stranger's NCCO names on this machine or
network isn't touched.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import Final

from vonage_sock.account.applications import JsonObject, voice_addresses, voice_webhooks
from vonage_sock.account.sdk import Sdk
from vonage_sock.audio.frames import AudioFormat
from vonage_sock.clock import Clock, iso_utc
from vonage_sock.doctor import answers, calls
from vonage_sock.doctor.accounting import AccountExamination
from vonage_sock.doctor.addresses import SOCKETS, WEB, Place, Target, base_of, is_address, place_of
from vonage_sock.doctor.checks import Check, fault, is_broken, skipped
from vonage_sock.doctor.order import Order, Tell
from vonage_sock.doctor.travelling import Doing, Traveller
from vonage_sock.doctor.trying import TRY_S, open_as_vonage, try_call
from vonage_sock.errors import ConnectError
from vonage_sock.protocol.ncco import Ncco, WebsocketEndpoint
from vonage_sock.protocol.ncco_lint import lint_text
from vonage_sock.protocol.webhooks import ANSWER_PATH, Leg, completed_fields
from vonage_sock.simulator.ncco.connecting import upgrade_headers
from vonage_sock.simulator.ncco.reading import first_endpoint, ncco_of
from vonage_sock.simulator.webhooks.web import LateAnswerError, Webhooks

LOCAL: Final = f"http://127.0.0.1:8000{ANSWER_PATH}"
"""What is examined where nothing is named: our own server, as it is started without options."""

WAIT_S: Final = 12.0
"""Longer than Vonage waits, so that it can be said how long an answer really took."""

WHOLE_S: Final = 90.0
ACCOUNT: Final = "account"
UNTOUCHED: Final = "what another's NCCO names on this machine or network isn't touched"
TIME: Final = "time"


@dataclass(frozen=True, slots=True)
class _Event:
    """Where an event is posted; ``named`` was it on the command line."""

    url: str
    method: str = "POST"
    synchronous: bool = False
    named: bool = False


class Examination:
    """
    One run.

    Args:
        sdk: reads the account; it isn't asked without a key and its secret.
        tell: given each check.
        doing: told what is tried.
        whole_s: when it is given up.
        call_s: how long the call on the socket is.
    """

    def __init__(
        self,
        order: Order,
        sdk: Sdk,
        *,
        clock: Clock,
        tell: Tell,
        doing: Doing = bool,
        whole_s: float = WHOLE_S,
        call_s: float = TRY_S,
    ) -> None:
        self._order = order
        self._sdk = sdk
        self._clock = clock
        self._told = tell
        self._doing = doing
        self._whole_s = whole_s
        self._call_s = call_s
        self._about = ACCOUNT
        self._application: JsonObject | None = None
        self._told_clock = False
        self._traveller = Traveller(clock, trust=order.trust, own_authority=order.own_authority, doing=doing)
        self._leg = Leg(
            uuid=str(uuid.uuid4()), conversation_uuid=f"CON-{uuid.uuid4()}", from_="447700900001", to="442079460000"
        )

    async def run(self) -> None:
        """Look at everything; never raises for what others do."""
        order = self._order
        try:
            async with (
                asyncio.timeout(self._whole_s),
                Webhooks(
                    clock=self._clock,
                    signature_secret=order.signature_secret,
                    connect_timeout_s=WAIT_S,
                    event_timeout_s=WAIT_S,
                    trust=order.trust,
                ) as web,
            ):
                await self._look_at_account(web)
                await self._look_at(self._choose(), web)
        except TimeoutError:
            said = f"it took more than {self._whole_s:g} s in all, and what is left wasn't tried"
            self._tell(fault(TIME, said, "mend what is said above, and ask again"))

    async def _look_at(self, target: Target, web: Webhooks) -> None:
        self._about = target.url
        endpoint: WebsocketEndpoint | None = None
        if target.is_socket:
            named = WebsocketEndpoint(target.url, AudioFormat(self._order.rate_hz), {}, None)
            await self._look_at_socket(named, web, asked=None)
        else:
            endpoint = await self._look_at_answer(target, web)
        for event in self._events(target, endpoint):
            await self._look_at_event(event, web, asked=target.place)

    def _tell(self, *checks: Check) -> None:
        for check in checks:
            self._told(self._about, check)

    def _skip(self, why: str, *names: str) -> None:
        self._tell(*(skipped(name, why) for name in names))

    async def _look_at_account(self, web: Webhooks) -> None:
        part = AccountExamination(
            self._order,
            self._sdk,
            clock=self._clock,
            tell=self._tell,
            doing=self._doing,
            params=self._leg.answer_params(),
        )
        self._application = await part.look(self._traveller, web)
        self._told_clock = part.told_clock

    def _choose(self) -> Target:
        """What is examined: what was named, else the application's answer URL, else our own server."""
        address, target = voice_addresses(self._application or {})["answer_url"], self._order.target
        usable = address if address is not None and is_address(address, WEB) else None
        if target is None:
            return Target(LOCAL, assumed=True) if usable is None else Target(usable)
        if target.assumed and usable is not None and base_of(usable) == base_of(target.url):
            return Target(usable)
        return target

    # An answer URL.

    async def _look_at_answer(self, target: Target, web: Webhooks) -> WebsocketEndpoint | None:
        """The websocket that the NCCO leads to."""
        if not await self._traveller.go(target.place, self._tell):
            self._skip("one can't come to the server", answers.STATUS, answers.NCCO, calls.UPGRADE, calls.FRAMES)
            return None
        ncco = await self._ask(target, web)
        if ncco is None:
            return None
        endpoint = first_endpoint(ncco)
        if endpoint is None:
            self._skip("the NCCO leads to no websocket", calls.UPGRADE, calls.FRAMES)
        else:
            await self._look_at_socket(endpoint, web, asked=target.place)
        return endpoint

    async def _ask(self, target: Target, web: Webhooks) -> Ncco | None:
        """The NCCO; None where there is none that can be carried out."""
        method = self._order.method or self._method_of("answer_url", target.url) or "GET"
        self._doing(f"asking {target.url}")
        try:
            answer = await web.post_event(target.url, self._leg.answer_params(), method=method)
        except ConnectError as error:
            self._tell(_unanswered(answers.STATUS, error))
            self._skip("there is no answer", answers.NCCO, calls.UPGRADE, calls.FRAMES)
            return None
        checks = answers.judge_answer(answer, url=target.url, method=method, assumed=target.assumed)
        self._tell(*checks)
        if not self._told_clock:
            date, wall_ns = answer.headers.get("Date"), self._clock.wall_ns()
            self._tell(answers.judge_clock(date, whose=target.place.host, wall_ns=wall_ns))
        if is_broken(check for check in checks if check.name != answers.TIME):
            self._skip("there is no NCCO", answers.NCCO, calls.UPGRADE, calls.FRAMES)
            return None
        return self._read(answer.body)

    def _read(self, body: bytes) -> Ncco | None:
        problems = lint_text(body)
        try:
            ncco = ncco_of(body)
        except ValueError as error:
            self._tell(*answers.judge_no_ncco(problems, str(error)))
            self._skip("the NCCO can't be carried out", calls.UPGRADE, calls.FRAMES)
            return None
        self._tell(*answers.judge_ncco(ncco, problems))
        return ncco

    def _method_of(self, kind: str, address: str) -> str | None:
        """How the application has this address asked; None where it isn't the application's."""
        webhook = voice_webhooks(self._application or {})[kind]
        if webhook is None or webhook.get("address") != address:
            return None
        method = str(webhook.get("http_method", "")).upper()
        return method if method in {"GET", "POST"} else None

    # A socket.

    async def _look_at_socket(self, endpoint: WebsocketEndpoint, web: Webhooks, *, asked: Place | None) -> None:
        """``asked`` is the place whose NCCO names it; None where the command line does."""
        if not is_address(endpoint.uri, SOCKETS):
            self._tell(
                fault(calls.ADDRESS, f"{endpoint.uri[:200]!r} is none that can be opened", "write wss:// and your host")
            )
            self._skip("there is no address", calls.UPGRADE, calls.FRAMES)
            return
        place = place_of(endpoint.uri)
        check = calls.judge_socket_address(endpoint.uri, place, asked=asked)
        self._tell(check)
        if is_broken([check]):
            self._skip(UNTOUCHED, calls.UPGRADE, calls.FRAMES)
            return
        self._about = endpoint.uri
        if not await self._traveller.go(place, self._tell, near=asked is None or self._traveller.is_near(asked)):
            self._skip("one can't come to the server", calls.UPGRADE, calls.FRAMES)
        else:
            await self._call(
                endpoint, place, web.authorization(None) if asked is None else upgrade_headers(endpoint, web)
            )

    async def _call(self, endpoint: WebsocketEndpoint, place: Place, headers: dict[str, str]) -> None:
        self._doing(f"opening {endpoint.uri}")
        opening = await open_as_vonage(endpoint.uri, headers, self._clock, trust=self._order.trust)
        self._tell(calls.judge_upgrade(opening, place))
        if opening.socket is None:
            self._skip("there is no socket", calls.FRAMES)
            return
        self._doing(f"calling {endpoint.uri}")
        tried = await try_call(
            opening.socket, endpoint.audio_format, endpoint.headers, self._clock, span_s=self._call_s
        )
        self._tell(*calls.judge_call(tried), calls.judge_pace(tried))

    # Events.

    def _events(self, target: Target, endpoint: WebsocketEndpoint | None) -> list[_Event]:
        """Where the events of such a call go: what was named, else what the NCCO and the application name."""
        if self._order.event_url is not None:
            return [_Event(self._order.event_url, named=True)]
        if target.is_socket:
            return []
        found: dict[str, _Event] = {}
        for url in () if endpoint is None else endpoint.event_urls[:1]:
            found[url] = (
                _Event(url, endpoint.event_method, endpoint.synchronous) if endpoint is not None else _Event(url)
            )
        addresses = voice_addresses(self._application or {})
        own = addresses["event_url"]
        if own is not None and addresses["answer_url"] == target.url and own not in found:
            found[own] = _Event(own, self._method_of("event_url", own) or "POST")
        if not found:
            self._skip("nobody names one; give it with --event-url", answers.EVENT)
        return list(found.values())

    async def _look_at_event(self, event: _Event, web: Webhooks, *, asked: Place) -> None:
        self._about = event.url[:300]
        if not is_address(event.url, WEB):
            self._tell(fault(answers.EVENT, "it is no web address", "write https:// and your host"))
            return
        place = place_of(event.url)
        if place.is_local and not asked.is_local and not event.named:
            said = "it is on this machine or network, where Vonage can't come"
            self._tell(fault(answers.EVENT, said, "name the public address"))
        elif not await self._traveller.go(place, self._tell, near=event.named or self._traveller.is_near(asked)):
            self._skip("one can't come to the server", answers.EVENT)
        else:
            await self._post(event, web)

    async def _post(self, event: _Event, web: Webhooks) -> None:
        self._doing(f"posting an event to {event.url}")
        now = iso_utc(self._clock.wall_ns())
        fields = completed_fields(start_time=now, end_time=now, duration_s=0, by="user")
        body = self._leg.event("completed", timestamp=now, **fields)
        try:
            answer = await web.post_event(event.url, body, method=event.method)
        except ConnectError as error:
            self._tell(_unanswered(answers.EVENT, error))
            return
        status, synchronous = "completed", event.synchronous
        self._tell(
            *answers.judge_event(answer, url=event.url, method=event.method, status=status, synchronous=synchronous)
        )


def _unanswered(name: str, error: ConnectError) -> Check:
    """Nothing came, or nothing that can be read."""
    if isinstance(error, LateAnswerError):
        return fault(
            name, f"no answer within {WAIT_S:g} s", "answer at once and work afterwards; see that nothing blocks"
        )
    return fault(name, str(error), "look at the server's log")
