"""Letting connections in, also when the system gives no more descriptors."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

import aiohttp
import pytest
import trustme
from wire import Seen, serving, socket_url

from vonage_sock.call.events import Notice
from vonage_sock.clock import SECOND, ManualClock
from vonage_sock.server import accepting
from vonage_sock.server.accepting import NO_ROOM, Acceptor


class Exhausted:
    """A listening socket whose ``accept`` fails, until it doesn't."""

    def __init__(self, bound: socket.socket, *errors: int) -> None:
        self._bound = bound
        self._errors = list(errors)

    def accept(self) -> tuple[socket.socket, object]:
        if self._errors:
            raise OSError(self._errors.pop(0), "so it is")
        return self._bound.accept()

    def fileno(self) -> int:
        return self._bound.fileno()

    def close(self) -> None:
        self._bound.close()


class Hello(asyncio.Protocol):
    """Says hello."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


def acceptor(told: list[str], clock: ManualClock | None = None, **options: object) -> tuple[Acceptor, int]:
    """One on a free port."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    made = Acceptor(bound, Hello, backlog=100, options=options, clock=clock or ManualClock(), tell=told.append)
    return made, bound.getsockname()[1]


async def heard(port: int) -> bytes:
    """All that is said to who connects."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(20):
        text = await reader.read()
    writer.close()
    return text


async def test_who_connects_is_let_in_until_it_is_closed() -> None:
    """Then nobody listens."""
    made, port = acceptor([])
    answers = await asyncio.gather(*(heard(port) for _ in range(20)))
    made.close()

    assert [b"hello"] * 20 == answers
    with pytest.raises(ConnectionRefusedError):
        await heard(port)


async def test_without_descriptors_it_rests_says_so_once_and_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is gone before he is let in is no reason to."""
    monkeypatch.setattr(accepting, "REST_S", 0.01)
    told: list[str] = []
    made, port = acceptor(told)
    made._bound = Exhausted(made._bound, errno.ECONNABORTED, errno.EMFILE, errno.ENFILE)  # type: ignore[assignment]
    answer = await heard(port)
    made.close()

    assert b"hello" == answer
    assert 1 == len(told)
    assert "nobody can be let in now: the system lets this program open" in told[0]


async def test_the_last_descriptors_are_kept_for_open_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes then is told to come later; said again after a minute at the soonest."""
    monkeypatch.setattr(accepting, "REST_S", 0.01)
    told: list[str] = []
    clock = ManualClock()
    made, port = acceptor(told, clock)
    with monkeypatch.context() as full:
        full.setattr(accepting, "allow_files", lambda _wanted: 0)
        answers = [await heard(port), await heard(port)]
        clock.advance_to(60 * SECOND)
        answers.append(await heard(port))
    room = await heard(port)
    made.close()

    assert [NO_ROOM] * 3 == answers
    assert 2 == len(told)
    assert b"hello" == room


async def test_a_server_says_that_it_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a warning; and a call is let in when there is."""
    monkeypatch.setattr(accepting, "REST_S", 0.01)
    seen = Seen()
    async with serving(list, seen) as server, aiohttp.ClientSession() as session:
        url = socket_url(server).replace("ws:", "http:").replace("/socket", "/health")
        with monkeypatch.context() as full:
            full.setattr(accepting, "allow_files", lambda _wanted: 0)
            async with session.get(url) as refused:
                text = await refused.text()
        async with session.get(url) as health:
            status = health.status

    assert (503, "No room now; try again later.\n") == (refused.status, text)
    assert 200 == status
    assert "warning" == seen.all(Notice)[0].level


async def test_who_opens_tls_and_says_no_more_is_dropped() -> None:
    """Others are let in meanwhile; the end doesn't wait for one who is still at it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusts = ssl.create_default_context()
    authority.configure_trust(trusts)
    made, port = acceptor([], ssl=context, ssl_handshake_timeout=0.3, ssl_shutdown_timeout=0.3)
    silent, writer = await asyncio.open_connection("127.0.0.1", port)
    reader, other = await asyncio.open_connection("127.0.0.1", port, ssl=trusts)
    hello = await reader.read()
    async with asyncio.timeout(20):
        end = await silent.read()
    _, waiting = await asyncio.open_connection("127.0.0.1", port)
    while not made._entering:  # noqa: ASYNC110  (the system takes it when it does)
        await asyncio.sleep(0)
    made.close()
    for one in (writer, other, waiting):
        one.close()

    assert (b"hello", b"") == (hello, end)
