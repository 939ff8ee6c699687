"""
The answer, event and fallback webhooks, and what else is asked for over HTTP: the server's health, its OpenAPI description.

Rule: a webhook's signature is checked over its raw bytes, before anything of it is understood.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypedDict

from aiohttp import web

from vonage_sock.call.events import AnswerRequested, EventPosted, Observer
from vonage_sock.call.findings import CATALOGUE, Findings
from vonage_sock.clock import Clock
from vonage_sock.protocol import jsontext, webhooks
from vonage_sock.protocol.ncco import Ncco, answer_ncco, fill_in
from vonage_sock.protocol.redaction import redact
from vonage_sock.server import openapi
from vonage_sock.server.bodies import BadBodyError, params_in, read_body
from vonage_sock.server.config import Addresses, ServerConfig
from vonage_sock.server.gate import Gate, Visit, unsigned
from vonage_sock.server.refusals import Refusals

HEALTHY: Final = "ok"
BAD_REQUEST: Final = 400
SORRY: Final[Ncco] = [{"action": "talk", "text": "Sorry, we were cut off. Please call again."}]


class Signed(TypedDict, total=False):
    """What an event tells of a webhook's signature; nothing where there is no secret."""

    verified: bool
    hash_matches: bool | None


class Webhooks:
    """
    Answers what isn't a call.

    Args:
        config: of the server; its public address is the gate's matter.
        visit: who sends a request, and from where.
        open_calls: how many calls there are, over all workers.
        findings: where what is wrong with webhooks is counted.
        tell: given what was asked for and posted.
    """

    def __init__(
        self,
        config: ServerConfig,
        gate: Gate,
        *,
        visit: Callable[[web.Request], Visit],
        open_calls: Callable[[], int],
        findings: Findings,
        refusals: Refusals,
        tell: Observer,
        clock: Clock,
    ) -> None:
        self._config = config
        self._gate = gate
        self._visit = visit
        self._open_calls = open_calls
        self._findings = findings
        self._refusals = refusals
        self._tell = tell
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """What is answered here."""
        both = [(webhooks.ANSWER_PATH, self._answer), (webhooks.FALLBACK_PATH, self._fallback)]
        both += [(path, self._event) for path in webhooks.EVENT_PATHS]
        return [
            *(web.route(method, path, handler) for path, handler in both for method in ("GET", "POST")),
            web.get(webhooks.HEALTH_PATH, self._health),
            web.get(openapi.OPENAPI_PATH, self._openapi),
        ]

    async def _answer(self, request: web.Request) -> web.Response:
        params, signed = await self._read_params(request)
        ncco = self._ncco_for(request, params)
        self._tell_answered(request, params, ncco, signed)
        return _json(ncco)

    def answer_in_trial(self, request: web.Request) -> web.Response:
        """What Vonage would be answered, without its secrets; nobody is told of it."""
        return _json(redact(self._ncco_for(request, {})))

    def _ncco_for(self, request: web.Request, params: dict[str, Any]) -> Ncco:
        seen = self._gate.addresses(self._visit(request))
        config = self._config
        if config.ncco is not None:
            return self._filled(config.ncco, seen)
        return answer_ncco(
            socket_url=seen.socket_url,
            event_url=seen.event_url,
            audio_format=config.audio_format,
            params=params,
            headers=config.headers,
            greeting=config.greeting,
            synchronous=config.fallback is not None,
            authorization=self._gate.authorization,
        )

    async def _event(self, request: web.Request) -> web.Response:
        body, signed = await self._read_params(request)
        status = webhooks.event_kind(body)
        self._tell(
            EventPosted(
                at=self._clock.now(),
                status=status,
                uuid=_text_or_none(body.get("uuid", body.get("call_uuid"))),
                conversation_uuid=_text_or_none(body.get("conversation_uuid")),
                body=body,
                **signed,
            )
        )
        if self._config.fallback is not None and status in webhooks.FALLBACK_STATUSES:
            return _json(self._filled(self._config.fallback, self._gate.addresses(self._visit(request))))
        return web.Response(status=204)

    async def _fallback(self, request: web.Request) -> web.Response:
        params, signed = await self._read_params(request)
        ncco = self._fallback_for(request, params)
        self._tell_answered(request, params, ncco, signed)
        return _json(ncco) if ncco else web.Response(status=204)

    def _fallback_for(self, request: web.Request, params: dict[str, Any]) -> Ncco:
        """Without a fallback of the user's own a call that couldn't begin is begun, and one that was lost gets words."""
        if self._config.fallback is not None:
            return self._filled(self._config.fallback, self._gate.addresses(self._visit(request)))
        # To connect again after a failed event might go on for ever.
        return self._ncco_for(request, params) if webhooks.failed_kind(params) == "answer" else SORRY

    def _filled(self, ncco: Ncco, seen: Addresses) -> Ncco:
        filled = fill_in(ncco, socket_url=seen.socket_url, event_url=seen.event_url)
        return self._gate.fill(filled, seen.socket_url)

    def _tell_answered(self, request: web.Request, params: dict[str, Any], ncco: Ncco, signed: Signed) -> None:
        shown, now = redact(ncco), self._clock.now()
        self._tell(AnswerRequested(at=now, method=request.method, params=params, ncco=shown, **signed))

    async def _health(self, request: web.Request) -> web.Response:
        return _json({"status": HEALTHY, "calls": self._open_calls()})

    async def _openapi(self, request: web.Request) -> web.Response:
        return _json(openapi.document())

    async def _read_params(self, request: web.Request) -> tuple[dict[str, Any], Signed]:
        """
        What a webhook says, and whether it is signed.

        What is wrong with it is told, and answered with its status.
        """
        query, limits = dict(request.query), self._config.limits
        try:
            raw = await read_body(request, limits) if request.method == "POST" else None
            signed = self._check_signature(request, body=raw, query=query)
            return query if raw is None else query | params_in(request, raw, limits), signed
        except BadBodyError as error:
            if error.status == BAD_REQUEST:
                message = self._bad_webhook(str(error))
            else:
                message = f"a webhook was refused: {error}"
                self._refusals.say(f"webhook {error.status}", message)
            raise error.answer(message) from error

    def _check_signature(self, request: web.Request, *, body: bytes | None, query: dict[str, str]) -> Signed:
        verdict = self._gate.check_webhook(self._visit(request), body=body, query=query)
        if verdict is None:
            return Signed()
        if not verdict.good:
            refusal = unsigned(verdict)
            self._refusals.add(refusal.code, refusal.numbers)
            raise web.HTTPUnauthorized(text=f"{refusal.text}\n", headers=refusal.headers)
        return Signed(verified=True, hash_matches=verdict.hash_matches)

    def _bad_webhook(self, reason: str) -> str:
        rule = CATALOGUE["VS410"]
        finding = self._findings.add(rule.code, at=self._clock.now(), frame=0, reason=reason)
        if finding is not None:
            self._tell(finding)
        return rule.message.format(reason=reason)


def _json(value: object) -> web.Response:
    return web.Response(text=jsontext.dumps(value), content_type="application/json")


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
