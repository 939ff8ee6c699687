"""What webhooks say: their queries and bodies, of which no more is read than may come, and no longer than it may take."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from vonage_sock.limits import Limits
from vonage_sock.protocol import jsontext

FORM: Final = "application/x-www-form-urlencoded"
PLAIN: Final = frozenset({"", "identity"})
"""Encodings that are none."""

ANSWERS: Final[dict[int, type[web.HTTPException]]] = {
    400: web.HTTPBadRequest,
    408: web.HTTPRequestTimeout,
    415: web.HTTPUnsupportedMediaType,
}


class BadBodyError(Exception):
    """A body that can't be taken: why, as the end of a sentence, and the status to answer with."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status

    def answer(self, message: str) -> web.HTTPException:
        """What to raise; the connection ends with it where there may be more of the body."""
        text = f"{message}\n"
        if self.status == 413:
            answer: web.HTTPException = web.HTTPRequestEntityTooLarge(max_size=0, actual_size=0, text=text)
        else:
            answer = ANSWERS[self.status](text=text)
        if self.status != 400:
            answer.force_close()
        return answer


def params_in(request: web.Request, raw: bytes, limits: Limits) -> dict[str, Any]:
    """
    What a webhook's body says, as JSON or as a form.

    Raises:
        BadBodyError: it isn't a JSON object.
    """
    if request.content_type == FORM:
        return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    if not raw.strip():
        return {}
    try:
        body = jsontext.loads(raw, max_depth=limits.json_depth)
    except ValueError as error:
        raise BadBodyError(400, f"its body isn't JSON ({error})") from error
    if not isinstance(body, dict):
        raise BadBodyError(400, "its body isn't a JSON object")
    return body


async def read_body(request: web.Request, limits: Limits) -> bytes:
    """
    The bytes of a body, as they came.

    Raises:
        BadBodyError: it is too large or too slow, or compressed.
    """
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in PLAIN:
        raise BadBodyError(415, "its body is compressed, which none may be: send it without Content-Encoding")
    too_large = f"its body is larger than {limits.body_bytes:,} bytes (--max-body-bytes)"
    if (request.content_length or 0) > limits.body_bytes:
        raise BadBodyError(413, too_large)
    try:
        async with asyncio.timeout(limits.body_s):
            return await request.read()
    except TimeoutError as error:
        raise BadBodyError(408, f"its body didn't come within {limits.body_s:g} s (--body-within)") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise BadBodyError(413, too_large) from error
    except web.RequestPayloadError as error:
        raise BadBodyError(400, "its body breaks the rules of HTTP, or ends before its end") from error
