"""What both ends have in common."""

from __future__ import annotations

from vonage_sock.call.machine import Abort, Close


def test_a_close_has_no_reason_unless_one_is_given() -> None:
    """Two closes with the same code are the same."""
    assert Close(1000, "") == Close(1000)
    assert Close(1000) != Abort()
