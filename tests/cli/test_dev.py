"""An application is pointed at this machine and put back, whatever ends the program."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.account.fakes import APP_ID, OTHER_ID, FakeApi, application, applications_api
from tests.control.fakes import private_key
from vonage_sock.cli import cli

URL = "https://line.example.com"
OURS = {
    "answer_url": f"{URL}/webhooks/answer",
    "event_url": f"{URL}/webhooks/event",
    "fallback_answer_url": f"{URL}/webhooks/fallback",
}
IDS = [f"{number:08d}-2222-4333-8444-555555555555" for number in range(3)]
DEV = ["dev", "--app", APP_ID, "--port", "0", "--url", URL, "--no-check", "--yes"]

Dev = Callable[..., Awaitable[Any]]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[FakeApi]:
    """The account's API, with several applications."""
    async with applications_api(tmp_path) as fake:
        fake.applications |= {app_id: application(app_id) for app_id in IDS}
        yield fake


def environment_of(api: FakeApi, tmp_path: Path) -> dict[str, str]:
    """That account, and a journal of one's own."""
    return {
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "VONAGE_API_KEY": api.key,
        "VONAGE_API_SECRET": api.secret,
    }


@pytest.fixture
def dev(vsock: Any, api: FakeApi, tmp_path: Path) -> Dev:
    """Start a command with that account, as a program of its own."""

    async def start(command: str, *args: str, app: str = APP_ID) -> Any:
        options = ["--app", app, "--api-host", api.host, "--ca", str(api.ca), *DEV[3:-1], "--json"]
        return await vsock(command, *(options if command == "dev" else []), *args, **environment_of(api, tmp_path))

    return start


def journal(tmp_path: Path) -> list[str]:
    """The applications that are to be put back."""
    return sorted(path.stem for path in (tmp_path / "state" / "vsock" / "applications").glob("*.json"))


async def hangs(api: FakeApi, count: int) -> None:
    """Wait until so many requests hang."""
    async with asyncio.timeout(30):
        for _ in range(3000):
            if api.hanging == count:
                return
            await asyncio.sleep(0.01)


async def here(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *args: str) -> Result:
    """Run a command that ends by itself, in this process and in another thread than the API's."""
    for name, value in environment_of(api, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VSOCK_API_HOST", api.host)
    monkeypatch.setenv("VSOCK_CA", str(api.ca))
    monkeypatch.chdir(tmp_path)
    return await asyncio.to_thread(CliRunner().invoke, cli, list(args))


async def test_a_killed_one_is_mended_by_the_next_and_a_stopped_one_by_itself(
    dev: Dev, api: FakeApi, tmp_path: Path
) -> None:
    """A closed terminal, a kill while the API writes, and one while it serves: nothing stays pointed at a dead tunnel."""
    api.faults = {f"PUT {IDS[1]}": ["late"]}
    programs = await asyncio.gather(*(dev("dev", "--yes", app=app_id) for app_id in IDS))
    for number in (0, 2):
        assert "server.started" == json.loads(await programs[number].line())["event"]
    await hangs(api, 1)
    written, pointed = journal(tmp_path), [api.addresses(app_id) for app_id in IDS]
    programs[0].process.send_signal(signal.SIGHUP)
    code, out, _ = await programs[0].end()
    changed = [line for line in map(json.loads, out.splitlines()) if line["event"].startswith("application.")]
    for number in (1, 2):
        programs[number].process.kill()
        await programs[number].end()
    left = journal(tmp_path)
    server = await dev("serve", "--port", "0", "--json")
    await server.event("server.started")
    server.interrupt()
    _, _, said = await server.end()

    assert ([OURS] * 3, IDS, IDS[1:]) == (pointed, written, left)
    assert (0, 2, []) == (code, said.count("is put back"), journal(tmp_path))
    assert all(api.is_as_it_was(app_id) for app_id in IDS)
    assert ["application.pointed", "application.restored"] == [line["event"] for line in changed]
    assert (OURS, OURS) == (changed[0]["addresses"], changed[1]["previous"])
    assert changed[0]["previous"] == changed[1]["addresses"]


async def test_a_write_that_arrives_when_all_is_over_is_found_by_the_next(
    dev: Dev, api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API takes it, says nothing, and does it later: the entry stays, and one line says what may still come."""
    api.faults["PUT"] = ["queued"]
    code, _, said = await (await dev("dev", "--yes")).end()
    ended = (code, journal(tmp_path), api.is_as_it_was())
    shown, looked = [await here(api, tmp_path, monkeypatch, "restore", *args) for args in (["--dry-run"], [])]
    told = await here(api, tmp_path, monkeypatch, "explain")
    await api.arrive()
    arrived = api.addresses()
    restored = await here(api, tmp_path, monkeypatch, "restore")

    assert ((7, [APP_ID], True), OURS) == (ended, arrived)
    assert f"doesn't point at {URL} now, but a write that the API never answered may still arrive" in said
    assert (0, 7, 0) == (shown.exit_code, looked.exit_code, restored.exit_code)
    assert "(a write that was never answered may still arrive)" in shown.stdout
    assert "looks at it again, and so does: vsock restore\n" == looked.stdout[-46:]
    assert "a vsock dev may have left application 'My phone line' changed" in told.stderr
    assert "is put back: answer_url, event_url, fallback_answer_url\n" == restored.stdout[-56:]
    assert ([], True) == (journal(tmp_path), api.is_as_it_was())


async def test_what_fails_at_the_end_stays_in_the_journal(
    dev: Dev, api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody takes the application from one that lives; then the screen says how to go on, and restore does it."""
    program = await dev("dev", "--yes")
    await program.event("server.started")
    second, restore = [await here(api, tmp_path, monkeypatch, *args) for args in (DEV, ["restore"])]
    pointed = api.addresses()
    api.faults["PUT"] = [401]
    program.interrupt()
    code, _, out = await program.end()

    assert (1, 1, OURS) == (second.exit_code, restore.exit_code, pointed)
    assert f"another vsock dev (process {program.process.pid}) has pointed application {APP_ID}" in second.stderr
    assert "a vsock dev that still runs uses application" in restore.stderr
    assert (2, True, True) == (code, "HTTP 401" in out, "put it back with: vsock restore" in out)
    assert [APP_ID] == journal(tmp_path)
    told = await here(api, tmp_path, monkeypatch, "explain")
    assert "has left application 'My phone line' changed; put it back with: vsock restore" in told.stderr
    monkeypatch.setattr("vonage_sock.cli.dial.run", lambda session: session.close())
    monkeypatch.setenv("VONAGE_PRIVATE_KEY", private_key())
    dialled = await here(api, tmp_path, monkeypatch, "dial", "447700900001", "--yes", "--app", APP_ID, "--port", "0")
    assert f"After a crash: application 'My phone line' ({APP_ID}) is put back" in dialled.stderr
    assert "restore" not in dialled.stderr
    assert api.is_as_it_was()
    (tmp_path / "state" / "vsock" / "applications" / f"{APP_ID}.json").write_text("{")
    shown, other = [
        await here(api, tmp_path, monkeypatch, "restore", *args) for args in (["--dry-run"], ["--app", OTHER_ID])
    ]
    assert (1, "", 0, "nothing to put back\n") == (shown.exit_code, shown.stdout, other.exit_code, other.stdout)
    (tmp_path / "state" / "vsock" / "applications" / f"{APP_ID}.json").unlink()
    assert "nothing to put back\n" == (await here(api, tmp_path, monkeypatch, "restore")).stdout


async def test_nothing_is_changed_that_nobody_agreed_to(
    api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal and --yes it is refused; --dry-run shows it, and so does its JSON."""
    dry = [*DEV[:-1], "--dry-run"]
    asked, shown, lines = [await here(api, tmp_path, monkeypatch, *args) for args in (DEV[:-1], dry, [*dry, "--json"])]

    assert (2, 0, 0) == (asked.exit_code, shown.exit_code, lines.exit_code)
    assert "there is no terminal to ask on; give --yes, or look first with --dry-run" in asked.stderr
    assert "    - https://old.example.com/event\n    + https://line.example.com/webhooks/event\n" in shown.stdout
    assert OURS == {name: change["then"] for name, change in json.loads(lines.stdout)["changes"].items()}
    assert ([], []) == (api.writes(), journal(tmp_path))


async def test_ctrl_c_before_anything_was_changed_is_an_end_as_any_other(
    api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the account is still looked at; one line says that nothing was done."""

    def stopped(work: Any) -> None:
        work.close()
        raise KeyboardInterrupt

    monkeypatch.setattr("vonage_sock.cli.dev_run.run", stopped)
    result = await here(api, tmp_path, monkeypatch, *DEV)

    assert (0, "stopped before anything was changed\n") == (result.exit_code, result.output)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--app", "x"], "--app 'x' isn't an application's id"),
        (["--app", OTHER_ID], "HTTP 404"),
        (["--app", ""], "no application was named, and the account has these with voice: 78d335fa"),
        (["--tunnel", "ngrok"], "--url names a public address, and --tunnel ngrok makes another"),
        (
            ["--api-secret", "another0fSome0ther"],
            "the API key of VONAGE_API_KEY with the secret of --api-secret was refused",
        ),
        (["--signature-secret", "x" * 32], "signed_callbacks is false"),
    ],
)
async def test_what_cant_be_used_is_one_sentence_and_changes_nothing(
    api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], said: str
) -> None:
    """A usage error, found before anything is opened."""
    api.applications[APP_ID]["capabilities"]["voice"]["signed_callbacks"] = False
    result = await here(api, tmp_path, monkeypatch, *DEV, *args)

    assert 2 == result.exit_code
    assert said in result.stderr
    assert ([], []) == (api.writes(), journal(tmp_path))


async def test_config_shows_where_each_setting_comes_from(
    api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a table and as JSON, secrets masked; a broken file is named, and the exit code says so."""
    (tmp_path / ".vonagerc").write_text(json.dumps({"app-id": APP_ID, "private-key": "-----BEGIN PRIVATE KEY-----"}))
    (tmp_path / "pyproject.toml").write_text('[tool.vsock]\nregion = "eu-west"\n')
    table, lines = [await here(api, tmp_path, monkeypatch, "config", *args) for args in ([], ["--json"])]
    settings = json.loads(lines.stdout)["settings"]
    (tmp_path / ".vonagerc").write_text("{")
    broken = await here(api, tmp_path, monkeypatch, "config")

    assert (0, 0, 2) == (table.exit_code, lines.exit_code, broken.exit_code)
    assert {"value": "***", "source": "VONAGE_API_SECRET", "secret": True} == settings["api_secret"]
    assert (APP_ID, "./.vonagerc") == (settings["application_id"]["value"], settings["application_id"]["source"])
    assert ("eu-west", None) == (settings["region"]["value"], settings["signature_secret"])
    assert ["private", "key", "***", "./.vonagerc"] == table.stdout.splitlines()[3].split()
    assert f"{tmp_path}/.vonagerc can't be used: it isn't JSON" in broken.stderr
    assert [] == [text for text in (api.secret, "BEGIN PRIVATE") if text in table.output + lines.output + broken.output]
