"""Certificates, keys and whom a client believes: what is wrong with them is one sentence."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import load_pem_x509_certificate

from vonage_sock.clock import SECOND
from vonage_sock.errors import UsageError
from vonage_sock.transport.tls import ServerTls, trusting, why_not

NOW: int = 1_800_000_000 * SECOND
LONG_AGO = dt.datetime(2001, 2, 3, 4, 5, tzinfo=dt.UTC)
FAR_AWAY = dt.datetime(2095, 2, 3, 4, 5, tzinfo=dt.UTC)

Issue = Callable[..., trustme.LeafCert]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Signs the certificates of this module."""
    return trustme.CA()


@pytest.fixture
def cert(authority: trustme.CA, tmp_path: Path) -> Path:
    """A certificate with its key, in one file."""
    path = tmp_path / "cert.pem"
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(path)
    return path


def encrypted(pem: bytes, password: bytes) -> bytes:
    """The same key with a password on it."""
    key = serialization.load_pem_private_key(pem, password=None)
    hidden = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)


def key_of(authority: trustme.CA) -> bytes:
    """Some certificate's key."""
    return authority.issue_cert("localhost").private_key_pem.bytes()


def sentence_of(tls: ServerTls) -> str:
    """Why it can't be used."""
    with pytest.raises(UsageError) as error:
        tls.context(wall_ns=NOW)
    return str(error.value)


def test_a_certificate_and_its_key_are_taken_from_one_file_or_two(cert: Path, tmp_path: Path) -> None:
    """And nothing older than TLS 1.2 is spoken."""
    text = cert.read_text()
    begin = text.index("-----BEGIN CERTIFICATE")
    key, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    key.write_text(text[:begin])
    chain.write_text(text[begin:])
    contexts = [ServerTls(cert=cert).context(wall_ns=NOW), ServerTls(cert=chain, key=key).context(wall_ns=NOW)]

    assert [ssl.TLSVersion.TLSv1_2] * 2 == [context.minimum_version for context in contexts]


def test_an_encrypted_key_needs_its_password(authority: trustme.CA, tmp_path: Path) -> None:
    """What the environment can give; the sentence says how, and the password is in no repr."""
    leaf = authority.issue_cert("localhost")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    leaf.cert_chain_pems[0].write_to_path(cert)
    key.write_bytes(encrypted(leaf.private_key_pem.bytes(), b"hunter2"))
    without = ServerTls(cert=cert, key=key)
    wrong = ServerTls(cert=cert, key=key, password="hunter3")
    right = ServerTls(cert=cert, key=key, password="hunter2")

    assert "the key is encrypted; give its password in the environment, as VSOCK_TLS_KEY_PASSWORD" in sentence_of(
        without
    )
    assert "VSOCK_TLS_KEY_PASSWORD isn't the password" in sentence_of(wrong)
    assert right.context(wall_ns=NOW).minimum_version == ssl.TLSVersion.TLSv1_2
    assert "hunter2" not in repr(right)


@pytest.mark.parametrize(
    ("times", "part"),
    [
        ({"not_after": LONG_AGO}, "expired on 2001-02-03 at 04:05 UTC; get a new one"),
        ({"not_before": FAR_AWAY, "not_after": FAR_AWAY}, "isn't valid before 2095-02-03 at 04:05 UTC; look at this"),
    ],
)
def test_a_certificate_out_of_its_time_is_refused(
    authority: trustme.CA, tmp_path: Path, times: dict[str, dt.datetime], part: str
) -> None:
    """No caller would believe it: that is told before anything starts."""
    path = tmp_path / "cert.pem"
    authority.issue_cert("localhost", **times).private_key_and_cert_chain_pem.write_to_path(path)

    assert part in sentence_of(ServerTls(cert=path))


def test_what_is_no_certificate_or_no_key_is_named(authority: trustme.CA, cert: Path, tmp_path: Path) -> None:
    """With what it should be, and how to come by it."""
    leaf = authority.issue_cert("localhost")
    bare, other, broken, der = (tmp_path / name for name in ("bare.pem", "other.pem", "broken.pem", "cert.der"))
    bare.write_bytes(leaf.cert_chain_pems[0].bytes())
    other.write_bytes(key_of(authority))
    broken.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    der.write_bytes(load_pem_x509_certificate(bare.read_bytes()).public_bytes(serialization.Encoding.DER))

    assert "holds a certificate and no key; name the file of its key with --tls-key" in sentence_of(
        ServerTls(cert=bare)
    )
    assert "holds another certificate's key" in sentence_of(ServerTls(cert=bare, key=other))
    assert "the key in it is broken" in sentence_of(ServerTls(cert=bare, key=broken))
    assert "isn't a key in PEM form" in sentence_of(ServerTls(cert=cert, key=bare))
    assert "isn't a certificate in PEM form" in sentence_of(ServerTls(cert=der))
    assert "can't be read: No such file or directory" in sentence_of(ServerTls(cert=tmp_path / "none"))
    assert "can't be read: Is a directory" in sentence_of(ServerTls(cert=tmp_path))


def test_an_authority_of_ones_own_is_trusted_beside_those_of_the_system(authority: trustme.CA, tmp_path: Path) -> None:
    """Without a file, the system's do."""
    path, nothing = tmp_path / "ca.pem", tmp_path / "nothing.pem"
    authority.cert_pem.write_to_path(path)
    nothing.write_text("no certificate")
    context = trusting(path)

    assert trusting(None) is None
    assert context is not None
    assert ssl.CERT_REQUIRED == context.verify_mode
    with pytest.raises(UsageError, match="holds no certificate in PEM form"):
        trusting(nothing)
    with pytest.raises(UsageError, match="can't be read"):
        trusting(tmp_path / "none")


@asynccontextmanager
async def shown(leaf: trustme.LeafCert) -> AsyncIterator[int]:
    """A server with this certificate; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)

    def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("names", "times", "trusted", "part"),
    [
        (["127.0.0.1"], {"not_after": LONG_AGO}, True, "(certificate has expired); the server needs a new certificate"),
        (["127.0.0.1"], {"not_before": FAR_AWAY, "not_after": FAR_AWAY}, True, "look at the clocks of both machines"),
        (["example.org"], {}, True, "use a name that the certificate is for"),
        (["127.0.0.1"], {}, False, "name the certificate of who signed its own with --ca FILE"),
    ],
)
async def test_why_a_client_does_not_believe_a_server(
    authority: trustme.CA, tmp_path: Path, names: list[str], times: dict[str, dt.datetime], trusted: bool, part: str
) -> None:
    """Each reason has its cure."""
    path = tmp_path / "ca.pem"
    (authority if trusted else trustme.CA()).cert_pem.write_to_path(path)
    async with shown(authority.issue_cert(*names, **times)) as port:
        with pytest.raises(ssl.SSLError) as error:
            await asyncio.open_connection("127.0.0.1", port, ssl=trusting(path))

    assert part in why_not(error.value)
