"""``vsock init``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from vonage_sock import __version__
from vonage_sock.cli.printing import print_lines
from vonage_sock.display.safe import clean
from vonage_sock.templates import KINDS

LIST = "\n".join(f"  {kind:10}{line}" for kind, line in KINDS.items())
EXAMPLES = """\b
Examples:
  vsock init                     list what there is
  vsock init echo my-echo        make my-echo, with an echo in it
  make -C my-echo test           call it as Vonage would
  vsock init bot                 make a bot's project here
"""


@click.command(epilog=EXAMPLES, help=f"""Write a small project to begin with, to DIR (here, when left out).

    It has a server in Python, tests that call it as Vonage would, a scenario, a Makefile and a README. No file is replaced:
    where one is there already, nothing is written.

    \b
{LIST}
    """)
@click.argument("kind", metavar=f"[{'|'.join(KINDS)}]", type=click.Choice(list(KINDS)), required=False)
@click.argument("directory", metavar="[DIR]", default=".")
def init(kind: str | None, directory: str) -> None:
    if kind is None:
        print_lines(["vsock init KIND [DIR] writes a small project to begin with:", *LIST.splitlines()])
        return
    from vonage_sock.templates import project  # noqa: PLC0415  (the list needs none of it)

    place = Path(directory)
    name = project.project_name(place.absolute() if directory != "." else Path.cwd(), kind=kind)
    files = {
        **project.project_files(kind, name=name, version=__version__),
        project.LOCAL_FILE: project.local_file(),
    }
    project.write_project(files, place)
    print_lines(_next_steps(kind, directory, [str(path) for path in files if path != project.LOCAL_FILE]))


def _next_steps(kind: str, directory: str, files: list[str]) -> list[str]:
    make = "make" if Path(directory) == Path() else f"make -C {clean(shlex.quote(directory))}"
    article = "an" if kind[0] in "aei" else "a"
    return [
        f"{article.capitalize()} {kind} is in {clean(directory) if directory != '.' else 'this directory'}: {', '.join(files)}.",
        "Next:",
        f"  {make} test    sets up .venv, then calls the server as Vonage would",
        f"  {make} run     serves; then, in another terminal: {make} call",
    ]
