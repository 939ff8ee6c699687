"""Help, version, and what they cost."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from vonage_sock import __version__
from vonage_sock.cli import COMMANDS, SECTIONS, cli
from vonage_sock.cli.describe import describe

HEAVY = (
    "vonage_sock.display",
    "numpy",
    "aiohttp",
    "websockets",
    "soundfile",
    "soxr",
    "rich",
    "asyncio",
    "jwt",
    "yaml",
    "jsonschema",
)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """--help, --version and a bare vsock, which is shown the help, answer in about the time of a bare click program."""
    program = (
        "import sys\n"
        "from vonage_sock.cli import cli\n"
        f"try: cli({arguments!r})\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "[]" == result.stdout.splitlines()[-1]


def test_each_command_s_help_shows_examples_before_options() -> None:
    """Help shows first how it is used, also that of commands below commands."""
    for command in describe():
        result = CliRunner().invoke(cli, [*command.path, "--help"], prog_name="vsock")
        before, _, after = result.output.partition(f"\n{next(iter(command.sections))}:\n")

        assert 0 == result.exit_code
        assert f"\n  {command.name}" in before.partition("\n\nExamples:")[2]
        assert "-h, --help" in after
        # A command line may be as long as it must be; what is said beside one may not.
        assert [] == [line for line in command.examples if len(line) > 78 and "  " in line]


def test_examples_are_shown_as_they_stand_however_narrow_the_terminal_is() -> None:
    """A command line that was wrapped couldn't be copied."""
    result = CliRunner().invoke(cli, ["serve", "--help"], prog_name="vsock", terminal_width=40)

    assert "\n  vsock serve --play menu.wav --on-dtmf 1=sales.mp3 --barge-in\n" in result.output


def test_the_list_of_commands_matches_the_commands() -> None:
    """Short helps stand in one place and say the same as the commands themselves."""
    for name, (module, short_help) in COMMANDS.items():
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None

        assert name == command.name
        assert module in (name, "live")
        assert short_help.endswith(".")


def test_each_command_is_found_in_a_line_of_its_own_at_80_columns() -> None:
    """Under a title, in columns that are the same in all sections, so that 25 commands can be read at a glance."""
    lines = CliRunner().invoke(cli, ["--help"], prog_name="vsock", terminal_width=80).output.splitlines()
    widest = max(map(len, COMMANDS))

    assert [] == [line for line in lines if len(line) > 80]
    for title, commands in SECTIONS.items():
        listed = [f"  {name:<{widest}}  {told}" for name, (_, told) in commands.items()]
        start = lines.index(f"{title}:") + 1
        assert listed == lines[start : start + len(listed)]


def test_the_version_is_the_package_s() -> None:
    """--version says it."""
    result = CliRunner().invoke(cli, ["--version"], prog_name="vsock")

    assert f"vsock, version {__version__}\n" == result.output
