"""
The server: answer, event and fallback webhooks, and the calls' sockets, all on one port.

It tells observers what happens and knows none of them. Each call is a ``CallSession`` with behaviours of its own, run by a
driver: a ``DirectDriver`` on the socket itself, or a ``Driver`` on aiohttp's websocket, as the ``Engine`` says.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, Self
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from vonage_sock.call.allowance import Allowance
from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.events import (
    Event,
    FindingRaised,
    Notice,
    Observer,
    ServerStarted,
    ServerStopped,
)
from vonage_sock.call.findings import Findings
from vonage_sock.call.session import CallSession
from vonage_sock.clock import Clock, SystemClock
from vonage_sock.errors import ListenError, UsageError
from vonage_sock.protocol.logtext import logger
from vonage_sock.protocol.replays import Replays
from vonage_sock.protocol.rfc6455 import CLOSE_GOING_AWAY
from vonage_sock.protocol.webhooks import ANSWER_PATH, FALLBACK_PATH, SOCKET_PATH
from vonage_sock.server.accepting import Acceptor
from vonage_sock.server.admission import Admission, OwnAdmission, Silence, refusal, silence_refusal
from vonage_sock.server.config import Addresses, Engine, ServerConfig, local_url, trying
from vonage_sock.server.door import Runner, Visitor
from vonage_sock.server.facade import Bridge
from vonage_sock.server.gate import Gate, Refusal, Visit
from vonage_sock.server.listening import BACKLOG, bind, tls_options, why_not_listening
from vonage_sock.server.open_legs import OpenLegs
from vonage_sock.server.probes import Probes
from vonage_sock.server.refusals import Refusals
from vonage_sock.server.socket import ServerSocket, new_websocket
from vonage_sock.server.standstill import StandstillWatch
from vonage_sock.server.takeover import take_socket, upgrade_head, usable
from vonage_sock.server.unreadable import answer_unreadable, http_log
from vonage_sock.server.webhooks import Webhooks
from vonage_sock.transport import Driver, Patience, tell
from vonage_sock.transport.direct import DirectDriver
from vonage_sock.transport.poller import Poller, available

STOP_WAIT_S: Final = 2.0
LAST_EVENTS_S: Final = 1.5
"""How long after the calls were closed the platform's last words about them are listened to."""

STOP_REASON: Final = "server stopping"

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
        routes: aiohttp's, for pages and sockets of your own beside ours.
        behaviour_names: what to call the behaviours where the server's start is told.
        patience: what is put up with from a caller's end that doesn't read or answer.
        admission: lets calls in and names them; by ``config.limits``, when left out.
        replays: the signed tokens that were used; those of this process, when left out.
    """

    def __init__(
        self,
        config: ServerConfig,
        make_behaviours: MakeBehaviours,
        *,
        observers: Sequence[Observer] = (),
        routes: Iterable[web.AbstractRouteDef] = (),
        behaviour_names: Sequence[str] = (),
        clock: Clock | None = None,
        patience: Patience | None = None,
        admission: Admission | None = None,
        replays: Replays | None = None,
    ) -> None:
        self._config = config
        self._limits = limits = config.limits
        self._patience = patience
        self._make_behaviours = make_behaviours
        self.open_legs = OpenLegs()
        self._observers: list[Observer] = [self.open_legs, *observers]
        self._routes = tuple(routes)
        self._behaviour_names = tuple(behaviour_names)
        self._clock = clock or SystemClock()
        self._gate = Gate(config, self._clock, replays=replays)
        self._probes = Probes(config.probe_key, self._clock)
        self._refusals = Refusals(self.tell, self._clock, later=_later)
        self._runner: Runner | None = None
        self._acceptors: list[Acceptor] = []
        self._standstill: StandstillWatch | None = None
        self._calls: dict[str, tuple[CallSession, Driver | DirectDriver]] = {}
        self._poller: Poller | None = None
        self._admission = admission or OwnAdmission(limits.calls, silent=limits.silent_sockets)
        self._silence = Silence(self._admission)
        self._findings = Findings(None)
        self._webhooks = Webhooks(
            config,
            self._gate,
            visit=self._visit,
            open_calls=lambda: self._admission.open_calls,
            findings=self._findings,
            refusals=self._refusals,
            tell=self.tell,
            clock=self._clock,
        )
        self._call_ended = asyncio.Event()
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
    def is_public(self) -> bool:
        """A public address was given, or found."""
        return self._gate.is_public

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
            UsageError: the direct engine was asked for, and can't be; the certificate or its key can't be used; or a route
                can't be added.
        """
        config = self._config
        direct = uses_direct(Engine(config.engine), tls=config.tls is not None)
        tls = {} if config.tls is None else tls_options(config.tls.context(wall_ns=self._clock.wall_ns()))
        app = web.Application(client_max_size=self._limits.body_bytes, middlewares=[_attend, self._let_in])
        app.router.add_routes(self._webhooks.routes())
        app.router.add_route("GET", SOCKET_PATH, self._socket)
        _add(self._routes, app)
        self._runner = Runner(
            app,
            limits=self._limits,
            complain=self._refusals.say,
            shutdown_timeout=0.1,
            logger=http_log(),
        )
        await self._runner.setup()
        answer_unreadable(self._runner)
        handlers = self._runner.server
        assert handlers is not None  # noqa: S101  (it is there after setup)
        try:
            sockets = sockets or (await bind(config, 1, shared=True)).of(0)
            self._host, self._port = sockets[0].getsockname()[:2]
            for bound in sockets:
                self._acceptors.append(
                    Acceptor(bound, handlers, backlog=BACKLOG, options=tls, clock=self._clock, tell=self._warn)
                )
        except OSError as error:
            await self._stop_listening()
            raise ListenError(why_not_listening(config, error)) from error
        except ListenError:
            await self._stop_listening()
            raise
        if direct:
            self._poller = Poller(self._clock)
        self._standstill = StandstillWatch(self._clock, self._warn, calls=lambda: len(self._calls))

    async def _stop_listening(self) -> None:
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()
        if self._runner is not None:
            await self._runner.cleanup()

    def publish(self, url: str) -> None:
        """Take this public base address from now on."""
        self._config = replace(self._config, url=url)
        self._gate.publish(url)

    def announce(self, *, application: str | None = None) -> None:
        """Tell that the server started, its addresses, and the name of the application that was pointed at it."""
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
                application=application,
                signed=self._config.signature_secret is not None,
                try_with=trying(self._config, addresses),
            )
        )

    async def stop(
        self,
        *,
        code: int = CLOSE_GOING_AWAY,
        reason: str = STOP_REASON,
        wait_s: float = STOP_WAIT_S,
        last_events: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """
        Close the calls, wait for them and for the platform's last events, and stop listening; nothing is told of it yet.

        Args:
            wait_s: how long it may take, in seconds.
            last_events: returns when the platform has said its last; as this server hears it, and where no call is up
                nothing is waited for, when left out.
        """
        self._stopping = True
        if last_events is None and self._calls:
            last_events = self.open_legs.over
        events_by = asyncio.get_running_loop().time() + min(LAST_EVENTS_S, wait_s)
        for _, driver in list(self._calls.values()):
            driver.close(code, reason)
        try:
            async with asyncio.timeout(wait_s):
                while self._calls:
                    await self.wait_for_end()
        except TimeoutError:
            for _, driver in list(self._calls.values()):
                driver.abort()
        if last_events is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(events_by):
                    await last_events()
        if self._standstill is not None:
            self._standstill.close()
        await self._stop_listening()
        if self._poller is not None:
            self._poller.close()
            self._poller = None
        self._refusals.flush()

    def tell_stopped(self) -> None:
        """The last event, for when the recordings are complete too."""
        for finding in self._findings.totals(at=self._clock.now()):
            self.tell(finding)
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

    def act(self, call_id: str, action: Callable[[CallSession], None]) -> bool:
        """Do something in an open call, from the event loop; False where there is no such call any more."""
        if call_id not in self._calls:
            return False
        session, driver = self._calls[call_id]
        _acting(session, driver)(lambda: action(session))
        return True

    def tell_stats(self, call_id: str) -> None:
        """Tell where this call stands, if it is open; ``Figures`` does this for many."""
        if call_id in self._calls:
            self.tell(self._calls[call_id][0].stats(self._clock.now()))

    # Who may come in.

    @web.middleware
    async def _let_in(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._stopping and request.path in (ANSWER_PATH, FALLBACK_PATH):
            # The platform has a fallback for that; our socket takes no call any more.
            return _no_more_calls(self._why_refused())
        refusal = self._gate.check_host(self._visit(request))
        if (reply := self._probes.reply_to(request)) is not None:
            return await self._answer_probe(request, reply, refusal)
        return await handler(request) if refusal is None else self._refuse(refusal)

    async def _answer_probe(
        self, request: web.Request, reply: dict[str, str], refusal: Refusal | None
    ) -> web.StreamResponse:
        """To a try of our own, what Vonage would be answered; nobody is told of it."""
        if refusal is not None:
            return web.Response(status=refusal.status, text=refusal.text, headers=reply)
        if request.path == SOCKET_PATH:
            return await self._probes.echo(request, reply)
        if request.path != ANSWER_PATH:
            return web.Response(status=204, headers=reply)
        response = self._webhooks.answer_in_trial(request)
        response.headers.update(reply)
        return response

    def _visit(self, request: web.Request) -> Visit:
        return Visit.of(request, otherwise=urlsplit(self._local_url).netloc)

    def _refuse(self, refusal: Refusal) -> web.Response:
        self._refusals.add(refusal.code, refusal.numbers)
        return web.Response(status=refusal.status, text=f"{refusal.text}\n", headers=refusal.headers)

    # Sockets.

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        websocket = new_websocket(self._limits)
        if not _can_upgrade(websocket, request):
            return web.Response(
                status=426,
                headers={"Upgrade": "websocket", "Connection": "Upgrade"},
                text="This address takes WebSockets: give it to Vonage in an NCCO, or try it with vsock call.\n",
            )
        refusal = self._gate.check_socket(self._visit(request))
        if refusal is not None:
            return self._refuse(refusal)
        call_id = None if self._stopping else self._admission.enter()
        if call_id is None:
            return _no_more_calls(self._why_refused())
        if not await self._begin_silence(call_id):
            return _no_more_calls(self._why_silent())
        if self._poller is not None:
            return await self._take_call(call_id, request, self._poller)
        try:
            with self._place_kept(call_id):
                await websocket.prepare(request)
        except ConnectionError:
            return web.Response()  # the caller is gone, and its end is nobody's news
        await self._run_call(call_id, request, websocket)
        return websocket

    async def _take_call(self, call_id: str, request: web.Request, poller: Poller) -> web.Response:
        """A call on its own socket; aiohttp sees a connection that ends."""
        head, remote = upgrade_head(request), request.remote or ""
        try:
            with self._place_kept(call_id):
                sock, early = await take_socket(request)
                self._begin_direct(self._new_session(call_id, remote), sock, head, early, poller)
        except ConnectionError:
            pass
        except OSError as error:
            _log.warning("a call couldn't be taken: %s", error.strerror or error)
        return web.Response()

    async def _begin_silence(self, call_id: str) -> bool:
        """A call that was let in takes a place among those that have said nothing yet, or gives its own back."""
        try:
            taken = await self._silence.begin(call_id)
        except BaseException:
            self._leave(call_id)
            raise
        if not taken or self._stopping:
            self._leave(call_id)
            return False
        return True

    @contextlib.contextmanager
    def _place_kept(self, call_id: str) -> Iterator[None]:
        """A call that was let in and can't begin gives its place back."""
        try:
            yield
        except BaseException:
            self._leave(call_id)
            raise

    def _leave(self, call_id: str) -> None:
        self._silence.end(call_id)
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
                max_message_bytes=self._limits.message_bytes,
                parts=self._parts_allowance(),
                observer=self._observer_of(session),
                ended=lambda: self._end_call(session.id),
                patience=self._patience,
                stalled=lambda waiting: self._tell_stalled(session.id, waiting),
                vanished=lambda silent_s: self._tell_vanished(session.id, silent_s),
                mirror=session.mirror(),
            )
        except OSError:
            sock.close()
            raise
        self._begin_call(session, driver, behaviours, failure)
        driver.start()

    async def _run_call(self, call_id: str, request: web.Request, websocket: web.WebSocketResponse) -> None:
        session, behaviours, failure = self._new_session(call_id, request.remote or "")
        if isinstance(request.protocol, Visitor):
            request.protocol.leave()
        driver = Driver(
            session,
            ServerSocket(request, websocket, parts=self._parts_allowance()),
            clock=self._clock,
            observer=self._observer_of(session),
            patience=self._patience,
            stalled=lambda waiting: self._tell_stalled(session.id, waiting),
            vanished=lambda silent_s: self._tell_vanished(session.id, silent_s),
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
        session = CallSession(
            call_id, behaviours, assumed_format=assumed_format, now=now, remote=remote, limits=self._limits
        )
        return session, behaviours, failure

    def _parts_allowance(self) -> Allowance:
        limits = self._limits
        return Allowance(per_s=limits.messages_per_s, burst=limits.messages_burst, now=self._clock.now())

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
        self._leave(call_id)
        self.calls_ended += 1
        self._call_ended.set()

    def _observer_of(self, session: CallSession) -> Observer:
        return lambda event: self._tell_of(session, event)

    def _tell_of(self, session: CallSession, event: Event) -> None:
        """An event of a call; with the first exception of somebody else's code also where it was raised."""
        # Whatever was told of a call, it has said something, or is over.
        self._silence.end(session.id)
        self.tell(event)
        if isinstance(event, FindingRaised) and event.code == "VS307" and event.count == 1:
            failures_log.error("%s: a behaviour or handler failed", session.id, exc_info=session.failure)

    # Small things.

    @property
    def _local_url(self) -> str:
        return local_url(self._host, self._port, tls=self._config.tls is not None)

    def _why_refused(self) -> str:
        """Said to who called, and now and then to who runs the server."""
        if self._stopping:
            return "the server is stopping"
        why = refusal(self._admission.limit)
        self._refusals.say("full", f"a call was refused: {why}")
        return why

    def _why_silent(self) -> str:
        if self._stopping:
            return "the server is stopping"
        why = silence_refusal(self._limits.silent_sockets)
        self._refusals.say("silent", f"a call was refused: {why}")
        return why

    def _tell_stalled(self, call_id: str, waiting: int) -> None:
        waiting_too = f", and {waiting} messages wait for it" if waiting else ""
        message = f"{call_id} is dropped: its other side doesn't read{waiting_too}"
        self.tell(Notice(at=self._clock.now(), call=call_id, level="warning", message=message))

    def _warn(self, message: str) -> None:
        self.tell(Notice(at=self._clock.now(), level="warning", message=message))

    def _tell_vanished(self, call_id: str, silent_s: int) -> None:
        message = f"{call_id} is dropped: nothing came from its other side for {silent_s} s, not even a pong"
        self.tell(Notice(at=self._clock.now(), call=call_id, level="warning", message=message))

    def tell(self, event: Event) -> None:
        """Give an event to the observers."""
        if isinstance(event, FindingRaised) and event.level == "error" and event.count == 1:
            self.error_findings += 1
        for observer in self._observers:
            tell(observer, event)


@web.middleware
async def _attend(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the connection of a request when that begins and ends."""
    visitor = request.protocol
    if not isinstance(visitor, Visitor):
        return await handler(request)
    visitor.begin_request()
    try:
        return await handler(request)
    finally:
        if request.content.is_eof():
            visitor.end_request()


def _add(routes: Iterable[web.AbstractRouteDef], app: web.Application) -> None:
    own = [resource.canonical for resource in app.router.resources()]
    try:
        app.router.add_routes(routes)
    except (RuntimeError, ValueError) as error:
        raise UsageError(f"a route can't be added: {error}") from error
    for resource in list(app.router.resources())[len(own) :]:
        if resource.canonical in own:
            raise UsageError(f"{resource.canonical} is the server's own; give the route another path")


def _no_more_calls(why: str) -> web.Response:
    return web.Response(status=503, text=f"No more calls now: {why}.\n")


def _later(delay_s: float, action: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(delay_s, action)


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


def uses_direct(engine: Engine, *, tls: bool = False) -> bool:
    """
    Whether calls' sockets are read and written by us.

    Raises:
        UsageError: that was asked for, and can't be.
    """
    if tls and engine is Engine.DIRECT:
        raise UsageError(
            "--engine direct reads the sockets itself and knows no TLS; leave it away, and aiohttp's engine takes the calls"
        )
    possible = available() and usable() and not tls
    if engine is Engine.DIRECT and not possible:
        raise UsageError(
            "--engine direct needs Linux and a version 3 of aiohttp; leave it away, or use --engine aiohttp"
        )
    return possible and engine is not Engine.AIOHTTP
