"""
The server: answer, event and fallback webhooks, and the calls' sockets, all on one port.

It tells observers what happens and knows none of them. Each call is a ``CallSession`` with behaviours of its own, run by a
driver: a ``DirectDriver`` on the socket itself, or a ``Driver`` on aiohttp's websocket, as the ``Engine`` says.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, Self
from urllib.parse import parse_qsl

from aiohttp import web

from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.events import (
    AnswerRequested,
    Event,
    EventPosted,
    FindingRaised,
    Notice,
    Observer,
    ServerStarted,
    ServerStopped,
)
from vonage_sock.call.findings import CATALOGUE
from vonage_sock.call.machine import CLOSE_GOING_AWAY
from vonage_sock.call.session import MAX_MESSAGE_BYTES, CallSession
from vonage_sock.clock import Clock, SystemClock
from vonage_sock.errors import ListenError, UsageError
from vonage_sock.protocol import jsontext, webhooks
from vonage_sock.protocol.logtext import logger
from vonage_sock.protocol.ncco import answer_ncco, fill_in
from vonage_sock.server import openapi
from vonage_sock.server.admission import Admission, OwnAdmission, refusal
from vonage_sock.server.config import MAX_WEBHOOK_BYTES, Addresses, Engine, ServerConfig, local_url, seen_addresses
from vonage_sock.server.facade import Bridge
from vonage_sock.server.listening import BACKLOG, why_not_listening
from vonage_sock.server.socket import ServerSocket, new_websocket
from vonage_sock.server.standstill import TICK_MS, Standstill
from vonage_sock.server.takeover import take_socket, upgrade_head, usable
from vonage_sock.server.unreadable import answer_unreadable, http_log
from vonage_sock.transport import Driver, Patience, tell
from vonage_sock.transport.direct import DirectDriver
from vonage_sock.transport.poller import Poller, available

STOP_WAIT_S: Final = 2.0
STOP_REASON: Final = "server stopping"
HEALTHY: Final = "ok"

_log = logger(__name__)
failures_log = logger("vonage_sock.failures")
"""Where what other people's code raised is logged, with its traceback."""

MakeBehaviours = Callable[[], Sequence[Behaviour]]
NewSession = tuple[CallSession, Sequence[Behaviour], Exception | None]
"""A call's session, what is done in it, and why that could not be made."""


class VsockServer:
    """
    A server for any number of calls.

    Args:
        make_behaviours: gives what is done in a call; asked once for each.
        observers: told of every event, in order, on the event loop.
        behaviour_names: what to call the behaviours where the server's start is told.
        patience: what is put up with from a caller's end that doesn't read or answer.
        admission: lets calls in and names them; by ``config.max_calls``, when left out.
    """

    def __init__(
        self,
        config: ServerConfig,
        make_behaviours: MakeBehaviours,
        *,
        observers: Sequence[Observer] = (),
        behaviour_names: Sequence[str] = (),
        clock: Clock | None = None,
        patience: Patience | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._config = config
        self._patience = patience
        self._make_behaviours = make_behaviours
        self._observers = list(observers)
        self._behaviour_names = tuple(behaviour_names)
        self._clock = clock or SystemClock()
        self._runner: web.AppRunner | None = None
        self._calls: dict[str, tuple[CallSession, Driver | DirectDriver]] = {}
        self._poller: Poller | None = None
        self._admission = admission or OwnAdmission(config.max_calls)
        self._full = False
        self._call_ended = asyncio.Event()
        self._standstill = Standstill()
        self._watch: asyncio.TimerHandle | None = None
        self._stopping = False
        self._host, self._port = config.host, config.port
        self.calls_ended = 0
        self.error_findings = 0

    @property
    def port(self) -> int:
        """The port that is listened on; the one asked for until ``start``."""
        return self._port

    @property
    def addresses(self) -> Addresses:
        """The server's addresses: public if one was given, else on this machine."""
        return Addresses((self._config.url or self._local_url).rstrip("/"))

    @property
    def live_calls(self) -> int:
        """How many sockets are open."""
        return len(self._calls)

    async def start(self) -> None:
        """
        Listen, and tell that the server started.

        Raises:
            ListenError: the port is taken, or the address isn't this machine's.
        """
        await self.listen()
        self.announce()

    async def listen(self, sockets: Sequence[socket.socket] = ()) -> None:
        """
        Listen, without a word yet: its public address may be found only now.

        Args:
            sockets: bound already; those of the configured host and port, when left out.

        Raises:
            ListenError: the port is taken, or the address isn't this machine's.
            UsageError: the direct engine was asked for, and can't be.
        """
        direct = uses_direct(Engine(self._config.engine))
        app = web.Application(client_max_size=MAX_WEBHOOK_BYTES)
        app.router.add_route("GET", webhooks.ANSWER_PATH, self._answer)
        app.router.add_route("POST", webhooks.ANSWER_PATH, self._answer)
        for path in webhooks.EVENT_PATHS:
            app.router.add_route("GET", path, self._event)
            app.router.add_route("POST", path, self._event)
        app.router.add_route("GET", webhooks.FALLBACK_PATH, self._fallback)
        app.router.add_route("POST", webhooks.FALLBACK_PATH, self._fallback)
        app.router.add_route("GET", webhooks.SOCKET_PATH, self._socket)
        app.router.add_get(webhooks.HEALTH_PATH, self._health)
        app.router.add_get(openapi.OPENAPI_PATH, self._openapi)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, logger=http_log())
        await self._runner.setup()
        answer_unreadable(self._runner)
        try:
            for bound in sockets:
                await web.SockSite(self._runner, bound, backlog=BACKLOG).start()
            if not sockets:
                await web.TCPSite(self._runner, self._config.host, self._config.port, backlog=BACKLOG).start()
        except (OSError, OverflowError, UnicodeError) as error:
            await self._runner.cleanup()
            raise ListenError(why_not_listening(self._config, error)) from error
        self._host, self._port = self._runner.addresses[0][:2]
        if direct:
            self._poller = Poller(self._clock)
        self._look_at_loop()

    def publish(self, url: str) -> None:
        """Take this public base address from now on."""
        self._config = replace(self._config, url=url)

    def announce(self) -> None:
        """Tell that the server started, and its addresses."""
        addresses = self.addresses
        self.tell(
            ServerStarted(
                at=self._clock.now(),
                host=self._host,
                port=self._port,
                url=addresses.base_url,
                answer_url=addresses.answer_url,
                event_url=addresses.event_url,
                socket_url=addresses.socket_url,
                behaviours=self._behaviour_names,
            )
        )

    async def stop(self, *, code: int = CLOSE_GOING_AWAY, reason: str = STOP_REASON) -> None:
        """Close the calls, wait for them at most two seconds, and stop listening; nothing is told of it yet."""
        self._stopping = True
        for _, driver in list(self._calls.values()):
            driver.close(code, reason)
        try:
            async with asyncio.timeout(STOP_WAIT_S):
                while self._calls:
                    await self.wait_for_end()
        except TimeoutError:
            for _, driver in list(self._calls.values()):
                driver.abort()
        if self._watch is not None:
            self._watch.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._poller is not None:
            self._poller.close()
            self._poller = None

    def tell_stopped(self) -> None:
        """The last event, for when the recordings are complete too."""
        self.tell(ServerStopped(at=self._clock.now(), calls=self.calls_ended))

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop."""
        await self.stop()
        self.tell_stopped()

    async def wait_for_end(self) -> None:
        """Wait until the next call has ended."""
        self._call_ended.clear()
        await self._call_ended.wait()

    def observe(self, observer: Observer) -> None:
        """Tell one more observer of what happens from now on."""
        self._observers.append(observer)

    @property
    def calls(self) -> tuple[str, ...]:
        """The ids of the open ones, oldest first."""
        return tuple(self._calls)

    def tell_stats(self, call_id: str) -> None:
        """Tell where this call stands, if it is open; ``Figures`` does this for many."""
        if call_id in self._calls:
            self.tell(self._calls[call_id][0].stats(self._clock.now()))

    # Webhooks.

    async def _answer(self, request: web.Request) -> web.Response:
        params = await self._read_params(request)
        seen = self._seen_addresses(request)
        config = self._config
        if config.ncco is not None:
            ncco = fill_in(config.ncco, socket_url=seen.socket_url, event_url=seen.event_url)
        else:
            ncco = answer_ncco(
                socket_url=seen.socket_url,
                event_url=seen.event_url,
                audio_format=config.audio_format,
                params=params,
                headers=config.headers,
                greeting=config.greeting,
                synchronous=config.fallback is not None,
            )
        self.tell(AnswerRequested(at=self._clock.now(), method=request.method, params=params, ncco=ncco))
        return _json(ncco)

    async def _event(self, request: web.Request) -> web.Response:
        body = await self._read_params(request)
        status = webhooks.event_kind(body)
        self.tell(
            EventPosted(
                at=self._clock.now(),
                status=status,
                uuid=_text_or_none(body.get("uuid", body.get("call_uuid"))),
                conversation_uuid=_text_or_none(body.get("conversation_uuid")),
                body=body,
            )
        )
        if self._config.fallback is not None and status in webhooks.FALLBACK_STATUSES:
            return _json(self._filled_fallback(request))
        return web.Response(status=204)

    async def _fallback(self, request: web.Request) -> web.Response:
        params = await self._read_params(request)
        ncco = self._filled_fallback(request)
        self.tell(AnswerRequested(at=self._clock.now(), method=request.method, params=params, ncco=ncco))
        return _json(ncco) if ncco else web.Response(status=204)

    async def _health(self, request: web.Request) -> web.Response:
        return _json({"status": HEALTHY, "calls": self._admission.open_calls})

    async def _openapi(self, request: web.Request) -> web.Response:
        return _json(openapi.document())

    async def _read_params(self, request: web.Request) -> dict[str, Any]:
        """What a webhook says: the query, and over it the body, as JSON or as a form."""
        params: dict[str, Any] = dict(request.query)
        if request.method != "POST":
            return params
        raw = await request.read()
        if request.content_type == "application/x-www-form-urlencoded":
            return params | dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
        if not raw.strip():
            return params
        try:
            body = jsontext.loads(raw)
        except ValueError as error:
            raise self._bad_webhook(f"its body isn't JSON ({error})") from error
        if not isinstance(body, dict):
            raise self._bad_webhook("its body isn't a JSON object")
        return params | body

    def _bad_webhook(self, reason: str) -> web.HTTPBadRequest:
        rule = CATALOGUE["VS410"]
        message = rule.message.format(reason=reason)
        self.tell(
            FindingRaised(
                at=self._clock.now(), code=rule.code, level=rule.level.value, message=message, count=1, first_frame=0
            )
        )
        return web.HTTPBadRequest(text=f"{message}\n")

    # Sockets.

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        websocket = new_websocket()
        if not _can_upgrade(websocket, request):
            return web.Response(
                status=426,
                headers={"Upgrade": "websocket", "Connection": "Upgrade"},
                text="This address takes WebSockets: give it to Vonage in an NCCO, or try it with vsock call.\n",
            )
        call_id = None if self._stopping else self._admission.enter()
        if call_id is None:
            return web.Response(status=503, text=f"No more calls now: {self._why_refused()}.\n")
        if self._poller is not None:
            return await self._take_call(call_id, request, self._poller)
        try:
            with self._place_kept():
                await websocket.prepare(request)
        except ConnectionError:
            return web.Response()  # the caller is gone, and its end is nobody's news
        await self._run_call(call_id, request, websocket)
        return websocket

    async def _take_call(self, call_id: str, request: web.Request, poller: Poller) -> web.Response:
        """A call on its own socket; aiohttp sees a connection that ends."""
        head, remote = upgrade_head(request), request.remote or ""
        try:
            with self._place_kept():
                sock, early = await take_socket(request)
                self._begin_direct(self._new_session(call_id, remote), sock, head, early, poller)
        except ConnectionError:
            pass
        except OSError as error:
            _log.warning("a call couldn't be taken: %s", error.strerror or error)
        return web.Response()

    @contextlib.contextmanager
    def _place_kept(self) -> Iterator[None]:
        """A call that was let in and can't begin gives its place back."""
        try:
            yield
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        self._full = False
        self._admission.leave()

    def _begin_direct(self, made: NewSession, sock: socket.socket, head: bytes, early: bytes, poller: Poller) -> None:
        session, behaviours, failure = made
        try:
            driver = DirectDriver(
                session,
                poller,
                sock,
                head=head,
                early=early,
                max_message_bytes=MAX_MESSAGE_BYTES,
                observer=self._observer_of(session),
                ended=lambda: self._end_call(session.id),
                patience=self._patience,
                stalled=lambda waiting: self._tell_stalled(session.id, waiting),
            )
        except OSError:
            sock.close()
            raise
        self._begin_call(session, driver, behaviours, failure)
        driver.start()

    async def _run_call(self, call_id: str, request: web.Request, websocket: web.WebSocketResponse) -> None:
        session, behaviours, failure = self._new_session(call_id, request.remote or "")
        driver = Driver(
            session,
            ServerSocket(request, websocket),
            clock=self._clock,
            observer=self._observer_of(session),
            patience=self._patience,
            stalled=lambda waiting: self._tell_stalled(session.id, waiting),
        )
        self._begin_call(session, driver, behaviours, failure)
        try:
            await driver.run()
        finally:
            self._end_call(session.id)

    def _new_session(self, call_id: str, remote: str) -> NewSession:
        behaviours: Sequence[Behaviour] = ()
        failure: Exception | None = None
        try:
            behaviours = self._make_behaviours()
        except Exception as error:  # noqa: BLE001  (somebody else's code ends its own call and no other)
            failure = error
        now, assumed_format = self._clock.now(), self._config.audio_format
        session = CallSession(call_id, behaviours, assumed_format=assumed_format, now=now, remote=remote)
        return session, behaviours, failure

    def _begin_call(
        self,
        session: CallSession,
        driver: Driver | DirectDriver,
        behaviours: Sequence[Behaviour],
        failure: Exception | None,
    ) -> None:
        for behaviour in behaviours:
            if isinstance(behaviour, Bridge):
                behaviour.attach(_acting(session, driver))
        self._calls[session.id] = session, driver
        if failure is not None:
            session.fail(failure)
        if self._stopping:
            driver.close(CLOSE_GOING_AWAY, STOP_REASON)

    def _end_call(self, call_id: str) -> None:
        del self._calls[call_id]
        self._leave()
        self.calls_ended += 1
        self._call_ended.set()

    def _observer_of(self, session: CallSession) -> Observer:
        return lambda event: self._tell_of(session, event)

    def _tell_of(self, session: CallSession, event: Event) -> None:
        """An event of a call; with the first exception of somebody else's code also where it was raised."""
        self.tell(event)
        if isinstance(event, FindingRaised) and event.code == "VS307" and event.count == 1:
            failures_log.error("%s: a behaviour or handler failed", session.id, exc_info=session.failure)

    # Small things.

    @property
    def _local_url(self) -> str:
        return local_url(self._host, self._port)

    def _seen_addresses(self, request: web.Request) -> Addresses:
        return seen_addresses(
            self._config, request.headers, scheme=request.scheme, fallback_url=self.addresses.base_url
        )

    def _filled_fallback(self, request: web.Request) -> list[dict[str, Any]]:
        seen = self._seen_addresses(request)
        return fill_in(self._config.fallback or [], socket_url=seen.socket_url, event_url=seen.event_url)

    def _why_refused(self) -> str:
        """Said to who called; and once to who runs the server, until there was room again."""
        if self._stopping:
            return "the server is stopping"
        why = refusal(self._admission.limit)
        if not self._full:
            self._full = True
            self.tell(Notice(at=self._clock.now(), level="warning", message=f"a call was refused: {why}"))
        return why

    def _look_at_loop(self) -> None:
        said = self._standstill.tick(self._clock.now(), calls=len(self._calls))
        if said is not None:
            self.tell(Notice(at=self._clock.now(), level="warning", message=said))
        self._watch = asyncio.get_running_loop().call_later(TICK_MS / 1000, self._look_at_loop)

    def _tell_stalled(self, call_id: str, waiting: int) -> None:
        message = f"{call_id} is dropped: its other side doesn't read, and {waiting} messages wait for it"
        self.tell(Notice(at=self._clock.now(), call=call_id, level="warning", message=message))

    def tell(self, event: Event) -> None:
        """Give an event to the observers."""
        if isinstance(event, FindingRaised) and event.level == "error" and event.count == 1:
            self.error_findings += 1
        for observer in self._observers:
            tell(observer, event)


def _acting(session: CallSession, driver: Driver | DirectDriver) -> Callable[[Callable[[], None]], None]:
    def act(action: Callable[[], None]) -> None:
        def at(now: int) -> None:
            session.let_pass(now)
            action()

        driver.act(at)

    return act


def _can_upgrade(websocket: web.WebSocketResponse, request: web.Request) -> bool:
    try:
        return bool(websocket.can_prepare(request))
    except ValueError:
        return False  # aiohttp doesn't expect that a key may have letters beyond ASCII


def uses_direct(engine: Engine) -> bool:
    """
    Whether calls' sockets are read and written by us.

    Raises:
        UsageError: that was asked for, and can't be.
    """
    possible = available() and usable()
    if engine is Engine.DIRECT and not possible:
        raise UsageError(
            "--engine direct needs Linux and a version 3 of aiohttp; leave it away, or use --engine aiohttp"
        )
    return possible and engine is not Engine.AIOHTTP


def _json(value: object) -> web.Response:
    return web.Response(text=jsontext.dumps(value), content_type="application/json")


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
