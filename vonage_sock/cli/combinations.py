"""Which options go together: one that would have no effect is a mistake that is told, not silence that is wondered at."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Final

from vonage_sock.audio.pacer import DEFAULT_LEAD_NS, DEFAULT_PACE_NS
from vonage_sock.audio.phrases import DEFAULT_HANGOVER_MS
from vonage_sock.clock import MS
from vonage_sock.errors import UsageError
from vonage_sock.limits import DEFAULTS

if TYPE_CHECKING:
    from vonage_sock.cli.plan import ServeOptions

STDIN: Final = "-"
STDOUT: Final = "-"


def check_combinations(options: ServeOptions) -> None:
    """
    Check options that are right by themselves.

    Raises:
        UsageError: some make no sense together.
    """
    files = bool(options.play or options.on_dtmf)
    paced = (options.loop, options.pace_ms, options.lead_ms) != (1, DEFAULT_PACE_NS / MS, DEFAULT_LEAD_NS // MS)
    to_stdout = options.record == STDOUT
    rules = (
        (
            to_stdout and options.as_json,
            "a recording on standard output and --json can't share it; give the recording a file name",
        ),
        (
            to_stdout and sys.stdout is None,
            "a recording can't go to standard output, which is closed; give the recording a file name",
        ),
        (
            options.record is None and (options.stereo or options.split or options.overwrite),
            "--stereo, --split and --overwrite are about a recording; give --record PATH as well",
        ),
        (
            options.hangover_ms != DEFAULT_HANGOVER_MS and not options.split,
            "--hangover is about phrases; give --split as well",
        ),
        (
            options.play.count(STDIN) > 1,
            "standard input can be played once in a list; use --loop to hear it again",
        ),
        (
            paced and not files,
            "--loop, --pace and --lead are about playing; give --play FILE as well",
        ),
        (
            options.barge_in and not files and not options.delay_ms,
            "--barge-in cuts off files or a delayed echo; give --play FILE, --on-dtmf or --delay as well",
        ),
        (
            bool(options.delay_ms) and not options.echo and options.then != "echo",
            "--delay is about an echo; give --echo as well",
        ),
        (
            options.echo and files and options.then in ("hangup", "stay"),
            f"--echo begins after the files, and --then {options.then} rules that out; leave one away",
        ),
        (
            options.then is not None and not files,
            "--then says what follows the files; give --play FILE as well",
        ),
        (
            options.tls_key is not None and options.tls_cert is None,
            "--tls-key is the key of a certificate; give --tls-cert FILE as well",
        ),
        (
            options.url is not None and options.tunnel in ("ngrok", "cloudflared"),
            f"--url names a public address, and --tunnel {options.tunnel} makes another; leave one away",
        ),
        (
            options.once and options.limits.calls not in (1, DEFAULTS.calls),
            "--once lets one call in; leave --max-calls away",
        ),
    )
    for broken, sentence in (*rules, *_workers_rules(options)):
        if broken:
            raise UsageError(sentence)


def _workers_rules(options: ServeOptions) -> tuple[tuple[bool, str], ...]:
    several = options.workers > 1
    return (
        (
            several and not hasattr(socket, "SO_REUSEPORT"),
            "--workers needs Linux or macOS; here, leave it away, and one process takes all calls",
        ),
        (
            several and options.once,
            "--once ends with the first call, and a call is in one process; leave --workers away",
        ),
        (
            several and options.record == STDOUT,
            "standard output holds one recording, and --workers is for many calls; give the recording a file name",
        ),
    )
