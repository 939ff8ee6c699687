from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import pty
import select
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

import pytest

from vonage_sock.display.output import LinePainter, OutputThread, Target

PIPE_FILLS = 4000
"""Lines of 100 bytes: many times what a pipe holds."""


class HeldPainter:
    """Stops in the first ``paint`` until it is let go; keeps what it was given."""

    def __init__(self) -> None:
        self.painted: list[tuple[list[str], int]] = []
        self.entered = threading.Event()
        self.released = threading.Event()

    def paint(self, items: Sequence[str], lost: int) -> None:
        self.painted.append((list(items), lost))
        self.entered.set()
        self.released.wait(10)

    def finish(self) -> None:
        pass


class FailingPainter:
    """Raises whatever it is asked."""

    def paint(self, items: Sequence[str], lost: int) -> None:
        raise RuntimeError("no")

    def finish(self) -> None:
        raise RuntimeError("no")


def test_what_nobody_takes_is_counted() -> None:
    """What is held in a write, what waits behind it, and what there was no room for."""
    painter = HeldPainter()
    output = OutputThread(Target(None), painter, limit=2)
    output._target.broken = False
    output.put("held")
    painter.entered.wait(10)
    for text in ("waits", "waits too", "lost"):
        output.put(text)
    unshown = output.unshown
    painter.released.set()

    assert (4, True, 1) == (unshown, output.close(10), output.unshown)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe whose ends are closed afterwards, unless the test did."""
    ends = os.pipe()
    yield ends
    for fd in ends:
        with contextlib.suppress(OSError):
            os.close(fd)


def lines_to(fd: int, *, limit: int = 2000) -> OutputThread[str]:
    target = Target(fd)
    return OutputThread(target, LinePainter(target), limit=limit)


def drain(fd: int) -> bytes:
    """All that was written, up to the end."""
    return b"".join(iter(lambda: os.read(fd, 65536), b""))


def test_lines_come_out_in_order(pipe: tuple[int, int]) -> None:
    """What was put is written before ``close`` returns."""
    reader, writer = pipe
    output = lines_to(writer)
    os.close(writer)
    for line in ("one", "two", "three"):
        output.put(line)
    closed = output.close(10)

    assert (True, b"one\ntwo\nthree\n") == (closed, drain(reader))


def test_a_closed_reader_is_noticed_and_nothing_raises(pipe: tuple[int, int]) -> None:
    """As in ``| head -1``: the rest is discarded."""
    reader, writer = pipe
    os.close(reader)
    output = lines_to(writer)
    output.put("line")
    closed = output.close(10)
    output.put("later")

    assert (True, True) == (closed, output.broken)


def test_a_stuck_reader_delays_nobody(pipe: tuple[int, int]) -> None:
    """Nobody reads: every ``put`` returns, the queue stays bounded, and ``close`` gives up in time."""
    reader, writer = pipe
    output = lines_to(writer, limit=500)
    output.put("more than a pipe holds" * 100_000)
    for _ in range(PIPE_FILLS):
        output.put("x" * 99)
    closed = output.close(0.05)
    os.close(reader)

    assert (False, True) == (closed, output.lost >= PIPE_FILLS - 1000)


def test_a_slow_reader_gets_everything(pipe: tuple[int, int]) -> None:
    """The thread waits for the reader, however small its bites."""
    reader, writer = pipe
    output = lines_to(writer, limit=PIPE_FILLS)
    os.close(writer)
    for number in range(PIPE_FILLS):
        output.put(f"{number:099d}")
    threading.Thread(target=output.close, args=(10,)).start()
    received = b"".join(iter(lambda: os.read(reader, 1000), b""))

    assert [f"{number:099d}" for number in range(PIPE_FILLS)] == received.decode().splitlines()


def test_a_pipe_that_does_not_block_is_waited_for(pipe: tuple[int, int]) -> None:
    """Another program may have made the shared terminal non-blocking; nothing is lost by it."""
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETFL, fcntl.fcntl(writer, fcntl.F_GETFL) | os.O_NONBLOCK)
    output = lines_to(writer, limit=PIPE_FILLS)
    os.close(writer)
    for _ in range(PIPE_FILLS):
        output.put("x" * 99)
    threading.Thread(target=output.close, args=(10,)).start()

    assert PIPE_FILLS * 100 == len(drain(reader))


def test_what_did_not_fit_is_counted_after_what_did() -> None:
    """After a stall comes what was kept, and then how much wasn't."""
    painter = HeldPainter()
    output = OutputThread(Target(io.StringIO()), painter, limit=2)
    output.put("first")
    painter.entered.wait(10)
    for item in "abcde":
        output.put(item)
    painter.released.set()
    output.close(10)

    assert [(["first"], 0), (["a", "b"], 3)] == painter.painted


def test_lines_that_were_lost_are_told() -> None:
    """The reader knows that something is missing."""
    stream = io.StringIO()
    LinePainter(Target(stream)).paint(["a"], 1200)

    assert "a\n... 1,200 lines not shown\n" == stream.getvalue()


def test_a_closed_display_takes_nothing_more() -> None:
    """After ``close`` a line is discarded, not kept for ever."""
    stream = io.StringIO()
    target = Target(stream)
    output = OutputThread(target, LinePainter(target))
    output.close(10)
    output.put("late")

    assert "" == stream.getvalue()


def test_closing_twice_is_fine() -> None:
    """The second time there is nothing left to do."""
    target = Target(io.StringIO())
    output = OutputThread(target, LinePainter(target))

    assert [True, True] == [output.close(10), output.close(10)]


def test_a_fault_in_drawing_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The thread goes on, and nobody who called ``put`` hears of it."""
    output = OutputThread(Target(io.StringIO()), FailingPainter())
    output.put("a")
    closed = output.close(10)

    assert (True, 1) == (closed, len(caplog.records))


def test_without_a_stream_everything_is_discarded() -> None:
    """Python has no stdout when it was closed before the start."""
    target = Target(None)
    target.write("text")

    assert target.broken


def test_a_descriptor_that_is_closed_is_broken() -> None:
    """As with ``>&-``."""
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)

    assert Target(writer).broken


def test_a_stream_without_a_descriptor_is_written_to_itself() -> None:
    """As in tests of the command line."""
    stream = io.StringIO()
    Target(stream).write("text")

    assert "text" == stream.getvalue()


def test_what_the_encoding_cannot_say_is_escaped(pipe: tuple[int, int]) -> None:
    """A terminal that isn't UTF-8 gets no question marks and no error."""
    reader, writer = pipe
    with os.fdopen(os.dup(writer), "w", encoding="latin-1") as stream:
        Target(stream).write("é→")

    assert b"\xe9\\u2192" == os.read(reader, 100)


def test_a_pipe_is_no_terminal_and_has_no_size(pipe: tuple[int, int]) -> None:
    """Nothing is guessed."""
    target = Target(pipe[1])

    assert (False, None) == (target.isatty(), target.size())


SCRIPT = """
import sys
from vonage_sock.display.output import LinePainter, OutputThread, Target
target = Target(sys.stdout)
output = OutputThread(target, LinePainter(target))
for number in range(5000):
    output.put("x" * 100)
sys.stdin.readline()
output.put("more")
output.close(5)
sys.exit(7)
"""


def test_a_program_whose_reader_has_gone_ends_quietly() -> None:
    """No traceback, no message at exit, and the exit code it wanted."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        select.select([process.stdout], [], [], 10)
        process.stdout.close()
        process.stdout = None
        _, errors = process.communicate(b"\n", timeout=20)

    assert (7, b"") == (process.returncode, errors)


def test_a_full_disk_is_a_fault_and_a_reader_who_left_is_none() -> None:
    """Both are broken; only one of them has to be told."""
    reader, writer = os.pipe()
    os.close(reader)
    left, full = Target(writer), Target(os.open("/dev/full", os.O_WRONLY))
    for target in (left, full):
        target.write("x")

    assert (True, True, None) == (left.broken, full.broken, left.fault)
    assert full.fault is not None
    assert errno.ENOSPC == full.fault.errno


def test_a_terminal_that_was_closed_is_a_reader_who_left() -> None:
    """Its writes fail with an error of input and output."""
    master, slave = pty.openpty()
    target = Target(slave)
    os.close(master)
    target.write("x")

    assert (True, None) == (target.broken, target.fault)
