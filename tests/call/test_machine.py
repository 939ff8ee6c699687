"""What both ends have in common."""

from __future__ import annotations

from vonage_sock.call import machine
from vonage_sock.call.machine import Abort, Close


def test_the_close_codes_are_those_of_rfc_6455() -> None:
    """Section 7.4.1."""
    assert (1000, 1001, 1005, 1006, 1011) == (
        machine.CLOSE_NORMAL,
        machine.CLOSE_GOING_AWAY,
        machine.CLOSE_NO_CODE,
        machine.CLOSE_ABNORMAL,
        machine.CLOSE_INTERNAL_ERROR,
    )


def test_a_close_has_no_reason_unless_one_is_given() -> None:
    """Two closes with the same code are the same."""
    assert Close(1000, "") == Close(1000)
    assert Close(1000) != Abort()
