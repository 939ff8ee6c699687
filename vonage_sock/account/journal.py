"""
What was changed in an account and is to be put back, on disk before the change is made.

One file for each application, with what its webhooks were and which addresses of ours they were given; whoever changes
the application or puts it back holds its lock, which the system takes away from a process that dies, however it dies.
Rule: a file that is named ``.json`` is whole (written aside, synced, renamed, and the directory synced), and it goes away
only when the application was seen to be without our addresses, and no write of ours can arrive any more.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from vonage_sock.errors import VsockError
from vonage_sock.protocol import jsontext

VERSION: Final = 1
STATE_VARIABLE: Final = "XDG_STATE_HOME"
MAX_ENTRY_BYTES: Final = 256 * 1024
LOOKS: Final = 3
LOOK_S: Final = 0.02
_MINE: Final = 0o700
_SUFFIX: Final = ".json"


class JournalError(VsockError):
    """The journal can't be written or read; nothing is changed without it."""


class InUseError(JournalError):
    """Another process has pointed this application at itself, and lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """
    A write of ours that wasn't answered: it may have arrived, and it may arrive yet.

    Args:
        addresses: what it gives the webhooks, by which it is known once it has arrived; none where another write gives
            them, too.
        since_wall_ns: when it was begun, in Unix time.
    """

    addresses: Mapping[str, str]
    since_wall_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    One application that points at us, or may.

    Args:
        account: a fingerprint of the account's key.
        api_host: where the API was, if not Vonage's own.
        ca: whom it was trusted by, if not only by the system's authorities.
        before: the webhooks of voice as they were, None for one that there wasn't.
        ours: the addresses that each was given, the latest last.
        keep: put it back only when that is asked for.
        began: when, as people read it.
        doubts: writes of these addresses that were begun, and of which nobody knows what became.
    """

    application: str
    name: str
    account: str
    api_host: str | None
    ca: str | None
    before: Mapping[str, Mapping[str, Any] | None]
    ours: Mapping[str, tuple[str, ...]]
    keep: bool
    pid: int
    began: str
    doubts: tuple[Doubt, ...] = ()

    def with_ours(self, addresses: Mapping[str, str]) -> Self:
        """The same with further addresses of ours, the old ones still known as such."""
        more = {
            name: (*(known for known in self.ours.get(name, ()) if known != address), address)
            for name, address in addresses.items()
        }
        return replace(self, ours={**self.ours, **more})


def fingerprint(api_key: str) -> str:
    """What tells an account from another, and doesn't tell its key."""
    return hashlib.sha256(f"vsock journal {api_key}".encode()).hexdigest()[:16]


def state_folder(environ: Mapping[str, str], home: Path) -> Path:
    """Where the journal is: under ``XDG_STATE_HOME``, or ``~/.local/state``."""
    base = environ.get(STATE_VARIABLE, "")
    return (Path(base) if Path(base).is_absolute() else home / ".local" / "state") / "vsock" / "applications"


class Journal:
    """
    The entries in a directory.

    Args:
        folder: made where there is none; nobody else may write there, since what stands in it is done.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def hold(self, application: str) -> Iterator[None]:
        """
        Have an application for oneself.

        Raises:
            InUseError: another process has it.
            JournalError: the directory can't be used.
        """
        self._make_folder()
        path = self._path(application, ".lock")
        try:
            descriptor = _patiently_locked(path)
        except BlockingIOError:
            raise InUseError(
                f"another vsock dev{self._holder(path)} has pointed application {application} at itself; "
                "stop it first (Ctrl-C), or choose another application with --app"
            ) from None
        except OSError as error:
            raise self._unusable(error) from error
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            yield
        finally:
            # Whoever waits for the lock finds another file under its name then, and tries again.
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def is_held(self, application: str) -> bool:
        """Whether the process that pointed it at itself still lives."""
        try:
            descriptor = os.open(self._path(application, ".lock"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def write(self, entry: Entry) -> None:
        """
        Have it on disk, whatever happens from now on.

        Raises:
            JournalError: it can't be written.
        """
        self._make_folder()
        aside, path = self._path(entry.application, ".part"), self._path(entry.application, _SUFFIX)
        text = jsontext.dumps({"v": VERSION, **_members(entry)})
        try:
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            aside.replace(path)
            _sync_folder(self.folder)
        except OSError as error:
            raise self._unusable(error) from error

    def read(self, application: str) -> Entry | None:
        """
        What was written; None where there is nothing.

        Raises:
            JournalError: it can't be read, or isn't what we write.
        """
        path = self._path(application, _SUFFIX)
        try:
            return _entry(jsontext.loads(_read(path)), application)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise JournalError(f"{path} can't be read: {error.strerror or error}") from error
        except ValueError as error:
            raise JournalError(
                f"{path} isn't an entry of the journal ({error}); look at what the application's addresses should be, "
                "and remove it"
            ) from error

    def remove(self, application: str) -> None:
        """
        There is nothing to put back any more.

        Raises:
            JournalError: it can't be removed.
        """
        try:
            self._path(application, _SUFFIX).unlink(missing_ok=True)
            self._path(application, ".part").unlink(missing_ok=True)
            _sync_folder(self.folder)
        except OSError as error:
            raise self._unusable(error) from error

    def applications(self) -> list[str]:
        """The ids of those that have an entry."""
        try:
            names = sorted(item.name for item in os.scandir(self.folder) if item.name.endswith(_SUFFIX))
        except OSError:
            return []
        return [name.removesuffix(_SUFFIX) for name in names if _is_id(name.removesuffix(_SUFFIX))]

    def _path(self, application: str, suffix: str) -> Path:
        if not _is_id(application):
            raise JournalError(f"{application[:60]!r} isn't an application's id")
        return self.folder / f"{application}{suffix}"

    def _holder(self, path: Path) -> str:
        with contextlib.suppress(OSError, ValueError):
            return f" (process {int(_read(path))})"
        return ""

    def _make_folder(self) -> None:
        try:
            for folder in reversed((self.folder, *self.folder.parents)):
                if not folder.exists():
                    folder.mkdir(_MINE, exist_ok=True)
                    _sync_folder(folder.parent)
            _check_mine(self.folder)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> JournalError:
        return JournalError(
            f"the journal in {self.folder} can't be used ({error.strerror or error}), and without it nothing is changed; "
            f"name another place with {STATE_VARIABLE}"
        )


def _patiently_locked(path: Path) -> int:
    """The same, though somebody may just look whether it is held (``is_held``), which takes the lock for a moment."""
    for _ in range(LOOKS):
        with contextlib.suppress(BlockingIOError):
            return _locked(path)
        threading.Event().wait(LOOK_S)
    return _locked(path)


def _locked(path: Path) -> int:
    """A descriptor of the lock file that has its lock, and the file still has its name."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(descriptor)):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _check_mine(folder: Path) -> None:
    """
    Make sure that nobody else can put something there.

    Raises:
        PermissionError: somebody can.
    """
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "it is no directory")
    if state.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it belongs to somebody else")
    if state.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "others may write there")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid():
            raise ValueError("it is no file of ours")
        content = file.read(MAX_ENTRY_BYTES + 1)
    if len(content) > MAX_ENTRY_BYTES:
        raise ValueError("it is too long")
    return content


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _members(entry: Entry) -> dict[str, Any]:
    members = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
    return {**members, "doubts": [asdict(doubt) for doubt in entry.doubts]}


def _entry(value: Any, application: str) -> Entry:
    """
    An entry of its members.

    Raises:
        ValueError: they aren't those of one.
    """
    if not isinstance(value, dict) or value.get("v") != VERSION:
        raise ValueError(f"it isn't of version {VERSION}")
    if value.get("application") != application:
        raise ValueError("it is about another application")
    texts: dict[str, Any] = {name: _of(value, name, str) for name in ("application", "name", "account", "began")}
    before, ours = _of(value, "before", dict), _of(value, "ours", dict)
    if not all(item is None or isinstance(item, dict) for item in before.values()):
        raise ValueError("'before' isn't made of webhooks")
    if not all(isinstance(item, list) and all(isinstance(each, str) for each in item) for item in ours.values()):
        raise ValueError("'ours' isn't made of addresses")
    places: dict[str, Any] = {
        name: item if isinstance(item := value.get(name), str) else None for name in ("api_host", "ca")
    }
    return Entry(
        **texts,
        **places,
        before=before,
        ours={name: tuple(item) for name, item in ours.items()},
        keep=_of(value, "keep", bool),
        pid=_of(value, "pid", int),
        doubts=_doubts(value.get("doubts", [])),
    )


def _doubts(value: Any) -> tuple[Doubt, ...]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError("'doubts' isn't made of writes")
    doubts = [
        Doubt(addresses=_of(item, "addresses", dict), since_wall_ns=_of(item, "since_wall_ns", int)) for item in value
    ]
    if not all(isinstance(address, str) for doubt in doubts for address in doubt.addresses.values()):
        raise ValueError("'doubts' isn't made of addresses")
    return tuple(doubts)


def _of(value: Mapping[str, Any], name: str, kind: type) -> Any:
    if not isinstance(value.get(name), kind):
        raise ValueError(f"{name!r} lacks")
    return value[name]
