"""What to examine."""

from __future__ import annotations

from vonage_sock.doctor.order import Order


def test_an_order_shows_no_secret() -> None:
    """Neither the signature secret nor what the credentials hold."""
    assert "hunter2" not in repr(Order(target=None, signature_secret="hunter2"))
