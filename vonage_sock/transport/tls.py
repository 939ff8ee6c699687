"""
TLS at both ends: what a server shows of itself, whom a client believes, and why the two don't come together.

All that can be wrong with a certificate or a key is found when the program starts, and said in one sentence with its cure.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from vonage_sock.clock import SECOND
from vonage_sock.errors import UsageError

PASSWORD_VARIABLE: Final = "VSOCK_TLS_KEY_PASSWORD"  # noqa: S105  (its name, and not what it holds)
HANDSHAKE_WAIT_S: Final = 10.0
GOODBYE_WAIT_S: Final = 1.0
"""How long a peer may take to open TLS, and to close it."""

EXPIRED: Final = 10
NOT_YET_VALID: Final = 9
OTHER_NAME: Final = frozenset({62, 63, 64})
"""OpenSSL's numbers (``X509_V_ERR_…``) for what is wrong with a certificate."""

NO_TLS_THERE: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTls:
    """
    The certificate that a server shows, and its key; both as PEM.

    Args:
        cert: a file with the server's certificate first, and behind it those of who signed it.
        key: the file of its key; where it is left out, the key is in ``cert`` too.
        password: of the key, where that is encrypted.
    """

    cert: Path
    key: Path | None = None
    password: str | None = field(default=None, repr=False)

    def context(self, *, wall_ns: int) -> ssl.SSLContext:
        """
        TLS 1.2 and later, with this certificate.

        Raises:
            UsageError: a file can't be read or isn't PEM, the key is another's or encrypted, or the certificate isn't
                valid at this time.
        """
        certificate = _certificate(self.cert)
        _check_time(self.cert, certificate, wall_ns)
        self._check_key(certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self.cert, self.key, password=self.password or "")
        except (ssl.SSLError, OSError) as error:
            raise UsageError(f"--tls-cert {self.cert} can't be used for TLS: {_reason(error)}") from error
        return context

    def names(self) -> tuple[str, ...]:
        """
        Whom the certificate is for: names and addresses, as they are written in a URL.

        Raises:
            UsageError: it can't be read.
        """
        from cryptography import x509  # noqa: PLC0415

        try:
            found = _certificate(self.cert).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, ValueError):
            return ()
        addresses = (str(address) for address in found.get_values_for_type(x509.IPAddress))
        return (
            *(name.lower() for name in found.get_values_for_type(x509.DNSName)),
            *(f"[{address}]" if ":" in address else address for address in addresses),
        )

    def _check_key(self, certificate: Any) -> None:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

        path = self.cert if self.key is None else self.key
        option = "--tls-cert" if self.key is None else "--tls-key"
        pem = _read(path, option)
        if b"PRIVATE KEY-----" not in pem:
            raise UsageError(
                f"--tls-cert {path} holds a certificate and no key; name the file of its key with --tls-key"
                if self.key is None
                else f"--tls-key {path} isn't a key in PEM form, which begins with -----BEGIN PRIVATE KEY-----"
            )
        try:
            key = load_pem_private_key(pem, password=None)
        except TypeError:
            key = self._decrypted(pem, path, option)
        except Exception as error:  # the library raises whatever its parts do
            raise UsageError(f"{option} {path}: the key in it is broken, or of a kind that isn't known") from error
        if key.public_key() != certificate.public_key():
            raise UsageError(f"{option} {path} holds another certificate's key, not that of --tls-cert {self.cert}")

    def _decrypted(self, pem: bytes, path: Path, option: str) -> Any:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

        if not self.password:
            raise UsageError(
                f"{option} {path}: the key is encrypted; give its password in the environment, as {PASSWORD_VARIABLE}, "
                f"or decrypt it (openssl pkey -in {path} -out plain.pem)"
            )
        try:
            return load_pem_private_key(pem, password=self.password.encode())
        except Exception as error:
            raise UsageError(
                f"{option} {path}: {PASSWORD_VARIABLE} isn't the password that its key is encrypted with"
            ) from error


def trusting(ca: Path | None) -> ssl.SSLContext | None:
    """
    Whom a client believes: the system's authorities and those in a file; None where the system's are enough.

    Raises:
        UsageError: the file can't be read, or holds no certificate.
    """
    if ca is None:
        return None
    _read(ca, "--ca")
    context = ssl.create_default_context()
    # A server's own certificate will do, whoever signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cafile=ca)
    except (ssl.SSLError, OSError) as error:
        raise UsageError(
            f"--ca {ca} holds no certificate in PEM form, which begins with -----BEGIN CERTIFICATE-----"
        ) from error
    return context


def why_not(error: ssl.SSLError) -> str:
    """Why a client couldn't open TLS, and what to do about it."""
    reason = f"TLS fails ({_reason(error)})"
    if isinstance(error, ssl.SSLCertVerificationError):
        match error.verify_code:
            case code if code == EXPIRED:
                return f"{reason}; the server needs a new certificate"
            case code if code == NOT_YET_VALID:
                return f"{reason}; look at the clocks of both machines"
            case code if code in OTHER_NAME:
                return f"{reason}; use a name that the certificate is for"
        return f"{reason}; if the server is yours, name the certificate of who signed its own with --ca FILE"
    if error.reason in NO_TLS_THERE:
        return f"{reason}; the server speaks no TLS there, so try ws:// or http://"
    return reason


def _certificate(path: Path) -> Any:
    from cryptography import x509  # noqa: PLC0415  (only who wants TLS needs it)

    pem = _read(path, "--tls-cert")
    try:
        return x509.load_pem_x509_certificates(pem)[0]
    except ValueError as error:
        raise UsageError(
            f"--tls-cert {path} isn't a certificate in PEM form, which begins with -----BEGIN CERTIFICATE----- "
            f"(openssl x509 -inform der -in {path} -out cert.pem makes one of DER)"
        ) from error


def _check_time(path: Path, certificate: Any, wall_ns: int) -> None:
    now = datetime.fromtimestamp(wall_ns / SECOND, UTC)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > ends:
        raise UsageError(f"--tls-cert {path} expired on {ends:%Y-%m-%d at %H:%M} UTC; get a new one")
    if now < begins:
        raise UsageError(
            f"--tls-cert {path} isn't valid before {begins:%Y-%m-%d at %H:%M} UTC; look at this machine's clock, or wait"
        )


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{option} {path} can't be read: {error.strerror or error}") from error


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return getattr(error, "verify_message", "") or (error.reason or str(error)).lower().replace("_", " ")
    return error.strerror or str(error)
