"""What a doctor says, as values."""

from __future__ import annotations

import pytest

from vonage_sock.doctor.checks import Check, fault, fine, is_broken, skipped


@pytest.mark.parametrize(
    ("check", "broken", "advises"),
    [
        (fine("DNS", "there"), False, False),
        (fine("TLS", "valid for 3 more days", "renew it"), False, True),
        (fault("TLS", "expired", "renew it"), True, False),
        (skipped("TLS", "plain", "never mind"), False, False),
    ],
    ids=["fine", "with advice", "a fault", "not tried"],
)
def test_only_a_fault_is_broken_and_only_what_is_fine_is_advised(check: Check, *, broken: bool, advises: bool) -> None:
    """What wasn't tried is nobody's fault, and its cure no advice."""
    assert (broken, advises) == (is_broken([check]), check.advises)
