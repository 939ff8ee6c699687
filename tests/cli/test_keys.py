"""Keys while a server runs, as a person has them: the real program on a real terminal, with real calls."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import socket
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cli.conftest import pcm_of
from tests.cli.sitting import Sitting
from vonage_sock.cli.keys import somebody_sits
from vonage_sock.cli.plan import ServeOptions
from vonage_sock.testing import VonageCaller

EMPTY = dict.fromkeys((field.name for field in fields(ServeOptions)), None)


@pytest.fixture
def sit(tmp_path: Path) -> Iterator[Any]:
    """Run ``vsock`` at a terminal, in a directory of its own."""
    sittings: list[Sitting] = []

    def start(*arguments: str, **more: Any) -> Sitting:
        sittings.append(Sitting("-m", "vonage_sock", arguments[0], "--port", "0", *arguments[1:], cwd=tmp_path, **more))
        return sittings[-1]

    yield start
    for sitting in sittings:
        sitting.close()


async def address(sitting: Sitting) -> str:
    """The answer URL, once keys are taken."""
    lines = await asyncio.to_thread(sitting.until, "? help")
    return next(match[1] for line in lines if (match := re.search(r"(http://\S+/webhooks/answer)", line)))


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_call_is_played_to_recorded_and_hung_up_by_keys(
    sit: Any, vonage_call: VonageCaller, speech: Path, tmp_path: Path, workers: str
) -> None:
    """An echo waits while a file plays; the recording holds the caller from then on; q ends it all as Ctrl-C does."""
    sitting = sit("serve", "--echo", "--workers", workers)
    calling = asyncio.create_task(vonage_call(await address(sitting), audio="tone:440", duration_s=30))
    await asyncio.to_thread(sitting.until, "c1  h hang up")
    for typed, seen in (
        ("?", "behind what is playing"),
        ("p", "play to c1:"),
        ("spee\t", "play to c1: speech.wav"),
        ("\r", "♪ play    speech.wav · 1.0 s"),
        ("r", "  ◉ vsock-"),
        ("s", "saying something needs the Voice API"),
        ("c", "♪ cleared speech.wav"),
        ("r", "◉ saved   vsock-"),
        ("p\x1b[A\x7f\r", "speech.wa: no such file"),
        ("h", "we closed it (1000 normal: hung up)"),
    ):
        sitting.type(typed)
        await asyncio.to_thread(sitting.until, seen)
    report = await calling
    sitting.type("q")
    code = await asyncio.to_thread(sitting.end)
    (recording,) = tmp_path.glob("vsock-*.wav")
    recorded = pcm_of(recording)

    assert (0, "server", "hung up") == (code, report.closed_by, report.close_reason)
    assert 640 <= len(recorded) < len(report.said_pcm)
    assert recorded in report.said_pcm
    assert "1 recording saved" in sitting.lines[-1]
    assert sitting.is_as_before
    assert not sitting.screen.cursor.hidden


def test_ctrl_c_works_as_it_does_without_keys(sit: Any) -> None:
    """On the narrowest terminal, which has room for two of them."""
    sitting = sit("serve", columns=20)
    sitting.until("? help")
    sitting.until_keys_are_taken()
    sitting.type("\x03")
    code = sitting.end()

    assert 0 == code
    assert sitting.is_as_before
    assert not [line for line in sitting.lines if "? help" in line]


def test_a_killed_server_leaves_the_terminal_as_it_was(sit: Any) -> None:
    """SIGTERM, in the middle of a Ctrl-Z and fg."""
    sitting = sit("serve")
    sitting.until("? help")
    sitting.until_keys_are_taken()
    sitting.type("\x1a")
    sitting.until("[stopped 1, tidy]")
    hidden = sitting.screen.cursor.hidden
    sitting.type("fg\n")
    sitting.until_keys_are_taken()
    (job,) = psutil.Process(sitting.process.pid).children()
    job.terminate()

    assert (0, False) == (sitting.end(), hidden)
    assert sitting.is_as_before


@pytest.mark.parametrize(
    ("arguments", "term", "sits"),
    [
        ({}, "xterm", True),
        ({"no_keys": True}, "xterm", False),
        ({"as_json": True}, "xterm", False),
        ({}, "dumb", False),
        ({}, "", False),
        ({"record": "-"}, "xterm", False),
    ],
)
def test_keys_are_for_who_sits_at_a_terminal(
    arguments: dict[str, Any], term: str, sits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for programs that read JSON, nor for a dumb terminal; with a recording on stdout the screen is stderr."""
    master, slave = pty.openpty()
    monkeypatch.setenv("TERM", term)
    read, write = os.pipe()
    with os.fdopen(slave, "w") as terminal, os.fdopen(write, "w") as piped:
        monkeypatch.setattr("sys.stdout", terminal)
        monkeypatch.setattr("sys.stderr", piped)
        options = ServeOptions.of({**EMPTY, **arguments})

        assert sits == somebody_sits(options)
    os.close(master)
    os.close(read)


def test_what_is_played_from_standard_input_leaves_the_keys_to_the_terminal(sit: Any, speech: Path) -> None:
    """``play -`` reads the pipe to its end; q is pressed where the person sits."""
    run = "import runpy; runpy.run_module('vonage_sock', run_name='__main__')"
    pipe = f"import os; os.dup2(os.open({str(speech)!r}, os.O_RDONLY), 0); {run}"
    sitting = Sitting("-c", pipe, "play", "-", "--port", "0", cwd=speech.parent)
    sitting.until("? help")
    sitting.until_keys_are_taken()
    sitting.type("q")
    code = sitting.end()
    as_before = sitting.is_as_before
    sitting.close()

    assert (0, True) == (code, as_before)


async def test_quiet_lines_take_keys_too(sit: Any, vonage_call: VonageCaller) -> None:
    """With -q there is no block; what is asked stands under the lines while it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sitting = sit("serve", "-q", "--port", str(port))
    await asyncio.to_thread(sitting.until_keys_are_taken)
    calling = asyncio.create_task(vonage_call(f"ws://127.0.0.1:{port}/socket", audio="silence", duration_s=30))
    sitting.type("?")
    await asyncio.to_thread(sitting.until, "this help")
    lines: list[str] = []
    while not any("play to c1:" in line for line in lines):
        # Nothing says on a quiet terminal that a call is up.
        sitting.type("p")
        lines = await asyncio.to_thread(sitting.read, 0.2)
    sitting.type("nothing.wav\r")
    await asyncio.to_thread(sitting.until, "nothing.wav: no such file")
    sitting.type("h")
    report = await calling
    await asyncio.to_thread(sitting.until, "we closed it")
    sitting.type("q")

    assert ("hung up", 0) == (report.close_reason, await asyncio.to_thread(sitting.end))
    assert not [line for line in sitting.lines if "play to" in line or "this help" in line]
