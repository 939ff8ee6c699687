"""
Requests that aiohttp can't read: a 400 for who sent one, and no traceback for who runs the server.

Anybody on the internet can send them, as many as they like: what a stranger causes isn't logged.
"""

from __future__ import annotations

import logging
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from vonage_sock.protocol.logtext import logger

HTTP_LOG: Final = "vonage_sock.server.app.http"


def answer_unreadable(runner: web.AppRunner) -> None:
    """Answer with 400, for a runner that is set up, what aiohttp would answer with 500 and a traceback."""
    server = runner.server
    if server is None:
        return
    handle = server.request_handler

    async def readable_only(request: web.BaseRequest) -> web.StreamResponse:
        # aiohttp says the expectation back, in UTF-8, which bytes that never were can't be written in.
        if not request.headers.get("Expect", "").isascii():
            return web.Response(status=400, text="The header Expect isn't ASCII.\n")
        try:
            return await handle(request)
        except web.RequestPayloadError:
            return web.Response(status=400, text="The body isn't encoded as its headers say.\n")

    server.request_handler = readable_only


def http_log() -> logging.Logger:
    """Where aiohttp logs, without what anybody on the internet may cause."""
    logging.getLogger("aiohttp.websocket").addFilter(_is_not_about_subprotocols)
    log = logger(HTTP_LOG)
    log.addFilter(_is_our_fault)
    return log


def _is_our_fault(record: logging.LogRecord) -> bool:
    """What isn't HTTP, or isn't compressed as it says, is answered with 400 and no more."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError | web.RequestPayloadError)


def _is_not_about_subprotocols(record: logging.LogRecord) -> bool:
    """Vonage's older clients offer one that we don't choose: no reason for a warning at each call."""
    return "overlap" not in record.msg
