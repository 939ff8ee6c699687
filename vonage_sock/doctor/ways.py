"""
What the way to a server says of it: its name, the connection, TLS. Values in, checks out.

Source: Vonage's Application API, ``connect_timeout`` (a connection is given up after 1 s at most).
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import Final

from vonage_sock.clock import SECOND
from vonage_sock.doctor.addresses import Place
from vonage_sock.doctor.checks import Check, fault, fine, skipped
from vonage_sock.doctor.reaching import (
    CONNECT_WAIT_S,
    HANDSHAKE_WAIT_S,
    LOOKUP_WAIT_S,
    Certificate,
    Connection,
    Handshake,
    Lookup,
)
from vonage_sock.simulator.webhooks.web import CONNECT_TIMEOUT_S
from vonage_sock.transport.tls import EXPIRED, NO_TLS_THERE, NOT_YET_VALID, OTHER_NAME

DNS: Final = "DNS"
CONNECTING: Final = "connection"
TLS: Final = "TLS"

SOON_DAYS: Final = 14
SHOWN_ADDRESSES: Final = 3
SHOWN_NAMES: Final = 4
DAY_NS: Final = 86_400 * SECOND

SELF_SIGNED: Final = 18
NO_ISSUER: Final = frozenset({19, 20, 21})
"""OpenSSL's numbers, beside those of ``transport.tls``."""

OLD_TLS: Final = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION"})
NO_SUCH_NAME: Final = frozenset(
    {"TLSV1_UNRECOGNIZED_NAME", "SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV1_ALERT_INTERNAL_ERROR"}
)

NEW_CERTIFICATE: Final = (
    "renew the certificate, and let the server load it (many serve the old one until they are restarted)"
)
OWN_AUTHORITY: Final = (
    "if it is your own, name its certificate with --ca FILE; Vonage itself believes public authorities only"
)
PUBLIC_CERTIFICATE: Final = (
    "use a certificate of a public authority (Let's Encrypt gives them away), or a tunnel, which has one"
)


def judge_lookup(place: Place, found: Lookup) -> Check:
    """The name leads somewhere, and to where Vonage can come."""
    if found.late:
        return fault(DNS, f"nobody said within {LOOKUP_WAIT_S:g} s where {place.host} is", "look at the name servers")
    if not found.addresses:
        cure = "look at the spelling, and that the name's DNS record is there"
        if place.tunnel is not None:
            cure = f"start {place.tunnel} again; if its address has changed, the application must point at the new one"
        return fault(DNS, f"{place.host} has no address: {found.error}", cure)
    shown = ", ".join(found.addresses[:SHOWN_ADDRESSES])
    more = len(found.addresses) - SHOWN_ADDRESSES
    where = f"{shown} and {more} more" if more > 0 else shown
    if place.is_local:
        what = where if where == place.host else f"{place.host} is {where}"
        return fine(DNS, f"{what}, here or near: Vonage can't come there, only this machine can")
    if found.is_private:
        return fault(
            DNS,
            f"{place.host} is {where}, in a private network where Vonage can't come",
            "let the name lead to a public address, or use a tunnel (vsock dev)",
        )
    return fine(DNS, f"{place.host} is {where}")


def judge_connection(place: Place, found: Connection) -> Check:
    """Somebody takes connections there, and soon enough."""
    where = f"port {place.port}"
    if found.late:
        return fault(
            CONNECTING,
            f"{where} doesn't answer within {CONNECT_WAIT_S:g} s (Vonage waits {CONNECT_TIMEOUT_S:g} s)",
            f"let the firewall pass {where}, and see that the machine runs",
        )
    if isinstance(found.error, ConnectionRefusedError) or "Connect call failed" in str(found.error):
        return fault(CONNECTING, f"nothing listens on {where}", "start the server, or correct the port")
    if found.error is not None:
        reason = found.error.strerror or str(found.error)
        return fault(CONNECTING, f"{where} can't be connected to: {reason}", "look at the network and the firewall")
    if found.took_ms > CONNECT_TIMEOUT_S * 1000:
        return fault(
            CONNECTING,
            f"made in {found.took_ms} ms; Vonage gives up after {CONNECT_TIMEOUT_S:g} s",
            "bring the server nearer to the application's region, or let it take connections sooner",
        )
    return fine(CONNECTING, f"made in {found.took_ms} ms")


def judge_handshake(place: Place, found: Handshake, *, wall_ns: int, own_authority: bool) -> Check:
    """
    TLS is opened and the server believed.

    Args:
        wall_ns: the time, in Unix nanoseconds.
        own_authority: ``--ca`` names one that is believed beside the public ones.
    """
    if found.late:
        return fault(TLS, f"not opened within {HANDSHAKE_WAIT_S:g} s", "see whether the server speaks TLS on this port")
    if isinstance(found.error, ssl.SSLCertVerificationError):
        return _unbelieved(place, found.error, found.certificate, wall_ns)
    if found.error is not None:
        return _not_opened(place, found.error)
    return _believed(found, wall_ns, own_authority=own_authority)


def no_tls(place: Place) -> Check:
    """An address without TLS: here nobody is in between, elsewhere everybody."""
    if place.is_local:
        return skipped(TLS, "none is asked for, on this machine or network")
    return fine(TLS, "none: anybody between here and there reads the calls", "serve https and wss; a tunnel does both")


def _believed(found: Handshake, wall_ns: int, *, own_authority: bool) -> Check:
    certificate = found.certificate
    if certificate is None:
        return fine(TLS, f"{found.version}, and the certificate is believed")
    days = (certificate.ends_wall_ns - wall_ns) // DAY_NS
    of_own = " (by --ca or a public authority)" if own_authority else ""
    said = (
        f"{found.version}, signed by {certificate.issuer}{of_own}, valid for {days} more day{'' if days == 1 else 's'}"
    )
    return fine(TLS, said, *([f"it ends on {_day(certificate.ends_wall_ns)}: renew it"] if days < SOON_DAYS else []))


def _unbelieved(place: Place, error: ssl.SSLCertVerificationError, shown: Certificate | None, wall_ns: int) -> Check:
    code = error.verify_code
    issuer = "somebody who isn't known here" if shown is None else shown.issuer
    if code == EXPIRED:
        return fault(TLS, _expired(shown, wall_ns), NEW_CERTIFICATE)
    if code == NOT_YET_VALID:
        begins = "" if shown is None else f" before {_day(shown.begins_wall_ns)}"
        return fault(TLS, f"the certificate isn't valid{begins}", "look at the clocks of both machines")
    if code in OTHER_NAME:
        return fault(TLS, f"the certificate is for {_names(shown)}, not for {place.host}", *_other_name(place))
    if code == SELF_SIGNED:
        return fault(TLS, "the certificate is self-signed: nobody vouches for it", PUBLIC_CERTIFICATE, OWN_AUTHORITY)
    if code in NO_ISSUER:
        return fault(
            TLS,
            f"the chain of certificates ends at {issuer}, who isn't known: the server doesn't send the whole chain, "
            "or a private authority signed",
            "let the server send the whole chain (fullchain.pem) and not its own certificate alone",
            f"{issuer}: {OWN_AUTHORITY}",
        )
    return fault(TLS, f"the certificate isn't believed: {error.verify_message}", PUBLIC_CERTIFICATE)


def _expired(shown: Certificate | None, wall_ns: int) -> str:
    if shown is None:
        return "the certificate has expired"
    if shown.ends_wall_ns > wall_ns:
        return f"a certificate behind the server's own has expired, in the chain of {shown.issuer}"
    days = (wall_ns - shown.ends_wall_ns) // DAY_NS
    return f"the certificate expired on {_day(shown.ends_wall_ns)}, {days} day{'' if days == 1 else 's'} ago"


def _names(shown: Certificate | None) -> str:
    names = () if shown is None else shown.names or (shown.subject,)
    if not names:
        return "another name"
    more = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def _other_name(place: Place) -> tuple[str, ...]:
    return (f"use a name that the certificate is for, or get one for {place.host}",)


def _not_opened(place: Place, error: OSError) -> Check:
    reason = getattr(error, "reason", None) or ""
    if reason in NO_TLS_THERE:
        return fault(
            TLS,
            f"port {place.port} speaks no TLS",
            "write http:// or ws://, or serve TLS there (vsock serve --tls-cert), by a proxy or by a tunnel",
        )
    if reason in OLD_TLS:
        return fault(TLS, "the server speaks only TLS that is too old", "let it speak TLS 1.2 or 1.3")
    if reason in NO_SUCH_NAME:
        return fault(TLS, f"the server refuses TLS for the name {place.host}", "give it a certificate for this name")
    said = reason.lower().replace("_", " ") or error.strerror or "the server closed the connection"
    return fault(TLS, f"not opened: {said}", "look at the server's log, and whether it speaks TLS on this port")


def _day(wall_ns: int) -> str:
    return f"{datetime.fromtimestamp(wall_ns / SECOND, UTC):%Y-%m-%d}"
