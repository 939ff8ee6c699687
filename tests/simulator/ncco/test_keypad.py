"""The keys that are still to be pressed."""

from __future__ import annotations

from vonage_sock.clock import MS
from vonage_sock.simulator.leg.dtmf import parse_dtmf
from vonage_sock.simulator.ncco.keypad import Keypad


def test_each_key_waits_its_own_time() -> None:
    """The first from when somebody listens, the others from the key before."""
    keypad = Keypad(parse_dtmf("12"))
    first_ns = keypad.next_in_ns

    assert "1" == keypad.press().digit
    assert (500 * MS, 300 * MS) == (first_ns, keypad.next_in_ns)


def test_listening_brings_the_next_key_nearer() -> None:
    """But never before its time."""
    keypad = Keypad(parse_dtmf("12"))

    keypad.listened(200 * MS)
    nearer_ns = keypad.next_in_ns
    keypad.listened(900 * MS)

    assert (300 * MS, 0) == (nearer_ns, keypad.next_in_ns)


def test_a_leg_takes_what_is_left_timed_from_its_beginning() -> None:
    """And nothing remains."""
    keypad = Keypad(parse_dtmf("1,23"))
    keypad.press()

    assert [("2", 800 * MS), ("3", 1100 * MS)] == [(key.digit, key.after_ns) for key in keypad.take_all()]
    assert keypad.next_in_ns is None


def test_nothing_is_listened_to_on_an_empty_keypad() -> None:
    """No key comes, ever."""
    keypad = Keypad(())

    keypad.listened(1)

    assert keypad.next_in_ns is None
