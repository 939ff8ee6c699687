"""``vsock init``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vonage_sock.cli import cli
from vonage_sock.templates import KINDS


def vsock_of(*arguments: object) -> Result:
    """Run ``vsock`` within this process."""
    return CliRunner().invoke(cli, list(map(str, arguments)), prog_name="vsock")


def test_init_alone_lists_what_there_is() -> None:
    """A line each."""
    result = vsock_of("init")

    assert 0 == result.exit_code
    assert list(KINDS) == [line.split()[0] for line in result.output.splitlines()[1:]]


def test_the_next_steps_are_two_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they can be pasted, from where one is; a second time nothing is written, and all that is there is listed."""
    monkeypatch.chdir(tmp_path)
    results = [vsock_of("init", "echo", "my echo"), vsock_of("init", "bot", "my echo")]
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    results.append(vsock_of("init", "ivr"))

    assert [0, 2, 0] == [result.exit_code for result in results]
    assert "make -C 'my echo' test " in results[0].output
    assert "make -C 'my echo' run " in results[0].output
    assert "Makefile" in results[1].output
    assert "server.py" in results[1].output
    assert "  make test " in results[2].output
    assert ["here", "my echo"] == sorted(path.name for path in tmp_path.iterdir())
    assert Path("prompts.py").exists()


def test_an_unknown_kind_is_told_which_there_are() -> None:
    """With the code for usage."""
    result = vsock_of("init", "parrot")

    assert 2 == result.exit_code
    assert all(kind in result.output for kind in KINDS)


def test_what_a_directory_is_called_is_harmless_on_the_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with an escape sequence in it."""
    monkeypatch.chdir(tmp_path)

    assert "\x1b" not in vsock_of("init", "echo", "a\x1b[31mb").output
