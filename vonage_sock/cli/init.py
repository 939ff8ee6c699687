"""``vsock init``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from vonage_sock import __version__
from vonage_sock.cli.help import SectionedCommand
from vonage_sock.cli.printing import print_lines
from vonage_sock.display.safe import clean
from vonage_sock.templates import KINDS

LIST = "\n".join(f"  {kind:10}{line}" for kind, line in KINDS.items())
HELP = f"""Write a small project to begin with, to DIR (here, when left out).

It has a server in Python, tests that call it as Vonage would, a Makefile and a README. No file is replaced: where one is
there already, nothing is written.

\b
{LIST}
"""
EXAMPLES = """\b
Examples:
  vsock init                     list what there is
  vsock init echo my-echo        make my-echo, with an echo in it
  make -C my-echo test           call it as Vonage would
  vsock init bot                 make a bot here
"""


@click.command(cls=SectionedCommand, epilog=EXAMPLES, help=HELP)
@click.argument("kind", metavar=f"[{'|'.join(KINDS)}]", type=click.Choice(list(KINDS)), required=False)
@click.argument("directory", metavar="[DIR]", default=".")
def init(kind: str | None, directory: str) -> None:
    """Write a small project; without a kind, list them."""
    if kind is None:
        print_lines(["vsock init KIND [DIR] writes a small project to begin with:", *LIST.splitlines()])
        return
    from vonage_sock.templates import project  # noqa: PLC0415  (the list needs none of it)

    place = Path(directory)
    name = project.project_name(place, kind=kind)
    files = project.project_files(kind, name=name, version=__version__)
    project.write_project({**files, project.LOCAL_FILE: project.local_file()}, place)
    print_lines(_next_steps(kind, directory, files=[str(path) for path in files]))


def _next_steps(kind: str, directory: str, *, files: list[str]) -> list[str]:
    here = Path(directory) == Path()
    make = "make" if here else f"make -C {shlex.quote(directory)}"
    where = "here" if here else f"in {directory}"
    kind = f"An {kind}" if kind[0] in "aeio" else f"A {kind}"
    lines = [
        f"{kind} is {where}: {', '.join(files)}.",
        "Next:",
        f"  {make} test    # sets up .venv, then calls the server as Vonage would",
        f"  {make} run     # serves; in another terminal: {make} call",
    ]
    return [clean(line, 1000) for line in lines]
