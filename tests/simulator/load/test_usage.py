"""What a server takes of its machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from vonage_sock.clock import SECOND, ManualClock
from vonage_sock.errors import UsageError
from vonage_sock.simulator.load.usage import UsageWatch

PARENT = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE); "
    "print('ready', flush=True); input(); child.communicate(b'x')"
)


def test_a_process_is_watched_with_its_children() -> None:
    """The first look has no span; memory is that of both; what is gone is None."""
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    clock = ManualClock()
    watch = UsageWatch(process.pid, clock)
    first = watch.look()
    clock.advance_to(SECOND)
    second = watch.look()
    process.communicate("\n")

    assert first is not None
    assert second is not None
    assert (2, 0, SECOND) == (second.processes, first.span_ns, second.span_ns)
    assert second.rss_bytes > 5_000_000
    assert watch.look() is None


def test_the_time_on_a_processor_is_that_since_the_last_look() -> None:
    """What was before the first look doesn't count, and a share is one of a core."""
    clock = ManualClock()
    watch = UsageWatch(os.getpid(), clock)
    first = watch.look()
    began_s = time.process_time()
    while time.process_time() - began_s < 0.05:
        pass
    clock.advance_to(SECOND)
    usage = watch.look()

    assert first is not None
    assert usage is not None
    assert (0, 0.0) == (first.cpu_ns, first.cpu_percent)
    assert 3 <= usage.cpu_percent <= 100


def test_a_process_that_is_not_there_is_refused() -> None:
    """One sentence, with what to do."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()

    with pytest.raises(UsageError, match="no such process"):
        UsageWatch(process.pid, ManualClock())
