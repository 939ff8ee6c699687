"""``vsock hangup``, ``transfer``, ``talk``, ``stream``, ``dtmf``, ``mute`` and ``calls``: real calls while they last."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

import click

from vonage_sock.cli.credential_options import ACCOUNT, CREDENTIALS, credentials_of, sdk_of
from vonage_sock.cli.explain import terminal_columns
from vonage_sock.cli.numbers import Number, WholeNumber
from vonage_sock.cli.options import CA, JSON, SectionedCommand, option, option_group
from vonage_sock.cli.printing import print_lines, say
from vonage_sock.control.calls import MAX_PAGE, Calls, RefusedError
from vonage_sock.control.opening import open_calls
from vonage_sock.control.orders import CallInfo, check_digits, check_uuid, is_uuid
from vonage_sock.display.jsonlines import dumps
from vonage_sock.display.safe import clean
from vonage_sock.errors import ExitCode, UsageError, VsockError

MAX_LINE: Final = 1000
WIDE: Final = 110
MAX_LOOP: Final = 1_000_000
MAX_TEXT: Final = 1_500
MAX_URL: Final = 2_000

Command = Callable[..., Any]
Act = Callable[[Calls, str], Awaitable[None]]

LIVE: Final = option_group(
    option(
        "--region-url",
        metavar="URL",
        section=ACCOUNT,
        help="Where the call is, as its answer webhook says it.  [default: found by asking all regions]",
    ),
    CREDENTIALS,
    CA,
    JSON,
)
_own = functools.partial(option, section="Options")
"""What only this command has stands first."""

LOOP: Final = _own("--loop", type=WholeNumber(0, MAX_LOOP), metavar="N", help="Play it N times; 0 is for ever.")
LEVEL: Final = _own("--level", type=Number(-1, 1), metavar="L", help="How loud: -1 to 1, where 0 is as it is.")


def _uuids(**settings: Any) -> Callable[[Command], Command]:
    return click.argument("uuids", nargs=-1, required=True, metavar="UUID...", **settings)


def _words(metavar: str) -> Callable[[Command], Command]:
    return click.argument("words", nargs=-1, required=True, metavar=f"UUID... {metavar}")


def _command(examples: str) -> Callable[[Command], click.Command]:
    text = "\b\nExamples:\n" + "\n".join(f"  {line}" for line in examples.strip().splitlines()) + "\n"
    return click.command(cls=SectionedCommand, epilog=text)


@_command("""
vsock hangup aaaaaaaa-bbbb-cccc-dddd-0123456789ab
vsock hangup 63f61863 8a1b2c3d            a live call's first letters will do
vsock hangup 63f61863 --json
""")
@_uuids()
@LIVE
@click.pass_context
def hangup(ctx: click.Context, /, *, uuids: tuple[str, ...], **options: Any) -> None:
    """Hang up live calls.

    A phone's leg takes the whole call with it; a websocket's leg ends alone, without the event disconnected.
    """
    ctx.exit(_for_each(uuids, options, "hangup", "hung up", lambda calls, uuid: calls.hangup(uuid)))


@_command("""
vsock transfer 63f61863 next.json           an NCCO in a file
vsock transfer 63f61863 https://example.com/answer
""")
@_words("FILE|URL")
@LIVE
@click.pass_context
def transfer(ctx: click.Context, /, *, words: tuple[str, ...], **options: Any) -> None:
    """Let another NCCO take over live calls: one in a FILE, or that of an answer URL."""
    uuids, where = _last(ctx, words, "FILE|URL")
    if where.lower().startswith(("http://", "https://")):
        act: Act = functools.partial(_transfer, url=_address(where))
    else:
        from vonage_sock.cli.plan import read_ncco_file  # noqa: PLC0415  (it brings the whole server)

        act = functools.partial(_transfer, ncco=read_ncco_file(where, option_name="the NCCO"))
    ctx.exit(_for_each(uuids, options, "transfer", "transferred", act))


@_command("""
vsock talk 63f61863 "One moment, please."
vsock talk 63f61863 "Un instant." --language fr-FR --style 2 --premium
vsock talk 63f61863 --stop
""")
@_words("TEXT")
@_own("--language", metavar="CODE", help="Language of the voice, such as en-GB.  [default: en-US]")
@_own("--style", type=WholeNumber(0, 100), metavar="N", help="Which of the language's voices.  [default: 0]")
@_own("--premium", is_flag=True, help="The premium version of the voice.")
@LOOP
@LEVEL
@_own("--stop", is_flag=True, help="Speak no more; there is no TEXT then.")
@LIVE
@click.pass_context
def talk(ctx: click.Context, /, *, words: tuple[str, ...], stop: bool, **options: Any) -> None:
    """Speak TEXT into live calls; each is heard by the leg whose UUID is given."""
    voice = {name: options[name] for name in ("language", "style", "loop", "level")}
    if stop:
        _no_more(voice, premium=options["premium"])
        ctx.exit(_for_each(words, options, "talk", "speaks no more", lambda calls, uuid: calls.stop_talk(uuid)))
    uuids, text = _last(ctx, words, "TEXT")
    if not text.strip() or len(text) > MAX_TEXT:
        raise UsageError(f"the text to be spoken has {len(text):,} letters; 1 to {MAX_TEXT:,} can be")
    voice["premium"] = options["premium"] or None
    ctx.exit(_for_each(uuids, options, "talk", "is spoken to", lambda calls, uuid: calls.talk(uuid, text, **voice)))


@_command("""
vsock stream 63f61863 https://example.com/music.mp3
vsock stream 63f61863 https://example.com/music.mp3 --loop 0 --level -0.5
vsock stream 63f61863 --stop
""")
@_words("URL")
@LOOP
@LEVEL
@_own("--stop", is_flag=True, help="Play no more; there is no URL then.")
@LIVE
@click.pass_context
def stream(ctx: click.Context, /, *, words: tuple[str, ...], stop: bool, **options: Any) -> None:
    """Play the file at URL (MP3 or WAV, which Vonage fetches) into live calls."""
    how = {name: options[name] for name in ("loop", "level")}
    if stop:
        _no_more(how)
        ctx.exit(_for_each(words, options, "stream", "plays no more", lambda calls, uuid: calls.stop_stream(uuid)))
    uuids, url = _last(ctx, words, "URL")
    _address(url)
    ctx.exit(_for_each(uuids, options, "stream", "is played to", lambda calls, uuid: calls.stream(uuid, url, **how)))


@_command("""
vsock dtmf 63f61863 1234#
vsock dtmf 63f61863 1pp2                    p is a pause of half a second
""")
@_words("DIGITS")
@LIVE
@click.pass_context
def dtmf(ctx: click.Context, /, *, words: tuple[str, ...], **options: Any) -> None:
    """Press keys in live calls: 0-9, *, #, and p for a pause of half a second."""
    uuids, digits = _last(ctx, words, "DIGITS")
    keys = check_digits(digits)
    ctx.exit(_for_each(uuids, options, "dtmf", "is sent keys", lambda calls, uuid: calls.dtmf(uuid, keys)))


@_command("""
vsock mute 63f61863                         nobody hears this leg
vsock mute 63f61863 --off
vsock mute 63f61863 --earmuff               this leg hears nobody
""")
@_uuids()
@_own("--off", is_flag=True, help="Let it be heard again; with --earmuff, let it hear again.")
@_own("--earmuff", is_flag=True, help="Let this leg hear nobody, in place of its not being heard.")
@LIVE
@click.pass_context
def mute(ctx: click.Context, /, *, uuids: tuple[str, ...], off: bool, earmuff: bool, **options: Any) -> None:
    """Mute live calls: nobody hears the leg, until --off."""
    action = f"{'un' if off else ''}{'earmuff' if earmuff else 'mute'}"
    done = {
        "mute": "is muted",
        "unmute": "is heard again",
        "earmuff": "hears nobody",
        "unearmuff": "hears again",
    }[action]
    ctx.exit(_for_each(uuids, options, action, done, lambda calls, uuid: getattr(calls, action)(uuid)))


@_command("""
vsock calls                                 the newest, live ones and others
vsock calls --live --json
vsock calls 63f61863-133f-4e22-8c5f-0d3a6d4a3c2b
""")
@click.argument("uuids", nargs=-1, metavar="[UUID...]")
@_own("--live", is_flag=True, help="Only those that ring or talk.")
@_own("--conversation", metavar="CON-…", help="Only the legs of this conversation.")
@_own("-n", "--number", "most", type=WholeNumber(1, 1000), default=20, metavar="N", help="How many at most.")
@LIVE
@click.pass_context
def calls(ctx: click.Context, /, *, uuids: tuple[str, ...], **options: Any) -> None:
    """List the application's calls, newest first, or tell how those with these UUIDs stand."""
    if uuids:
        ctx.exit(_for_each(uuids, options, "get", "", _show))
    ctx.exit(asyncio.run(_list(options)))


# What they have in common.


def _for_each(uuids: Sequence[str], options: dict[str, Any], action: str, done: str, act: Act) -> ExitCode:
    """Do it with each; what went wrong with one keeps no other from it. The exit code is that of the first fault."""
    for uuid in uuids:
        check_uuid(uuid)
    return asyncio.run(_one_by_one(uuids, options, action, done, act))


async def _one_by_one(uuids: Sequence[str], options: dict[str, Any], action: str, done: str, act: Act) -> ExitCode:
    opened = _open(options)
    code = ExitCode.OK
    for text in uuids:
        try:
            uuid = await opened.find(text)
            _remember(opened, uuid, options)
            await act(opened, uuid)
        except VsockError as error:
            code = code or error.exit_code
            _tell_fault(text, action, error, as_json=options["as_json"])
            continue
        if options["as_json"] and done:
            print_lines([dumps({"v": 1, "uuid": uuid, "action": action, "ok": True})])
        elif done:
            print_lines([f"{uuid} {done}"])
    return code


def _tell_fault(text: str, action: str, error: VsockError, *, as_json: bool) -> None:
    if not as_json:
        say(f"Error: {clean(str(error), MAX_LINE)}")
        return
    fault: dict[str, Any] = {"v": 1, "uuid": text, "action": action, "ok": False, "error": clean(str(error), MAX_LINE)}
    if isinstance(error, RefusedError):
        fault["status"] = error.status
    print_lines([dumps(fault)])


def _open(options: dict[str, Any]) -> Calls:
    sdk = sdk_of(options, credentials_of(options))
    return open_calls(sdk, api_host=options["api_host"], say=lambda text: say(clean(text, MAX_LINE)))


def _remember(opened: Calls, uuid: str, options: dict[str, Any]) -> None:
    url = options["region_url"]
    if url is not None and not opened.remember(uuid, url):
        raise UsageError(
            f"--region-url {url!r} is no address of Vonage's API, and a token isn't sent anywhere else; "
            "it looks like https://api-eu-3.vonage.com"
        )


async def _transfer(opened: Calls, uuid: str, **where: Any) -> None:
    await opened.transfer(uuid, **where)


def _last(ctx: click.Context, words: tuple[str, ...], metavar: str) -> tuple[tuple[str, ...], str]:
    """The uuids, and what stands behind them."""
    if len(words) < 2 or is_uuid(words[-1]):
        raise click.UsageError(f"Missing argument '{metavar}', behind the calls' UUIDs.", ctx)
    return words[:-1], words[-1]


def _address(url: str) -> str:
    if not url.lower().startswith(("http://", "https://")) or not url.isprintable() or len(url) > MAX_URL:
        raise UsageError(f"{url[:200]!r} isn't a web address; give one that begins with https://")
    return url


def _no_more(settings: dict[str, Any], **more: Any) -> None:
    given = [name for name, value in (settings | more).items() if value not in (None, False)]
    if given:
        raise UsageError(f"--stop ends what plays, and --{given[0]} says how to play; leave one of them away")


# Listing.


async def _show(opened: Calls, uuid: str) -> None:
    info = await opened.get(uuid)
    as_json = bool(click.get_current_context().params.get("as_json"))
    print_lines([_as_json(info)] if as_json else _table([info], terminal_columns()))


async def _list(options: dict[str, Any]) -> ExitCode:
    wanted = options["most"]
    conversation = options["conversation"]
    opened = _open(options)
    found = await opened.list_calls(
        most=max(wanted, MAX_PAGE) if options["live"] else wanted, conversation_uuid=conversation
    )
    if options["live"]:
        found = [info for info in found if info.is_live][:wanted]
    if options["as_json"]:
        print_lines([_as_json(info) for info in found])
    else:
        print_lines(_table(found, terminal_columns()) if found else ["there are no calls"])
    return ExitCode.OK


def _as_json(info: CallInfo) -> str:
    values = {name.rstrip("_"): value for name, value in asdict(info).items() if value is not None}
    return dumps({"v": 1, **values})


def _table(found: Sequence[CallInfo], width: int | None) -> list[str]:
    """A line for each: uuid, status, direction, from and to, when, how long."""
    wide = width is None or width >= WIDE
    rows = [
        (
            clean(info.uuid, 36) if wide else clean(info.uuid, 36)[:8],
            clean(info.status, 12),
            clean(info.direction, 10),
            f"{clean(info.from_, 20) or '?'} → {clean(info.to, 40 if wide else 24) or '?'}",
            clean(info.start_time or "", 20),
            f"{clean(info.duration, 8)} s" if info.duration else "",
        )
        for info in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        "  ".join(text.ljust(wanted) for text, wanted in zip(row, (*widths, 0, 0), strict=True)).rstrip()
        for row in rows
    ]
