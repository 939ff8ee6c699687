"""The way to a server, tried on real sockets."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from tests.doctor.fakes import raw_server, server_tls
from vonage_sock.clock import SECOND, SystemClock
from vonage_sock.doctor.addresses import Place
from vonage_sock.doctor.reaching import Lookup, connect, look_up, read_certificate, shake_hands
from vonage_sock.transport.tls import trusting

FAR_AWAY = dt.datetime(2095, 2, 3, 4, 5, tzinfo=dt.UTC)


@asynccontextmanager
async def shown(context: ssl.SSLContext) -> AsyncIterator[Place]:
    """A server that shows a certificate; where it is."""

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", 0, ssl=context) as server:
        yield Place("127.0.0.1", server.sockets[0].getsockname()[1], secure=True)


async def test_a_name_has_its_addresses_or_a_reason_for_none() -> None:
    """What can't be a name isn't asked for."""
    here = await look_up(Place("127.0.0.1", 80, secure=False))
    nowhere = await look_up(Place("a..b", 80, secure=False))
    late = await look_up(Place("127.0.0.1", 80, secure=False), wait_s=0)

    assert Lookup(("127.0.0.1",)) == here
    assert here.is_private
    assert ((), True) == (nowhere.addresses, nowhere.error is not None)
    assert Lookup(late=True) == late


async def test_a_connection_is_timed_or_refused() -> None:
    """Nothing raises."""
    async with await raw_server(b"") as server:
        port = server.sockets[0].getsockname()[1]
        made = await connect(Place("127.0.0.1", port, secure=False), SystemClock())
    refused = await connect(Place("127.0.0.1", port, secure=False), SystemClock())

    assert (None, False) == (made.error, made.late)
    assert isinstance(refused.error, ConnectionRefusedError)


async def test_a_believed_certificate_is_read(tmp_path: Path) -> None:
    """Its names, who signed it and until when it is valid."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    leaf = authority.issue_cert("127.0.0.1", "a.example", common_name="vsock", not_after=FAR_AWAY)
    async with shown(server_tls(leaf)) as place:
        found = await shake_hands(place, trusting(tmp_path / "ca.pem"))

    assert found.certificate is not None
    assert (None, True) == (found.error, (found.version or "").startswith("TLSv1."))
    assert {"127.0.0.1", "a.example"} == set(found.certificate.names)
    assert (round(FAR_AWAY.timestamp()) * SECOND, False) == (
        found.certificate.ends_wall_ns,
        found.certificate.is_its_own_issuer,
    )


async def test_a_certificate_that_is_not_believed_is_described_all_the_same() -> None:
    """It is fetched once more, and nothing is said on that connection."""
    async with shown(server_tls(trustme.CA().issue_cert("127.0.0.1"))) as place:
        found = await shake_hands(place)

    assert isinstance(found.error, ssl.SSLCertVerificationError)
    assert found.certificate is not None
    assert ("127.0.0.1",) == found.certificate.names


async def test_what_speaks_no_tls_or_hangs_is_no_traceback() -> None:
    """Neither a server that answers plainly, nor one that says nothing."""
    async with await raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        plain = await shake_hands(Place("127.0.0.1", server.sockets[0].getsockname()[1], secure=True))

    left = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(1000):
                pass
        finally:
            writer.close()
            left.set()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        late = await shake_hands(Place("127.0.0.1", server.sockets[0].getsockname()[1], secure=True), wait_s=0.05)
        await left.wait()

    assert isinstance(plain.error, ssl.SSLError)
    assert late.late


@pytest.mark.parametrize("der", [None, b"", b"0", b"\x30\x82\xff\xff"], ids=repr)
def test_a_broken_certificate_is_none(der: bytes | None) -> None:
    """Whatever a stranger shows."""
    assert read_certificate(der) is None
