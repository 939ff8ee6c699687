"""
The way to a server, step by step: its name, a connection, TLS. Each step gives values; ``ways`` says what they mean.

Rule: each step has an end, and nothing that a server does raises. A certificate that isn't believed is fetched once more,
unbelieved, only to be described; nothing is said on that connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vonage_sock.clock import MS, SECOND, Clock
from vonage_sock.doctor.addresses import Place

if TYPE_CHECKING:
    from cryptography import x509

LOOKUP_WAIT_S: Final = 5.0
CONNECT_WAIT_S: Final = 5.0
HANDSHAKE_WAIT_S: Final = 5.0
GOODBYE_WAIT_S: Final = 0.5
MAX_NAMES: Final = 100


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a name leads to; ``error`` is why to nothing, and ``late`` that nobody said."""

    addresses: tuple[str, ...] = ()
    error: str | None = None
    late: bool = False

    @property
    def is_private(self) -> bool:
        """It leads nowhere but to this machine or network."""
        return bool(self.addresses) and not any(_is_global(address) for address in self.addresses)


@dataclass(frozen=True, slots=True)
class Connection:
    """How long it took to be made, in milliseconds; ``error`` is why it wasn't, and None with ``late``."""

    took_ms: int
    error: OSError | None = None
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a server shows of itself; times are Unix nanoseconds."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    begins_wall_ns: int
    ends_wall_ns: int

    @property
    def is_its_own_issuer(self) -> bool:
        """Nobody else has signed it."""
        return self.subject == self.issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """
    How TLS was opened.

    Args:
        version: of TLS, where it was opened and believed.
        error: why it wasn't, as Python has it; None with ``late``.
        certificate: what was shown, as far as it can be read.
    """

    version: str | None = None
    error: OSError | None = None
    late: bool = False
    certificate: Certificate | None = None


async def look_up(place: Place, *, wait_s: float = LOOKUP_WAIT_S) -> Lookup:
    """Ask for the addresses of a place's host."""
    try:
        async with asyncio.timeout(wait_s):
            found = await asyncio.get_running_loop().getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        return Lookup(late=True)
    except OSError as error:
        return Lookup(error=error.strerror or str(error))
    except UnicodeError:
        return Lookup(error="it can't be a host's name")
    return Lookup(tuple(dict.fromkeys(str(item[4][0]) for item in found)))


async def connect(place: Place, clock: Clock, *, wait_s: float = CONNECT_WAIT_S) -> Connection:
    """Make a connection, and close it again."""
    begun_at = clock.now()
    try:
        async with asyncio.timeout(wait_s):
            _, writer = await asyncio.open_connection(place.host, place.port)
    except TimeoutError:
        return Connection((clock.now() - begun_at) // MS, late=True)
    except OSError as error:
        return Connection((clock.now() - begun_at) // MS, error)
    took_ms = (clock.now() - begun_at) // MS
    await _leave(writer)
    return Connection(took_ms)


async def shake_hands(
    place: Place, trust: ssl.SSLContext | None = None, *, wait_s: float = HANDSHAKE_WAIT_S
) -> Handshake:
    """
    Open TLS and close it again; what isn't believed is looked at all the same.

    Args:
        trust: whom to believe; the system's authorities when None.
    """
    try:
        return await _open_tls(place, trust or ssl.create_default_context(), wait_s)
    except TimeoutError:
        return Handshake(late=True)
    except ssl.SSLCertVerificationError as error:
        return Handshake(error=error, certificate=await _unbelieved(place, wait_s))
    except OSError as error:
        return Handshake(error=error)


async def _open_tls(place: Place, context: ssl.SSLContext, wait_s: float) -> Handshake:
    async with asyncio.timeout(wait_s):
        _, writer = await asyncio.open_connection(place.host, place.port, ssl=context, server_hostname=place.host)
    try:
        opened = writer.get_extra_info("ssl_object")
        return Handshake(version=opened.version(), certificate=read_certificate(opened.getpeercert(binary_form=True)))
    finally:
        await _leave(writer)


async def _unbelieved(place: Place, wait_s: float) -> Certificate | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(OSError):
        return (await _open_tls(place, context, wait_s)).certificate
    return None


async def _leave(writer: asyncio.StreamWriter) -> None:
    """Close it as one does, and drop it where the other side takes its time."""
    writer.close()
    try:
        async with asyncio.timeout(GOODBYE_WAIT_S):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        transport = writer.transport
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()


def read_certificate(der: bytes | None) -> Certificate | None:
    """A certificate in DER; None where there is none, or none that can be read."""
    if not der:
        return None
    from cryptography import x509  # noqa: PLC0415  (only who meets TLS needs it)

    try:
        read = x509.load_der_x509_certificate(der)
        return Certificate(
            subject=_who(read.subject),
            issuer=_who(read.issuer),
            names=_names_of(read),
            begins_wall_ns=round(read.not_valid_before_utc.timestamp()) * SECOND,
            ends_wall_ns=round(read.not_valid_after_utc.timestamp()) * SECOND,
        )
    except Exception:  # noqa: BLE001  (a stranger made it, and the library raises whatever its parts do)
        return None


def _who(name: x509.Name) -> str:
    """A common name or an organization, else the whole."""
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(kind):
            return str(found[0].value)
    return name.rfc4514_string()


def _names_of(read: Any) -> tuple[str, ...]:
    from cryptography import x509  # noqa: PLC0415

    try:
        shown = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    names = [*shown.get_values_for_type(x509.DNSName), *map(str, shown.get_values_for_type(x509.IPAddress))]
    return tuple(names[:MAX_NAMES])


def _is_global(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_global
    except ValueError:
        return False
