"""Where a call of a load test goes: the socket that was named, or the one that an answer URL names for each call."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.clock import Clock
from vonage_sock.errors import ConnectError, UsageError
from vonage_sock.protocol import jsontext
from vonage_sock.protocol.ncco import WebsocketEndpoint, read_ncco, websocket_endpoint
from vonage_sock.protocol.webhooks import Leg
from vonage_sock.simulator.load.plan import LoadPlan, check_place
from vonage_sock.simulator.ncco.connecting import upgrade_headers
from vonage_sock.simulator.webhooks.web import Webhooks, signing_headers

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A socket, its format, what it is told, and what the upgrade carries; ``took_ns`` is how long the answer took."""

    url: str
    audio_format: AudioFormat
    headers: JsonObject
    upgrade: dict[str, str] = field(default_factory=dict)
    took_ns: int | None = None


class Directory:
    """
    Finds the place of each call; an answer URL is asked anew for each, as for any call, and nothing is posted.

    Args:
        web: asks; None where a socket is called.
    """

    def __init__(self, plan: LoadPlan, web: Webhooks | None, clock: Clock) -> None:
        self._plan = plan
        self._web = web
        self._clock = clock

    async def find(self) -> Place:
        """
        The place of the next call.

        Raises:
            ConnectError: the answer can't be had, or names no socket that may be called.
        """
        plan = self._plan
        if self._web is None:
            upgrade = signing_headers(plan.signature_secret, None, self._clock)
            return Place(plan.target, AudioFormat(plan.rate_hz), plan.headers, upgrade)
        began_at = self._clock.now()
        endpoint = await self._ask(self._web)
        try:
            check_place(endpoint.uri, plan.calls, may_leave=plan.may_leave)
        except UsageError as error:
            raise ConnectError(f"the NCCO leads elsewhere: {error}") from error
        upgrade = upgrade_headers(endpoint, self._web)
        took_ns = self._clock.now() - began_at
        return Place(endpoint.uri, endpoint.audio_format, endpoint.headers, upgrade, took_ns)

    async def _ask(self, web: Webhooks) -> WebsocketEndpoint:
        plan = self._plan
        leg = Leg(
            uuid=str(uuid.uuid4()),
            conversation_uuid=f"CON-{uuid.uuid4()}",
            from_=plan.from_number,
            to=plan.to_number,
        )
        answer = await web.fetch_answer(plan.target, leg.answer_params(), method=plan.method)
        if answer.status != 200:
            raise ConnectError(f"{plan.target} gave HTTP {answer.status} instead of 200")
        try:
            value = jsontext.loads(answer.body)
        except ValueError as error:
            raise ConnectError(f"the NCCO of {plan.target} isn't JSON: {error}") from error
        try:
            for action in read_ncco(value):
                if action["action"] == "connect" and (endpoint := websocket_endpoint(action)) is not None:
                    return endpoint
        except ValueError as error:
            raise ConnectError(f"the NCCO of {plan.target} can't be used: it {error}") from error
        raise ConnectError(f"the NCCO of {plan.target} has no connect to a websocket")
