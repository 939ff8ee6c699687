"""``vsock scenario``."""

from __future__ import annotations

import shlex
from importlib import resources
from pathlib import Path

import click

from vonage_sock.cli import say_error
from vonage_sock.cli.help import Group, SectionedCommand
from vonage_sock.cli.printing import print_lines
from vonage_sock.display.safe import clean
from vonage_sock.errors import ExitCode, UsageError, VsockError

FILE = "scenario.yaml"

EXAMPLES = """\b
Examples:
  vsock scenario init menu.yaml
  vsock scenario check menu.yaml
  vsock call http://127.0.0.1:8000/webhooks/answer --scenario menu.yaml
"""
INIT_EXAMPLES = """\b
Examples:
  vsock scenario init              scenario.yaml
  vsock scenario init menu.yaml    … or another name
"""
CHECK_EXAMPLES = """\b
Examples:
  vsock scenario check menu.yaml
  vsock scenario check scenarios/*.yaml
"""
SCHEMA_EXAMPLES = """\b
Examples:
  vsock scenario schema > scenario.schema.json
"""


@click.group(cls=Group, epilog=EXAMPLES)
def scenario() -> None:
    """Write, check and describe the files of vsock call --scenario.

    A scenario is a YAML file: what the caller does in a call, step by step, and what is expected of the server.
    """


@scenario.command(cls=SectionedCommand, short_help="Write an example with all there is.", epilog=INIT_EXAMPLES)
@click.argument("path", metavar="[FILE]", default=FILE)
def init(path: str) -> None:
    """Write an example, with all there is in its comments, to FILE (scenario.yaml). No file is replaced."""
    text = (resources.files("vonage_sock") / "data" / FILE).read_text()
    file = Path(path)
    try:
        with file.open("x") as opened:
            opened.write(text.replace("--scenario FILE", f"--scenario {clean(shlex.quote(file.name))}"))
    except FileExistsError as error:
        raise UsageError(f"{path} is there already, and isn't replaced; name another file") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}; name another file") from error
    quoted = clean(shlex.quote(path))
    print_lines(
        [
            f"{clean(path)} is written. Next:",
            f"  vsock call vsock:echo --scenario {quoted}",
            "or, with a server in another terminal (vsock serve --echo, or your own):",
            f"  vsock call http://127.0.0.1:8000/webhooks/answer --scenario {quoted}",
        ]
    )


@scenario.command(cls=SectionedCommand, short_help="Check files without a call.", epilog=CHECK_EXAMPLES)
@click.argument("paths", metavar="FILE...", nargs=-1, required=True)
@click.pass_context
def check(ctx: click.Context, paths: tuple[str, ...]) -> None:
    """Check files without a call: their words, their values, and the audio that they name."""
    from vonage_sock.display.wording import counted  # noqa: PLC0415  (as below)
    from vonage_sock.simulator.scenario.reading import load  # noqa: PLC0415  (init and schema need no YAML)
    from vonage_sock.simulator.scenario.voices import load_voices  # noqa: PLC0415

    codes = []
    for path in paths:
        try:
            read = load(Path(path))
            load_voices(read, (8000,))
        except VsockError as error:
            codes.append(error.exit_code)
            say_error(str(error))
        else:
            steps = counted(len(read.steps), "step")
            print_lines(
                [f"{clean(path)}: {clean(read.name)}, {steps}, {counted(len(read.expectations), 'expectation')}"]
            )
    ctx.exit(codes[0] if codes else ExitCode.OK)


@scenario.command(cls=SectionedCommand, short_help="Print the JSON Schema, for editors.", epilog=SCHEMA_EXAMPLES)
def schema() -> None:
    """Print the JSON Schema, for editors; the example's first line names its file."""
    text = (resources.files("vonage_sock") / "data" / "scenario.schema.json").read_text()
    print_lines(text.splitlines())
