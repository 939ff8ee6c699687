"""
The one thing that touches the terminal: a thread, so that a slow, stuck or closed one never delays a call.

Rule 1: ``put`` and ``wake`` never block and never raise. Rule 2: nothing is written but through a ``Target``.

What the command line must do: print nothing to ``sys.stdout`` itself while a display uses it; at exit call ``close``; and
when that gives False end with ``os._exit(code)``, because the thread is held in a write that nobody will ever take. As
nothing stands in ``sys.stdout``'s own buffer, the interpreter's flush at exit has nothing to fail on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import threading
from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TextIO, TypeVar

from vonage_sock.protocol.logtext import logger

DEFAULT_LIMIT: Final = 2000

_log = logger("vonage_sock.display")

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Target:
    """
    Where text goes: its own duplicate of the stream's file descriptor, or the stream itself where there is none.

    Writing blocks for as long as the reader wants; an error (the reader has gone, the disk is full) is noted in
    ``broken`` and all that follows is discarded. ``fault`` is an error that isn't just the reader's leaving.
    """

    def __init__(self, stream: TextIO | int | None) -> None:
        self.broken = stream is None
        self.fault: OSError | None = None
        self.encoding = _encoding(stream)
        self._stream = stream
        self._fd: int | None = None
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._fd = os.dup(stream if isinstance(stream, int) else stream.fileno()) if stream is not None else None
        if self._fd is None and isinstance(stream, int):
            self.broken = True
        self._was_terminal = self.isatty()

    def write(self, text: str) -> int:
        """Write all of it; ``len(text)``, as files do."""
        if text and not self.broken:
            try:
                self._write(text)
            except BrokenPipeError:
                self.broken = True
            except OSError as error:
                self.broken = True
                # A terminal that was closed is gone like any other reader.
                self.fault = None if error.errno == errno.EIO and self._was_terminal else error
            except ValueError:
                self.broken = True
        return len(text)

    def flush(self) -> None:
        """Nothing waits here."""

    def isatty(self) -> bool:
        """Whether a terminal is at the other end."""
        return self._fd is not None and os.isatty(self._fd)

    def fileno(self) -> int:
        """
        The descriptor, as files have it.

        Raises:
            OSError: there is none.
        """
        if self._fd is None:
            raise OSError("no file descriptor")
        return self._fd

    def size(self) -> tuple[int, int] | None:
        """Columns and rows of the terminal; None where there is none or it doesn't know."""
        try:
            columns, rows = os.get_terminal_size(self.fileno())
        except OSError:
            return None
        return (columns, rows) if columns > 0 and rows > 0 else None

    def close(self) -> None:
        """Give the descriptor back; what is written later is discarded."""
        self._stream = None
        if self._fd is not None:
            fd, self._fd = self._fd, None
            with contextlib.suppress(OSError):
                os.close(fd)

    def _write(self, text: str) -> None:
        if self._fd is None:
            if self._stream is not None and not isinstance(self._stream, int):
                self._stream.write(text)
                self._stream.flush()
            return
        data = memoryview(text.encode(self.encoding, "backslashreplace"))
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                # Whoever shares the terminal with us may have made it non-blocking.
                select.select([], [self._fd], [])


def _encoding(stream: TextIO | int | None) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        "".encode(encoding)
    except LookupError:
        return "utf-8"
    return str(encoding)


class TextOutput(Protocol):
    """What lines are given to."""

    def put(self, item: str, /) -> None:
        """Write this line, without delay for the caller."""
        ...


class Painter(Protocol[T_contra]):
    """Turns items into text. All methods are called in the output thread."""

    def paint(self, items: Sequence[T_contra], lost: int) -> None:
        """Show what came, and that ``lost`` more came after it that couldn't be kept."""
        ...

    def finish(self) -> None:
        """Leave the terminal as it was."""
        ...


class LinePainter:
    """Items are lines of text."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def paint(self, items: Sequence[str], lost: int) -> None:
        """Write the lines."""
        text = "".join(f"{item}\n" for item in items)
        self._target.write(f"{text}{lost_text(lost)}\n" if lost else text)

    def finish(self) -> None:
        """Nothing to undo."""


class PromptPainter(LinePainter):
    """Lines of text, and under them what is being asked, on a terminal that shows nothing else."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._rows = 0
        self.prompt: Callable[[int], list[str]] = lambda _width: []
        """Gives, for a width, the rows to stand under the lines; the cursor stays behind the last."""

    def paint(self, items: Sequence[str], lost: int) -> None:
        """Write the lines, and what is asked under them."""
        self.finish()
        super().paint(items, lost)
        columns, _ = self._target.size() or (80, 24)
        rows = self.prompt(columns)
        self._rows = len(rows)
        self._target.write("\n".join(rows))

    def finish(self) -> None:
        """Take away what is asked."""
        if self._rows:
            self._target.write("\r\x1b[2K" + "\x1b[1A\x1b[2K" * (self._rows - 1))
            self._rows = 0


def lost_text(lost: int) -> str:
    """What stands in place of lines that couldn't be kept."""
    return f"... {lost:,} line{'' if lost == 1 else 's'} not shown"


class OutputThread(Generic[T]):
    """
    A bounded queue and the thread that empties it onto a target.

    Args:
        painter: shows the items; whatever it raises is logged, once, and the items are gone.
        limit: how many items may wait; what comes on top is counted and left out.
    """

    def __init__(self, target: Target, painter: Painter[T], *, limit: int = DEFAULT_LIMIT) -> None:
        self._target = target
        self._painter = painter
        self._limit = limit
        self._items: list[T] = []
        self._lost = 0
        self._lost_in_all = 0
        self._under_way = 0
        self._woken = False
        self._closing = False
        self._held = False
        self._holding = False
        self._failed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="vsock-output", daemon=True)
        self._thread.start()

    @property
    def broken(self) -> bool:
        """Nobody reads any more; everything is discarded."""
        return self._target.broken

    @property
    def fault(self) -> OSError | None:
        """Why nothing can be written, where that isn't just the reader's leaving."""
        return self._target.fault

    @property
    def lost(self) -> int:
        """How many items were left out since the start."""
        return self._lost_in_all

    @property
    def unshown(self) -> int:
        """How many items were left out, or wait for whoever reads; the write that is under way counts as a whole."""
        with self._changed:
            return self._lost_in_all + len(self._items) + self._under_way

    def put(self, item: T) -> None:
        """Show it when there is time; never blocks, never raises."""
        # The lock is only ever held to swap a list, never while something is written.
        with self._changed:
            if self._closing or self._target.broken:
                return
            if len(self._items) >= self._limit:
                self._lost += 1
                self._lost_in_all += 1
                return
            self._items.append(item)
            self._changed.notify_all()

    def wake(self) -> None:
        """Call the painter even without items: what it looks at by itself has changed."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def pause(self, timeout_s: float) -> bool:
        """Show what waits, leave the terminal as it was and alone until ``resume``; False where that took too long."""
        with self._changed:
            self._held = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._holding or self._closing, timeout_s)

    def resume(self) -> None:
        """Go on."""
        with self._changed:
            self._held = self._holding = False
            self._woken = True
            self._changed.notify_all()

    def close(self, timeout_s: float) -> bool:
        """Show what waits and stop; False when that took too long and the thread is still held in a write."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        closing = False
        while not closing:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._lost or self._woken or self._closing or self._held)
                items, self._items = self._items, []
                self._under_way = len(items)
                lost, self._lost = self._lost, 0
                self._woken = False
                closing = self._closing
                holding = self._held and not closing
            if not self._target.broken:
                self._guarded(items, lost, closing=closing or holding)
            self._under_way = 0
            if holding:
                self._hold()
        self._target.close()

    def _hold(self) -> None:
        with self._changed:
            self._holding = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._holding or self._closing)

    def _guarded(self, items: list[T], lost: int, *, closing: bool) -> None:
        try:
            if items or lost or not closing:
                self._painter.paint(items, lost)
            if closing:
                self._painter.finish()
        except Exception:  # noqa: BLE001 - a fault in drawing must not end the thread, nor a call
            if not self._failed:
                self._failed = True
                _log.exception("the display failed; some of what happened wasn't shown")
