"""What is to be put back, on disk."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from tests.account.fakes import APP_ID, OTHER_ID
from vonage_sock.account.journal import Entry, InUseError, Journal, JournalError, fingerprint, state_folder

ENTRY = Entry(
    application=APP_ID,
    name="My phone line",
    account=fingerprint("a1b2c3d4"),
    api_host=None,
    ca=None,
    before={"answer_url": {"address": "https://old", "http_method": "GET"}, "fallback_answer_url": None},
    ours={"answer_url": ("https://one", "https://two")},
    keep=False,
    pid=1,
    began="2026-02-03T10:00:42.000Z",
)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty one, whose directory isn't there yet."""
    return Journal(tmp_path / "state" / "vsock" / "applications")


def test_what_is_written_is_read_by_another(journal: Journal) -> None:
    """The same entry, until it is removed."""
    journal.write(ENTRY)
    other = Journal(journal.folder)

    assert (ENTRY, [APP_ID], None) == (other.read(APP_ID), other.applications(), other.read(OTHER_ID))
    other.remove(APP_ID)
    assert (None, []) == (journal.read(APP_ID), journal.applications())


def test_only_its_owner_can_read_it(journal: Journal) -> None:
    """Addresses may hold secrets: 0700 for the directories that are made, 0600 for the files."""
    before = os.umask(0)
    try:
        journal.write(ENTRY)
    finally:
        os.umask(before)
    modes = [
        stat.S_IMODE(path.stat().st_mode) for path in (journal.folder.parent, journal.folder, *journal.folder.iterdir())
    ]

    assert [0o700, 0o700, 0o600] == modes


def test_it_is_on_disk_before_anything_is_done(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced before it gets its name, and the directory after."""
    journal.write(ENTRY)
    done: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def syncing(fd: int) -> None:
        done.append("directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)

    def renaming(path: Path, target: Path) -> Path:
        done.append("name")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(Path, "replace", renaming)
    journal.write(replace(ENTRY, pid=2))
    journal.remove(APP_ID)

    assert ["file", "name", "directory", "directory"] == done


def test_a_crash_while_it_is_written_leaves_what_was_there(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A half file never has an entry's name."""
    journal.write(ENTRY)
    monkeypatch.setattr(os, "fsync", lambda _fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(JournalError, match=r"No space left on device.*without it nothing is changed"):
        journal.write(replace(ENTRY, pid=2))
    monkeypatch.undo()

    assert (ENTRY, [APP_ID]) == (journal.read(APP_ID), journal.applications())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "isn't an entry"),
        ("[]", "version 1"),
        ('{"v": 2}', "version 1"),
        (json.dumps({"v": 1, "application": OTHER_ID}), "another application"),
        (json.dumps({"v": 1, "application": APP_ID, "name": 1}), "'name' lacks"),
        ("x" * 300_000, "too long"),
    ],
)
def test_an_entry_that_cant_be_read_is_named_and_kept(journal: Journal, content: str, said: str) -> None:
    """It may still be of use to a person."""
    journal.write(ENTRY)
    path = journal.folder / f"{APP_ID}.json"
    path.write_text(content)
    with pytest.raises(JournalError, match=said):
        journal.read(APP_ID)

    assert content == path.read_text()


def test_a_directory_that_others_may_write_to_isnt_believed(journal: Journal) -> None:
    """What stands in it is done with the account's secret."""
    journal.folder.mkdir(parents=True)
    journal.folder.chmod(0o777)
    with pytest.raises(JournalError, match="others may write there"):
        journal.write(ENTRY)


def test_one_at_a_time_has_an_application(journal: Journal) -> None:
    """The second is refused with the first's process, and may have it when that has ended; nothing is left of the lock."""
    with journal.hold(APP_ID):
        assert journal.is_held(APP_ID)
        with pytest.raises(InUseError, match=rf"another vsock dev .process {os.getpid()}."), journal.hold(APP_ID):
            pass
        with journal.hold(OTHER_ID):
            pass
    with journal.hold(APP_ID):
        pass

    assert (False, []) == (journal.is_held(APP_ID), list(journal.folder.iterdir()))


def test_the_lock_of_a_killed_process_holds_nobody_up(journal: Journal) -> None:
    """Its file is there, and the system has taken its lock away."""
    journal.write(ENTRY)
    (journal.folder / f"{APP_ID}.lock").write_text("1")

    assert not journal.is_held(APP_ID)
    with journal.hold(APP_ID):
        assert journal.is_held(APP_ID)


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({}, "/home/me/.local/state/vsock/applications"),
        ({"XDG_STATE_HOME": "/state"}, "/state/vsock/applications"),
        ({"XDG_STATE_HOME": "relative"}, "/home/me/.local/state/vsock/applications"),
    ],
)
def test_it_stands_where_a_programs_state_stands(environ: dict[str, str], folder: str) -> None:
    """As the XDG directories say; what isn't absolute is ignored."""
    assert Path(folder) == state_folder(environ, Path("/home/me"))


def test_further_addresses_are_ours_too() -> None:
    """The old ones stay known, and the latest stands last."""
    entry = ENTRY.with_ours({"answer_url": "https://one", "event_url": "https://event"})

    assert {"answer_url": ("https://two", "https://one"), "event_url": ("https://event",)} == entry.ours


def test_the_account_is_known_and_its_key_isnt_told() -> None:
    """Two keys, two fingerprints."""
    assert 2 == len({fingerprint("a1b2c3d4"), fingerprint("a1b2c3d5")})
    assert "a1b2c3d4" not in fingerprint("a1b2c3d4")
