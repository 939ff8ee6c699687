"""An application is pointed at this machine and put back, whatever ends the program."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.account.fakes import APP_ID, OTHER_ID, FakeApi, application, applications_api

URL = "https://line.example.com"
OURS = {
    "answer_url": f"{URL}/webhooks/answer",
    "event_url": f"{URL}/webhooks/event",
    "fallback_answer_url": f"{URL}/webhooks/fallback",
}
IDS = [f"{number:08d}-2222-4333-8444-555555555555" for number in range(4)]

Dev = Callable[..., Awaitable[Any]]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[FakeApi]:
    """The account's API, with several applications."""
    async with applications_api(tmp_path) as fake:
        fake.applications |= {app_id: application(app_id) for app_id in IDS}
        yield fake


@pytest.fixture
def dev(vsock: Any, api: FakeApi, tmp_path: Path) -> Dev:
    """Start a command with that account, and a journal of its own."""

    async def start(command: str, *args: str, app: str = APP_ID, **env: str) -> Any:
        environ = {
            "HOME": str(tmp_path),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "VONAGE_API_KEY": api.key,
            "VONAGE_API_SECRET": api.secret,
        }
        options: tuple[str, ...] = ()
        if command == "dev":
            options = ("--app", app, "--api-host", api.host, "--ca", str(api.ca), "--port", "0", "--url", URL)
            options += ("--no-check", "--json")
        return await vsock(command, *options, *args, **{**environ, **env})

    return start


def journal(tmp_path: Path) -> list[str]:
    """The applications that are to be put back."""
    return sorted(path.stem for path in (tmp_path / "state" / "vsock" / "applications").glob("*.json"))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_each_signal_puts_the_application_back(dev: Dev, api: FakeApi, tmp_path: Path) -> None:
    """Ctrl-C, SIGTERM and a closed terminal; the journal is there while it runs, and gone after it."""
    signals = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    programs = await asyncio.gather(*(dev("dev", "--yes", app=app_id) for app_id in IDS[:3]))
    for program in programs:
        await program.event("server.started")
    pointed = [api.addresses(app_id) for app_id in IDS[:3]]
    written = journal(tmp_path)
    for program, number in zip(programs, signals, strict=True):
        program.process.send_signal(number)
    ends = [await program.end() for program in programs]

    assert [OURS] * 3 == pointed
    assert (IDS[:3], []) == (written, journal(tmp_path))
    assert [0] * 3 == [code for code, _, _ in ends]
    assert all(api.is_as_it_was(app_id) for app_id in IDS)
    assert all("is put back: answer_url, event_url, fallback_answer_url" in out for _, out, _ in ends)


async def test_a_kill_at_any_step_leaves_nothing_pointed_at_a_dead_tunnel(
    dev: Dev, api: FakeApi, tmp_path: Path
) -> None:
    """Before the journal, between journal and API, after the API's write, and while serving: the next server mends it."""
    api.faults = {f"GET {IDS[0]}": ["hang"], f"PUT {IDS[1]}": ["hang"], f"PUT {IDS[2]}": ["late"]}
    programs = await asyncio.gather(*(dev("dev", "--yes", app=app_id) for app_id in IDS))
    await programs[3].event("server.started")
    await until(lambda: api.hanging == 3)
    for program in programs:
        program.process.kill()
        await program.end()
    left = journal(tmp_path)
    changed = [app_id for app_id in IDS if not api.is_as_it_was(app_id)]
    told = await (await dev("explain")).end()
    server = await dev("serve", "--port", "0", "--json")
    await server.event("server.started")
    server.interrupt()
    code, _, stderr = await server.end()

    assert (IDS[1:], IDS[2:]) == (left, changed)
    assert 3 == told[2].count("put it back with: vsock restore")
    assert ([], 0) == (journal(tmp_path), code)
    assert all(api.is_as_it_was(app_id) for app_id in IDS)
    assert (2, 1) == (stderr.count("is put back"), stderr.count("there was nothing to put back"))


async def test_a_put_back_that_fails_says_how_to_go_on(dev: Dev, api: FakeApi, tmp_path: Path) -> None:
    """An API that fails at the end, and one that hangs until the second Ctrl-C: the journal stays, restore does it."""
    failing, hanging = await asyncio.gather(*(dev("dev", "--yes", app=app_id) for app_id in IDS[:2]))
    await failing.event("server.started")
    await hanging.event("server.started")
    api.faults = {f"PUT {IDS[0]}": [401], f"GET {IDS[1]}": ["hang"] * 9}
    failing.interrupt()
    hanging.interrupt()
    code, out, _ = await failing.end()
    await until(lambda: api.hanging == 1)
    await asyncio.sleep(0.2)
    hanging.interrupt()
    second, _, said = await hanging.end()

    assert (2, 130) == (code, second)
    assert "HTTP 401" in out
    assert "put it back with: vsock restore" in out
    assert "put it back with: vsock restore" in said
    assert IDS[:2] == journal(tmp_path)

    api.faults = {}
    restored = await (await dev("restore")).end()
    assert (0, 2) == (restored[0], restored[1].count("is put back"))
    assert all(api.is_as_it_was(app_id) for app_id in IDS)
    assert "nothing to put back\n" == (await (await dev("restore")).end())[1]


async def test_who_lives_is_left_alone(dev: Dev, api: FakeApi, tmp_path: Path) -> None:
    """A second vsock dev on the same application is refused, and neither restore nor serve takes it away from the first."""
    first = await dev("dev", "--yes")
    await first.event("server.started")
    second, restore = await asyncio.gather(dev("dev", "--yes"), dev("restore"))
    refused, left = await second.end(), await restore.end()

    assert 1 == refused[0] == left[0]
    assert f"another vsock dev (process {first.process.pid}) has pointed application {APP_ID} at itself" in refused[2]
    assert "a vsock dev that still runs uses application" in left[2]
    assert OURS == api.addresses()
    first.interrupt()
    assert 0 == (await first.end())[0]
    assert api.is_as_it_was()


async def test_keep_keeps_until_it_is_asked_to_be_put_back(dev: Dev, api: FakeApi, tmp_path: Path) -> None:
    """The next server leaves it, too."""
    kept = await dev("dev", "--yes", "--keep")
    await kept.event("server.started")
    kept.interrupt()
    code, out, _ = await kept.end()
    server = await dev("serve", "--port", "0", "--json")
    await server.event("server.started")
    server.interrupt()
    await server.end()

    assert (0, OURS) == (code, api.addresses())
    assert "still points at https://line.example.com (--keep)" in out
    shown = await (await dev("restore", "--dry-run")).end()
    assert (OURS, True) == (api.addresses(), "(--keep)" in shown[1])
    assert 0 == (await (await dev("restore", "--app", APP_ID)).end())[0]
    assert api.is_as_it_was()


async def test_nothing_is_changed_that_nobody_agreed_to(dev: Dev, api: FakeApi, tmp_path: Path) -> None:
    """Without a terminal and --yes it is refused; --dry-run shows it, and so does its JSON."""
    asked, shown, lines, wrong = await asyncio.gather(
        dev("dev"),
        dev("dev", "--dry-run"),
        dev("dev", "--dry-run", VSOCK_JSON=""),
        dev("dev", "--yes", app=OTHER_ID),
    )
    refused, plan, text, unknown = [await program.end() for program in (asked, shown, lines, wrong)]

    assert 2 == refused[0] == unknown[0]
    assert "there is no terminal to ask on; give --yes, or look first with --dry-run" in refused[2]
    assert {name: address for name, address in OURS.items()} == {
        name: change["then"] for name, change in json.loads(plan[1])["changes"].items()
    }
    assert text[0] == 0
    assert "HTTP 404" in unknown[2]
    assert ([], []) == (api.writes(), journal(tmp_path))
