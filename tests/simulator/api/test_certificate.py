"""A certificate for the API on this machine."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509

from vonage_sock.clock import SystemClock
from vonage_sock.errors import UsageError
from vonage_sock.simulator.api.certificate import tls_context

NOW = SystemClock().wall_ns()


def names(path: Path) -> set[str]:
    """Whom it is for."""
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in alternatives}


def test_it_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """So that whoever trusts it needn't be told again."""
    path = tmp_path / "cert.pem"
    first = tls_context(path, host="127.0.0.1", wall_ns=NOW)
    pem = path.read_bytes()
    second = tls_context(path, host="127.0.0.1", wall_ns=NOW)

    assert {ssl.SSLContext} == {type(first), type(second)}
    assert (pem, 0o600) == (path.read_bytes(), path.stat().st_mode & 0o777)


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.7", "box.example"])
def test_it_is_for_this_machine_by_every_name(tmp_path: Path, host: str) -> None:
    """Localhost, and where the API listens."""
    path = tmp_path / "cert.pem"
    tls_context(path, host=host, wall_ns=NOW)

    assert {"localhost", "127.0.0.1", "::1", host} == names(path)


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """And a place that can't be written to is told."""
    path = tmp_path / "cert.pem"
    path.write_text("precious")

    with pytest.raises(UsageError, match="doesn't hold a certificate"):
        tls_context(path, host="127.0.0.1", wall_ns=NOW)
    with pytest.raises(UsageError, match="No such file"):
        tls_context(tmp_path / "nowhere" / "cert.pem", host="127.0.0.1", wall_ns=NOW)
    assert "precious" == path.read_text()
