"""
``vsock completion``.

To write a script every command is loaded, which takes about a second; a shell that asks at each start shouldn't wait for it.
So the script is kept in the user's cache, by what it was made from.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

import click

from vonage_sock import __version__
from vonage_sock.cli.help import SectionedCommand
from vonage_sock.cli.printing import print_lines

EXAMPLES = """\b
Examples:
  vsock completion bash > ~/.local/share/bash-completion/completions/vsock
  vsock completion zsh > ~/.zfunc/_vsock            a folder of $fpath
  vsock completion fish > ~/.config/fish/completions/vsock.fish
  eval "$(vsock completion bash)"                   … for this shell only
"""
SHELLS = ("bash", "zsh", "fish")


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@click.argument("shell", type=click.Choice(SHELLS), metavar="bash|zsh|fish")
def completion(shell: str) -> None:
    """Print a script that completes commands, options, their values and files in bash, zsh or fish.

    It holds all there is to complete, so that a Tab starts no program; write it anew when vsock has been upgraded.
    """
    print_lines(script_for(shell).splitlines())


def script_for(shell: str) -> str:
    """The script, from the cache if it is there; nothing but the wait depends on whether it can be kept."""
    kept = cache_directory() / f"completion-{_made_from()}.{shell}"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return kept.read_text(encoding="utf-8")
    from vonage_sock.cli.completion_scripts import SCRIPTS  # noqa: PLC0415  (it loads every command)
    from vonage_sock.cli.describe import describe  # noqa: PLC0415

    script = SCRIPTS[shell](describe())
    with contextlib.suppress(OSError):
        _keep(kept, script)
    return script


def cache_directory() -> Path:
    """Where programs of this user keep what can be made again (XDG Base Directory Specification)."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if given.startswith("/") else Path("~/.cache").expanduser()
    return base / "vsock"


def _keep(path: Path, script: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Another shell that starts meanwhile must not read half of it.
    number, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        os.close(number)
        Path(name).write_text(script, encoding="utf-8")
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    for old in path.parent.glob(f"completion-*{path.suffix}"):
        if old != path:
            old.unlink(missing_ok=True)


def _made_from() -> str:
    """Names the version, the interpreter and the sources that the script was made from."""
    parts = [__version__, sys.version, click.__file__ or ""]
    package = Path(__file__).parent.parent
    for path in sorted([*package.glob("cli/*.py"), *package.glob("call/findings/*.py"), package / "limits.py"]):
        about = path.stat()
        parts.append(f"{path} {about.st_mtime_ns} {about.st_size}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
