"""
A call that the REST API orders: somebody is called, or a websocket, and an NCCO is carried out on that leg.

A telephone answers as the script says (``connect_outcomes``), and from there the call is like any other. A websocket is
opened at once and stays until the NCCO has been carried out: what an NCCO lets a caller hear, the server hears, and what the
server sends is what a caller would say.

Guessed: that a websocket that can't be opened is ``failed``, and that who doesn't answer is ``unanswered`` after
``ringing_timer``.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Final

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.errors import ConnectError
from vonage_sock.protocol.ncco import Ncco
from vonage_sock.protocol.webhooks import Leg
from vonage_sock.simulator.api.reading import CallRequest
from vonage_sock.simulator.control import Socket
from vonage_sock.simulator.giving_up import GivenUpError, unless_given_up
from vonage_sock.simulator.ncco.actions import Actions, Desk
from vonage_sock.simulator.ncco.answered import AnsweredCall
from vonage_sock.simulator.ncco.connecting import OUTCOMES, Connector, LegRequest, LegResult
from vonage_sock.simulator.ncco.line import HUNG_UP
from vonage_sock.simulator.ncco.meetings import Meetings
from vonage_sock.simulator.order import CallOrder

KEPT_FRAMES: Final = 250

JsonObject = dict[str, Any]


def leg_of(request: CallRequest) -> Leg:
    """The leg that a request will have; it can be told before anybody is called."""
    return Leg(
        uuid=str(uuid.uuid4()),
        conversation_uuid=f"CON-{uuid.uuid4()}",
        from_=request.from_number,
        to=request.to_name,
        direction="outbound",
        headers=None if request.socket is None else request.socket.headers,
        endpoint_type=str(request.to.get("type", "phone")),
    )


class OutboundCall(AnsweredCall):
    """
    One such call; made where ``VonageCall`` would make an ``AnsweredCall``.

    Args:
        leg: from ``leg_of``.
    """

    def __init__(self, order: CallOrder, *rest: Any, request: CallRequest, leg: Leg, **settings: Any) -> None:
        self._pipe: Pipe | None = None
        hung_up = settings.pop("hung_up")
        if request.socket is not None:
            pipe = self._pipe = Pipe(request.socket.audio_format)
            plan = replace(order.plan, audio_format=pipe.audio_format, headers=request.socket.headers, duration_ns=None)
            order = replace(order, plan=replace(plan, key_presses=()), audio=lambda _format: pipe.back)
        super().__init__(order, *rest, hung_up=lambda: hung_up() or self._server_left, **settings)
        self._request = request
        self._phone = leg
        self._socket = Socket(is_caller=True)
        self._server_left = False
        self._ringing: asyncio.Task[LegResult] | None = None
        if request.events is not None:
            self._poster.default = request.events

    async def run(self) -> JsonObject:
        """
        The whole call; the websocket leg's report, empty when no socket was opened.

        Raises:
            ConnectError: the websocket or the answer URL can't be reached.
        """
        socket = None if self._pipe is None else self._socket
        self._control.enter_caller(self._phone, self._teller.call_id, socket=socket)
        try:
            await self._post("started")
            if not await (self._ring() if self._pipe is None else self._open(self._pipe)):
                await self._poster.flush()
                return {}
            await self._post("answered")
            ncco = await self._its_ncco()
        except GivenUpError:
            await self._post("cancelled")
            await self._poster.flush()
            return {"no_socket": HUNG_UP}
        except ConnectError:
            await self._close_socket()
            await self._post("failed", **OUTCOMES["failed"])
            await self._poster.flush()
            raise
        except asyncio.CancelledError:
            await self._close_socket()
            await self._say_goodbye("cancelled")
            return {}
        timer = asyncio.get_running_loop().call_later(self._request.length_s, self._control.hang_up)
        try:
            with self._open_line(ncco) as line:
                if self._pipe is not None:
                    line.add(self._pipe)
                return await self._go_through(ncco, line)
        finally:
            timer.cancel()
            await self._close_socket()

    async def _its_ncco(self) -> Ncco:
        if self._request.ncco is not None:
            actions = ", ".join(str(action["action"])[:40] for action in self._request.ncco)
            self._teller.note(f"the NCCO that came with the order: {actions}")
            return self._check(self._request.ncco)
        return await self._fetch_ncco()

    # A telephone.

    async def _ring(self) -> bool:
        """Whether somebody answers."""
        await self._post("ringing")
        outcomes = self._order.connect_outcomes
        outcome = outcomes[0] if outcomes else "answered"
        if outcome == "unanswered" and not self._order.fast:
            with contextlib.suppress(GivenUpError):
                await unless_given_up(self._control.hung_up, self._let_ring())
        if self._hung_up():
            await self._post("cancelled")
            return False
        if outcome == "answered":
            return True
        await self._post(outcome, **OUTCOMES[outcome])
        return False

    async def _let_ring(self) -> None:
        await self._pause(self._request.ringing_s)

    # A websocket.

    async def _open(self, pipe: Pipe) -> bool:
        """Open it; from then on it is a task of its own."""
        endpoint = self._request.socket
        assert endpoint is not None  # noqa: S101  (who has a pipe has a websocket)
        opened = asyncio.Event()
        request = LegRequest(
            url=endpoint.uri,
            socket=self._socket,
            plan=self._order.plan,
            headers=self._upgrade_headers(endpoint.authorization),
            opened=opened.set,
            timeout_s=float(self._request.ringing_s),
            heard=pipe.back,
            audio=lambda _format: pipe,
        )
        self._ringing = asyncio.create_task(self._stay(request))
        await _first_of(opened.wait(), self._ringing)
        if self._ringing.done():
            self._ringing.result()
        return True

    async def _stay(self, request: LegRequest) -> LegResult:
        try:
            return await self._run_leg(request)
        finally:
            self._server_left = True

    def _upgrade_headers(self, authorization: JsonObject | None) -> dict[str, str]:
        if authorization is None:
            return {}
        if authorization.get("type") == "custom":
            return {"Authorization": str(authorization.get("value", ""))}
        return self._web.authorization(None)

    async def _perform(
        self, ncco: Ncco, desk: Desk, actions: Actions, connector: Connector, meetings: Meetings
    ) -> None:
        """Carry the NCCO out; a websocket stays for as long as that takes."""
        try:
            await super()._perform(ncco, desk, actions, connector, meetings)
        finally:
            result = await self._close_socket()
            if result is not None:
                connector.reports.append(result.report)
                if result.report.get("closed_by") != "platform":
                    await self._post("disconnected")

    async def _close_socket(self) -> LegResult | None:
        """End the websocket's leg; how it went, once."""
        task, self._ringing = self._ringing, None
        if task is None or self._pipe is None:
            return None
        self._pipe.close()
        if not self._hung_up():
            # The line is a little ahead of the socket, which shall hear the end of what was played.
            await _first_of(self._pipe.drained.wait(), task)
        self._socket.close()
        try:
            return await task
        except ConnectError:
            return None


async def _first_of(wanted: Coroutine[Any, Any, object], task: asyncio.Task[LegResult]) -> None:
    waiting = asyncio.create_task(wanted)
    try:
        await asyncio.wait([waiting, task], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


class Pipe:
    """
    Between a line and a websocket that takes the caller's place: a ``HeardSink`` of the line and a ``Source`` of the leg.

    ``back`` is the other direction: what the server sends.
    """

    def __init__(self, audio_format: AudioFormat) -> None:
        self.name = "the call"
        self.total_frames: int | None = None
        self.error: str | None = None
        self.audio_format = audio_format
        self.back = Back()
        self.drained = asyncio.Event()
        self._frames: deque[bytes] = deque(maxlen=KEPT_FRAMES)
        self._closed = False

    def write(self, said: bytes, heard: bytes) -> None:
        """One step of the line."""
        if len(heard) == self.audio_format.frame_bytes:
            self._frames.append(heard)

    def take(self) -> bytes | None:
        """The next frame for the server."""
        if self._closed and len(self._frames) <= 1:
            self.drained.set()
        return self._frames.popleft() if self._frames else None

    def ended(self) -> bool:
        """The call is over."""
        return self._closed and not self._frames

    def close(self) -> None:
        """The call is over."""
        self._closed = True


class Back:
    """What a server says that takes the caller's place: a ``HeardSink`` of its leg and a ``Source`` of the line."""

    def __init__(self) -> None:
        self.name = "the server"
        self.total_frames: int | None = None
        self.error: str | None = None
        self._frames: deque[bytes] = deque(maxlen=KEPT_FRAMES)

    def write(self, said: bytes, heard: bytes) -> None:
        """One step of the leg."""
        self._frames.append(heard)

    def take(self) -> bytes | None:
        """The next frame that it said."""
        return self._frames.popleft() if self._frames else None

    def ended(self) -> bool:
        """Only with the call, whose end its listeners are told otherwise."""
        return False

    def close(self) -> None:
        """An action that listened is over; the next may listen as well."""
