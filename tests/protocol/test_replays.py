"""Which tokens were used."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.protocol import replays
from vonage_sock.protocol.replays import BUCKETS, ENTRIES_IN_BUCKET, MEMORY_BYTES, Replays, Use

NOW_S = 1_700_000_000


def test_a_token_is_good_once() -> None:
    """Whatever letters its name has."""
    kept = Replays()
    uses = [kept.use(name, issued_at_s=NOW_S) for name in ("a", "b", "a", "\ud800", "\ud800")]

    assert [Use.FIRST, Use.FIRST, Use.AGAIN, Use.FIRST, Use.AGAIN] == uses


def test_the_time_of_a_token_makes_it_no_other() -> None:
    """Its name alone is what counts."""
    kept = Replays()
    kept.use("a", issued_at_s=NOW_S)

    assert Use.AGAIN is kept.use("a", issued_at_s=NOW_S + 5)


def test_ten_thousand_tokens_in_six_minutes_are_all_remembered() -> None:
    """Far more than a server under test is sent."""
    kept = Replays()
    first = {kept.use(str(number), issued_at_s=NOW_S + number // 28) for number in range(10_000)}
    again = {kept.use(str(number), issued_at_s=NOW_S + number // 28) for number in range(10_000)}

    assert ({Use.FIRST}, {Use.AGAIN}) == (first, again)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 40), min_size=20, max_size=60))
def test_no_token_is_ever_let_in_twice(times: list[int]) -> None:
    """However full the memory is, in whatever order they come: what can't be remembered is refused."""
    tiny = Replays(bytearray(MEMORY_BYTES))
    let_in = []
    for number, at_s in enumerate(times * 2):
        name = f"{number % len(times)}"
        if _use_in_one_bucket(tiny, name, NOW_S + at_s) is Use.FIRST:
            let_in.append(name)

    assert len(set(let_in)) == len(let_in)


def test_of_too_many_the_oldest_is_forgotten_and_no_one_as_old_let_in_any_more() -> None:
    """The time for which a token is good becomes shorter; those of now are let in all the same."""
    kept = Replays(bytearray(MEMORY_BYTES))
    for number in range(ENTRIES_IN_BUCKET + 1):
        assert Use.FIRST is _use_in_one_bucket(kept, str(number), NOW_S + number)

    assert Use.FORGOTTEN is _use_in_one_bucket(kept, "0", NOW_S)
    assert Use.FORGOTTEN is kept.use("another of that time", issued_at_s=NOW_S)
    assert Use.AGAIN is _use_in_one_bucket(kept, "1", NOW_S + 1)
    assert Use.FIRST is _use_in_one_bucket(kept, "new", NOW_S + 99)


def test_the_memory_has_one_size() -> None:
    """About a megabyte and a half, however many tokens come."""
    memory = bytearray(MEMORY_BYTES)
    kept = Replays(memory)
    for number in range(500):
        kept.use(str(number), issued_at_s=NOW_S)

    assert MEMORY_BYTES == len(memory)
    assert 1_000_000 < MEMORY_BYTES < 2_000_000 < 40 * BUCKETS * ENTRIES_IN_BUCKET


def test_two_processes_can_share_a_memory(tmp_path: Path) -> None:
    """A file that both have mapped; the lock is held whenever it is looked at."""
    path = tmp_path / "shared"
    path.write_bytes(bytes(MEMORY_BYTES))
    held = []

    @contextlib.contextmanager
    def lock() -> Iterator[None]:
        held.append(True)
        yield

    with path.open("r+b") as file:
        one, other = (Replays(mmap.mmap(file.fileno(), MEMORY_BYTES), lock=lock) for _ in range(2))
        uses = one.use("a", issued_at_s=NOW_S), other.use("a", issued_at_s=NOW_S)

    assert ((Use.FIRST, Use.AGAIN), 2) == (uses, len(held))


def _use_in_one_bucket(kept: Replays, name: str, issued_at_s: float) -> Use:
    """As if all names fell into the same one of the buckets."""
    found, replays.BUCKETS = replays.BUCKETS, 1  # type: ignore[misc]  # a constant, but for this
    try:
        return kept.use(name, issued_at_s=issued_at_s)
    finally:
        replays.BUCKETS = found  # type: ignore[misc]
