"""Programs as children: heard, bounded, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from fakes import write_program

from vonage_sock.tunnels.child import Child, find_program, ours
from vonage_sock.tunnels.guard import LINES_BURST, MAX_LINE_BYTES

WAIT_S = 10


async def until(true: Callable[[], bool]) -> None:
    """Look until it is."""
    async with asyncio.timeout(WAIT_S):
        while not true():  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.01)


def gone(pid: int) -> bool:
    """It runs no more; a process that nobody has asked for yet is dead, too."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def heard(child: Child) -> list[str]:
    """All its lines."""
    lines = []
    async with asyncio.timeout(WAIT_S):
        while (line := await child.line()) is not None:
            lines.append(line)
    return lines


async def test_lines_and_the_exit_code_are_heard(tmp_path: Path) -> None:
    """Of both outputs; the last line needs no end."""
    program = write_program(tmp_path, "p", "one", "two", then="printf three >&2; exit 3")
    child = Child("p")
    await child.start([str(program)], os.environ)
    lines = await heard(child)
    how = await child.how_it_ended()
    await child.stop()

    assert ["one", "two", "three"] == lines
    assert "ended with exit code 3" == how


async def test_a_program_that_is_killed_is_said_to_be(tmp_path: Path) -> None:
    """By which signal."""
    child = Child("p")
    await child.start([str(write_program(tmp_path, "p", then="kill -SEGV $$"))], os.environ)
    await heard(child)
    how = await child.how_it_ended()
    await child.stop()

    assert "was killed by SIGSEGV" == how


async def test_a_program_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    """Closing ends all of its group, whatever they think of it."""
    then = "trap '' TERM\n(trap '' TERM; exec sleep 60) &\necho $! $$\nwhile :; do wait; done"
    child = Child("p")
    await child.start([str(write_program(tmp_path, "p", then=then))], os.environ)
    pids = [int(pid) for pid in (await child.line() or "").split()]
    alive = [gone(pid) for pid in pids]
    await child.stop()
    await child.stop()

    assert [False, False] == alive
    assert [True, True] == [gone(pid) for pid in pids]


@pytest.mark.parametrize("victim", ["we", "the guard"])
async def test_no_program_outlives_a_kill(tmp_path: Path, victim: str) -> None:
    """Neither ours nor its guard's: there is no moment in which it is nobody's."""
    program = write_program(tmp_path, "p", then="echo $$ $PPID; exec sleep 60")
    code = (
        "import asyncio, os, sys\nfrom vonage_sock.tunnels.child import Child\n"
        "async def main():\n    child = Child('p')\n    await child.start([sys.argv[1]], os.environ)\n"
        "    print(await child.line(), flush=True)\n    await asyncio.sleep(60)\nasyncio.run(main())"
    )
    command = [sys.executable, "-c", code, str(program)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220  (it is killed like a stranger)
    assert parent.stdout is not None
    pid, guard = map(int, (await asyncio.to_thread(parent.stdout.readline)).split())
    try:
        os.kill(parent.pid if victim == "we" else guard, signal.SIGKILL)
        await until(lambda: gone(pid) and gone(guard))
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()

    assert gone(pid)


async def test_a_flood_is_bounded(tmp_path: Path) -> None:
    """A program that prints without end, and lines without end, costs us what a talkative one does."""
    then = "yes | head -c 200000\nprintf '%30000d\\n' 7\necho end"
    child = Child("p")
    await child.start([str(write_program(tmp_path, "p", then=then))], os.environ)
    lines = await heard(child)
    await child.stop()

    assert LINES_BURST <= len(lines) < 2 * LINES_BURST
    assert max(map(len, lines)) <= MAX_LINE_BYTES


async def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Its guard says why, and ends."""
    child = Child("p")
    await child.start([str(tmp_path / "none")], os.environ)
    lines = await heard(child)
    await child.stop()

    assert [f"{tmp_path / 'none'}: No such file or directory"] == lines


async def test_a_child_that_was_never_started_is_stopped() -> None:
    """Which changes nothing."""
    child = Child("p")
    await child.stop()

    assert None is await child.line()
    assert "was never started" == await child.how_it_ended()


def test_programs_are_found_on_path_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never in the working directory, whatever ``PATH`` says of that."""
    program = write_program(tmp_path, "ngrok")
    monkeypatch.chdir(tmp_path)

    assert program == find_program("ngrok", {"PATH": f"/nowhere:{tmp_path}"})
    assert [None] * 3 == [find_program("ngrok", {"PATH": path}) for path in ("", ".", ".::/nowhere")]
    assert None is find_program("ngrok", {})


def test_modules_of_ours_are_run_with_our_own_modules() -> None:
    """And none of the working directory's."""
    assert [sys.executable, "-P"] == ours("m")[:2]
