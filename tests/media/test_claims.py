"""Names that are being written to, and the bytes of all recordings."""

from __future__ import annotations

from pathlib import Path

from vonage_sock.media.claims import OwnNames


def test_a_name_is_had_by_one_at_a_time(tmp_path: Path) -> None:
    """Across all recorders of a process, until it is released."""
    first, second = OwnNames(), OwnNames()
    got = [names.claim(tmp_path / "a.wav") for names in (first, second)]
    first.release(tmp_path / "a.wav")
    got.append(second.claim(tmp_path / "a.wav"))
    second.release(tmp_path / "a.wav")

    assert [True, False, True] == got


def test_recordings_and_their_bytes_are_counted() -> None:
    """From 1 on, and in all."""
    names = OwnNames()

    assert [1, 2] == [names.next_recording(), names.next_recording()]
    assert [3, 10] == [names.recorded(3), names.recorded(7)]
