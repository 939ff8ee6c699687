"""Which calls are let in."""

from __future__ import annotations

import asyncio

import pytest

from vonage_sock.server.admission import OwnAdmission, Silence, refusal, silence_refusal


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
    assert "8 sockets have sent nothing yet, and --max-silent lets no more in" == silence_refusal(8)


async def test_who_finds_all_silent_places_taken_waits_for_one() -> None:
    """In the order in which they came, and no longer than a moment; a place that is given back is taken at once."""
    silence = Silence(OwnAdmission(10, silent=2))
    assert [True, True] == [await silence.begin(call) for call in ("c1", "c2")]
    third, fourth = (asyncio.create_task(silence.begin(call, wait_s=20)) for call in ("c3", "c4"))
    await asyncio.sleep(0)
    late = await silence.begin("c5", wait_s=0)
    silence.end("c1")
    silence.end("c1")
    first = await third
    waits = not fourth.done()
    silence.end("c2")

    assert (False, True, True, True) == (late, first, waits, await fourth)


async def test_a_place_that_another_process_gives_back_is_found() -> None:
    """Nobody tells this one of it: it looks."""
    admission = OwnAdmission(10, silent=1)
    silence = Silence(admission)
    admission.begin_silence()
    waiting = asyncio.create_task(silence.begin("c1", wait_s=20))
    await asyncio.sleep(0)
    admission.end_silence()

    assert await waiting


async def test_who_gives_up_waiting_keeps_nobody_back() -> None:
    """A connection that is gone meanwhile leaves its turn to the next."""
    silence = Silence(OwnAdmission(10, silent=1))
    await silence.begin("c1")
    first, second = (asyncio.create_task(silence.begin(call, wait_s=20)) for call in ("c2", "c3"))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    silence.end("c1")

    assert await second
