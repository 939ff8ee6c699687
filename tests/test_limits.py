"""The limits themselves."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

from vonage_sock.errors import UsageError
from vonage_sock.limits import DEFAULTS, Limits, catalogue


def test_each_limit_says_all_there_is_to_say() -> None:
    """Its unit, option, what it bounds and what happens beyond it; no option is that of two."""
    told = catalogue()

    assert [item.name for item in fields(Limits)] == list(told)
    assert len(told) == len({about.option for about in told.values()})
    assert all(about.help.endswith(".") and not about.beyond.endswith(".") and about.unit for about in told.values())
    assert "VSOCK_MAX_CALLS" == told["calls"].variable


def test_the_defaults_are_those_that_are_promised() -> None:
    """64 calls, 8 silent for 10 s, 128 KiB, 150 a second, bodies of 64 KiB within 10 s, 15 s between requests, depth 32."""
    assert (64, 8, 10, 128 * 1024, 150, 32) == (
        DEFAULTS.calls,
        DEFAULTS.silent_sockets,
        DEFAULTS.first_message_s,
        DEFAULTS.message_bytes,
        DEFAULTS.messages_per_s,
        DEFAULTS.json_depth,
    )
    assert (64 * 1024, 10, 15) == (DEFAULTS.body_bytes, DEFAULTS.body_s, DEFAULTS.keep_alive_s)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, 10**9])
def test_a_value_that_a_limit_cannot_have_is_refused(value: float) -> None:
    """With its option and its bounds."""
    with pytest.raises(UsageError, match=r"--first-message-within can't be .* s: it is from 0.1 s to 3,600 s"):
        Limits(first_message_s=value)


def test_limits_are_read_from_what_a_command_was_given() -> None:
    """Other options aren't looked at, and what isn't given stays as it is."""
    assert Limits(calls=3, body_s=2.0) == Limits.of({"calls": 3, "body_s": 2.0, "head_s": None, "port": 8000})
