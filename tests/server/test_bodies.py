"""What webhooks may say, and how long they may take for it."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest
from wire import PATIENCE_S, Seen, request, serving

from vonage_sock.call.events import EventPosted, FindingRaised, Notice
from vonage_sock.limits import Limits

JSON = "Content-Type: application/json\r\n"


def told(seen: Seen) -> list[str]:
    """The notices."""
    return [notice.message for notice in seen.all(Notice)]


@pytest.mark.parametrize("path", ["/webhooks/event", "/webhooks/answer"])
async def test_a_body_that_is_too_large_is_refused(path: str) -> None:
    """With 413 and the option that says so; told at once, and the others at the end. One of the very size is taken."""
    seen = Seen()
    fits = json.dumps({"status": "x" * (65536 - 14)}).encode()
    async with serving(list, seen) as server:
        refused = [await request(server, "POST", path, headers=JSON, body=fits + b" ") for _ in range(3)]
        status, _, _ = await request(server, "POST", path, headers=JSON, body=fits)

    why = "a webhook was refused: its body is larger than 65,536 bytes (--max-body-bytes)"
    assert [(413, f"{why}\n".encode())] * 3 == [(status, content) for status, _, content in refused]
    assert ([why, f"{why} (2 times in the last minutes)"], len(fits), True) == (told(seen), 65536, status < 300)


async def test_a_body_that_grows_too_large_is_refused() -> None:
    """Whoever doesn't say how much comes is stopped where it is too much."""
    async with serving(limits=Limits(body_bytes=2000)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /webhooks/event HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(30):
            writer.write(b"64\r\n" + b" " * 100 + b"\r\n")
        async with asyncio.timeout(PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.read()
        writer.close()

    assert head.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("sent", [b"", b'{"status":'], ids=["nothing", "a part"])
async def test_a_body_that_does_not_come_is_given_up(sent: bytes) -> None:
    """With 408, and the connection with it; other webhooks are answered meanwhile."""
    seen = Seen()
    async with serving(list, seen, limits=Limits(body_s=0.3)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /webhooks/event HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n" + sent)
        meanwhile, _, _ = await request(server, "POST", "/webhooks/event", headers=JSON, body=b"{}")
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read()
        writer.close()

    why = "a webhook was refused: its body didn't come within 0.3 s (--body-within)"
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(f"{why}\n".encode())
    assert ([why], 204) == (told(seen), meanwhile)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "gzip, identity", "x"])
async def test_a_compressed_body_is_refused(encoding: str) -> None:
    """With 415, and nothing of it is unpacked."""
    seen = Seen()
    headers = f"{JSON}Content-Encoding: {encoding}\r\n"
    async with serving(list, seen) as server:
        status, _, content = await request(
            server, "POST", "/webhooks/event", headers=headers, body=gzip.compress(b"{}" + b" " * 10_000_000)
        )

    assert 415 == status
    assert b"a webhook was refused: its body is compressed" in content
    assert [content.decode().strip()] == told(seen)


async def test_identity_is_no_compression() -> None:
    """It says that there is none."""
    seen = Seen()
    headers = f"{JSON}Content-Encoding: identity\r\n"
    async with serving(list, seen) as server:
        status, _, _ = await request(server, "POST", "/webhooks/event", headers=headers, body=b'{"status":"x"}')

    assert (204, ["x"]) == (status, [event.status for event in seen.all(EventPosted)])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff", "byte 0 is not UTF-8"),
        (b'{"a":1,"a":2}', "the key 'a' stands twice"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":1e999}', "too large a number"),
        (b'{"a":' + b"9" * 5000 + b"}", "too large a number"),
        (b"[" * 60_000, "nested more than 32 deep"),
        (b"[]", "isn't a JSON object"),
        (b"{", "isn't JSON"),
    ],
    ids=lambda value: str(value)[:12],
)
async def test_bad_json_is_refused_and_told_once(body: bytes, reason: str) -> None:
    """With 400 and its reason, however often; how often is told in the end."""
    seen = Seen()
    async with serving(list, seen) as server:
        answers = [await request(server, "POST", "/webhooks/event", headers=JSON, body=body) for _ in range(5)]
    findings = seen.all(FindingRaised)

    assert {400} == {status for status, _, _ in answers}
    assert all(reason.encode() in content for _, _, content in answers)
    assert [("VS410", 1), ("VS410", 5)] == [(finding.code, finding.count) for finding in findings]
    assert all(reason in finding.message for finding in findings)
