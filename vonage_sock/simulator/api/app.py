"""
The REST API over HTTP: it reads a request, checks who asks and what, tells a leg, and answers.

Rule: what comes in is bounded (body, path, time to send it), and whatever is wrong with it is answered with a problem of the
API's own shape. Each request is told to the observer, with what came of it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import uuid
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from vonage_sock.call.events import ApiRequested, ApiStarted, Notice, Observer
from vonage_sock.clock import SECOND, Clock
from vonage_sock.errors import ListenError
from vonage_sock.simulator.api import bodies, reading
from vonage_sock.simulator.api.exchange import Exchange, TooManyCallsError
from vonage_sock.simulator.api.reading import BadRequestError
from vonage_sock.simulator.api.tokens import TokenCheck, TokenRefusedError
from vonage_sock.simulator.control import CallBook, LegControl, LegRecord
from vonage_sock.transport import tell

MAX_BODY_BYTES: Final = 64 * 1024
BODY_WAIT_S: Final = 10.0
STOP_WAIT_S: Final = 0.5
SHOWN_LETTERS: Final = 200
NOT_FOUND: Final = "Call was not found or call is inactive"

_LEG: Final = bodies.BASE_PATH + "/{uuid:[0-9A-Za-z-]{1,64}}"

JsonObject = dict[str, Any]


@dataclass(slots=True)
class Asked:
    """What will be told of a request: the call and what was done, or why not."""

    call: str | None = None
    detail: str = ""


_asked: ContextVar[Asked] = ContextVar("what is told of this request")


class RefusedError(Exception):
    """What is asked can't be done; becomes an answer of this status."""

    def __init__(self, status: int, detail: str, problems: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.problems = problems


class ApiServer:
    """
    One server.

    Args:
        book: the legs that can be told something.
        exchange: makes the calls that are ordered.
        tls: speak https with this.
        first: knows also the calls that nobody ordered.
    """

    def __init__(
        self,
        book: CallBook,
        exchange: Exchange,
        tokens: TokenCheck,
        *,
        observer: Observer,
        clock: Clock,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        first: bool = True,
    ) -> None:
        self._first = first
        self._book = book
        self._exchange = exchange
        self._tokens = tokens
        self._observer = observer
        self._clock = clock
        self._host = host
        self._port = port
        self._tls = tls
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Its address, without a path; what an answer webhook's ``region_url`` says."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'http' if self._tls is None else 'https'}://{host}:{self._port}"

    async def start(self) -> None:
        """
        Listen, and say where.

        Raises:
            ListenError: the port is taken, or isn't ours to take.
        """
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[self._answer_always])
        app.add_routes(self._routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_WAIT_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ListenError(
                f"the REST API can't listen on {self._host}:{self._port}: {_why(error)}; "
                "choose another --api-port (0 for a free one) or --api-host"
            ) from error
        self._port = self._runner.addresses[0][1]
        tell(
            self._observer,
            ApiStarted(
                at=self._clock.now(), host=self._host, port=self._port, url=self.url, verifies=self._tokens.verifies
            ),
        )
        if not self._tokens.verifies and self._first:
            self._note("the tokens' signatures aren't checked; give the application's key with --api-public-key")

    async def stop(self) -> None:
        """Listen no more."""
        runner = self._runner
        if runner is None:
            return
        open_still = [] if runner.server is None else [handler.transport for handler in runner.server.connections]
        await runner.cleanup()
        for transport in open_still:
            # TLS would wait for the client's goodbye, and clients that keep a connection for later don't say it.
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)

    def _note(self, message: str) -> None:
        tell(self._observer, Notice(at=self._clock.now(), level="info", message=message))

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.post(bodies.BASE_PATH, self._create),
            web.post(bodies.BASE_PATH + "/", self._create),
            web.get(bodies.BASE_PATH, self._list),
            web.get(bodies.BASE_PATH + "/", self._list),
            web.get(_LEG, self._get),
            web.put(_LEG, self._modify),
            web.put(_LEG + "/stream", self._stream),
            web.delete(_LEG + "/stream", self._stop_stream),
            web.put(_LEG + "/talk", self._talk),
            web.delete(_LEG + "/talk", self._stop_talk),
            web.put(_LEG + "/dtmf", self._send_digits),
            web.put(_LEG + "/input/dtmf", self._listen),
            web.delete(_LEG + "/input/dtmf", self._stop_listening),
        ]

    # Whatever comes is answered, and told.

    @property
    def _answer_always(self) -> Any:
        @web.middleware
        async def answer(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            asked = Asked()
            _asked.set(asked)
            try:
                self._tokens.check(request.headers.get("Authorization"), now_s=self._clock.wall_ns() / SECOND)
                response = await handler(request)
            except TokenRefusedError as error:
                response = _refuse(asked, 401, str(error))
            except RefusedError as error:
                response = _refuse(asked, error.status, str(error), error.problems)
            except BadRequestError as error:
                response = _refuse(asked, 400, str(error), error.problems)
            except TimeoutError:
                response = _refuse(asked, 408, "The body didn't come in time")
            except web.HTTPRequestEntityTooLarge:
                response = _refuse(asked, 413, f"The body is larger than {MAX_BODY_BYTES // 1024} KiB")
            except web.HTTPException as error:
                response = _refuse(asked, error.status, error.reason)
            self._tell(request, asked, response.status)
            return response

        return answer

    def _tell(self, request: web.Request, asked: Asked, status: int) -> None:
        event = ApiRequested(
            at=self._clock.now(),
            call=asked.call,
            method=request.method[:SHOWN_LETTERS],
            path=request.path[:SHOWN_LETTERS],
            status=status,
            detail=asked.detail[:SHOWN_LETTERS],
        )
        tell(self._observer, event)

    async def _body(self, request: web.Request) -> JsonObject:
        async with asyncio.timeout(BODY_WAIT_S):
            return reading.json_object(await request.read())

    def _is_ours(self, leg: LegRecord) -> bool:
        return leg.region == self.url or (self._first and not leg.region)

    def _leg(self, request: web.Request) -> LegRecord:
        leg = self._book.get(request.match_info["uuid"])
        if leg is None or not self._is_ours(leg):
            raise RefusedError(404, NOT_FOUND)
        _asked.get().call = leg.call
        return leg

    def _live(self, request: web.Request) -> LegControl:
        control = self._leg(request).control
        if control is None:
            raise RefusedError(404, NOT_FOUND)
        return control

    # Calls.

    async def _create(self, request: web.Request) -> web.Response:
        wanted = reading.read_create(await self._body(request))
        try:
            leg, _asked.get().call = self._exchange.order(wanted, self.url)
        except TooManyCallsError as error:
            raise RefusedError(429, str(error)) from error
        _asked.get().detail = f"calls {leg.to}"
        body = {
            "uuid": leg.uuid,
            "status": "started",
            "direction": "outbound",
            "conversation_uuid": leg.conversation_uuid,
        }
        return web.json_response(body, status=201)

    async def _list(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        wanted = reading.read_filter(query)
        return web.json_response(bodies.list_body(list(filter(self._is_ours, self._book.all())), wanted, query))

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(bodies.leg_body(self._leg(request)))

    async def _modify(self, request: web.Request) -> web.Response:
        leg = self._live(request)
        wanted = reading.read_modification(await self._body(request))
        _asked.get().detail = wanted.action
        match wanted.action:
            case "hangup":
                leg.hang_up()
            case "mute" | "unmute":
                leg.party.muted = wanted.action == "mute"
            case "earmuff" | "unearmuff":
                leg.party.earmuffed = wanted.action == "earmuff"
            case _ if wanted.destination is None or not leg.transfer(wanted.destination):
                raise RefusedError(404, NOT_FOUND)
        return web.Response(status=204)

    # What a leg hears.

    async def _stream(self, request: web.Request) -> web.Response:
        leg = self._live(request)
        playing = reading.read_stream(await self._body(request))
        leg.stream(playing.what, times=playing.times, level=playing.level)
        return self._done(request, "Stream started")

    async def _stop_stream(self, request: web.Request) -> web.Response:
        self._live(request).party.stop("stream")
        return self._done(request, "Stream stopped")

    async def _talk(self, request: web.Request) -> web.Response:
        leg = self._live(request)
        playing = reading.read_talk(await self._body(request))
        leg.talk(playing.what, voice=playing.voice, times=playing.times, level=playing.level)
        return self._done(request, "Talk started")

    async def _stop_talk(self, request: web.Request) -> web.Response:
        self._live(request).party.stop("talk")
        return self._done(request, "Talk stopped")

    async def _send_digits(self, request: web.Request) -> web.Response:
        leg = self._live(request)
        leg.send_digits(reading.read_digits(await self._body(request)))
        return self._done(request, "DTMF sent")

    async def _listen(self, request: web.Request) -> web.Response:
        leg = self._live(request)
        leg.listen(reading.read_listener(await self._body(request)))
        return web.json_response({})

    async def _stop_listening(self, request: web.Request) -> web.Response:
        self._live(request).listen(None)
        return web.json_response({})

    def _done(self, request: web.Request, message: str) -> web.Response:
        _asked.get().detail = message
        return web.json_response({"message": message, "uuid": request.match_info["uuid"]})


def _why(error: OSError) -> str:
    # asyncio's own words repeat the address, and name a Python exception.
    if error.errno is None or error.errno <= 0 or isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    return os.strerror(error.errno).lower()


def _refuse(asked: Asked, status: int, detail: str, problems: tuple[tuple[str, str], ...] = ()) -> web.Response:
    named = "; ".join(f"{name}: {reason}" for name, reason in problems)
    asked.detail = f"{detail} ({named})" if named else detail
    body = bodies.problem(status, detail, instance=uuid.uuid4().hex, invalid_parameters=problems)
    return web.json_response(body, status=status)
