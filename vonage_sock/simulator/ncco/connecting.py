"""
``connect``: the second leg of a call, a websocket that is really opened, or somebody who answers as the script says.

The leg has a uuid of its own and shares the caller's conversation. What a synchronous event is answered with takes over.

Guessed: a phone that answers stays as long as the caller speaks; an opening that takes too long is ``unanswered``, every
other failure ``failed``.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from vonage_sock.audio.source import OpenSource
from vonage_sock.clock import SECOND, iso_utc
from vonage_sock.errors import ConnectError
from vonage_sock.media.decode import ready
from vonage_sock.protocol.ncco import WebsocketEndpoint, websocket_endpoint
from vonage_sock.protocol.webhooks import Leg, completed_fields
from vonage_sock.simulator.control import Socket
from vonage_sock.simulator.drills.running import DrillRefusalError
from vonage_sock.simulator.giving_up import GivenUpError
from vonage_sock.simulator.leg.plan import HeardSink, LegPlan
from vonage_sock.simulator.ncco.actions import Desk, destination_of, seconds_of
from vonage_sock.simulator.ncco.line import HUNG_UP, CallOverError, next_frame
from vonage_sock.simulator.socket import OPEN_WAIT_S
from vonage_sock.simulator.webhooks.posting import Destination
from vonage_sock.simulator.webhooks.web import Webhooks

JsonObject = dict[str, Any]

MAX_OPEN_S: Final = 60.0
SHOWN_LETTERS: Final = 80
ENDPOINTS: Final = ("phone", "sip", "app", "vbc")

OUTCOMES: Final[dict[str, JsonObject]] = {
    "answered": {},
    "busy": {"sip_code": 486},
    "unanswered": {"detail": "timeout", "sip_code": 480},
    "failed": {"detail": "cannot_route", "sip_code": 503},
    "rejected": {"detail": "declined", "sip_code": 603},
}
"""How somebody who is called may answer, and what the event tells of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRequest:
    """
    A websocket to be opened and stayed on until it is closed.

    Args:
        socket: what it can be told from outside.
        opened: called once the socket is open.
        timeout_s: how long it may take to open; None for our own measure.
        limit_s: when the platform ends the leg.
        heard: takes what was said and heard.
        audio: what is said on it; what the caller says when None.
    """

    url: str
    socket: Socket
    plan: LegPlan
    headers: dict[str, str]
    opened: Callable[[], None] | None = None
    timeout_s: float | None = None
    limit_s: float | None = None
    heard: HeardSink | None = None
    audio: OpenSource | None = None


@dataclass(frozen=True, slots=True)
class LegResult:
    """How a leg went; ``limited`` when it was ended by its limit, ``ended_alone`` when it was from outside."""

    report: JsonObject
    limited: bool
    ended_alone: bool = False

    @property
    def caller_left(self) -> bool:
        """The caller has hung up, rather than the platform for a limit, a request or a frame of the wrong size."""
        dropped = any(finding["code"] == "VS101" for finding in self.report["findings"])
        alone = self.limited or self.ended_alone or dropped
        return self.report.get("closed_by") == "platform" and not alone


RunLeg = Callable[[LegRequest], Awaitable[LegResult]]


class Connector:
    """
    Makes the second legs of a call.

    Args:
        outcomes: how those who aren't websockets answer, one after the other; the last holds for all that follow.
        plan: what the caller does on a websocket; its format and headers are the NCCO's.
    """

    def __init__(self, desk: Desk, run_leg: RunLeg, *, plan: LegPlan, outcomes: Sequence[str]) -> None:
        self._desk = desk
        self._run_leg = run_leg
        self._plan = plan
        self._outcomes = list(outcomes) or ["answered"]
        self.reports: list[JsonObject] = []
        self.called: list[str] = []
        self.refused: ConnectError | None = None
        self.spared = False
        """A drill, or whoever ended its leg, kept a socket from being opened."""

    async def connect(self, action: JsonObject) -> bytes:
        """
        Carry it out; an answer that may be an NCCO.

        Raises:
            CallOverError: the caller has hung up.
        """
        try:
            endpoint = websocket_endpoint(action)
        except ValueError as error:
            self._desk.pass_over(action, f"a connect that {error}")
            return b""
        if endpoint is None:
            return await self._call_somebody(action)
        return await self._open_websocket(endpoint, action)

    def _leg(self, action: JsonObject, to: str, headers: JsonObject | None = None) -> Leg:
        phone, own = self._desk.phone, action.get("from")
        return Leg(
            uuid=str(uuid.uuid4()),
            conversation_uuid=phone.conversation_uuid,
            from_=own[:SHOWN_LETTERS] if isinstance(own, str) and own else phone.to,
            to=to,
            direction="outbound",
            headers=headers,
        )

    # A websocket.

    async def _open_websocket(self, endpoint: WebsocketEndpoint, action: JsonObject) -> bytes:
        desk = self._desk
        leg = self._leg(action, endpoint.uri, endpoint.headers)
        where = destination_of(action)
        socket = desk.control.enter_socket(
            leg, desk.teller.call_id, endpoint.audio_format, {"type": "websocket", "uri": endpoint.uri}
        )
        if endpoint.authorization is not None and endpoint.authorization.get("type") == "vonage" and not desk.web.signs:
            desk.teller.note("the upgrade is unsigned, as there is no secret for it; give --signature-secret")
        await self._post(leg, "started", where)
        posts: list[asyncio.Task[None]] = []
        opened_wall_ns: list[int] = []

        def opened() -> None:
            opened_wall_ns.append(desk.teller.clock.wall_ns())
            posts.append(asyncio.create_task(self._post(leg, "answered", where)))

        request = LegRequest(
            url=endpoint.uri,
            socket=socket,
            plan=replace(
                self._plan,
                audio_format=endpoint.audio_format,
                headers=endpoint.headers,
                key_presses=desk.keypad.take_all(),
            ),
            headers=upgrade_headers(endpoint, desk.web),
            opened=opened,
            timeout_s=None if "timeout" not in action else seconds_of(action, "timeout", OPEN_WAIT_S, 0.1, MAX_OPEN_S),
            limit_s=None if "limit" not in action else seconds_of(action, "limit", 7200, 0.1, 7200),
            heard=desk.line.leg_sink(endpoint.audio_format),
        )
        try:
            result = await self._run_leg(request)
        except GivenUpError:
            self.spared = True
            await self._post(leg, "cancelled", where)
            return b""
        except ConnectError as error:
            return await self._not_opened(endpoint, leg, where, error)
        finally:
            desk.control.leave_socket(socket)
            await asyncio.gather(*posts)
        self.reports.append(result.report)
        by_server = result.report.get("closed_by") != "platform"
        answer = b"" if not by_server else await self._ask(leg, "disconnected", where, synchronous=endpoint.synchronous)
        fields = completed_fields(
            start_time=iso_utc(opened_wall_ns[0]),
            end_time=desk.poster.timestamp(),
            duration_s=result.report["duration_s"],
            by="user" if result.caller_left and not desk.control.hung_up_from_outside else "platform",
        )
        await self._post(leg, "completed", where, **fields)
        if result.caller_left:
            raise CallOverError(HUNG_UP)
        return answer

    async def _not_opened(
        self, endpoint: WebsocketEndpoint, leg: Leg, where: Destination | None, error: ConnectError
    ) -> bytes:
        status = "unanswered" if isinstance(error.__cause__, TimeoutError) else "failed"
        fields = OUTCOMES[status]
        answer = await self._ask(leg, status, where, synchronous=endpoint.synchronous, **fields)
        if isinstance(error, DrillRefusalError):
            self.spared = True
            error.answered(status, answer, synchronous=endpoint.synchronous)
        else:
            self.refused = self.refused or error
        return answer

    # Somebody else.

    async def _call_somebody(self, action: JsonObject) -> bytes:
        desk = self._desk
        endpoint = action["endpoint"][0]
        kind = endpoint.get("type")
        if kind not in ENDPOINTS:
            kinds = ", ".join(ENDPOINTS)
            desk.pass_over(action, f"a connect whose endpoint is no websocket and none of {kinds}")
            return b""
        name = next((endpoint[key] for key in ("number", "uri", "user", "extension") if key in endpoint), kind)
        leg = self._leg(action, str(name)[:200])
        where = destination_of(action)
        synchronous = action.get("eventType") == "synchronous"
        outcome = self._outcomes[0] if len(self._outcomes) == 1 else self._outcomes.pop(0)
        desk.teller.note(f"{kind} {leg.to} is called: {outcome}")
        self.called.append(f"{kind} {leg.to[:SHOWN_LETTERS]}: {outcome}")
        left = desk.control.enter_callee(leg, desk.teller.call_id, endpoint)
        await self._post(leg, "started", where)
        await self._post(leg, "ringing", where)
        rings_s = seconds_of(action, "timeout", 60, 1, 120) if outcome == "unanswered" else 0.0
        try:
            await self._let_ring(round(rings_s * SECOND), left)
        except CallOverError:
            await self._post(leg, "cancelled", where)
            raise
        if left():
            await self._post(leg, "cancelled", where)
            return b""
        if outcome != "answered":
            return await self._ask(leg, outcome, where, synchronous=synchronous, **OUTCOMES[outcome])
        await self._post(leg, "answered", where)
        start_time, start_ns = desk.poster.timestamp(), desk.line.position_ns
        limit_ns, limited = round(seconds_of(action, "limit", 7200, 0.1, 7200) * SECOND), False
        try:
            limited = await self._speak_to(limit_ns, left)
        finally:
            duration_s = (desk.line.position_ns - start_ns) / SECOND
            fields = completed_fields(
                start_time=start_time,
                end_time=desk.poster.timestamp(),
                duration_s=duration_s,
                by="platform" if limited else "user",
            )
            await self._post(leg, "completed", where, **fields)
        return b""

    async def _let_ring(self, span_ns: int, left: Callable[[], bool]) -> None:
        line = self._desk.line
        line.check()
        line.catch_up()
        until_ns = line.position_ns + span_ns
        while not left() and line.position_ns < until_ns:
            await line.step()

    async def _speak_to(self, limit_ns: int, left: Callable[[], bool]) -> bool:
        """The caller says all it has to say, unless the other has left before; whether the limit ended it."""
        line = self._desk.line
        source = await ready(self._desk.audio(line.audio_format))
        line.catch_up()
        until_ns = line.position_ns + limit_ns
        try:
            while not left() and line.position_ns < until_ns:
                frame = await next_frame(source, line.audio_format.silence)
                if frame is None:
                    return False
                await line.step(said=frame)
            return not left()
        finally:
            source.close()

    # Events.

    async def _post(self, leg: Leg, status: str, where: Destination | None, **fields: object) -> None:
        poster = self._desk.poster
        await poster.tell(leg.event(status, timestamp=poster.timestamp(), **fields), where)

    async def _ask(
        self, leg: Leg, status: str, where: Destination | None, *, synchronous: bool, **fields: object
    ) -> bytes:
        if not synchronous:
            await self._post(leg, status, where, **fields)
            return b""
        poster = self._desk.poster
        return await poster.ask(leg.event(status, timestamp=poster.timestamp(), **fields), where)


def upgrade_headers(endpoint: WebsocketEndpoint, web: Webhooks) -> dict[str, str]:
    """What the upgrade carries for an endpoint's ``authorization``."""
    authorization = endpoint.authorization
    if authorization is None:
        return {}
    if authorization.get("type") == "custom":
        return {"Authorization": str(authorization.get("value", ""))}
    return web.authorization(None)
