"""
Real calls, told what to do by the Voice API through Vonage's own SDK.

Rule: a live call is known in one region alone, and every other answers 404. The region that a webhook named is asked first;
where none did, one after the other, and which one knew the call is remembered. Nothing but a 404 is tried again, as what may
have been done already must not be done twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from vonage_sock.control.known import KnownRegions
from vonage_sock.control.orders import CallInfo, DialOrder, Placed, check_uuid, is_uuid, read_call, text_in
from vonage_sock.control.regions import ALL_HOSTS, DEFAULT_HOST, trusted_host
from vonage_sock.errors import ConnectError, ExitCode, UsageError, VsockError

if TYPE_CHECKING:
    from vonage import Vonage

CALLS_PATH: Final = "/v1/calls"
MAX_KNOWN: Final = 10_000
MAX_PAGE: Final = 100
NOT_FOUND: Final = 404

JsonObject = dict[str, Any]
ResultT = TypeVar("ResultT")
Ask = Callable[["Vonage"], Any]
"""What is asked of the SDK."""

TRANSFERRING: Final = "the transfer"


class RefusedError(VsockError):
    """
    The API doesn't do what it is asked.

    Args:
        status: of its answer.
    """

    def __init__(self, sentence: str, *, status: int) -> None:
        super().__init__(sentence)
        self.status = status
        if status in (400, 422):
            self.exit_code = ExitCode.USAGE


class NoSuchCallError(RefusedError):
    """No region knows a live call by this id."""


class Sdk(Protocol):
    """Vonage's SDK at one host, each call of it in a thread; ``account.sdk.Sdk`` is one."""

    async def call(self, fn: Callable[[Vonage], ResultT], *, doing: str) -> ResultT:
        """
        Ask the API; ``doing`` is what for, in a sentence that says why it failed.

        Raises:
            VsockError: it can't be reached, or refuses.
        """
        ...


@dataclass(frozen=True, slots=True)
class _No:
    """The API's refusal."""

    status: int
    detail: str = ""


@dataclass(slots=True)
class _Known:
    """Which host knows a call, for the newest calls."""

    hosts: dict[str, str] = field(default_factory=dict)

    def put(self, uuid: str, host: str) -> None:
        self.hosts.pop(uuid, None)
        self.hosts[uuid] = host
        if len(self.hosts) > MAX_KNOWN:
            del self.hosts[next(iter(self.hosts))]


class Calls:
    """
    The calls of one application.

    Args:
        open_sdk: gives the SDK at a host, such as ``api.nexmo.com`` or ``127.0.0.1:8100``; asked once for each host.
        host: the one that is asked first, and that places calls; Vonage's own when None.
        others: where a call may be known instead; Vonage's regions, when left out, unless ``api_host`` is given.
        api_host: an API in place of Vonage's, whose host no token may leave.
        say: is told in a sentence when a call is looked for in another region.
        regions: what other programs were told of where calls are known, and are to be told.

    ``open_calls`` in ``control.opening`` makes one from credentials.
    """

    def __init__(
        self,
        open_sdk: Callable[[str], Sdk],
        *,
        host: str | None = None,
        others: Sequence[str] | None = None,
        api_host: str | None = None,
        say: Callable[[str], None] | None = None,
        regions: KnownRegions | None = None,
    ) -> None:
        self._open_sdk = open_sdk
        self._api_host = api_host
        self._host = api_host or host or DEFAULT_HOST
        self._others = tuple((ALL_HOSTS if api_host is None else ()) if others is None else others)
        self._say = say
        self._sdks: dict[str, Sdk] = {}
        self._known = _Known()
        self._regions = regions

    @property
    def host(self) -> str:
        """The host that is asked first."""
        return self._host

    def on_search(self, say: Callable[[str], None]) -> None:
        """Tell this one when a call is looked for in another region."""
        self._say = say

    def anew(self) -> Calls:
        """The same, with connections of its own, for another thread's event loop."""
        calls = Calls(self._open_sdk, host=self._host, others=self._others, api_host=self._api_host, say=self._say)
        calls._known, calls._regions = self._known, self._regions
        return calls

    def remember(self, uuid: str, region_url: object) -> bool:
        """
        A webhook said where this call is known; whether that is believed.

        An address that is neither Vonage's nor of the machine that was named is passed over: it would get a token.
        """
        host = trusted_host(region_url, named=self._api_host)
        if host is None or not is_uuid(uuid):
            return False
        if self._known.hosts.get(uuid) != host:
            self._note(uuid, host)
        return True

    # Calls.

    async def dial(self, order: DialOrder, *, placed: Callable[[str], None] | None = None) -> Placed:
        """
        Place a call; it costs money.

        Args:
            placed: is told its uuid by the thread that reads the answer, whoever waits for that or not.

        Raises:
            VsockError: it can't be placed, or it isn't known whether it was.
        """
        body = order.body()
        post = _request("post", CALLS_PATH, body)

        def ask(client: Vonage) -> Any:
            answer = post(client)
            if placed is not None and is_uuid(text_in(answer, "uuid")):
                placed(text_in(answer, "uuid"))
            return answer

        answer = await self._ask(self._host, ask, "placing the call")
        if isinstance(answer, _No):
            raise _refusal(answer, self._host, "the call isn't placed")
        uuid, conversation_uuid = text_in(answer, "uuid"), text_in(answer, "conversation_uuid")
        if not is_uuid(uuid):
            raise VsockError(
                f"{self._host} answered an order without a call's uuid; whether somebody is called isn't known, "
                "look with vsock calls"
            )
        self._known.put(uuid, self._host)
        return Placed(uuid, conversation_uuid)

    async def hangup(self, uuid: str) -> None:
        """End a leg; a phone's ends the call, a websocket's raises no ``disconnected``."""
        await self._tell(uuid, lambda client: client.voice.hangup(uuid), "hanging up")

    async def transfer(
        self, uuid: str, *, ncco: Sequence[Mapping[str, Any]] | None = None, url: str | None = None
    ) -> None:
        """Let another NCCO take over, or that of an answer URL."""
        if (ncco is None) == (url is None):
            raise UsageError("a call is transferred to an NCCO or to an answer URL: give one of them")
        if url is not None:
            address = url
            await self._tell(uuid, lambda client: client.voice.transfer_call_answer_url(uuid, address), TRANSFERRING)
            return
        # The SDK's models know not every action (wait is missing), and change what they know.
        destination = {"type": "ncco", "ncco": [dict(action) for action in ncco or ()]}
        body = {"action": "transfer", "destination": destination}
        await self._tell(uuid, _request("put", f"{CALLS_PATH}/{uuid}", body), TRANSFERRING)

    async def talk(
        self,
        uuid: str,
        text: str,
        *,
        language: str | None = None,
        style: int | None = None,
        premium: bool | None = None,
        loop: int | None = None,
        level: float | None = None,
    ) -> None:
        """Speak a text to a leg; ``loop`` 0 is for ever, ``level`` is from -1 to 1."""
        options = _given(text=text, language=language, style=style, premium=premium, loop=loop, level=level)
        await self._put(uuid, "talk", options)

    async def stop_talk(self, uuid: str) -> None:
        """Speak no more."""
        await self._tell(uuid, lambda client: client.voice.stop_tts(uuid), "stopping the talk")

    async def stream(self, uuid: str, url: str, *, loop: int | None = None, level: float | None = None) -> None:
        """Play the file at this address to a leg; ``loop`` 0 is for ever, ``level`` is from -1 to 1."""
        await self._put(uuid, "stream", _given(stream_url=[url], loop=loop, level=level))

    async def stop_stream(self, uuid: str) -> None:
        """Play no more."""
        await self._tell(uuid, lambda client: client.voice.stop_audio_stream(uuid), "stopping the stream")

    async def dtmf(self, uuid: str, digits: str) -> None:
        """Let a leg hear keys; ``p`` is a pause of half a second."""
        await self._tell(uuid, lambda client: client.voice.play_dtmf_into_call(uuid, digits), "sending keys")

    async def mute(self, uuid: str) -> None:
        """Nobody hears this leg."""
        await self._tell(uuid, lambda client: client.voice.mute(uuid), "muting")

    async def unmute(self, uuid: str) -> None:
        """It is heard again."""
        await self._tell(uuid, lambda client: client.voice.unmute(uuid), "unmuting")

    async def earmuff(self, uuid: str) -> None:
        """This leg hears nobody."""
        await self._tell(uuid, lambda client: client.voice.earmuff(uuid), "earmuffing")

    async def unearmuff(self, uuid: str) -> None:
        """It hears again."""
        await self._tell(uuid, lambda client: client.voice.unearmuff(uuid), "ending the earmuff")

    async def get(self, uuid: str) -> CallInfo:
        """How a leg stands."""
        path = f"{CALLS_PATH}/{uuid}"
        return read_call(await self._tell(uuid, _request("get", path), "reading the call"))

    async def list_calls(
        self,
        *,
        most: int = 20,
        status: str | None = None,
        conversation_uuid: str | None = None,
        order: str = "desc",
    ) -> list[CallInfo]:
        """
        The newest legs, newest first, or with ``asc`` the oldest.

        Raises:
            VsockError: the API can't be reached, or refuses.
        """
        # The SDK's own list fails as a whole on one leg of a kind that it doesn't know, such as an app's.
        found: list[CallInfo] = []
        while len(found) < most:
            page = _given(
                page_size=min(most - len(found), MAX_PAGE),
                record_index=len(found),
                order=order,
                status=status,
                conversation_uuid=conversation_uuid,
            )
            legs = await self._page(page)
            found += [read_call(leg) for leg in legs]
            if len(legs) < page["page_size"]:
                break
        return found[:most]

    async def find(self, text: str) -> str:
        """
        The uuid that begins like this, as it is shown on the screen: the first eight letters will do.

        Raises:
            UsageError: it isn't a uuid, none of the live calls begins so, or several do.
        """
        if is_uuid(text):
            return text
        check_uuid(text)
        live = [
            leg.uuid
            for leg in await self.list_calls(most=MAX_PAGE)
            if leg.is_live and leg.uuid.startswith(text.lower())
        ]
        if not live and self._regions is not None:
            live = self._regions.beginning(text.lower())
        if len(live) != 1:
            several = f"{len(live)} live calls begin with {text!r}; give more of it"
            raise UsageError(several if live else f"no live call begins with {text!r}; vsock calls lists them")
        return live[0]

    # Asking.

    async def _page(self, query: JsonObject) -> list[JsonObject]:
        answer = await self._ask(self._host, _request("get", CALLS_PATH, query), "listing the calls")
        if isinstance(answer, _No):
            raise _refusal(answer, self._host, "the calls aren't listed")
        embedded = answer.get("_embedded") if isinstance(answer, dict) else None
        legs = embedded.get("calls") if isinstance(embedded, dict) else None
        return [leg for leg in legs if isinstance(leg, dict)] if isinstance(legs, list) else []

    async def _put(self, uuid: str, what: str, body: JsonObject) -> None:
        await self._tell(uuid, _request("put", f"{CALLS_PATH}/{uuid}/{what}", body), f"starting the {what}")

    async def _tell(self, uuid: str, ask: Ask, doing: str) -> Any:
        """Ask where the call is known, and where that is wrong, everywhere."""
        check_uuid(uuid, whole=True)
        asked: list[str] = []
        away: ConnectError | None = None
        kept = self._kept(uuid)
        for host in self._hosts(uuid, kept):
            if asked and self._say is not None:
                self._say(f"{asked[-1]} doesn't know this call (404), as all regions but its own; asking {host}")
            try:
                answer = await self._ask(host, ask, doing)
            except ConnectError as error:
                if not asked and host != kept:
                    raise
                away = error if host == kept else away
                continue
            if not isinstance(answer, _No):
                if asked:
                    self._note(uuid, host)
                return answer
            if answer.status != NOT_FOUND:
                raise _refusal(answer, host, f"{doing} failed")
            asked.append(host)
        if away is not None:
            raise away
        raise NoSuchCallError(
            f"no live call {uuid} is known at {_listed(asked)}: it is over, or another application's; "
            "vsock calls lists yours",
            status=NOT_FOUND,
        )

    def _kept(self, uuid: str) -> str | None:
        """What another program was told, where we were told nothing."""
        if self._regions is None or uuid in self._known.hosts:
            return None
        return trusted_host(self._regions.find(uuid), named=self._api_host)

    def _hosts(self, uuid: str, kept: str | None) -> list[str]:
        known = self._known.hosts.get(uuid, kept)
        return list(dict.fromkeys([*([known] if known else []), self._host, *self._others]))

    def _note(self, uuid: str, host: str) -> None:
        self._known.put(uuid, host)
        if self._regions is not None:
            self._regions.keep(uuid, f"https://{host}")

    async def _ask(self, host: str, ask: Ask, doing: str) -> Any:
        if host not in self._sdks:
            self._sdks[host] = self._open_sdk(host)
        return await self._sdks[host].call(lambda client: _answer(client, ask), doing=doing)


def _request(method: str, path: str, params: JsonObject | None = None) -> Ask:
    """What the SDK has no method for, or one that takes less than the API does."""
    return lambda client: getattr(client.http_client, method)(client.http_client.api_host, path, params)


def _listed(hosts: Sequence[str]) -> str:
    return hosts[0] if len(hosts) == 1 else f"{hosts[0]} and {len(hosts) - 1} more"


def _answer(client: Vonage, ask: Ask) -> Any:
    """In the SDK's thread: its answer, or a refusal that is dealt with here; what else goes wrong is raised."""
    from vonage_http_client.errors import HttpRequestError  # noqa: PLC0415  (whoever is here has imported the SDK)

    try:
        return ask(client)
    except HttpRequestError as error:
        status = error.response.status_code
        if status in _OURS:
            return _No(status, _detail(error.response.content[:20_000]))
        raise


_OURS: Final = (400, 403, 404, 409, 422)
"""Refusals that are about the call; all others are about the account, or the way to the API."""


def _refusal(no: _No, host: str, consequence: str) -> RefusedError:
    words = {
        403: "the application may not do that; is voice among its capabilities, and is the number one of its own?",
        404: "there is no such call",
    }
    reason = no.detail or words.get(no.status, "no reason is given")
    if no.detail and no.status in words:
        reason = f"{no.detail} ({words[no.status]})"
    return RefusedError(f"{consequence}: {host} answers {no.status}: {reason}", status=no.status)


def _detail(content: bytes) -> str:
    """What the API says is wrong, in one line."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return content[:200].decode("utf-8", "replace").strip()
    if not isinstance(body, dict):
        return ""
    said = text_in(body, "detail") or text_in(body, "error_title") or text_in(body, "title")
    wrong = body.get("invalid_parameters")
    named = [
        f"{text_in(item, 'name')}: {text_in(item, 'reason')}"
        for item in (wrong if isinstance(wrong, list) else [])[:5]
        if isinstance(item, dict)
    ]
    return (f"{said} ({'; '.join(named)})" if named else said)[:400]


def _given(**values: Any) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}
