"""``vsock dial``: a call that is placed, connected to our socket, and ended, through the simulated platform over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.cli.conftest import Program, Vsock
from tests.control.fakes import APPLICATION, private_key
from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import FramesSource, Source
from vonage_sock.cli import cli
from vonage_sock.testing import VoiceApi, VonageCaller

NUMBER = "447700900001"
WAIT_S = 30


@pytest.fixture
def key() -> str:
    """The application's."""
    return private_key()


def _speech(seconds: float) -> object:
    """Noise whose frames all differ."""

    def opened(audio_format: AudioFormat) -> Source:
        rng = np.random.default_rng(7)
        size = audio_format.frame_bytes // 2
        frames = [rng.integers(-9000, 9000, size).astype("<i2").tobytes() for _ in range(round(seconds * 50))]
        return FramesSource("noise", iter(frames), len(frames))

    return opened


class Platform:
    """The simulated platform, and ``vsock dial`` against it."""

    def __init__(self, api: VoiceApi, vsock: Vsock, folder: Path, key: str) -> None:
        self.api = api
        self._vsock = vsock
        self._folder = folder
        self._key = key

    @property
    def options(self) -> list[str]:
        """Where the platform is."""
        return ["--api-host", self.api.host, "--ca", str(self._folder / "cert.pem"), "--port", "0"]

    async def dial(self, *args: str) -> Program:
        """Start it."""
        return await self._vsock(
            "dial", NUMBER, *args, *self.options, VONAGE_APPLICATION_ID=APPLICATION, VONAGE_PRIVATE_KEY=self._key
        )

    @property
    def asked(self) -> list[tuple[str, int, str]]:
        """What came to the REST API."""
        return [(request.method, request.status, request.detail) for request in self.api.requests]


@contextlib.asynccontextmanager
async def platform(
    vsock: Vsock, folder: Path, key: str, *, seconds: float = 0.5, **order: object
) -> AsyncIterator[Platform]:
    """One whose callee says something for so long."""
    async with (
        asyncio.timeout(WAIT_S),
        VonageCaller().api(
            public_key=key.encode(),
            application_id=APPLICATION,
            tls=folder / "cert.pem",
            audio=_speech(seconds),
            **order,
        ) as api,
    ):
        yield Platform(api, vsock, folder, key)


async def test_whoever_answers_hears_himself(vsock: Vsock, tmp_path: Path, key: str) -> None:
    """The call is ordered, its NCCO fetched, our socket connected and every frame echoed; the exit code is 0."""
    async with platform(vsock, tmp_path, key) as tried:
        program = await tried.dial("--echo", "--yes", "--from", "+44 20 7946 0000")
        code, out, err = await program.end()
        await tried.api.idle()
        report = tried.api.calls[0]

    assert (0, "") == (code, err)
    assert len(report.said_pcm) >= 16_000
    assert report.said_pcm.strip(b"\0")[:8000] in report.heard_pcm
    assert ("POST", 201, f"calls {NUMBER}") == tried.asked[0]
    told = [line.split("notice")[1].strip() for line in out.splitlines() if " notice " in line]
    course = told[[text.startswith(f"calling {NUMBER} (call ") for text in told].index(True) + 1 :]
    assert ["it rings", "our socket is connected to the call"] == [course[0], course[2]]
    assert course[1].startswith("answered after ")
    assert course[3].startswith("the call is over, it lasted ")
    assert "from 442079460000" in out


async def test_ctrl_c_hangs_up(vsock: Vsock, tmp_path: Path, key: str) -> None:
    """The call is ended by the API, whole, before the program ends."""
    async with platform(vsock, tmp_path, key, seconds=60) as tried:
        program = await tried.dial("--echo", "--yes")
        await program.text("our socket is connected")
        program.interrupt()
        code, out, _ = await program.end()
        await tried.api.idle()

    assert (0, ("PUT", 204, "hangup")) == (code, tried.asked[1])
    assert "the call is over" in out
    assert "we hung up" in out


async def test_nobody_answers(vsock: Vsock, tmp_path: Path, key: str) -> None:
    """The cause is said in words, and the exit code is 7."""
    async with platform(vsock, tmp_path, key, connect_outcomes=("unanswered",), fast=True) as tried:
        code, out, _ = await (await tried.dial("--yes")).end()

    assert 7 == code
    assert "nobody answered: it rang until its time was up" in out


async def test_nobody_is_called_where_the_public_address_leads_elsewhere(
    vsock: Vsock, tmp_path: Path, key: str
) -> None:
    """Whoever answered would hear nothing, and it costs money; --no-check calls all the same."""
    nowhere = ["--yes", "--url", "http://127.0.0.1:9"]
    async with platform(vsock, tmp_path, key, fast=True) as tried:
        tried_first, unchecked = await asyncio.gather(tried.dial(*nowhere), tried.dial(*nowhere, "--no-check"))
        await unchecked.text(f"calling {NUMBER}")
        unchecked.interrupt()
        await unchecked.end()
        code, _, err = await tried_first.end()

    assert (7, [("POST", 201, f"calls {NUMBER}")]) == (code, [asked for asked in tried.asked if asked[0] == "POST"])
    assert "calls won't get here through http://127.0.0.1:9: " in err
    assert "; nobody was called (--no-check calls all the same)" in err


async def test_an_order_that_is_refused(vsock: Vsock, tmp_path: Path, key: str) -> None:
    """One sentence with the credential that isn't taken, and the server ends."""
    async with platform(vsock, tmp_path, private_key("another")) as tried:
        tried._key = key
        code, out, err = await (await tried.dial("--yes")).end()

    assert 2 == code
    assert f"the token of application {APPLICATION} (VONAGE_APPLICATION_ID)" in err
    assert "stopped" in out
    assert 1 == len(err.splitlines())


def test_a_call_is_not_placed_without_a_yes(key: str) -> None:
    """It costs money: where there is nobody to ask, --yes must be given."""
    ended = dial_here(key, NUMBER, "--echo")

    assert 2 == ended.exit_code
    assert "a call costs money, and there is no terminal to ask at; give --yes" in ended.stderr


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of one: a person's, and a program's."""
    ours, theirs = os.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


async def test_a_person_who_says_no(key: str, terminal: tuple[int, int]) -> None:
    """Nobody is called, and nothing is started."""
    os.write(terminal[0], b"n\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vonage_sock", "dial", NUMBER, "--api-host", "127.0.0.1:9",
        env={**os.environ, "VONAGE_APPLICATION_ID": APPLICATION, "VONAGE_PRIVATE_KEY": key},
        stdin=terminal[1], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()

    assert (1, b"") == (process.returncode, out)
    assert f"Call {NUMBER} from one of the application's numbers? It costs money. [y/N]" in err.decode()


async def test_vonage_must_be_able_to_reach_us(vsock: Vsock, key: str) -> None:
    """Without a public address nothing is ordered: whoever answered would hear nothing."""
    program = await vsock(
        "dial", NUMBER, "--yes", "--port", "0", VONAGE_APPLICATION_ID=APPLICATION, VONAGE_PRIVATE_KEY=key
    )
    code, _, err = await program.end()

    assert 2 == code
    assert "Vonage can't reach this machine at http://127.0.0.1:" in err


@pytest.mark.parametrize("args", [["0770"], [NUMBER, "--from", "me"]])
def test_numbers_are_checked_first(key: str, args: list[str]) -> None:
    """What is no number is refused before a server is started."""
    ended = dial_here(key, *args, "--yes")

    assert 2 == ended.exit_code
    assert "isn't a number with its country's code" in ended.stderr


def dial_here(key: str, *args: str) -> Result:
    """Where it is refused before anything starts."""
    env = {"VONAGE_APPLICATION_ID": APPLICATION, "VONAGE_PRIVATE_KEY": key}
    return CliRunner().invoke(cli, ["dial", *args], env=env)
