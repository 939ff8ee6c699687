"""
Events on their way to the application: in the usual order, or, to try its patience, out of order and some of them twice.

Vonage promises neither an order nor that an event comes only once. What an answer is waited for keeps its place always.

Rule: an event whose answer doesn't matter never holds the call up. It is posted beside the call, behind those that were
told before it; the call only waits for a moment, so that an application that answers at once sees everything in one order.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from vonage_sock.call.events import EventPosted
from vonage_sock.clock import iso_utc
from vonage_sock.errors import ConnectError
from vonage_sock.protocol.webhooks import FALLBACK_STATUSES, event_kind, fallback_request
from vonage_sock.simulator.telling import Teller
from vonage_sock.simulator.webhooks.web import TRIES, LateAnswerError, Webhooks, is_unreachable

MAX_LATE: Final = 2
"""After so many answers that came too late a URL isn't asked any more: a call must not take minutes to end."""

HEAD_START_S: Final = 0.2
"""How long the call waits for an event to be answered before it goes on."""

SLOW_EVENT_MS: Final = 3_000
"""Events come one after the other: what takes longer than this makes those of a short call come after its end."""

HOLD_BACK: Final = 0.4
REPEAT: Final = 0.25

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where events go; nowhere with no ``url``."""

    url: str | None
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Fallback:
    """The application's fallback URL."""

    url: str | None
    method: str = "GET"


class Poster:
    """
    Posts the events of one call.

    Args:
        default: where events go that have no destination of their own.
        fallback: is asked where a URL that should answer with an NCCO doesn't.
        shuffle: the source of disorder; None for none.
        watch: told of each event in its usual order, before it is posted, wherever it goes.
    """

    def __init__(
        self,
        web: Webhooks,
        teller: Teller,
        *,
        default: Destination,
        fallback: Fallback | None = None,
        shuffle: random.Random | None = None,
        watch: Callable[[JsonObject], object] = bool,
    ) -> None:
        self._web = web
        self._teller = teller
        self.default = default
        self._fallback = fallback or Fallback(None)
        self._shuffle = shuffle
        self._watch = watch
        self._held: list[tuple[Destination, JsonObject]] = []
        self._waiting: deque[tuple[Destination, JsonObject]] = deque()
        self._posting: asyncio.Task[None] | None = None
        self._late: Counter[str] = Counter()
        self._doubted_host: str | None = None
        self._doubts: list[tuple[str, str]] = []

    def timestamp(self) -> str:
        """Now, as events say it."""
        return iso_utc(self._teller.clock.wall_ns())

    def doubt(self, url: str) -> None:
        """Until ``settle``, keep to yourself that nobody can be connected to at this URL's host."""
        self._doubted_host = urlsplit(url).netloc

    def settle(self, *, told: bool) -> None:
        """
        Say now what was kept back.

        Args:
            told: it is said elsewhere; once is enough.
        """
        self._doubted_host = None
        doubts, self._doubts = self._doubts, []
        for event, reason in [] if told else doubts:
            self._teller.find("VS408", event=event, reason=reason)

    async def tell(self, body: JsonObject, to: Destination | None = None) -> None:
        """Post an event whose answer doesn't matter."""
        self._watch(body)
        where = to or self.default
        if self._shuffle is None:
            self._waiting.append((where, body))
        else:
            self._held.append((where, body))
            while self._held and self._shuffle.random() >= HOLD_BACK:
                self._let_go(self._shuffle)
        await self._begin()

    async def ask(self, body: JsonObject, to: Destination | None = None) -> bytes:
        """Post an event whose answer may be an NCCO; what came with a 200, from the fallback URL if need be."""
        self._watch(body)
        where = to or self.default
        await self._all_posted()
        answer = await self._post(where, body, tries=TRIES)
        if answer is None and where.url is not None and self._fallback.url is not None:
            return await self._ask_fallback(self._fallback.url, where.url, body)
        return answer or b""

    async def flush(self) -> None:
        """Post all that was told."""
        while self._held and self._shuffle is not None:
            self._let_go(self._shuffle)
        await self._begin()
        await self._all_posted()

    def break_off(self) -> None:
        """Give up the event that is under way; those behind it follow with the next that is told."""
        if self._posting is not None:
            self._posting.cancel()
            self._posting = None

    def close(self) -> None:
        """Post no more."""
        self._waiting.clear()
        self.break_off()

    def _let_go(self, shuffle: random.Random) -> None:
        event = self._held.pop(shuffle.randrange(len(self._held)))
        self._waiting.append(event)
        if shuffle.random() < REPEAT:
            self._waiting.append(event)

    async def _begin(self) -> None:
        """Post what waits; stay for a moment where nothing was under way."""
        if self._waiting and (self._posting is None or self._posting.done()):
            self._posting = asyncio.create_task(self._post_waiting())
            await asyncio.wait([self._posting], timeout=HEAD_START_S)

    async def _all_posted(self) -> None:
        while self._posting is not None and not self._posting.done():
            await asyncio.wait([self._posting])

    async def _post_waiting(self) -> None:
        while self._waiting:
            await self._post_only(*self._waiting.popleft())

    async def _post_only(self, where: Destination, body: JsonObject) -> None:
        answer = await self._post(where, body, tries=1)
        if answer and answer.lstrip().startswith(b"[") and event_kind(body) in FALLBACK_STATUSES:
            self._teller.find("VS422", event=event_kind(body))

    async def _post(self, where: Destination, body: JsonObject, *, tries: int) -> bytes | None:
        """The body of a 200; nothing of another success; None of a failure."""
        if where.url is None:
            return b""
        kind = event_kind(body)
        if self._late[where.url] >= MAX_LATE:
            self._teller.find("VS408", event=kind, reason=f"{where.url} was too late {MAX_LATE} times and isn't asked")
            return None
        try:
            answer = await self._web.post_event(where.url, body, method=where.method, tries=tries)
        except ConnectError as error:
            self._late[where.url] += isinstance(error, LateAnswerError)
            if is_unreachable(error) and urlsplit(where.url).netloc == self._doubted_host:
                self._doubts.append((kind, str(error)))
            else:
                self._teller.find("VS408", event=kind, reason=str(error))
            return None
        self._teller.tell(
            EventPosted(
                at=self._teller.clock.now(),
                call=self._teller.call_id,
                status=kind,
                uuid=body.get("uuid"),
                conversation_uuid=body.get("conversation_uuid"),
                body=body,
                reply_status=answer.status,
            )
        )
        if answer.took_ms > SLOW_EVENT_MS:
            self._teller.find("VS428", took_ms=answer.took_ms, event=kind)
        if not 200 <= answer.status <= 205:
            self._teller.find("VS405", status=answer.status, event=kind)
            return None
        return answer.body if answer.status == 200 else b""

    async def _ask_fallback(self, url: str, original: str, body: JsonObject) -> bytes:
        request = fallback_request(body, url=original, kind="event", reason="Connection closed.")
        self._teller.note("the event URL failed; the fallback URL is asked")
        try:
            answer = await self._web.fetch_answer(url, request, method=self._fallback.method)
        except ConnectError as error:
            self._teller.find("VS408", event=event_kind(body), reason=str(error))
            return b""
        return answer.body if answer.status == 200 else b""
