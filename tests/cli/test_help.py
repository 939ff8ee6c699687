"""Help, version, and what they cost."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from vonage_sock import __version__
from vonage_sock.cli import COMMANDS, cli

HEAVY = ("numpy", "aiohttp", "websockets", "soundfile", "soxr", "rich", "asyncio", "jwt", "yaml", "jsonschema")


@pytest.mark.parametrize("arguments", ["--help", "--version"])
def test_help_imports_nothing_heavy(arguments: str) -> None:
    """--help and --version answer in about the time of a bare click program."""
    program = (
        "import sys\n"
        "from vonage_sock.cli import cli\n"
        f"try: cli([{arguments!r}])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "[]" == result.stdout.splitlines()[-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_s_help_has_examples(command: str) -> None:
    """Help shows how it is used."""
    result = CliRunner().invoke(cli, [command, "--help"], prog_name="vsock")

    assert 0 == result.exit_code
    assert f"  vsock {command}" in result.output


def test_the_list_of_commands_matches_the_commands() -> None:
    """Short helps stand in one place and say the same as the commands themselves."""
    for name, (module, short_help) in COMMANDS.items():
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None

        assert name == command.name
        assert module in (name, "live")
        assert short_help.endswith(".")


def test_the_version_is_the_package_s() -> None:
    """--version says it."""
    result = CliRunner().invoke(cli, ["--version"], prog_name="vsock")

    assert f"vsock, version {__version__}\n" == result.output
