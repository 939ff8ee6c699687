"""What the way to a server says of it: each fault in words, with its cure."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.doctor.fakes import server_tls
from tests.doctor.test_reaching import shown
from vonage_sock.clock import SECOND
from vonage_sock.doctor.addresses import Place
from vonage_sock.doctor.checks import Check, Result
from vonage_sock.doctor.reaching import Certificate, Connection, Handshake, Lookup, shake_hands
from vonage_sock.doctor.ways import judge_connection, judge_handshake, judge_lookup, no_tls
from vonage_sock.transport.tls import trusting

PUBLIC = Place("a.example", 443, secure=True)
HERE = Place("127.0.0.1", 8000, secure=False)
TUNNEL = Place("x.ngrok.app", 443, secure=True)
NOW = 1_800_000_000 * SECOND
DAY = 86_400 * SECOND
LONG_AGO = dt.datetime(2001, 2, 3, 4, 5, tzinfo=dt.UTC)
FAR_AWAY = dt.datetime(2095, 2, 3, 4, 5, tzinfo=dt.UTC)


def told(check: Check) -> str:
    """Its result, and all its text."""
    return " | ".join([check.result.value, check.message, *check.cures])


def judged(found: Handshake, *, own: bool = False) -> Check:
    """A handshake with a public server."""
    return judge_handshake(PUBLIC, found, wall_ns=NOW, own_authority=own)


def certificate(days: float = 90, names: tuple[str, ...] = ("a.example",)) -> Certificate:
    """One of an authority's."""
    return Certificate(
        subject="a.example", issuer="R11", names=names, begins_wall_ns=NOW - DAY, ends_wall_ns=NOW + round(days * DAY)
    )


@pytest.mark.parametrize(
    ("place", "found", "parts"),
    [
        (PUBLIC, Lookup(("1.2.3.4",)), ["ok", "a.example is 1.2.3.4"]),
        (PUBLIC, Lookup(tuple(f"1.2.3.{n}" for n in range(5))), ["1.2.3.2 and 2 more"]),
        (PUBLIC, Lookup(error="Name or service not known"), ["fault", "has no address: Name", "look at the spelling"]),
        (TUNNEL, Lookup(error="Name or service not known"), ["fault", "start ngrok again"]),
        (PUBLIC, Lookup(late=True), ["fault", "within 5 s", "name servers"]),
        (PUBLIC, Lookup(("10.0.0.1",)), ["fault", "private network where Vonage can't come", "vsock dev"]),
        (HERE, Lookup(("127.0.0.1",)), ["ok", "127.0.0.1, here or near: Vonage can't come there"]),
    ],
)
def test_a_name(place: Place, found: Lookup, parts: list[str]) -> None:
    """It leads somewhere, and to where Vonage can come."""
    text = told(judge_lookup(place, found))

    assert [] == [part for part in parts if part not in text]


@pytest.mark.parametrize(
    ("found", "parts"),
    [
        (Connection(12), ["ok", "12 ms"]),
        (Connection(1200), ["fault", "1200 ms; Vonage gives up after 1 s", "nearer"]),
        (Connection(0, ConnectionRefusedError(111, "x")), ["fault", "nothing listens on port 443", "start the server"]),
        (Connection(0, OSError("Multiple exceptions: Connect call failed")), ["nothing listens"]),
        (Connection(0, OSError(113, "No route to host")), ["fault", "No route to host", "firewall"]),
        (Connection(5000, late=True), ["fault", "doesn't answer within 5 s", "firewall"]),
    ],
)
def test_a_connection(found: Connection, parts: list[str]) -> None:
    """Somebody takes it, within the second that Vonage waits."""
    text = told(judge_connection(PUBLIC, found))

    assert [] == [part for part in parts if part not in text]


@pytest.mark.parametrize(
    ("found", "parts"),
    [
        (
            Handshake(version="TLSv1.3", certificate=certificate()),
            ["ok | TLSv1.3, signed by R11, valid for 90 more days"],
        ),
        (
            Handshake(version="TLSv1.3", certificate=certificate(3.5)),
            ["ok", "valid for 3 more days | it ends on 2027-01-18"],
        ),
        (Handshake(version="TLSv1.3"), ["ok", "is believed"]),
        (Handshake(late=True), ["fault", "within 5 s"]),
        (Handshake(error=ConnectionResetError(104, "Connection reset by peer")), ["fault", "Connection reset by peer"]),
        (Handshake(error=ssl.SSLError(1, "[SSL: UNSUPPORTED_PROTOCOL] x")), ["fault"]),
    ],
)
def test_a_handshake(found: Handshake, parts: list[str]) -> None:
    """Opened and believed, or why not."""
    text = told(judged(found))

    assert [] == [part for part in parts if part not in text]


def refusal(reason: str) -> ssl.SSLError:
    """What OpenSSL says where the other side doesn't want TLS."""
    error = ssl.SSLError(1, "x")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("reason", "part"),
    [
        ("WRONG_VERSION_NUMBER", "port 443 speaks no TLS | write http:// or ws://"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "too old | let it speak TLS 1.2"),
        ("TLSV1_UNRECOGNIZED_NAME", "refuses TLS for the name a.example"),
        ("BAD_THING", "not opened: bad thing"),
    ],
)
def test_tls_that_is_not_opened_says_what_is_spoken_there(reason: str, part: str) -> None:
    """In words, and not in OpenSSL's."""
    assert part in told(judged(Handshake(error=refusal(reason))))


@pytest.mark.parametrize(
    ("names", "times", "trusted", "part"),
    [
        (["127.0.0.1"], {"not_after": LONG_AGO}, True, "the certificate expired on 2001-02-03, "),
        (
            ["127.0.0.1"],
            {"not_before": FAR_AWAY, "not_after": FAR_AWAY},
            True,
            "isn't valid before 2095-02-03 | look at",
        ),
        (["b.example", "c.example"], {}, True, "is for b.example, c.example, not for 127.0.0.1 | use a name"),
        (["127.0.0.1"], {}, False, "who isn't known: the server doesn't send the whole chain, or a private authority"),
    ],
)
async def test_each_fault_of_a_real_certificate_is_told_in_words(
    tmp_path: Path, names: list[str], times: dict[str, dt.datetime], trusted: bool, part: str
) -> None:
    """Expired, not valid yet, another's name, an authority that isn't known."""
    authority = trustme.CA()
    (authority if trusted else trustme.CA()).cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with shown(server_tls(authority.issue_cert(*names, **times))) as place:
        found = await shake_hands(place, trusting(tmp_path / "ca.pem"))
    check = judge_handshake(place, found, wall_ns=NOW, own_authority=True)

    assert Result.FAULT is check.result
    assert part in told(check)


def self_signed(path: Path) -> ssl.SSLContext:
    """A server's side with a certificate that nobody else has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(FAR_AWAY)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_a_self_signed_certificate_and_a_chain_that_lacks_its_middle_are_told_apart(tmp_path: Path) -> None:
    """The one needs another certificate, the other only to be sent whole."""
    root = trustme.CA()
    root.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    leaf = root.create_child_ca().issue_cert("127.0.0.1")
    alone = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (tmp_path / "alone.pem").write_bytes(leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes())
    alone.load_cert_chain(tmp_path / "alone.pem")

    async def told_of(context: ssl.SSLContext) -> str:
        async with shown(context) as place:
            found = await shake_hands(place, trusting(tmp_path / "ca.pem"))
        return told(judge_handshake(place, found, wall_ns=NOW, own_authority=True))

    texts = await asyncio.gather(told_of(self_signed(tmp_path / "own.pem")), told_of(alone), told_of(server_tls(leaf)))

    assert texts[0].startswith(
        "fault | the certificate is self-signed: nobody vouches for it | use a certificate of a public"
    )
    assert "let the server send the whole chain (fullchain.pem)" in texts[1]
    assert "signed by" in texts[2]


def test_an_address_without_tls_is_read_by_all_between_unless_there_is_nobody() -> None:
    """On this machine none is missed; elsewhere that is advice."""
    assert Result.SKIPPED is no_tls(HERE).result
    assert no_tls(Place("a.example", 80, secure=False)).advises
