"""
What libraries and our own modules log, on standard error: harmless, bounded, and never in a call's way.

A log record may quote a stranger, hold a secret, and come as often as somebody wants; and standard error may be a pipe that
nobody reads. So records are lines of text like all others, written by a thread of their own.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Final

from vonage_sock.display.output import LinePainter, OutputThread, Target
from vonage_sock.display.safe import clean_lines

AT_ONCE: Final = 5
EACH_S: Final = 10.0
MAX_KINDS: Final = 100
MAX_LINES: Final = 40
MAX_LINE: Final = 1000
WAITING: Final = 500
CLOSE_WAIT_S: Final = 0.5

_python = logging.getLogger("python")


class ErrorLog(logging.Handler):
    """Writes records of one kind, five at once and then one in ten seconds, and says how many were left out."""

    def __init__(self, target: Target) -> None:
        super().__init__(logging.WARNING)
        self._target = target
        self._output: OutputThread[str] | None = None
        self._kinds: dict[tuple[str, str], _Allowance] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write it, unless there were too many like it."""
        allowance = self._allowance((record.name, str(record.msg)[:MAX_LINE]))
        if (left_out := allowance.take(record.created)) is None:
            return
        try:
            lines = clean_lines(self.format(record), MAX_LINE, MAX_LINES)
        except Exception:  # noqa: BLE001  (a record whose arguments don't fit, or can't be told, still was one)
            lines = clean_lines(f"{record.name}: {record.msg}", MAX_LINE, MAX_LINES)
        if left_out:
            lines.append(f"... {left_out:,} more of these were left out")
        if self._output is None:
            self._output = OutputThread(self._target, LinePainter(self._target), limit=WAITING)
        self._output.put("\n".join(lines))

    def close(self) -> None:
        """Write what waits, if somebody reads it."""
        if self._output is not None:
            self._output.close(CLOSE_WAIT_S)
        super().close()

    def _allowance(self, kind: tuple[str, str]) -> _Allowance:
        if kind not in self._kinds and len(self._kinds) >= MAX_KINDS:
            kind = ("", "")
        return self._kinds.setdefault(kind, _Allowance())


class _Allowance:
    """How many more may be said; times are in seconds."""

    def __init__(self) -> None:
        self._left = float(AT_ONCE)
        self._at: float | None = None
        self._left_out = 0

    def take(self, at: float) -> int | None:
        """How many were left out before this one; None where it is left out too."""
        if self._at is not None:
            self._left = min(AT_ONCE, self._left + max(0.0, at - self._at) / EACH_S)
        self._at = at
        if self._left < 1:
            self._left_out += 1
            return None
        self._left -= 1
        left_out, self._left_out = self._left_out, 0
        return left_out


@contextlib.contextmanager
def logged_to_stderr() -> Iterator[None]:
    """For the block; what Python itself would write there comes as a record too."""
    handler = ErrorLog(Target(sys.stderr))
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    handler.addFilter(_is_news)
    root = logging.getLogger()
    before = sys.unraisablehook, threading.excepthook
    root.addHandler(handler)
    logging.captureWarnings(capture=True)
    sys.unraisablehook, threading.excepthook = _note_unraisable, _note_in_thread
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = before
        logging.captureWarnings(capture=False)
        root.removeHandler(handler)
        handler.close()


def _is_news(record: logging.LogRecord) -> bool:
    """Of a behaviour that failed a finding says more, in its place."""
    return record.name != "vonage_sock.failures"


def _note_unraisable(args: sys.UnraisableHookArgs) -> None:
    _python.error("%s", args.err_msg or "an exception that nobody can take", exc_info=args.exc_value)


def _note_in_thread(args: threading.ExceptHookArgs) -> None:
    _python.error("a thread failed", exc_info=args.exc_value)
