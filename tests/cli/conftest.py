"""Running vsock as its users do: as a program of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WAIT_S = 20


@dataclass
class Program:
    """A running ``vsock``, read line by line."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    async def line(self) -> str:
        """The next line of its stdout; empty at the end."""
        assert self.process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            text = (await self.process.stdout.readline()).decode()
        self.lines.append(text)
        return text

    async def event(self, name: str) -> dict[str, Any]:
        """The next JSON line of this name."""
        while text := await self.line():
            event: dict[str, Any] = json.loads(text)
            if event["event"] == name:
                return event
        raise AssertionError(f"no {name} in {self.lines}")

    async def text(self, part: str) -> str:
        """The next line that holds this."""
        while text := await self.line():
            if part in text:
                return text
        raise AssertionError(f"no {part!r} in {self.lines}")

    async def end(self) -> tuple[int, str, str]:
        """Exit code, the rest of stdout, and stderr."""
        async with asyncio.timeout(WAIT_S):
            stdout, stderr = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, "".join(self.lines) + (stdout or b"").decode(), stderr.decode()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)


Vsock = Callable[..., Awaitable[Program]]


@pytest.fixture
async def vsock(tmp_path: Path) -> AsyncIterator[Vsock]:
    """Start ``vsock`` with these arguments in a directory of its own; what still runs at the end is killed."""
    running: list[Program] = []
    environment = {key: value for key, value in os.environ.items() if not key.startswith("VSOCK_")}
    environment |= {"VSOCK_NGROK_API": "http://127.0.0.1:9", "PYTHONUNBUFFERED": "1"}

    async def start(
        *args: object, stdin: bytes | None = None, stdout: int = asyncio.subprocess.PIPE, **env: str
    ) -> Program:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "vonage_sock",
            *map(str, args),
            cwd=tmp_path,
            env=environment | env,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        if stdin is not None:
            assert process.stdin is not None
            process.stdin.write(stdin)
            process.stdin.close()
        program = Program(process)
        running.append(program)
        return program

    yield start
    for program in running:
        if program.process.returncode is None:
            program.process.kill()
        await program.process.communicate()


@pytest.fixture
def full_disk() -> Iterator[int]:
    """Where every write fails for want of space."""
    fd = os.open("/dev/full", os.O_WRONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """One second of 16 kHz noise whose frames are all different."""
    path = tmp_path / "speech.wav"
    samples = np.random.default_rng(1).integers(-9000, 9000, 16000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    return path


def pcm_of(path: Path) -> bytes:
    """The audio in a WAV file, read by Python's own reader."""
    with wave.open(str(path)) as file:
        return file.readframes(file.getnframes())


def heard_in(path: Path, frame_bytes: int = 640) -> bytes:
    """What was heard, without the steps of 20 ms in which nothing was: a busy machine may have put some in between."""
    pcm = pcm_of(path)
    frames = (pcm[at : at + frame_bytes] for at in range(0, len(pcm), frame_bytes))
    return b"".join(frame for frame in frames if any(frame))
