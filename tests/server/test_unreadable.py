"""What aiohttp can't read."""

from __future__ import annotations

import asyncio
import logging

import pytest
from wire import PATIENCE_S, request, serving


@pytest.mark.parametrize("target", ["GET /health", "GET /socket", "POST /webhooks/event", "GET /nothing", "OPTIONS *"])
@pytest.mark.parametrize("value", [b"\xff", b"\xc3\xa9"])
async def test_an_expectation_that_is_not_ascii_is_answered_with_400(
    target: str, value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever it is sent to, and without a word in the log."""
    head = target.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: " + value + b"\r\n\r\n"
    async with serving() as server, asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head)
        answer = await reader.read()
        writer.close()

    assert (b"HTTP/1.1 400 ", True) == (answer[:13], answer.endswith(b"The header Expect isn't ASCII.\n"))
    assert [] == caplog.records


async def test_an_expectation_that_nobody_knows_is_answered_with_417() -> None:
    """As HTTP has it."""
    async with serving() as server:
        status, _, _ = await request(server, "GET", "/health", headers="Expect: miracles\r\n")

    assert 417 == status


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_body_that_is_not_compressed_as_it_says_is_nobodys_news(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Read by a webhook or by nobody: a refusal, and no traceback."""
    caplog.set_level(logging.WARNING)
    async with serving() as server:
        headers = "Content-Encoding: gzip\r\n" + ("" if method == "POST" else "Content-Length: 9\r\n")
        status, _, _ = await request(server, method, "/webhooks/event", headers=headers, body=b"not gzip!")

    assert status in (400, 405, 415)
    assert [] == caplog.records
