"""
The command line: parses, wires, runs, and turns errors into one sentence and an exit code; nothing else.

Commands are imported when they are called, so that ``vsock --help`` waits for none of them.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Iterator
from functools import partial
from typing import IO, Any

import click

from vonage_sock import __version__
from vonage_sock.cli.help import Group
from vonage_sock.errors import ExitCode, VsockError
from vonage_sock.starting import loaded

SECTIONS = {
    "Try it": {
        "demo": ("demo", "Show a whole call on this machine: our server and our caller."),
        "init": ("init", "Write a small project: echo, recorder, ivr, bot or browser."),
    },
    "Answer calls": {
        "serve": ("serve", "Answer calls: echo, record, play, or just show what happens."),
        "record": ("record", "Answer calls and record them to a file."),
        "play": ("play", "Answer calls and play files into them."),
        "repair": ("repair", "Complete recordings that a crash has left behind."),
        "limits": ("limits", "Show what the server takes from whoever reaches it."),
    },
    "Be Vonage, without an account": {
        "call": ("call", "Call a server on this machine or anywhere, as Vonage does."),
        "scenario": ("scenario", "Write, check and describe the files of vsock call --scenario."),
        "load": ("load", "Make many calls at once, and measure how soon a server echoes."),
    },
    "Real calls, with an account": {
        "dev": ("dev", "Answer real calls here: tunnel, application, all put back."),
        "dial": ("dial", "Call a number, and connect whoever answers to our socket."),
        "config": ("config", "Show which credentials are used, and where each comes from."),
        "restore": ("restore", "Put back what a killed vsock dev has left in an application."),
    },
    "Live calls, by the Voice API": {
        "calls": ("live", "List the application's calls."),
        "hangup": ("live", "Hang up live calls."),
        "transfer": ("live", "Let another NCCO take over live calls."),
        "talk": ("live", "Speak a text into live calls, or stop that."),
        "stream": ("live", "Play a file into live calls, or stop that."),
        "dtmf": ("live", "Press keys in live calls."),
        "mute": ("live", "Let nobody hear a live call, or let it hear nobody."),
    },
    "Find out what is wrong": {
        "doctor": ("doctor", "Find out why calls don't come: account, address, server."),
        "lint": ("lint", "Check an NCCO: a file, an answer URL, or standard input."),
        "explain": ("explain", "Say what a finding means, and how to put it right."),
    },
    "Set up": {
        "completion": ("completion", "Print a script that completes commands in bash, zsh or fish."),
    },
}
"""Each command's module and short help, which fits a line of 80 columns; in the order in which a newcomer needs them."""

COMMANDS = {name: about for commands in SECTIONS.values() for name, about in commands.items()}

PUT_BACK = frozenset({"serve", "record", "play", "dev", "dial", "restore"})
"""The commands that put back what a killed ``vsock dev`` has left in an application; the others only tell of it."""

EXAMPLES = """\b
Examples:
  vsock demo                                        no account needed
  vsock serve --echo                                callers hear themselves
  vsock call http://127.0.0.1:8000/webhooks/answer  be the caller, as Vonage is
  vsock dev --echo                                  answer a real telephone
  vsock doctor                                      why don't calls come?
  vsock COMMAND --help                              its examples and options
"""


class LazyCommands(Group):
    """A group that knows the names and short helps of its commands before they are imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"vonage_sock.cli.{COMMANDS[cmd_name][0]}")
        loaded()
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a typo is answered with the nearest name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(_no_such_command(args[0]))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any; all sections in the same columns."""
        widest = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                spacing = 2 + widest - max(map(len, commands))
                formatter.write_dl([(name, told) for name, (_, told) in commands.items()], col_spacing=spacing)

    def invoke(self, ctx: click.Context) -> Any:
        """Run; an error of ours becomes one sentence, made harmless, and its exit code."""
        try:
            with _usage_errors():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(ExitCode.STOPPED)
        except VsockError as error:
            if ctx.params.get("debug"):
                raise
            say_error(str(error))
            ctx.exit(error.exit_code)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the command line's own options."""
        with _usage_errors():
            return super().make_context(*args, **extra)


@click.group(
    cls=LazyCommands,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="vsock")
@click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
@click.pass_context
def cli(ctx: click.Context, *, debug: bool) -> None:
    """The workbench for phone calls over WebSockets, as Vonage's Voice API makes them."""
    from vonage_sock import native  # noqa: PLC0415  (who asks for help needs none of it)

    del debug
    native.check()
    if ctx.invoked_subcommand not in PUT_BACK:
        _tell_of_leftovers()


def main() -> None:
    """Run the command line; the only place where an unforeseen error becomes a sentence."""
    from vonage_sock.cli import printing  # noqa: PLC0415  (who imports this package needn't wait for it)

    fill_standard_descriptors()
    printing.fit_streams()
    if len(sys.argv) > 2:
        from vonage_sock.cli import title  # noqa: PLC0415  (a secret has an option before it, and a command)

        title.hide_secrets()
    try:
        cli(prog_name="vsock")
    except SystemExit as ending:
        _end_beside_threads(ending.code)
        raise
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        if isinstance(error, OSError) and error.filename is None and error.errno in printing.CANNOT_HOLD:
            say_error(printing.cannot_write(error))
        else:
            message = f"{type(error).__name__}: {error}"
            say_error(
                f"something went wrong that vsock didn't foresee ({message!r:.300}); "
                "run vsock --debug … to see where, and please report it"
            )
        printing.discard_stdout()
        sys.exit(ExitCode.ERROR)


def _end_beside_threads(code: object) -> None:
    """
    End at once where a thread is left that nobody waits for: it asks an API or a name server that may never answer.

    One that wakes up while the interpreter is taken down would end the program with SIGABRT.
    """
    import threading  # noqa: PLC0415  (it is there already)

    if any(thread.daemon for thread in threading.enumerate()):
        terminal = sys.modules.get("vonage_sock.cli.terminal")
        if terminal is not None:
            terminal.restore_modes()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code if isinstance(code, int) else ExitCode.OK if code is None else ExitCode.ERROR)


def say_error(text: str) -> None:
    """One sentence on standard error, made harmless."""
    from vonage_sock.cli.printing import say  # noqa: PLC0415  (only errors need them)
    from vonage_sock.display.safe import clean  # noqa: PLC0415

    say(f"Error: {clean(text, 1000)}")


@contextlib.contextmanager
def _usage_errors() -> Iterator[None]:
    """Let click's own errors, which quote the command line, be shown as harmless as ours."""
    try:
        yield
    except click.ClickException as error:
        error.show = partial(_show, error)  # type: ignore[method-assign]  # each kind of error has a show of its own
        raise


def _show(error: click.ClickException, _file: IO[Any] | None = None) -> None:
    from vonage_sock.cli.printing import say  # noqa: PLC0415  (only errors need them)

    if (
        type(error).__name__ == "NoArgsIsHelpError"
    ):  # of click 8.2; the text is our own, and needn't wait for what cleans it
        say(error.format_message())
        return
    from vonage_sock.display.safe import clean_lines  # noqa: PLC0415

    text = io.StringIO()
    type(error).show(error, text)
    say("\n".join(clean_lines(text.getvalue().rstrip("\n"), 1000)))


def fill_standard_descriptors() -> None:
    """
    Put the null device where stdin, stdout or stderr is closed.

    A socket or a recording would get its number otherwise, and what is meant for the terminal would go there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _tell_of_leftovers() -> None:
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111  (it is there already)
    if not os.path.isdir(os.path.join(base, "vsock", "applications")):  # noqa: PTH112, PTH118
        return
    from vonage_sock.cli import leftovers  # noqa: PLC0415  (there is nearly never anything)

    leftovers.tell()


def _no_such_command(name: str) -> str:
    import difflib  # noqa: PLC0415  (only a typo needs it)

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
    return f"no such command {name!r}; {hint}"
