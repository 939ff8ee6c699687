"""The container image, as far as it can be judged without an engine; scripts/wheel_check.py runs its installation."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest

import vonage_sock
from vonage_sock.account.journal import state_folder
from vonage_sock.cli import cli
from vonage_sock.protocol.redaction import is_secret_name

ROOT = Path(__file__).resolve().parents[2]


def statements() -> Iterator[tuple[str, str]]:
    """The Dockerfile's, in their order."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(None, text.splitlines()):
        word, _, rest = line.partition(" ")
        yield word, rest.strip()


def one(word: str) -> str:
    """The one statement of the last stage with this word."""
    (found,) = [rest for name, rest in statements() if name == word]
    return found


def test_the_image_is_small_and_runs_without_rights() -> None:
    """A stage with a compiler, and a slim one that installs nothing and ends as a user that isn't root."""
    words = list(statements())
    last = words[max(number for number, (word, _) in enumerate(words) if word == "FROM") :]

    assert ["python:3.13 AS build", "python:3.13-slim"] == [rest for word, rest in words if word == "FROM"]
    assert "pip" not in " ".join(rest for word, rest in last if word == "RUN")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", one("USER"))
    assert [word for word, _ in last].index("USER") < [word for word, _ in last].index("ENTRYPOINT")


def test_the_journal_of_vsock_dev_is_where_the_how_to_lets_it_be_kept() -> None:
    """A volume there is the user's own, whom the container runs as; who may not write there couldn't put anything back."""
    environment = dict(item.split("=", 1) for item in one("ENV").split())
    folder = state_folder(environment, Path(environment["HOME"]))
    manual = (ROOT / "docs" / "how-to" / "container.md").read_text()
    made = next(rest for _, rest in statements() if "--owner vsock" in rest).split()

    assert {str(folder.parents[1])} == set(re.findall(r"-v vsock-state:(\S+)", manual))
    assert str(folder.parents[1]) in made
    assert f"`{folder.parent}`" in manual


def test_no_secret_can_be_built_in() -> None:
    """Neither by an argument nor in the environment nor by a file; the engine is given only what is named."""
    names = re.findall(r"(\w+)=", " ".join(rest for word, rest in statements() if word in ("ARG", "ENV")))
    given = (ROOT / ".dockerignore").read_text().split("\n")
    copied = [rest for word, rest in statements() if word == "COPY" and not rest.startswith("--from")]
    sources = {name for line in copied for name in line.split()[:-1]}

    assert [] == [name for name in names if is_secret_name(name)]
    assert "*" == next(line for line in given if line and not line.startswith("#"))
    assert {line[1:] for line in given if line.startswith("!")} == sources
    assert all((ROOT / name).exists() for name in sources)


def test_what_it_starts_is_a_command_line_of_ours() -> None:
    """Its options exist, also those that the environment gives."""
    command, *arguments = json.loads(one("CMD"))
    # A command keeps the --help that it was first asked for, for all the tests to come.
    parent = click.Context(cli, **cli.context_settings)
    context = cli.get_command(parent, command).make_context(command, arguments, parent=parent)  # type: ignore[union-attr]

    assert (["vsock"], True) == (json.loads(one("ENTRYPOINT")), context.params["echo"])
    assert "VSOCK_HOST=0.0.0.0" in one("ENV").split()


async def test_its_health_check_tells_a_server_from_none() -> None:
    """The very command, against a server and after it."""
    _, *arguments = json.loads(one("HEALTHCHECK").partition("CMD ")[2])

    async def checked(port: int) -> int | None:
        environment = os.environ | {"VSOCK_PORT": str(port)}
        quiet = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
        check = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=environment, **quiet)
        return await check.wait()

    async with asyncio.timeout(30), vonage_sock.Server(behaviours=list, port=0) as server:
        port = urlsplit(server.addresses.answer_url).port or 0
        well = await checked(port)

    assert (0, 1) == (well, await checked(port))


@pytest.mark.parametrize(("runs", "wanted"), [("exit 1", 2), ("exit 0", 0)])
def test_make_image_builds_where_an_engine_is_and_else_says_so(runs: str, wanted: int, tmp_path: Path) -> None:
    """An engine that is installed and doesn't run is none."""
    for name in ("docker", "podman"):
        (tmp_path / name).write_text(f'#!/bin/sh\ncase $1 in info) {runs} ;; esac\necho "asked: $*"\n')
        (tmp_path / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    made = subprocess.run(
        ["make", "-s", "image"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert wanted == made.returncode
    assert ("asked: build --tag vsock .\n" in made.stdout) == (not wanted)
    assert ("no container engine runs here" in made.stderr) == bool(wanted)


def test_the_action_and_the_image_are_of_this_version() -> None:
    """What users are told to write into their workflows is there to be had."""
    shown = (ROOT / "README.md").read_text() + (ROOT / "docs" / "how-to" / "github.md").read_text()

    assert {vonage_sock.__version__} == set(re.findall(r"vsock@v(\S+)", shown))
