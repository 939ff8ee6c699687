"""Which calls are let in."""

from __future__ import annotations

import pytest

from vonage_sock.server.admission import OwnAdmission, refusal


def test_calls_are_named_counted_and_limited() -> None:
    """An id is never given twice; a call that ends makes room."""
    admission = OwnAdmission(2, silent=8)
    first = [admission.enter(), admission.enter(), admission.enter()]
    admission.leave()

    assert ["c1", "c2", None] == first
    assert ("c3", 2, 2) == (admission.enter(), admission.open_calls, admission.limit)


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        (1, "1 call is open already, and this server takes one at a time (--once or --max-calls 1)"),
        (2048, "2,048 calls are open already, and --max-calls lets no more in"),
    ],
)
def test_who_is_refused_is_told_how_many_are_open_and_which_option_says_so(limit: int, sentence: str) -> None:
    """One sentence, with what to do about it."""
    assert sentence == refusal(limit)
