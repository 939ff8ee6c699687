"""How the server knows its own tries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonage_sock.protocol.probing import MAX_AGE_S, is_probe, probe_reply, probe_value

NOW_S = 1_770_000_000


def test_a_try_is_known_for_a_minute() -> None:
    """By its key, and by the clock of whoever made it."""
    value = probe_value("key", nonce="ab", now_s=NOW_S)

    assert [True, True, False, False] == [
        is_probe(value, "key", now_s=NOW_S + age) for age in (0, MAX_AGE_S, MAX_AGE_S + 1, -MAX_AGE_S - 1)
    ]
    assert not is_probe(value, "another", now_s=NOW_S)


@pytest.mark.parametrize(
    "change", [lambda v: v + "0", lambda v: v[:-1], lambda v: "1" + v, lambda v: v.replace(".ab.", ".ac.")]
)
def test_a_changed_one_is_none(change: object) -> None:
    """In any part."""
    assert callable(change)
    assert not is_probe(change(probe_value("key", nonce="ab", now_s=NOW_S)), "key", now_s=NOW_S)


def test_the_reply_says_nothing_that_could_be_asked_with() -> None:
    """It is for this try alone, and no try itself."""
    values = [probe_value("key", nonce=nonce, now_s=NOW_S) for nonce in ("ab", "ac")]
    replies = [probe_reply(value, "key") for value in values]

    assert 2 == len(set(replies))
    assert not any(reply in value for reply, value in zip(replies, values, strict=True))


@given(st.text(max_size=300))
def test_any_text_is_judged(value: str) -> None:
    """Nothing raises."""
    assert not is_probe(value, "key", now_s=NOW_S)
