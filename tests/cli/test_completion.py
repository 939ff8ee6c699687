"""Shell completion: real shells, where they are, are given real Tabs; and what they are told is what click knows."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from vonage_sock.cli import cli, completion, describe
from vonage_sock.cli.completion_scripts import SCRIPTS

WAIT_S = 8
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "--interactive"],
}
HERE = [name for name in SHELLS if shutil.which(name)]
PREPARE = {
    "bash": "PS1='ready> '; source {script}",
    "zsh": "PS1='ready> '; autoload -Uz compinit; compinit -u -D; source {script}",
    "fish": "function fish_prompt; echo -n 'ready> '; end; source {script}",
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The three scripts as files."""
    folder = tmp_path_factory.mktemp("scripts")
    commands = describe.describe()
    for name, write in SCRIPTS.items():
        (folder / name).write_text(write(commands))
    return {name: folder / name for name in SCRIPTS}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to complete files in, with a program of the name vsock that says that it was started."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "wave of mine.wav").touch()
    (folder / "recordings").mkdir()
    program = tmp_path / "bin" / "vsock"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.chdir(folder)
    return folder


class Typist:
    """Somebody at a shell."""

    def __init__(self, arguments: list[str]) -> None:
        self.pid, self._terminal = pty.fork()
        if not self.pid:
            os.execvp(arguments[0], arguments)
        self._seen = ""

    def types(self, keys: str) -> None:
        """Without Return."""
        os.write(self._terminal, keys.encode())

    def until(self, wanted: str) -> str:
        """
        What is on the terminal once this has come; it is read once.

        Raises:
            AssertionError: it didn't come.
        """
        until = time.monotonic() + WAIT_S
        while not (found := re.search(wanted, self._seen)):
            ready = select.select([self._terminal], [], [], max(0, until - time.monotonic()))[0]
            assert ready, f"no {wanted!r} in {self._seen!r}"
            self._seen += os.read(self._terminal, 4096).decode(errors="replace")
        seen, self._seen = self._seen[: found.end()], self._seen[found.end() :]
        return seen

    def leaves(self) -> None:
        """The terminal is gone, and the shell with it."""
        os.close(self._terminal)
        os.waitpid(self.pid, 0)


@pytest.fixture
def typist(files: Path) -> Iterator[Callable[[str, Path], Typist]]:
    """Start a shell that has read its script."""
    started: list[Typist] = []

    def start(name: str, script: Path) -> Typist:
        shell = Typist(SHELLS[name])
        started.append(shell)
        shell.types(PREPARE[name].format(script=script) + "\n")
        shell.until("ready> .*ready> |ready> ")
        return shell

    yield start
    for shell in started:
        shell.leaves()


@pytest.mark.parametrize("name", HERE)
def test_a_tab_completes_commands_options_words_and_files_and_starts_nothing(
    name: str, scripts: dict[str, Path], typist: Callable[[str, Path], Typist], tmp_path: Path
) -> None:
    """In the shell itself, at a terminal; a file with spaces is quoted, and vsock isn't run."""
    shell = typist(name, scripts[name])
    for keys, wanted in {
        "vsock scen\t": "vsock scenario",
        "sch\t": "schema",
        "\x15vsock play --then ec\t": "--then echo",
        "\x15vsock record wav\t": r"wave(\\ | )of(\\ | )mine\.wav",
        "\x15vsock play --on-dtmf 1=wav\t": r"1=.?wave(\\ | )of(\\ | )mine\.wav",
        "\x15vsock serve --ech\t": "--echo",
    }.items():
        shell.types(keys)
        shell.until(wanted)

    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("vsock | se", "serve"),
        ("vsock --debug | li", "limits lint"),
        ("vsock scenario | ", "check init schema"),
        ("vsock scenario --he", "--help"),
        ("vsock serve --the", "--then"),
        ("vsock serve --then | ", "hangup echo stay"),
        ("vsock serve --then | = | ec", "echo"),
        ("vsock serve --rate | =", "8000 16000 24000"),
        ("vsock serve --port | ", ""),
        ("vsock serve | ", ""),
        ("vsock record | wav", "wave of mine.wav"),
        ("vsock play --echo | wav", "wave of mine.wav"),
        ("vsock call --record-dir | ", "recordings"),
        ("vsock play --on-dtmf | 1", ""),
        ("vsock play --on-dtmf | 1 | = | wav", "wave of mine.wav"),
        ("vsock play --on-dtmf | = | 1 | = | wav", "wave of mine.wav"),
        ("vsock serve --ncco | = | re", "recordings"),
        ("vsock play serve | --hang", "--hangover --hangup"),
        ("vsock completion | z", "zsh"),
    ],
)
def test_bash_is_told_what_may_stand_there(words: str, wanted: str, scripts: dict[str, Path], files: Path) -> None:
    """Each word as bash divides them; the last is the one that the Tab completes."""
    given = [word for part in words.split(" | ") for word in (part.split() or [""])]
    quoted = " ".join(f"'{word}'" for word in given)
    program = f"source {scripts['bash']}; COMP_WORDS=({quoted}); COMP_CWORD={len(given) - 1}; _vsock"
    program += '; echo "${COMPREPLY[*]}"'
    told = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)

    assert (wanted, "") == (told.stdout.rstrip("\n"), told.stderr)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_holds_all_that_click_would_complete(shell: str, scripts: dict[str, Path]) -> None:
    """Every command, option and choice, as click's own completion lists them; in whatever shell is on this machine."""
    script = scripts[shell].read_text()
    click_s = ShellComplete(cli, {}, "vsock", "_VSOCK_COMPLETE")
    wanted = set()
    for command in describe.describe():
        wanted |= {item.value for item in click_s.get_completions(list(command.path), "--")}
        for option in command.options:
            if option.values.kind == "words":
                wanted |= {item.value for item in click_s.get_completions([*command.path, option.names[0]], "")}
    names = {name.removeprefix("--") if shell == "fish" else name for name in wanted}

    assert 80 < len(names)
    assert [] == [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", script)]
    assert not re.search("@[A-Z]+@", script)


@pytest.mark.parametrize("name", HERE)
def test_the_shell_finds_no_fault_with_its_script(name: str, scripts: dict[str, Path]) -> None:
    """Its own check of the grammar is content."""
    checked = subprocess.run([name, "-n", str(scripts[name])], capture_output=True, text=True, check=False)

    assert (0, "", "") == (checked.returncode, checked.stdout, checked.stderr)


def test_a_script_is_kept_and_given_again_without_loading_the_commands(tmp_path: Path) -> None:
    """A shell that asks at each start waits only once; and nobody else can write what it is given."""
    program = (
        "import sys; from vonage_sock.cli import cli; cli(['completion', 'bash'], standalone_mode=False); "
        "print('vonage_sock.cli.describe' in sys.modules, file=sys.stderr)"
    )
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    runs = [
        subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    (kept,) = (tmp_path / "vsock").iterdir()

    assert ["True\n", "False\n"] == [run.stderr for run in runs]
    assert runs[0].stdout == runs[1].stdout == kept.read_text()
    assert (0o700, 0o600) == (kept.parent.stat().st_mode & 0o777, kept.stat().st_mode & 0o777)


def test_a_script_that_cannot_be_kept_is_printed_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is a file, or what is in it is no text."""
    (tmp_path / "vsock").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = CliRunner().invoke(cli, ["completion", "fish"], prog_name="vsock")

    assert (0, "# Completion of vsock") == (result.exit_code, result.output[:21])


def test_a_script_of_another_version_is_not_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made from other sources is written anew, and removed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    old = tmp_path / "vsock" / "completion-0123456789abcdef.zsh"
    old.parent.mkdir()
    old.write_text("of old")

    assert completion.script_for("zsh").startswith("#compdef vsock\n")
    assert not old.exists()
    assert 1 == len(list(old.parent.iterdir()))
