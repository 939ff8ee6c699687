"""Manual pages: one for each command, that every reader of them takes without a warning."""

from __future__ import annotations

import importlib
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from vonage_sock.cli.describe import describe

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
READERS = {"mandoc": ["mandoc", "-T", "lint", "-W", "warning"], "groff": ["groff", "-ww", "-man", "-Tutf8", "-z"]}


@pytest.fixture
def man(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("man")


@pytest.fixture
def pages(man: ModuleType, tmp_path: Path) -> list[Path]:
    """All of them."""
    written: list[Path] = man.write(tmp_path)
    return written


def test_each_command_has_a_page_with_all_that_its_help_says(pages: list[Path]) -> None:
    """Also the commands below commands; examples come before options."""
    commands = describe()

    assert [path.stem for path in pages] == [command.name.replace(" ", "-") for command in commands]
    for command, path in zip(commands, pages, strict=True):
        plain = path.read_text().replace("\\-", "-")
        assert [] == [name for option in command.options for name in option.names if f"\\fB{name}\\fR" not in plain]
        assert plain.index(".SH EXAMPLES\n") < plain.index(".SH OPTIONS\n")


@pytest.mark.parametrize("reader", ["grammar", *(name for name in READERS if shutil.which(name))])
def test_no_page_is_warned_of(reader: str, pages: list[Path]) -> None:
    """By mandoc and groff, where they are; and by what both ask of a page, which is checked anywhere."""
    warned = ""
    if reader in READERS:
        told = subprocess.run([*READERS[reader], *pages], capture_output=True, text=True, check=False)
        warned = told.stdout + told.stderr
    macros = {
        line.split()[0] for path in pages for line in path.read_text().splitlines() if line.startswith((".", "'"))
    }

    assert "" == warned
    assert {".TH", ".SH", ".SS", ".TP", ".PP", ".nf", ".fi"} == macros
    assert all(set(path.read_bytes()) <= {ord("\n"), *range(32, 127)} for path in pages)


def test_text_is_never_taken_for_a_macro(man: ModuleType) -> None:
    """Whatever a help says: dots, quotes, backslashes and letters beyond ASCII."""
    assert "\\&.TH \\(dqx\\(dq \\en \\- \\[u2026]" == man._escaped('.TH "x" \\n - …')
    assert "\\&'quoted'" == man._escaped("'quoted'")


def test_two_builds_are_dated_the_same(man: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """By SOURCE_DATE_EPOCH, else as hatchling dates the archive's files."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    unsaid = man._date()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1780000000")

    assert ("2020-02-02", "2026-05-28") == (unsaid, man._date())
