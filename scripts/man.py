"""
Writes manual pages, one for each command, from the commands themselves.

    python scripts/man.py FOLDER        vsock.1, vsock-serve.1 … into it; then: man -l FOLDER/vsock.1

The source distribution holds them, as man/: hatchling makes it through the ``CustomBuildHook`` of this file.
"""

from __future__ import annotations

import os
import sys
import tempfile
import textwrap
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT: Final = Path(__file__).resolve().parent.parent
# Where a distribution is built, the package isn't installed.
sys.path.insert(0, str(ROOT))

from vonage_sock import __version__  # noqa: E402
from vonage_sock.cli.describe import Described, Parameter, describe  # noqa: E402
from vonage_sock.errors import ExitCode  # noqa: E402

LINE: Final = 72
HATCHLING_S: Final = 1_580_601_600
"""When hatchling says that files were written where nobody says it, in seconds."""

VARIABLES: Final = (
    "Each option may also stand in the environment, as VSOCK_ and its long name; the command line comes first."
)


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling calls when it makes a source distribution."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the pages, and have them packed."""
        self._folder = tempfile.TemporaryDirectory(prefix="vsock-man-")
        for path in write(Path(self._folder.name)):
            build_data["force_include"][str(path)] = f"man/{path.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """They are packed."""
        self._folder.cleanup()


def write(folder: Path) -> list[Path]:
    """Write all pages into a folder that exists; their paths."""
    written = []
    commands = describe()
    for command in commands:
        path = folder / f"{page_name(command)}.1"
        path.write_text(page(command, command.below(commands)), encoding="ascii")
        written.append(path)
    return written


def page_name(command: Described) -> str:
    """As ``man`` finds it."""
    return "-".join(("vsock", *command.path))


def page(command: Described, below: list[Described]) -> str:
    """A manual page in the man macros, in ASCII."""
    title = page_name(command).upper()
    words = " ".join(f"\\fI{_escaped(word)}\\fR" for word in command.usage)
    parts = [
        f'.TH "{_escaped(title)}" "1" "{_date()}" "vsock {__version__}" "vsock"',
        f".SH NAME\n{_escaped(page_name(command))} \\- {_escaped(command.summary.rstrip('.'))}",
        f".SH SYNOPSIS\n\\fB{_escaped(command.name)}\\fR {words}",
        _section("DESCRIPTION", command.paragraphs),
        "\n".join([".SH EXAMPLES", ".nf", *map(_escaped, command.examples), ".fi"]) if command.examples else "",
        *_options(command),
        *_commands(below),
        _section("ENVIRONMENT", [VARIABLES]) if any(option.variables for option in command.options) else "",
        _exit_codes() if not command.path else "",
        _see_also(command),
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _options(command: Described) -> list[str]:
    titles = list(command.sections)
    parts = [".SH OPTIONS"] if titles else []
    for title, options in command.sections.items():
        parts += [f'.SS "{_escaped(title)}"'] if len(titles) > 1 else []
        parts += [_option(option) for option in options]
    return parts


def _commands(below: list[Described]) -> list[str]:
    parts = [".SH COMMANDS"] if below else []
    for heading, commands in groupby(below, key=lambda command: command.heading):
        parts += [f'.SS "{_escaped(heading)}"'] if heading else []
        parts += [f".TP\n\\fB{_escaped(page_name(other))}\\fR(1)\n{_text(other.summary)}" for other in commands]
    return parts


def _option(option: Parameter) -> str:
    value = f" \\fI{_escaped(option.metavar)}\\fR" if option.metavar else ""
    names = ", ".join(f"\\fB{_escaped(name)}\\fR" for name in option.names)
    return f".TP\n{names}{value}\n{_text(option.help)}"


def _exit_codes() -> str:
    return "\n".join([".SH EXIT STATUS", *(f".TP\n\\fB{code.value}\\fR\n{_text(code.meaning)}" for code in ExitCode)])


def _see_also(command: Described) -> str:
    above = "-".join(["vsock", *command.path][:-1])
    return f".SH SEE ALSO\n\\fB{_escaped(above)}\\fR(1)" if above else ""


def _section(title: str, paragraphs: Iterable[str]) -> str:
    return f".SH {title}\n" + "\n.PP\n".join(map(_text, paragraphs))


def _text(text: str) -> str:
    """A paragraph in lines that people can read, too."""
    return "\n".join(map(_escaped, textwrap.wrap(text, LINE, break_on_hyphens=False)))


def _escaped(line: str) -> str:
    """A line that no macro or escape is read from."""
    line = line.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    line = "".join(ch if ch.isascii() else f"\\[u{ord(ch):04X}]" for ch in line)
    return f"\\&{line}" if line.startswith((".", "'")) else line


def _date() -> str:
    """That of the archive's files, which is the same in two builds (reproducible-builds.org)."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(seconds) if seconds.isdigit() else HATCHLING_S, UTC).strftime("%Y-%m-%d")


def main() -> int:
    """Write; the exit code."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
