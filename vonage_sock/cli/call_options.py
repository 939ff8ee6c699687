"""The options of ``vsock call``, in the sections of its help."""

from __future__ import annotations

from functools import partial

import click

from vonage_sock.cli.options import HEADER, JSON, QUIET, RATE, VERBOSE, option, option_group
from vonage_sock.simulator.connecting import OUTCOMES
from vonage_sock.simulator.leg import Platform

_caller = partial(option, section="The caller")
_webhook = partial(option, section="The platform's webhooks and NCCO")
_platform = partial(option, section="The platform's end of the socket")
_api = partial(option, section="A Voice REST API beside the call")
_output = partial(option, section="What is kept and shown")

CALLER = option_group(
    _caller(
        "--audio",
        default="clip",
        metavar="WHAT",
        help="What the caller says: a file, clip (a speech-like clip of ours), tone:HZ, noise, silence, say:TEXT.",
    ),
    _caller("--dtmf", default="", metavar="KEYS", help="Keys to press: 1,w2,34# (a comma waits 0.5 s, w2 waits 2 s)."),
    _caller(
        "--duration",
        "duration_s",
        type=click.FloatRange(0.02, 7200),
        metavar="S",
        help="Hang up after S seconds of a socket, with silence behind the audio, or of everything else.  "
        "[default: when all has been said and heard]",
    ),
    _caller("--from", "from_number", default="447700900001", metavar="NUMBER", help="Who calls."),
    _caller("--to", "to_number", default="442079460000", metavar="NUMBER", help="Who is called."),
    _caller(
        "--speech", multiple=True, metavar="TEXT", help="What an input of speech recognises (repeatable: one each)."
    ),
    _caller(
        "--connect-outcome",
        "connect_outcomes",
        type=click.Choice(list(OUTCOMES)),
        multiple=True,
        default=("answered",),
        metavar="HOW",
        help=f"How a phone, sip, app or vbc endpoint answers: {', '.join(OUTCOMES)} (repeatable: one after the other, the "
        "last for all others).",
    ),
)

WEBHOOKS = option_group(
    _webhook("--method", type=click.Choice(["GET", "POST"]), default="GET", help="How the answer URL is asked."),
    _webhook("--event-url", metavar="URL", help="Where events go.  [default: the NCCO's, or /event beside an /answer]"),
    _webhook(
        "--fallback-url", metavar="URL", help="Asked when the answer URL, or an event URL that owes an NCCO, fails."
    ),
    _webhook(
        "--connect-timeout",
        "connect_timeout_s",
        type=click.FloatRange(0.05, 60),
        default=1.0,
        metavar="S",
        help="How long a webhook's connection may take.",
    ),
    _webhook(
        "--answer-timeout",
        "answer_timeout_s",
        type=click.FloatRange(0.05, 60),
        default=5.0,
        metavar="S",
        help="How long the answer URL may take; events may take twice that.",
    ),
    _webhook("--signature-secret", metavar="SECRET", help="Sign webhooks and the upgrade with this."),
    _webhook("--shuffle-events", is_flag=True, help="Post events out of order, and some of them twice."),
    _webhook("--seed", type=int, default=1, metavar="N", help="What --shuffle-events is drawn from."),
    _webhook("--fast", is_flag=True, help="Don't wait for talk, stream, wait and the like; the socket keeps its time."),
    _webhook("--record-dir", metavar="DIR", help="Where record actions write.  [default: a new temporary directory]"),
)

PLATFORM = option_group(
    RATE,
    HEADER,
    _platform(
        "--platform",
        type=click.Choice([platform.value for platform in Platform]),
        default=Platform.CURRENT.value,
        help="current: a buffer of 3,072 frames, clear and notify; 2021: 1,024 frames, all text ignored.",
    ),
    _platform("--strict", is_flag=True, help="Drop the connection on a frame of the wrong size, as Vonage does."),
)

API = option_group(
    _api(
        "--api-port",
        type=click.IntRange(0, 65535),
        metavar="PORT",
        help="Answer /v1/calls on this port, 0 for a free one; without TARGET, wait for calls that are ordered there.",
    ),
    _api("--api-host", default="127.0.0.1", metavar="HOST", help="Address to listen on."),
    _api("--api-public-key", metavar="FILE", help="Check the signatures of tokens with the application's key (PEM)."),
    _api("--api-application-id", metavar="ID", help="Take only tokens of this application."),
    _api(
        "--api-tls",
        metavar="FILE",
        help="Speak https with the certificate and key in FILE (PEM), which is made where there is none.",
    ),
    _api(
        "--calls", type=click.IntRange(1), metavar="N", help="Stop after N calls.  [default: TARGET's, else at Ctrl-C]"
    ),
)

OUTPUT = option_group(
    _output("--save", metavar="FILE", help="Write what the caller heard."),
    _output("--save-stereo", metavar="FILE", help="Write what the caller said (left) and heard (right)."),
    _output("--overwrite", is_flag=True, help="The saved files may replace others."),
    JSON,
    QUIET,
    VERBOSE,
)
