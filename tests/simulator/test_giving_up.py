"""Waiting that whoever ends a leg makes needless."""

from __future__ import annotations

import asyncio

import pytest

from vonage_sock.simulator.giving_up import GivenUpError, unless_given_up


async def _soon() -> int:
    return 5


async def test_what_comes_in_time_is_given() -> None:
    """Nobody gave it up."""
    assert 5 == await unless_given_up(asyncio.Event(), _soon())


async def test_what_is_given_up_is_cancelled() -> None:
    """Before the caller goes on."""
    given_up, cancelled = asyncio.Event(), []

    async def for_ever() -> None:
        given_up.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    with pytest.raises(GivenUpError):
        await unless_given_up(given_up, for_ever())
    assert [True] == cancelled
