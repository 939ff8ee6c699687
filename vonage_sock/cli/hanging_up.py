"""
How calls are ended from here: by closing the socket, or by the Voice API.

A socket that is closed ends its leg as well, but the platform takes that for a fault: it posts ``disconnected``, and carries
out the NCCO that is returned for it. A leg that is ended by the API raises nothing but ``completed``. Rule: a call that is
to end ends; where the API can't be asked or refuses, the socket is closed, and one line says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from vonage_sock.behaviours.play import PLAYED_REASON
from vonage_sock.call.behaviour import Call, JsonObject
from vonage_sock.call.events import AnswerRequested, Connected, Ended, Event, EventPosted
from vonage_sock.cli.voice import Voice
from vonage_sock.control.legs import MAX_CONVERSATIONS, SocketLegs
from vonage_sock.control.orders import is_uuid
from vonage_sock.display.safe import clean
from vonage_sock.errors import VsockError
from vonage_sock.server.app import VsockServer

BY_HAND: Final = "hung up"
REST_WAIT_S: Final = 5.0
"""How long the API has to end a leg; then the socket is closed."""

AT_STOP_S: Final = 1.2
"""The same for all calls together when the server stops."""

LEG_WAIT_S: Final = 1.0
"""How long the events of a leg are waited for that has begun a moment ago."""

SHOWN_TEXT: Final = 80
MAX_CONVERSATION: Final = 64


class Notice(Protocol):
    """Tells the person who runs the program; ``level`` is info or warning."""

    def __call__(self, level: str, message: str, call: str | None = None) -> None:
        """A sentence, about a call or none."""
        ...


class RestCalls(Protocol):
    """The Voice API, as far as it is needed here; ``control.calls.Calls`` is it."""

    def remember(self, uuid: str, region_url: object) -> bool:
        """A webhook said where this call is known."""
        ...

    async def hangup(self, uuid: str) -> None:
        """
        End a leg.

        Raises:
            VsockError: it isn't known, or the API can't be asked.
        """
        ...

    async def talk(self, uuid: str, text: str) -> None:
        """
        Speak a text to a leg.

        Raises:
            VsockError: as above.
        """
        ...


def closes(server: VsockServer) -> Callable[[str, str], None]:
    """Closes calls of this process."""

    def close(call: str, reason: str) -> None:
        server.act(call, lambda session: session.close(reason=reason))

    return close


def load_client() -> None:
    """Import Vonage's client."""
    importlib.import_module("vonage")


class HangUp:
    """
    Ends calls, and has the platform speak to them; an observer of the server's events.

    Args:
        close: closes a call's socket, for this reason.
        is_public: whether the server has an address that Vonage can reach.
        calls: the API; opened with the credentials of ``voice``, when left out.
    """

    def __init__(
        self,
        voice: Voice,
        *,
        close: Callable[[str, str], None],
        is_public: Callable[[], bool],
        notice: Notice,
        calls: RestCalls | None = None,
    ) -> None:
        self._voice = voice
        self._close = close
        self._is_public = is_public
        self._notice = notice
        self._calls = calls or voice.open(lambda sentence: notice("info", sentence))
        self._legs = SocketLegs()
        self._headers: dict[str, JsonObject] = {}
        self._regions: dict[str, object] = {}
        self._ending: set[str] = set()
        self._closed: set[str] = set()
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def announce(self) -> None:
        """Say it where calls are ended in the less common way."""
        if self._by_rest:
            self._notice("info", f"calls are hung up by the Voice API, as {self._voice.application}")
            self.prepare()

    def prepare(self) -> None:
        """Load what the API needs now, while hardly anybody calls: half a second of work is felt in a call."""
        if self._calls is not None:
            threading.Thread(target=load_client, name="vsock-load", daemon=True).start()

    @property
    def _by_rest(self) -> bool:
        return self._voice.is_asked(public=self._is_public())

    def watch(self, event: Event) -> None:
        """Follow the legs."""
        match event:
            case Connected(call=str(call), headers=headers):
                self._headers[call] = headers
                self._news.set()
            case Ended(call=str(call)):
                self._headers.pop(call, None)
                self._ending.discard(call)
                self._news.set()
            case EventPosted(body=body) if self._calls is not None:
                self._legs.event(body)
                self._note_region(body)
                self._news.set()
            case AnswerRequested(params=params) if self._calls is not None:
                self._note_region(params)

    def __call__(self, call: str, *, reason: str = BY_HAND) -> None:
        """End a call; a second time it is closed, however the API is getting on."""
        if not self._by_rest or self._calls is None:
            self._close(call, reason)
        elif call in self._ending:
            self._closed.add(call)
            self._close(call, reason)
        else:
            self._ask(call, reason, self._calls)

    def from_within(self, call: Call) -> None:
        """What a behaviour ends its call with, when all has been played."""
        if not self._by_rest or self._calls is None:
            call.close(reason=PLAYED_REASON)
        elif call.id not in self._ending:
            self._ask(call.id, PLAYED_REASON, self._calls)

    def wanted(self, call: str, reason: str) -> None:
        """The same from another process, which has the call."""
        if not self._by_rest or self._calls is None:
            self._close(call, reason)
        elif call not in self._ending:
            self._ask(call, reason, self._calls)

    async def all_at_stop(self) -> None:
        """End the calls that are up by the API, as far as it knows them and has the time; the others are for closing."""
        if not self._by_rest or self._calls is None:
            return
        known = [call for call, headers in self._headers.items() if self._legs.find_by_headers(headers) is not None]
        for call in known:
            if call not in self._ending:
                self._ask(call, BY_HAND, self._calls)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AT_STOP_S):
                while not self._headers.keys().isdisjoint(known):
                    self._news.clear()
                    await self._news.wait()
        self.stop()

    def why_not_say(self, call: str) -> str | None:
        """Half a sentence, or None."""
        if self._calls is None:
            return f"saying something needs the Voice API: {self._voice.lack}"
        if self._caller_leg(call) is None:
            return "the socket's metadata has no uuid of the caller's leg, so that nothing can be said to it"
        return None

    def say(self, call: str, text: str) -> None:
        """Have the platform speak to the caller."""
        uuid = self._caller_leg(call)
        if uuid is not None and self._calls is not None:
            self._begin(self._say(call, uuid, text, self._calls))

    def stop(self) -> None:
        """What is under way is given up."""
        for task in self._tasks:
            task.cancel()

    def _ask(self, call: str, reason: str, calls: RestCalls) -> None:
        self._ending.add(call)
        self._begin(self._end(call, reason, calls))

    async def _end(self, call: str, reason: str, calls: RestCalls) -> None:
        try:
            async with asyncio.timeout(REST_WAIT_S):
                await calls.hangup(await self._leg_of(call))
        except TimeoutError:
            self._fall_back(call, reason, f"it took more than {REST_WAIT_S:g} s")
        except VsockError as error:
            self._fall_back(call, reason, str(error))
        else:
            if call not in self._closed:
                self._notice("info", "its leg is ended by the Voice API, which raises no disconnected", call)
        self._closed.discard(call)

    async def _leg_of(self, call: str) -> str:
        """
        The websocket leg's own uuid, which its events tell.

        Raises:
            VsockError: none has told it.
        """
        try:
            async with asyncio.timeout(LEG_WAIT_S):
                while (uuid := self._legs.find_by_headers(self._headers.get(call, {}))) is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise VsockError("no event has told the uuid of its leg; does the event URL lead here?") from None
        return uuid

    def _note_region(self, body: JsonObject) -> None:
        """Only the answer webhook tells where a call is known; all legs of its conversation are there."""
        uuid, conversation = body.get("uuid"), body.get("conversation_uuid")
        if not isinstance(uuid, str) or not isinstance(conversation, str) or self._calls is None:
            return
        region_url = body.get("region_url") or self._regions.get(conversation)
        if self._calls.remember(uuid, region_url) and len(conversation) <= MAX_CONVERSATION:
            self._regions[conversation] = region_url
            if len(self._regions) > MAX_CONVERSATIONS:
                del self._regions[next(iter(self._regions))]

    def _fall_back(self, call: str, reason: str, why: str) -> None:
        if call in self._headers:
            self._notice("warning", f"closed, as the Voice API couldn't end it: {why}", call)
            self._close(call, reason)

    async def _say(self, call: str, uuid: str, text: str, calls: RestCalls) -> None:
        try:
            async with asyncio.timeout(REST_WAIT_S):
                await calls.talk(uuid, text)
        except TimeoutError:
            self._notice("warning", f"nothing is said: the Voice API took more than {REST_WAIT_S:g} s", call)
        except VsockError as error:
            self._notice("warning", f"nothing is said: {error}", call)
        else:
            self._notice("info", f"the platform says {clean(text, SHOWN_TEXT)!r} to the caller", call)

    def _caller_leg(self, call: str) -> str | None:
        # Our NCCO gives the socket the uuid of the leg that asked for it.
        uuid = self._headers.get(call, {}).get("uuid")
        return uuid if isinstance(uuid, str) and is_uuid(uuid) else None

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
