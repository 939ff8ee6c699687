"""The options of ``vsock call``, in the sections of its help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from typing import Any, Final

import click

from vonage_sock.cli.numbers import Number, WholeNumber
from vonage_sock.cli.options import CA, HEADER, JSON, QUIET, RATE, VERBOSE, option, option_group, signature_secret
from vonage_sock.errors import UsageError
from vonage_sock.simulator.drills.plan import MAX_AT_S, MAX_BAD_FRAMES, MAX_JITTER_MS, Drills, parse_stall
from vonage_sock.simulator.leg.plan import Platform
from vonage_sock.simulator.ncco.connecting import OUTCOMES
from vonage_sock.simulator.scenario.rehearsal import is_rehearsal

_caller = partial(option, section="The caller")
_scenario = partial(option, section="Scenarios")
_webhook = partial(option, section="The platform's webhooks and NCCO")
_platform = partial(option, section="The platform's end of the socket")
_drill = partial(option, section="Fault drills")
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
        type=Number(0.02, 7200),
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

SCENARIOS = option_group(
    _scenario(
        "--scenario",
        "scenarios",
        multiple=True,
        metavar="FILE",
        help="Do what this YAML file says, and check what it expects (repeatable; vsock scenario init writes an example).",
    ),
    _scenario("--repeat", type=WholeNumber(1, 1000), default=1, metavar="N", help="Run each scenario N times."),
    _scenario("--jobs", type=WholeNumber(1, 50), default=1, metavar="N", help="Make up to N calls at once."),
    _scenario("--junit", metavar="FILE", help="Write what came of all runs as JUnit XML."),
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
        type=Number(0.05, 60),
        default=1.0,
        metavar="S",
        help="How long a webhook's connection may take.",
    ),
    _webhook(
        "--answer-timeout",
        "answer_timeout_s",
        type=Number(0.05, 60),
        default=5.0,
        metavar="S",
        help="How long the answer URL may take; events may take twice that.",
    ),
    signature_secret(help="Sign webhooks and the upgrade with this.", section=_webhook.keywords["section"]),
    _webhook("--shuffle-events", is_flag=True, help="Post events out of order, and some of them twice."),
    _webhook(
        "--seed", type=int, default=1, metavar="N", help="What --shuffle-events and the fault drills are drawn from."
    ),
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
    CA,
    _platform("--strict", is_flag=True, help="Drop the connection on a frame of the wrong size, as Vonage does."),
)

_SECONDS = Number(0, MAX_AT_S)

DRILLS = option_group(
    _drill(
        "--refuse",
        is_flag=True,
        help="The socket's opening fails as if nobody listened: failed is told, and what the "
        "application answers with carried out. A second try is let through.",
    ),
    _drill("--drop-after", "drop_after_s", type=_SECONDS, metavar="S", help="Close TCP without a close frame."),
    _drill("--reset-after", "reset_after_s", type=_SECONDS, metavar="S", help="Reset TCP."),
    _drill(
        "--half-open-after",
        "half_open_after_s",
        type=_SECONDS,
        metavar="S",
        help="As if a cable was cut: send and answer nothing, close nothing, until --duration or for 90 s.",
    ),
    _drill(
        "--stop-reading-after",
        "stop_reading_after_s",
        type=_SECONDS,
        metavar="S",
        help="Send on, but read nothing until the caller hangs up; a server feels it after some 15 s of audio.",
    ),
    _drill(
        "--jitter",
        "jitter_ms",
        type=Number(0, MAX_JITTER_MS),
        default=0.0,
        metavar="MS",
        help="Each message leaves up to MS late, in order.",
    ),
    _drill(
        "--stall",
        "stalls",
        multiple=True,
        metavar="S@T",
        help="At T seconds nothing leaves for S seconds, then all of it at once (repeatable).",
    ),
    _drill("--late-connected", is_flag=True, help="websocket:connected comes after some frames of audio."),
    _drill("--no-connected", is_flag=True, help="websocket:connected never comes."),
    _drill("--dup-connected", is_flag=True, help="websocket:connected comes twice."),
    _drill(
        "--bad-frames",
        type=WholeNumber(0, MAX_BAD_FRAMES),
        default=0,
        metavar="N",
        help="N frames leave in a wrong size: half, odd, longer, two in one, or empty.",
    ),
    _drill(
        "--answer-twice",
        is_flag=True,
        help="Ask the answer URL twice, as after a lost answer, and open both answers' sockets.",
    ),
)

API = option_group(
    _api(
        "--api-port",
        type=WholeNumber(0, 65535),
        metavar="PORT",
        help="Answer /v1/calls on this port, 0 for a free one; without TARGET, wait for calls that are ordered there.",
    ),
    _api(
        "--api-other-port",
        "api_other_ports",
        type=WholeNumber(0, 65535),
        multiple=True,
        metavar="PORT",
        help="Be another region too, at this port: it answers 404 for calls that weren't ordered there (repeatable).",
    ),
    _api("--api-host", metavar="HOST", help="Address to listen on.  [default: 127.0.0.1]"),
    _api("--api-public-key", metavar="FILE", help="Check the signatures of tokens with the application's key (PEM)."),
    _api("--api-application-id", metavar="ID", help="Take only tokens of this application."),
    _api(
        "--api-tls",
        metavar="FILE",
        help="Speak https with the certificate and key in FILE (PEM), which is made where there is none.",
    ),
    _api("--calls", type=WholeNumber(1), metavar="N", help="Stop after N calls.  [default: TARGET's, else at Ctrl-C]"),
)

OUTPUT = option_group(
    _output("--save", metavar="FILE", help="Write what the caller heard."),
    _output("--save-stereo", metavar="FILE", help="Write what the caller said (left) and heard (right)."),
    _output("--overwrite", is_flag=True, help="The saved files may replace others."),
    JSON,
    QUIET,
    VERBOSE,
)

CONTRADICTING: Final = {"audio": "--audio", "dtmf": "--dtmf", "duration_s": "--duration"}
NEEDS_SCENARIO: Final = {"repeat": "--repeat", "jobs": "--jobs", "junit": "--junit"}


def check_options(options: Mapping[str, Any], given: frozenset[str]) -> None:
    """
    Refuse what makes no sense with, or without, ``--scenario``.

    Args:
        given: the names of the options that somebody gave.

    Raises:
        UsageError: such an option was given.
    """
    if options["scenarios"]:
        for name, option in CONTRADICTING.items():
            if name in given:
                raise UsageError(
                    f"{option} and --scenario contradict each other: what the caller does is in the scenario"
                )
        if "api_port" in given:
            raise UsageError("--api-port and --scenario can't be had in one run; leave one of them out")
        return
    for name, option in NEEDS_SCENARIO.items():
        if name in given:
            raise UsageError(f"{option} is for scenarios; give --scenario FILE too (vsock scenario init writes one)")
    if is_rehearsal(options["target"]):
        raise UsageError(f"{options['target']} is a server for scenarios; give --scenario FILE too")


def drills_of(options: dict[str, Any]) -> Drills:
    """
    The drills that were asked for.

    Raises:
        UsageError: one can't be had, or two contradict each other.
    """
    values = {item.name: options[item.name] for item in fields(Drills)}
    return Drills(**(values | {"stalls": tuple(map(parse_stall, options["stalls"]))}))
