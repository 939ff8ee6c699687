"""How much may be recorded: told in words where it is enough."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from vonage_sock.limits import GIB, KIB, MIB, Limits
from vonage_sock.media import budget
from vonage_sock.media.budget import LOOKS_EVERY_NS, Budget
from vonage_sock.media.claims import OwnNames

SMALL = Limits(recording_bytes_per_call=64 * KIB, recording_bytes_in_all=128 * KIB, free_disk_floor_bytes=0)


def disk(monkeypatch: pytest.MonkeyPatch, size_bytes: int, free_bytes: int) -> None:
    """Every disk is of that size, and has so much left."""
    told = SimpleNamespace(f_frsize=KIB, f_blocks=size_bytes // KIB, f_bavail=free_bytes // KIB)
    monkeypatch.setattr(budget.os, "statvfs", lambda _: told)


def test_a_call_may_take_as_much_as_it_may(tmp_path: Path) -> None:
    """To the byte; other calls have their own."""
    kept = Budget(SMALL, directory=tmp_path, names=OwnNames())

    assert [None, None] == [kept.spend("a", 32 * KIB, 0), kept.spend("a", 32 * KIB, 0)]
    assert "one call may take 65,536 bytes (--max-recording-bytes)" == kept.spend("a", 1, 0)
    assert kept.spend("b", 64 * KIB, 0) is None


def test_all_calls_together_may_take_as_much_as_they_may(tmp_path: Path) -> None:
    """Whoever counts with the same names counts together."""
    names = OwnNames()
    first, second = (Budget(SMALL, directory=tmp_path, names=names) for _ in range(2))
    told = [first.spend(call, 60 * KIB, 0) for call in ("a", "b", "c")]
    told.append(second.spend("d", 9 * KIB, 0))

    assert [None, None, "all recordings may take 131,072 bytes (--max-recordings-bytes)", None] == told
    assert "all recordings may take 131,072 bytes (--max-recordings-bytes)" == second.spend("e", 1, 0)
    assert second.lack(0) is not None


def test_a_bound_that_was_hit_is_told_to_who_begins(tmp_path: Path) -> None:
    """Also where a little is left, which no frame goes into; and not before."""
    kept = Budget(SMALL, directory=tmp_path, names=OwnNames())
    for call in ("a", "b"):
        kept.spend(call, 64 * KIB - 1, 0)
    before = kept.lack(0)
    refused = kept.spend("c", 320, 0)

    assert (None, "all recordings may take 131,072 bytes (--max-recordings-bytes)") == (before, refused)
    assert (refused, refused) == (kept.lack(0), kept.spend("d", 1, 0))


@pytest.mark.parametrize(
    ("size_bytes", "free_bytes", "words"),
    [
        (100 * GIB, 64 * MIB, None),
        (100 * GIB, 64 * MIB - KIB, "No space left on device but the 64 MiB that stay free (--keep-disk-free)"),
        (20 * MIB, MIB, None),
        (20 * MIB, MIB - KIB, "No space left on device but the 1 MiB that stay free (--keep-disk-free)"),
    ],
    ids=["enough", "too little", "enough of a small one", "too little of a small one"],
)
def test_so_much_of_the_disk_stays_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_bytes: int, free_bytes: int, words: str | None
) -> None:
    """64 MiB, and of a small disk a twentieth."""
    disk(monkeypatch, size_bytes, free_bytes)

    assert words == Budget(directory=tmp_path, names=OwnNames()).spend("a", 1, 0)


def test_the_disk_is_looked_at_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recording goes on as soon as there is room again."""
    kept = Budget(directory=tmp_path, names=OwnNames())
    disk(monkeypatch, 100 * GIB, 0)
    before = kept.lack(0)
    disk(monkeypatch, 100 * GIB, GIB)

    assert (before, None) == (kept.lack(LOOKS_EVERY_NS - 1), kept.lack(LOOKS_EVERY_NS))
    assert before is not None


def test_a_disk_that_is_gone_is_told_by_who_writes_there(tmp_path: Path) -> None:
    """Not as one that is full."""
    assert Budget(directory=tmp_path / "gone", names=OwnNames()).lack(0) is None


def test_standard_output_is_no_disk() -> None:
    """What goes there is bounded by who reads it."""
    kept = Budget(SMALL, directory=None, names=OwnNames())

    assert [None, None] == [kept.spend("a", GIB, 0), kept.lack(0)]


def test_calls_long_gone_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of calls has a bound; the latest are known."""
    monkeypatch.setattr(budget, "MAX_CALLS_KNOWN", 2)
    kept = Budget(SMALL, directory=tmp_path, names=OwnNames())
    for call in ("a", "b", "a", "c"):
        kept.spend(call, 8 * KIB, 0)

    assert ["a", "c"] == list(kept._calls)
