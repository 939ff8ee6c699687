"""
Which region knew a call, kept on disk for the next program: ``vsock hangup`` is another than the ``serve`` that was told.

Rule: a hint, and nothing more. It is believed as little as a webhook, a wrong one costs one 404, and that it can't be read
or written hinders nothing. It holds the newest calls' uuids and hosts, no token, and is nobody else's to read.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vonage_sock.account.journal import state_folder
from vonage_sock.account.places import read_text
from vonage_sock.control.orders import is_uuid
from vonage_sock.protocol import jsontext

VERSION: Final = 1
MAX_KEPT: Final = 500

_writing = threading.Lock()


def regions_file(environ: Mapping[str, str], home: Path) -> Path:
    """Where it is: beside the journal."""
    return state_folder(environ, home).parent / "regions.json"


class KnownRegions:
    """
    The calls of one file, each with the API's address in its region.

    Args:
        path: made with its directories when there is something to keep.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: dict[str, str] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def find(self, uuid: str) -> str | None:
        """The address that was kept for this call."""
        return self._waiting.get(uuid) or self._read().get(uuid)

    def beginning(self, text: str) -> list[str]:
        """The calls whose uuid begins like this; they may be over."""
        return [uuid for uuid in self._read() if uuid.startswith(text)]

    def keep(self, uuid: str, url: str) -> None:
        """Keep it, in a thread; what comes while that writes is written together."""
        if not is_uuid(uuid):
            return
        with self._lock:
            self._waiting.pop(uuid, None)
            self._waiting[uuid] = url
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="vsock-regions")
                self._thread.start()

    def _write(self) -> None:
        while True:
            with self._lock:
                new, self._waiting = self._waiting, {}
                if not new:
                    self._thread = None
                    return
            with contextlib.suppress(OSError), _writing:
                self._add(new)

    def _add(self, new: Mapping[str, str]) -> None:
        kept = {uuid: url for uuid, url in self._read().items() if uuid not in new} | dict(new)
        newest = dict(list(kept.items())[-MAX_KEPT:])
        self._path.parent.mkdir(0o700, parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(".part", "regions-", self._path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(jsontext.dumps({"v": VERSION, "calls": newest}))
            Path(aside).replace(self._path)
        except OSError:
            Path(aside).unlink(missing_ok=True)
            raise

    def _read(self) -> dict[str, str]:
        try:
            value = jsontext.loads(read_text(self._path))
        except (OSError, ValueError):
            return {}
        calls = value.get("calls") if isinstance(value, dict) and value.get("v") == VERSION else None
        if not isinstance(calls, dict):
            return {}
        return {uuid: url for uuid, url in calls.items() if isinstance(url, str) and is_uuid(uuid)}
