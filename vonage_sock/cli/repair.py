"""``vsock repair``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from vonage_sock.cli.help import SectionedCommand
from vonage_sock.cli.printing import print_lines
from vonage_sock.display.safe import clean
from vonage_sock.display.wording import joined, span_text
from vonage_sock.errors import ExitCode, UsageError
from vonage_sock.media import leftovers
from vonage_sock.media.leftovers import Outcome, Repair, is_part_name, parts_in

EXAMPLES = """\b
Examples:
  vsock repair                    what is in this directory and below it
  vsock repair /mnt/recordings    … in that one
  vsock repair call.wav.part      one recording
  vsock repair --dry-run          only say what there is to do
"""


@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.pass_context
def repair(ctx: click.Context, /, paths: tuple[str, ...], *, dry_run: bool) -> None:
    """Complete recordings that a crash has left behind, as NAME.part.

    PATH is such a file, or a directory that is searched with all below it; without any, this one. The header is made true,
    half a sample is cut off, and the file gets its name, with a number behind it where that is taken: nothing is replaced.
    FLAC, OGG and MP3 are encoded; where that fails the recording becomes a WAV. What a running vsock still records is left
    alone.

    Every NAME.wav.part (or .flac, .ogg, .mp3, .raw) that is found is taken, whoever left it there. What is completed can be
    read by its owner only (mode 0600).

    The next vsock record, or serve --record, does the same for what was left beside its own recordings.
    """
    found = (leftovers.repair(part, dry_run=dry_run) for part in _parts(paths or (".",)))
    repairs = [done for done in found if done is not None]
    print_lines([clean(_line(done, dry_run=dry_run), 1000) for done in repairs] or ["nothing to repair"])
    failed = any(done.outcome is Outcome.FAILED for done in repairs)
    ctx.exit(ExitCode.RECORDING if failed else ExitCode.OK)


def _parts(paths: tuple[str, ...]) -> Iterator[Path]:
    for path in map(Path, paths):
        if path.is_dir():
            yield from parts_in(path)
        elif not (path.exists() or path.is_symlink()):
            raise UsageError(f"{path} does not exist; name a .part file or a directory")
        elif not is_part_name(path):
            raise UsageError(f"{path} isn't the part of a recording, such as call.wav.part")
        else:
            yield path


def _line(done: Repair, *, dry_run: bool) -> str:
    would = "would be " if dry_run else ""
    match done.outcome:
        case Outcome.COMPLETED:
            said = f"{would}completed as {done.path}, {_figures(done)}"
        case Outcome.EMPTY:
            said = f"is empty, and {'would be' if dry_run else 'is'} removed"
        case Outcome.HELD:
            said = "is left alone: a running vsock records it"
        case Outcome.FOREIGN:
            said = "is left alone: it isn't a recording of vsock's"
        case Outcome.FAILED:
            said = f"can't be completed: {done.error}"
    return f"{done.part}: {said}"


def _figures(done: Repair) -> str:
    return joined(
        [
            f"{done.bytes:,} bytes" if done.seconds is None else span_text(done.seconds),
            f"with {done.gained_bytes:,} bytes that its header didn't tell of" if done.gained_bytes else "",
            "without half a sample at its end" if done.cut_bytes else "",
            f"a WAV since it could not be encoded: {done.error}" if done.error else "",
        ]
    )
