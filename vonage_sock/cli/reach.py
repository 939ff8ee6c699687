"""
The application that points at us while ``vsock dev`` runs.

``begin`` changes it, ``leave`` puts it back and may be called again; in between it follows the tunnel to another address.
Rule: what ``leave`` can't put back stays in the journal, and the screen says how to go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

from vonage_sock.account.applications import JsonObject, read_application, voice_addresses
from vonage_sock.account.journal import Journal
from vonage_sock.account.pointing import PutBack, changes, point, put_back
from vonage_sock.account.sdk import ApiError, Sdk
from vonage_sock.call.events import ApplicationPointed, ApplicationRestored, Notice, Observer
from vonage_sock.cli.account_words import MAX_NAME, change_lines, kept, named, put_back_lines, still_points
from vonage_sock.cli.asking import ask
from vonage_sock.cli.printing import say
from vonage_sock.cli.stopping import STOPPED, StoppedError, unless
from vonage_sock.clock import Clock
from vonage_sock.display.safe import clean
from vonage_sock.errors import ConnectError, ExitCode, VsockError
from vonage_sock.protocol import webhooks
from vonage_sock.server.config import Addresses

if TYPE_CHECKING:
    from vonage_sock.cli.tunnelling import Tunnelling

LEAVE_S: Final = 8.0
"""How long putting back may take, with all that is tried again."""

SLOW_S: Final = 1.0
"""So long nobody wonders why it doesn't end."""

TRIES: Final = 3
BETWEEN_S: Final = 0.5

T = TypeVar("T")
Alone = Callable[[], contextlib.AbstractContextManager[None]]


class DeclinedError(VsockError):
    """Nobody wanted it, and nothing was changed."""


def addresses_at(base: str) -> dict[str, str]:
    """The three webhooks of voice for a server with this public base address."""
    addresses = Addresses(base)
    return {
        "answer_url": addresses.answer_url,
        "event_url": addresses.event_url,
        "fallback_answer_url": base + webhooks.FALLBACK_PATH,
    }


class Reach:
    """
    The application of one run.

    Args:
        application: as it was read just before.
        trust: whom the public address may be trusted by, besides the system's authorities.
        ask: before the application is changed.
        tell: what is changed, though nobody is asked.
        keep: don't put it back.
        check: try the public address first.
    """

    def __init__(
        self,
        sdk: Sdk,
        journal: Journal,
        application: JsonObject,
        application_id: str,
        *,
        trust: ssl.SSLContext | None,
        ask: bool,
        tell: bool,
        keep: bool,
        check: bool,
        clock: Clock,
    ) -> None:
        self.exit_code = ExitCode.OK
        self.trust = trust
        self._sdk, self._journal, self._clock = sdk, journal, clock
        self._application, self._id = application, application_id
        self._ask, self._tell, self._keep, self._check = ask, tell, keep, check
        self._following: asyncio.Task[None] | None = None
        self._left = False

    async def begin(self, tunnel: Tunnelling, *, stopped: asyncio.Event, tell: Observer, alone: Alone) -> None:
        """
        Point the application at the tunnel, if it leads to us, and if that is wanted.

        Args:
            alone: nothing else is written while a question stands on the screen.

        Raises:
            DeclinedError: the answer was no.
            StoppedError: it was stopped before anything was changed.
            VsockError: it can't be done.
        """
        base = tunnel.url
        if stopped.is_set():
            raise StoppedError(STOPPED)
        if base is None:
            raise ConnectError("no public address leads here, so nothing was changed; give one with --url or --tunnel")
        if self._check:
            health = await unless(stopped, tunnel.check())
            if health.faults:
                raise ConnectError(f"{health.line}; nothing was changed (--no-check goes on without trying)")
        with alone():
            await self._consent(base, stopped)
        application = await unless(stopped, read_application(self._sdk, self._id))
        telling = asyncio.create_task(self._tell_of_waiting(stopped, tell))
        try:
            # Nobody knows what to put back before it is answered.
            await self._point(base, application, tell)
        finally:
            telling.cancel()
        self._notice(tell, "info", f"application {self.name!r} points here{'' if self._keep else ' until this ends'}")

    def follow(self, base: str, tell: Observer) -> None:
        """The tunnel has another address now: point the application at that."""
        self._following = asyncio.create_task(self._follow(base, self._following, tell))

    async def leave(self, tell: Observer) -> None:
        """Put the application back; never raises for what can't be done. Again does nothing."""
        if self._left:
            return
        self._left = True
        if self._following is not None:
            # What is being written can't be taken back while nobody knows whether it arrived.
            await asyncio.wait([self._following])
        with self._told_when_slow(tell):
            await self._put_back(tell)

    def give_up(self) -> None:
        """The program is ended the hard way: say what it leaves behind."""
        with contextlib.suppress(VsockError):
            entry = self._journal.read(self._id)
            if entry is not None:
                say(clean(still_points(entry, "stopped before it was"), 1000))

    @property
    def name(self) -> str:
        """What the application is called."""
        return clean(self._application.get("name"), MAX_NAME)

    @property
    def _named(self) -> str:
        return named(self._application.get("name"), self._id)

    async def _consent(self, base: str, stopped: asyncio.Event) -> None:
        found = changes(self._application, addresses_at(base))
        if not found:
            return
        until = "for good (--keep)" if self._keep else "until this ends"
        if self._ask or self._tell:
            say("\n".join([f"A{self._named[1:]}", *change_lines(found)]))
        agreed = not self._ask or await ask(f"Change these addresses, {until}?", stopped)
        if stopped.is_set():
            raise StoppedError(STOPPED)
        if not agreed:
            raise DeclinedError("nothing was changed")

    async def _point(self, base: str, application: JsonObject, tell: Observer) -> None:
        addresses = addresses_at(base)
        await point(
            self._sdk,
            self._journal,
            self._id,
            addresses,
            clock=self._clock,
            keep=self._keep,
            application=application,
        )
        tell(
            ApplicationPointed(
                at=self._clock.now(),
                application=self.name,
                id=self._id,
                addresses=addresses,
                previous=voice_addresses(application),
            )
        )

    async def _follow(self, base: str, before: asyncio.Task[None] | None, tell: Observer) -> None:
        if before is not None:
            await asyncio.wait([before])
        if self._left:
            return
        try:
            await self._point(base, await read_application(self._sdk, self._id), tell)
        except VsockError as error:
            self._notice(tell, "error", f"{self._named} can't be pointed at the tunnel's new address {base}: {error}")
        else:
            self._notice(tell, "info", f"{self._named} points at the new address")

    async def _put_back(self, tell: Observer) -> None:
        try:
            entry = self._journal.read(self._id)
        except VsockError as error:
            self.exit_code = error.exit_code
            self._notice(tell, "error", str(error))
            return
        if entry is None:
            return
        if entry.keep:
            self._notice(tell, "info", kept(entry))
            return
        try:
            async with asyncio.timeout(LEAVE_S):
                result = await _tried_again(lambda: put_back(self._sdk, self._journal, entry, clock=self._clock))
        except (VsockError, TimeoutError) as error:
            self.exit_code = getattr(error, "exit_code", ExitCode.CONNECT)
            why = str(error) or f"{self._sdk.api_host} took more than {LEAVE_S:g} s"
            self._notice(tell, "error", still_points(entry, why))
            return
        self._tell_put_back(result, tell)

    def _tell_put_back(self, result: PutBack, tell: Observer) -> None:
        if result.in_doubt:
            self.exit_code = ExitCode.CONNECT
        if result.back or result.left:
            tell(
                ApplicationRestored(
                    at=self._clock.now(),
                    application=self.name,
                    id=self._id,
                    addresses=dict(result.back),
                    previous={name: result.entry.ours[name][-1] for name in result.back},
                    left=dict(result.left),
                )
            )
        for level, line in put_back_lines(result):
            self._notice(tell, level, line)

    async def _tell_of_waiting(self, stopped: asyncio.Event, tell: Observer) -> None:
        await stopped.wait()
        await asyncio.sleep(SLOW_S)
        self._say_awaited(tell)

    @contextlib.contextmanager
    def _told_when_slow(self, tell: Observer) -> Iterator[None]:
        timer = asyncio.get_running_loop().call_later(SLOW_S, self._say_awaited, tell)
        try:
            yield
        finally:
            timer.cancel()

    def _say_awaited(self, tell: Observer) -> None:
        self._notice(
            tell,
            "warning",
            f"{self._sdk.api_host} hasn't answered yet, and the application can't be put back before; a second Ctrl-C "
            "leaves that to vsock restore",
        )

    def _notice(self, tell: Observer, level: str, message: str) -> None:
        tell(Notice(at=self._clock.now(), level=level, message=message))


async def _tried_again(work: Callable[[], Awaitable[T]]) -> T:
    """The work's result, tried again where the network or the API may have failed for a moment."""
    for _ in range(TRIES - 1):
        try:
            return await work()
        except (ConnectError, ApiError) as error:
            if isinstance(error, ApiError) and error.status < 500 and error.status != 429:
                raise
        await asyncio.sleep(BETWEEN_S)
    return await work()
