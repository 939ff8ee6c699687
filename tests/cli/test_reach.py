"""What becomes of the application between the tunnel and the end, without a server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import termios
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.account.fakes import APP_ID, KEY, OLD, SECRET, FakeApi, application, applications_api
from vonage_sock.account.credentials import Credentials, Setting
from vonage_sock.account.journal import Journal
from vonage_sock.account.sdk import Sdk
from vonage_sock.call.events import Event, Notice
from vonage_sock.cli import asking
from vonage_sock.cli import reach as module
from vonage_sock.cli.reach import DeclinedError, Reach, addresses_at
from vonage_sock.cli.stopping import StoppedError
from vonage_sock.clock import ManualClock
from vonage_sock.errors import ConnectError, ExitCode
from vonage_sock.tunnels.health import Health

BASE, THIRD = "https://line.example.com", "https://three.example.com"
OLD_ADDRESSES = {name: item["address"] for name, item in OLD.items()}


class Tunnel:
    """An open one, as far as it is asked; ``faults`` is what its try finds."""

    def __init__(self, url: str | None = BASE, *faults: str) -> None:
        self.url = url
        self.faults = faults
        self.tried = asyncio.Event()

    async def check(self) -> Health:
        self.tried.set()
        if self.faults == ("hang",):
            await asyncio.Event().wait()
        return Health(url=self.url or "", faults=self.faults)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[FakeApi]:
    """The account's API."""
    async with applications_api(tmp_path) as fake:
        yield fake


class Run:
    """One run, and what it says."""

    def __init__(self, api: FakeApi, folder: Path, **more: Any) -> None:
        found = Credentials(api_key=Setting(KEY, "x"), api_secret=Setting(SECRET, "x"))
        self.journal = Journal(folder / "state")
        self.said: list[str] = []
        self.events: list[Event] = []
        self.stopped = asyncio.Event()
        settings = {"trust": None, "ask": False, "tell": True, "keep": False, "check": True, "clock": ManualClock()}
        self.reach = Reach(
            Sdk(found, api_host=api.host, ca=api.ca), self.journal, application(), APP_ID, **{**settings, **more}
        )

    def tell(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.said.append(f"{event.level}: {event.message}")
        else:
            self.events.append(event)

    async def begin(self, tunnel: Tunnel) -> None:
        await self.reach.begin(tunnel, stopped=self.stopped, tell=self.tell, alone=contextlib.nullcontext)  # type: ignore[arg-type]

    async def leave(self) -> None:
        await self.reach.leave(self.tell)


@pytest.fixture
def run(api: FakeApi, tmp_path: Path) -> Callable[..., Run]:
    """Make one."""
    return lambda **more: Run(api, tmp_path, **more)


async def test_an_address_that_doesnt_lead_here_isnt_given_to_an_application(
    api: FakeApi, run: Callable[..., Run]
) -> None:
    """Its try found a fault, or there is none; nothing is written."""
    with pytest.raises(ConnectError, match=r"it answers 502; nothing was changed .--no-check"):
        await run().begin(Tunnel(BASE, "it answers 502"))
    with pytest.raises(ConnectError, match="no public address leads here"):
        await run().begin(Tunnel(None))

    assert [] == api.asked


async def test_who_stops_while_the_address_is_tried_has_changed_nothing(api: FakeApi, run: Callable[..., Run]) -> None:
    """The try isn't waited for."""
    trying, tunnel = run(), Tunnel(BASE, "hang")
    beginning = asyncio.create_task(trying.begin(tunnel))
    await tunnel.tried.wait()
    trying.stopped.set()
    with pytest.raises(StoppedError, match="stopped before anything was changed") as stopped:
        await beginning

    assert ([], ExitCode.OK) == (api.asked, stopped.value.exit_code)


async def hangs(api: FakeApi) -> None:
    """Wait until a request does."""
    for _ in range(2000):
        if api.hanging:
            return
        await asyncio.sleep(0.005)


async def test_who_stops_before_the_journal_is_written_waits_for_nothing(api: FakeApi, run: Callable[..., Run]) -> None:
    """An API that says nothing holds up nobody who has changed nothing."""
    api.faults["GET"] = ["hang"]
    stopping = run()
    beginning = asyncio.create_task(stopping.begin(Tunnel()))
    await hangs(api)
    stopping.stopped.set()
    with pytest.raises(StoppedError, match="stopped before anything was changed"):
        await asyncio.wait_for(beginning, 2)

    assert ([], []) == (api.writes(), stopping.journal.applications())


async def test_who_stops_while_the_api_writes_is_told_what_is_waited_for(
    api: FakeApi, run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what was written, though nobody has heard so, is put back."""
    monkeypatch.setattr(module, "SLOW_S", 0.01)
    api.faults["PUT"] = ["late"]
    stopping = run()
    beginning = asyncio.create_task(stopping.begin(Tunnel()))
    await hangs(api)
    written = [addresses_at(BASE), [APP_ID]] == [api.addresses(), stopping.journal.applications()]
    stopping.stopped.set()
    for _ in range(2000):
        if stopping.said:
            break
        await asyncio.sleep(0.005)
    for transport in api.transports:
        transport.abort()
    with pytest.raises(ConnectError, match="it closed the connection without an answer"):
        await beginning
    await stopping.leave()

    assert (True, True, []) == (written, api.is_as_it_was(), stopping.journal.applications())
    assert "hasn't answered yet, and the application can't be put back before" in stopping.said[0]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Somebody's end of the terminal that questions are asked on."""
    ours, theirs = pty.openpty()
    mode = termios.tcgetattr(theirs)
    mode[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, mode)
    stream = os.fdopen(theirs, "r+b", buffering=0)
    monkeypatch.setattr(asking.sys, "stdin", stream)
    yield ours
    stream.close()
    os.close(ours)


@pytest.mark.parametrize(("typed", "changed"), [(b"y\n", True), (b"Yes\n", True), (b"n\n", False), (b"\n", False)])
async def test_the_application_is_changed_where_the_answer_is_yes(
    api: FakeApi,
    run: Callable[..., Run],
    terminal: int,
    capsys: pytest.CaptureFixture[str],
    typed: bytes,
    changed: bool,
) -> None:
    """What would be changed is shown first; what was typed before the question is no answer."""
    os.write(terminal, b"y\n")
    asked = run(ask=True)
    beginning = asyncio.create_task(asked.begin(Tunnel()))
    shown = ""
    for _ in range(1000):
        shown += capsys.readouterr().err
        if "[y/N]" in shown:
            break
        await asyncio.sleep(0)
    os.write(terminal, typed)
    await asyncio.wait([beginning])
    declined = beginning.exception()

    assert f"    - https://old.example.com/answer\n    + {BASE}/webhooks/answer\n" in shown
    assert changed is (declined is None) is (addresses_at(BASE) == api.addresses())
    assert changed or isinstance(declined, DeclinedError)


async def test_a_tunnel_that_moves_takes_the_application_with_it(api: FakeApi, run: Callable[..., Run]) -> None:
    """And the application is still put back to what it was at first, once, by whoever leaves first."""
    moving = run()
    await moving.begin(Tunnel())
    moving.reach.follow("https://two.example.com", moving.tell)
    moving.reach.follow(THIRD, moving.tell)
    await asyncio.wait([moving.reach._following])  # type: ignore[list-item]
    await moving.leave()
    await moving.leave()

    assert api.is_as_it_was()
    assert [] == moving.journal.applications()
    assert 1 == sum("is put back" in line for line in moving.said)
    *pointed, restored = moving.events
    assert [addresses_at(base) for base in (BASE, THIRD)] == [event.addresses for event in (pointed[0], pointed[-1])]
    assert {**OLD_ADDRESSES, "fallback_answer_url": None} == pointed[0].previous == restored.addresses
    assert (addresses_at(THIRD), {}) == (restored.previous, restored.left)


async def test_a_fault_for_a_moment_is_tried_again(
    api: FakeApi, run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network or an API that comes back within seconds leaves nothing to be done."""
    monkeypatch.setattr(module, "BETWEEN_S", 0.01)
    ending = run()
    await ending.begin(Tunnel())
    api.faults = {"GET": ["drop"], "PUT": [503]}
    await ending.leave()

    assert (True, ExitCode.OK) == (api.is_as_it_was(), ending.reach.exit_code)


@pytest.mark.parametrize("fault", [[401], [500] * 3, ["drop"] * 3, ["hang"]])
async def test_what_cant_be_put_back_is_said_and_stays(
    api: FakeApi, run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, fault: list[Any]
) -> None:
    """With the address, the reason and what to do; nothing is waited for beyond some seconds."""
    monkeypatch.setattr(module, "BETWEEN_S", 0.01)
    monkeypatch.setattr(module, "LEAVE_S", 0.5)
    ending = run()
    await ending.begin(Tunnel())
    api.faults["GET"] = fault
    await ending.leave()

    assert [APP_ID] == ending.journal.applications()
    assert ending.reach.exit_code
    assert f"may still point at {BASE}, as it couldn't be put back (localhost:" in ending.said[-1]
    assert ending.said[-1].endswith("put it back with: vsock restore")


async def test_what_is_kept_is_kept(api: FakeApi, run: Callable[..., Run]) -> None:
    """And is said."""
    keeping = run(keep=True)
    await keeping.begin(Tunnel())
    await keeping.leave()

    assert addresses_at(BASE) == api.addresses()
    assert "--keep" in keeping.said[-1]


async def test_a_hard_end_says_what_it_leaves(
    api: FakeApi, run: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    """And says nothing where nothing was changed."""
    ending = run()
    ending.reach.give_up()
    before = capsys.readouterr().err
    await ending.begin(Tunnel())
    ending.reach.give_up()

    assert "" == before
    assert "put it back with: vsock restore" in capsys.readouterr().err
