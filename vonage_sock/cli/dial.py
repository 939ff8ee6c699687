"""``vsock dial``."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import Any, Final

import click

from vonage_sock.call.events import AnswerRequested, Ended, Event, EventPosted, Notice, ServerStarted
from vonage_sock.cli.credential_options import CREDENTIALS, credentials_of, sdk_of
from vonage_sock.cli.leftovers import put_back_at_start
from vonage_sock.cli.limit_options import LIMITS
from vonage_sock.cli.loop import run
from vonage_sock.cli.numbers import WholeNumber
from vonage_sock.cli.options import CA, SERVER, SectionedCommand, option, option_group
from vonage_sock.cli.plan import Plan, ServeOptions
from vonage_sock.cli.run_server import Session
from vonage_sock.cli.stopping import StoppedError, unless
from vonage_sock.control.calls import Calls
from vonage_sock.control.course import Course, Outcome
from vonage_sock.control.opening import open_calls
from vonage_sock.control.orders import DialOrder, check_number
from vonage_sock.control.placing import PlacedCall
from vonage_sock.display.safe import clean
from vonage_sock.errors import ConnectError, ExitCode, UsageError, VsockError
from vonage_sock.media.decode import remove_spooled
from vonage_sock.tunnels.choose import TunnelKind

SECTION: Final = "The call"
POLL_S: Final = 2.0
LAST_EVENTS_S: Final = 2.0
HANG_UP_WAIT_S: Final = 5.0
WEBHOOK_WAIT_S: Final = 1.5
MAX_EARLY: Final = 100

EXAMPLES: Final = """\b
Examples:
  vsock dial 447700900001 --echo                whoever answers hears themselves
  vsock dial "+44 7700 900001" --play hello.mp3 --then hangup --yes
  vsock dial 447700900001 --from 442079460000 --record call.wav --stereo
  vsock dial 447700900001 --echo --api-host 127.0.0.1:8100 --ca cert.pem
"""
OF_A_SERVER: Final = frozenset({"once", "workers"})
"""Options of a server that takes calls until it is stopped."""

CALL: Final = option_group(
    option(
        "--from",
        "from_number",
        metavar="NUMBER",
        section=SECTION,
        help="Call from this number of the application's.  [default: one of them, by chance]",
    ),
    option(
        "--ringing",
        "ringing_s",
        type=WholeNumber(1, 120),
        default=60,
        metavar="S",
        section=SECTION,
        help="Let it ring so long.",
    ),
    option(
        "--length",
        "length_s",
        type=WholeNumber(1, 86_400),
        default=7200,
        metavar="S",
        section=SECTION,
        help="Vonage hangs up so long after the answer, whatever becomes of this program.",
    ),
    option(
        "--no-check",
        is_flag=True,
        section=SECTION,
        help="Call, though the public address wasn't tried or doesn't lead here.",
    ),
    option("-y", "--yes", is_flag=True, section=SECTION, help="Don't ask before the call, which costs money."),
)


def _without(names: frozenset[str]) -> Callable[[click.Command], click.Command]:
    def leave_out(command: click.Command) -> click.Command:
        command.params = [param for param in command.params if param.name not in names]
        return command

    return leave_out


@_without(OF_A_SERVER)
@click.command(cls=SectionedCommand, epilog=EXAMPLES)
@click.argument("number", metavar="NUMBER")
@CALL
@CREDENTIALS
@CA
@option("--record", metavar="PATH", help="Record the call: .wav .flac .ogg .mp3 .raw, or - for stdout.")
@option("--play", multiple=True, metavar="FILE", help="Play this file into the call (repeatable).")
@SERVER
@LIMITS
@click.pass_context
def dial(ctx: click.Context, /, *, number: str, **options: Any) -> None:
    """Call NUMBER, and connect whoever answers to our socket.

    It starts the server of vsock serve, with its options, has Vonage's Voice API place the call, and tells how it goes.
    Ctrl-C hangs up. The exit code is 0 when somebody answered, 7 when nobody did, and 3 when the socket's side was at fault.
    """
    caller = options["from_number"]
    order = DialOrder(
        to=check_number(number, what="NUMBER"),
        from_number=None if caller is None else check_number(caller, what="--from"),
        ringing_s=options["ringing_s"],
        length_s=options["length_s"],
    )
    credentials = credentials_of(options)
    sdk = sdk_of(options, credentials)
    calls = open_calls(sdk, api_host=options["api_host"])
    plan = Plan(ServeOptions.of(options, once=False, workers=1))
    _ask_first(order, yes=options["yes"])
    put_back_at_start(credentials)
    try:
        session = DialSession(
            plan, calls, order, is_simulated=options["api_host"] is not None, check=not options["no_check"]
        )
        ctx.exit(run(session.run()))
    finally:
        remove_spooled()


def _ask_first(order: DialOrder, *, yes: bool) -> None:
    """
    A call costs money, and rings at somebody's.

    Raises:
        UsageError: there is nobody to ask.
        click.Abort: no.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("a call costs money, and there is no terminal to ask at; give --yes to place it all the same")
    caller = "one of the application's numbers" if order.from_number is None else order.from_number
    click.confirm(f"Call {order.to} from {caller}? It costs money.", abort=True, err=True)


class DialSession(Session):
    """
    A server that has one call placed, and ends with it.

    Args:
        check: try the public address first, and call nobody where it doesn't lead here.
    """

    def __init__(self, plan: Plan, calls: Calls, order: DialOrder, *, is_simulated: bool, check: bool) -> None:
        super().__init__(plan)
        self._check = check
        self._calls = calls
        self._order = order
        self._is_simulated = is_simulated
        self._changed = asyncio.Event()
        self._call: PlacedCall | None = None
        self._course: Course | None = None
        self._early: list[dict[str, Any]] = []
        self._left_behind = False
        self._error: VsockError | None = None
        calls.on_search(self.say)

    async def run(self) -> ExitCode:
        """
        Serve, call, and end with the call; the exit code.

        Raises:
            VsockError: the port can't be listened on, or the call isn't placed.
        """
        code = await super().run()
        if self._error is not None:
            raise self._error
        return code

    def say(self, text: str, level: str = "info") -> None:
        """Tell something of the call."""
        self._notice(level, text)

    async def _until_done(self) -> None:
        try:
            await self._carry_out()
        except VsockError as error:
            self._error = error

    async def _carry_out(self) -> None:
        if self._stopped.is_set():
            return
        if not self._server.is_public and not self._is_simulated:
            raise UsageError(
                f"Vonage can't reach this machine at {self._server.addresses.base_url}; start a tunnel "
                "(--tunnel ngrok or --tunnel cloudflared), or give the public address with --url"
            )
        if not await self._leads_here():
            return
        addresses = self._server.addresses
        order = DialOrder(
            to=self._order.to,
            from_number=self._order.from_number,
            answer_url=addresses.answer_url,
            event_url=addresses.event_url,
            ringing_s=self._order.ringing_s,
            length_s=self._order.length_s,
        )
        self._call = PlacedCall(self._calls, order)
        try:
            await self._follow(self._call)
        finally:
            await self._hang_up(self._call)

    async def _leads_here(self) -> bool:
        """
        Whether to call: whoever answered where the public address leads nowhere would hear nothing, and it costs money.

        Raises:
            ConnectError: it doesn't lead here.
        """
        if not self._check or self._tunnelling.url is None:
            return True
        try:
            health = await unless(self._stopped, self._tunnelling.check())
        except StoppedError:
            self.say("stopped before anybody was called")
            return False
        if health.faults:
            raise ConnectError(f"{health.line}; nobody was called (--no-check calls all the same)")
        return not self._stopped.is_set()

    async def _follow(self, call: PlacedCall) -> None:
        """Place it, and tell how it goes until it is over or the user has had enough."""
        placed_at = self._clock.now()
        placed = await call.place()
        course = self._course = Course(placed.uuid, placed.conversation_uuid, placed_at)
        course.news(self._clock.now())
        self.say(f"calling {self._order.to} (call {placed.uuid}); Ctrl-C hangs up")
        for body in self._early:
            self._take(course, body)
        while not course.over and not self._stopped.is_set():
            if not await self._something_new(POLL_S):
                await self._look(course)
        if course.over:
            call.ended()
            await self._last_events(LAST_EVENTS_S)

    async def _something_new(self, wait_s: float) -> bool:
        """Whether an event or a signal came in this time."""
        self._changed.clear()
        waiting = [asyncio.create_task(self._changed.wait()), asyncio.create_task(self._stopped.wait())]
        done, _ = await asyncio.wait(waiting, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        return bool(done)

    async def _look(self, course: Course) -> None:
        """Ask the API how it stands, where events are missing."""
        if not course.wants_a_look(self._clock.now()):
            return
        with contextlib.suppress(VsockError):
            for text in course.polled(await self._calls.get(course.uuid), self._clock.now()):
                self.say(f"{text} (as the API says; no event came)")

    async def _last_events(self, wait_s: float) -> None:
        """The socket's end comes a little before or after the phone's."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while self._server.live_calls:
                    await self._server.wait_for_end()

    async def _hang_up(self, call: PlacedCall) -> None:
        """Leave nobody on the phone."""
        if not call.may_be_live:
            return
        course = self._course
        if course is not None:
            course.hung_up_by_us = True
            self.say("hanging up")
        try:
            await call.hang_up()
        except VsockError as error:
            self._left_behind = True
            uuid = "" if course is None else f" (vsock hangup {course.uuid})"
            self.say(f"the call may still be live{uuid}: {error}", "warning")
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WEBHOOK_WAIT_S):
                while course is not None and not course.over:
                    await self._changed.wait()
                    self._changed.clear()

    @property
    def _checks_first(self) -> bool:
        return self._check

    async def _find_tunnel(self) -> None:
        # A simulated API is on this machine, and so are we; a tunnel is for who asks for it.
        options = self._plan.options
        if not self._is_simulated or options.url is not None or options.tunnel != TunnelKind.AUTO.value:
            await super()._find_tunnel()

    def _show(self, event: Event) -> None:
        super()._show(self._fitting(event))
        match event:
            case EventPosted(body=body):
                if self._course is not None:
                    self._take(self._course, body)
                elif len(self._early) < MAX_EARLY:
                    self._early.append(body)
            case AnswerRequested(params={"uuid": str(uuid), "region_url": region_url}):
                self._calls.remember(uuid, region_url)
            case Ended() if self._course is not None:
                # The phone's end is near; should its event be lost, it isn't waited for long.
                self._course.news(self._clock.now())

    def _fitting(self, event: Event) -> Event:
        """A program wants the server's addresses; to a person the advice how to be called says nothing here."""
        if not isinstance(event, ServerStarted) or self._plan.options.as_json:
            return event
        behaviours = ", ".join(event.behaviours) or "it sends nothing"
        return Notice(at=event.at, level="info", message=f"our server is at {event.url} ({behaviours})")

    def _take(self, course: Course, body: dict[str, Any]) -> None:
        for text in course.event(body, self._clock.now()):
            self.say(clean(text, 400), "warning" if course.fault == text else "info")
        self._changed.set()

    def _give_up(self) -> None:
        if self._call is not None and not self._call.hang_up_at_once(HANG_UP_WAIT_S):
            self.say("the call may still be live; vsock calls --live shows it", "warning")
        super()._give_up()

    def _exit_code(self) -> ExitCode:
        course = self._course
        if self._error is not None:
            return self._error.exit_code
        if self._left_behind:
            return ExitCode.ERROR
        if course is None:
            return ExitCode.OK
        code = super()._exit_code()
        if code is not ExitCode.OK:
            return code
        if course.fault or self._server.error_findings:
            return ExitCode.PROTOCOL
        if self._playback_failed:
            return ExitCode.AUDIO_FILE
        unreached = course.outcome is Outcome.UNREACHED and not course.hung_up_by_us
        return ExitCode.CONNECT if unreached else ExitCode.OK
