"""
A certificate for the API on this machine, since Vonage's Python SDK speaks nothing but https.

It signs itself: whoever shall trust it is given the file (``REQUESTS_CA_BUNDLE``, ``SSL_CERT_FILE``,
``NODE_EXTRA_CA_CERTS``).
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from vonage_sock.clock import SECOND
from vonage_sock.errors import UsageError

DAYS: Final = 825
NAMES: Final = ("localhost",)
ADDRESSES: Final = ("127.0.0.1", "::1")


def tls_context(path: Path, *, host: str, wall_ns: int) -> ssl.SSLContext:
    """
    TLS with the certificate and key in a PEM file, which is made where there is none.

    Args:
        host: an address or name of this machine, which the certificate is for besides ``localhost`` and ``127.0.0.1``.

    Raises:
        UsageError: the file can't be used, or can't be written.
    """
    try:
        if not path.exists():
            _write(path, _made(host, wall_ns))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(
            f"{path} doesn't hold a certificate and its key as PEM; remove it, and it is made anew"
        ) from error
    except OSError as error:
        raise UsageError(f"{path} can't be used for TLS: {error.strerror or error}") from error
    return context


def _write(path: Path, pem: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)


def _moment(wall_ns: int) -> datetime:
    return datetime.fromtimestamp(wall_ns // SECOND, UTC)


def _alternatives(host: str) -> list[Any]:
    from cryptography import x509  # noqa: PLC0415  (only who wants TLS needs it)

    names: list[Any] = [x509.DNSName(name) for name in NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES]
    try:
        own: Any = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        own = x509.DNSName(host)
    return names if own in names else [*names, own]


def _made(host: str, wall_ns: int) -> bytes:
    from cryptography import x509  # noqa: PLC0415  (only who wants TLS needs it)
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vsock on this machine")])
    begin = _moment(wall_ns)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - timedelta(days=1))
        .not_valid_after(begin + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(_alternatives(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + private
