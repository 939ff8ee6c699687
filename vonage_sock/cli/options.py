"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from vonage_sock.cli.help import OTHERS
from vonage_sock.cli.help import SectionedCommand as SectionedCommand  # noqa: PLC0414  (beside the options, for commands)
from vonage_sock.cli.numbers import Number, WholeNumber
from vonage_sock.errors import UsageError
from vonage_sock.protocol.redaction import is_secret_name, keep_secret

Command = Callable[..., Any]

VONAGE_VARIABLE: Final = "VONAGE_SIGNATURE_SECRET"


class SectionedOption(click.Option):
    """An option that stands in a section of its command's help."""

    def __init__(self, *args: Any, section: str = OTHERS, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.section = section

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Read it; what its name calls a secret is shown nowhere from now on."""
        result = super().process_value(ctx, value)
        if isinstance(result, str) and is_secret_name(self.name or ""):
            keep_secret(result)
        return result

    def get_help_extra(self, ctx: click.Context) -> click.types.OptionHelpExtra:
        """What stands in brackets behind the help: no empty default, and a range as one says it."""
        extra = super().get_help_extra(ctx)
        if extra.get("default") == '""':
            del extra["default"]
        if "range" in extra:
            extra["range"] = re.sub(r"^(.+?)<=x<=(.+?)(?:\.0)?$", r"\1 to \2", extra["range"])
        return extra


def option(*names: str, **settings: Any) -> Callable[[Command], Command]:
    """A click option that may also stand in the environment, as ``VSOCK_`` and its long name."""
    settings.setdefault("envvar", _variable_of(names))
    settings.setdefault("show_default", "default" in settings)
    return click.option(*names, cls=SectionedOption, **settings)


def signature_secret(*, help: str, **settings: Any) -> Callable[[Command], Command]:  # noqa: A002  (click's own name)
    """The option whose value may also stand in ``VONAGE_SIGNATURE_SECRET``, where process lists don't show it."""
    name = "--signature-secret"
    variables = [_variable_of((name,)), VONAGE_VARIABLE]
    return option(
        name,
        envvar=variables,
        metavar="SECRET",
        callback=_checked_secret,
        help=f"{help} Also {VONAGE_VARIABLE}.",
        **settings,
    )


def _checked_secret(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        from vonage_sock.protocol.signing import check_secret  # noqa: PLC0415  (it loads a crypto backend)

        check_secret(value)
    return value


def _variable_of(names: tuple[str, ...]) -> str:
    long_name = next(name for name in names if name.startswith("--"))
    return "VSOCK_" + long_name.split("/", 1)[0].lstrip("-").replace("-", "_").upper()


def option_group(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, in their order."""
    return lambda command: functools.reduce(lambda wrapped, decorate: decorate(wrapped), reversed(options), command)


RATE = option(
    "--rate",
    type=click.Choice(["8000", "16000", "24000"]),
    default="16000",
    metavar="HZ",
    help="Sample rate: 8000, 16000 or 24000.",
)
CA = option(
    "--ca", metavar="FILE", help="Trust also the servers whose certificates were signed with one in FILE (PEM)."
)
HEADER = option("--header", "headers", multiple=True, metavar="KEY=VALUE", help="Metadata for the socket (repeatable).")
JSON = option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout, and nothing else there.")
QUIET = option("-q", "--quiet", is_flag=True, help="Show only what is wrong and how calls end.")
VERBOSE = option("-v", "--verbose", is_flag=True, help="Show whole messages and webhooks.")
STATS = option("--stats", is_flag=True, help="Where each call stands, once a second, in JSON or plain lines.")

SERVER = option_group(
    option("--host", default="127.0.0.1", help="Address to listen on."),
    option(
        "--port",
        type=WholeNumber(0, 65535),
        default=8000,
        metavar="PORT",
        help="Port to listen on; 0 picks a free one.",
    ),
    RATE,
    option("--url", metavar="URL", help="Public base address.  [default: a running ngrok agent's, else the local one]"),
    option(
        "--tunnel",
        type=click.Choice(["auto", "none", "ngrok", "cloudflared"]),
        default="auto",
        help="Who leads a public address here: a running ngrok agent (auto), or ngrok or cloudflared, which is started "
        "if it must; none looks for nothing and tries nothing.",
    ),
    HEADER,
    option("--greeting", metavar="TEXT", help="Words that Vonage speaks before it connects the socket."),
    option("--ncco", metavar="FILE", help="Serve this NCCO instead; {socket_url} and {event_url} are filled in."),
    option("--fallback", metavar="FILE", help="NCCO for when the socket failed, was unanswered or disconnected."),
    signature_secret(help="Take only webhooks and sockets that are signed with the account's secret."),
    option("--no-auth", is_flag=True, help="Take sockets without the authorization that the NCCO asks for."),
    option(
        "--allow-origin",
        "allowed_origins",
        multiple=True,
        metavar="ORIGIN",
        help="Let pages of this web site open the socket, such as https://example.com; * for all (repeatable).",
    ),
    option("--echo", is_flag=True, help="Return what the caller says."),
    option("--delay", "delay_ms", type=WholeNumber(0, 60_000), default=0, metavar="MS", help="Echo that much later."),
    option("--overwrite", is_flag=True, help="Recordings may replace files."),
    option("--stereo", is_flag=True, help="Record the caller left and what the caller heard right."),
    option("--split", is_flag=True, help="Record one file per phrase."),
    option(
        "--hangover",
        "hangover_ms",
        type=WholeNumber(20, 10_000),
        default=600,
        metavar="MS",
        help="Silence that ends a phrase.",
    ),
    option("--loop", type=WholeNumber(0), default=1, metavar="N", help="Play the files N times; 0 is for ever."),
    option(
        "--pace",
        "pace_ms",
        type=Number(0, 40),
        default=18.5,
        metavar="MS",
        help="Time between frames until the lead is reached.",
    ),
    option(
        "--lead",
        "lead_ms",
        type=WholeNumber(20, 20_000),
        default=2000,
        metavar="MS",
        help="How far ahead of the caller's ear to be in the end.",
    ),
    option(
        "--then",
        type=click.Choice(["hangup", "echo", "stay"]),
        help="What follows the files.  [default: echo with --echo, else stay]",
    ),
    option(
        "--hangup",
        type=click.Choice(["rest", "close"]),
        help="How calls are ended from here: by the Voice API, or by closing the socket, which raises disconnected.  "
        "[default: rest with an application's credentials and a public address, else close]",
    ),
    option("--on-dtmf", multiple=True, metavar="DIGIT=FILE", help="Play FILE when DIGIT is pressed (repeatable)."),
    option("--barge-in", is_flag=True, help="A key press cuts off what is playing."),
    option("--no-keys", is_flag=True, help="Take no keys from the terminal (h p c s r q, and ? for help)."),
    option("--once", is_flag=True, help="Stop after the first call; the exit code tells how it went."),
    option(
        "--workers",
        type=WholeNumber(1, 256),
        default=1,
        metavar="N",
        help="Use N processes on N cores. Which of them takes a call is chance: few calls are spread unevenly.",
    ),
    JSON,
    STATS,
    QUIET,
    VERBOSE,
    option(
        "--ngrok-api",
        default="http://127.0.0.1:4040",
        metavar="URL",
        help="Where the ngrok agent's API is asked for a tunnel.",
    ),
    option(
        "--engine",
        type=click.Choice(["auto", "direct", "aiohttp"]),
        default="auto",
        help="What reads and writes the calls' frames: our own engine for many calls (direct, on Linux), or aiohttp's.",
    ),
    option("--tls-cert", metavar="FILE", help="Speak https and wss with this certificate (PEM), and nothing else."),
    option(
        "--tls-key",
        metavar="FILE",
        help="Its key (PEM), if not in the same file; an encrypted one needs VSOCK_TLS_KEY_PASSWORD.",
    ),
)


def parse_headers(texts: tuple[str, ...]) -> dict[str, object]:
    """
    Read ``KEY=VALUE`` pairs; a value that is JSON is taken as that, any other as a text.

    Raises:
        UsageError: a pair without ``=`` or without a key.
    """
    headers: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--header {text!r} isn't of the form KEY=VALUE; for example --header lang=en")
        try:
            headers[key] = json.loads(value, parse_constant=_refuse)
        except (ValueError, RecursionError):
            headers[key] = value
    return headers


def ca_of(options: dict[str, Any]) -> Path | None:
    """
    What ``--ca`` names.

    Raises:
        UsageError: it holds no certificate.
    """
    from vonage_sock.transport.tls import trusting  # noqa: PLC0415  (who gives no --ca doesn't need it)

    path = None if options["ca"] is None else Path(options["ca"])
    trusting(path)
    return path


def parse_pair(text: str, *, option_name: str, keys: str) -> tuple[str, str]:
    """
    Read ``DIGIT=FILE``.

    Raises:
        UsageError: another form, or a key that no telephone has.
    """
    key, equals, value = text.partition("=")
    if not equals or not value or len(key) != 1 or key not in keys:
        raise UsageError(f"{option_name} {text!r} isn't of the form DIGIT=FILE; for example {option_name} 1=menu.wav")
    return key, value


def read_file(path: str, *, option_name: str) -> bytes:
    """
    A small file that an option names.

    Raises:
        UsageError: it can't be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{option_name} {path}: {error.strerror or error}") from error


def _refuse(name: str) -> None:
    raise ValueError(name)
