"""``vsock hangup``, ``transfer``, ``talk``, ``stream``, ``dtmf``, ``mute`` and ``calls``."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.control.fakes import APPLICATION, CALL, OTHER_CALL, Region, leg, private_key, regions
from vonage_sock.cli import cli

NCCO = [{"action": "wait", "timeout": 1}]
FILE = "https://x.example/a.mp3"


@pytest.fixture
def key() -> str:
    """The application's."""
    return private_key()


@pytest.fixture
async def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Region]]:
    """Two regions; the first knows two live calls."""
    # Reading the system's authorities takes longer than a whole test.
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    async with regions(tmp_path, 2) as both:
        both[0].live += [CALL, OTHER_CALL]
        both[0].legs += [leg(CALL), leg(OTHER_CALL), leg("00000000-4a51-4f6b-86e1-46edebcf9356", status="completed")]
        yield both


async def vsock(region: Region, key: str, *args: str, width: int = 80) -> Result:
    """The command, as the application of these regions."""
    env = {"VONAGE_APPLICATION_ID": APPLICATION, "VONAGE_PRIVATE_KEY": key, "COLUMNS": str(width)}
    options = ["--api-host", region.host, "--ca", str(region.ca)]
    return await asyncio.to_thread(CliRunner().invoke, cli, [*args, *options], env=env)


@pytest.mark.parametrize(
    ("args", "asked"),
    [
        (["hangup", CALL], ("PUT", "", {"action": "hangup"})),
        (["mute", CALL], ("PUT", "", {"action": "mute"})),
        (["mute", CALL, "--off"], ("PUT", "", {"action": "unmute"})),
        (["mute", CALL, "--earmuff"], ("PUT", "", {"action": "earmuff"})),
        (["mute", CALL, "--earmuff", "--off"], ("PUT", "", {"action": "unearmuff"})),
        (["dtmf", CALL, "12P#"], ("PUT", "/dtmf", {"digits": "12p#"})),
        (["talk", CALL, "Hello"], ("PUT", "/talk", {"text": "Hello"})),
        (
            ["talk", CALL, "Salut", "--language", "fr-FR", "--style", "2", "--premium", "--loop", "0", "--level", "-1"],
            ("PUT", "/talk", {"text": "Salut", "language": "fr-FR", "style": 2, "premium": True, "loop": 0, "level": -1}),
        ),
        (["talk", CALL, "--stop"], ("DELETE", "/talk", None)),
        (["stream", CALL, FILE, "--loop", "2"], ("PUT", "/stream", {"stream_url": [FILE], "loop": 2})),
        (["stream", CALL, "--stop"], ("DELETE", "/stream", None)),
        (
            ["transfer", CALL, "https://x.example/answer"],
            ("PUT", "", {"action": "transfer", "destination": {"type": "ncco", "url": ["https://x.example/answer"]}}),
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)  # fmt: skip
async def test_each_command_asks_the_api(two: list[Region], key: str, args: list[str], asked: tuple[Any, ...]) -> None:
    """Method, path and body, and one line that says what was done."""
    ended = await vsock(two[0], key, *args)
    method, path, body = asked

    assert [(method, f"/{CALL}{path}", body)] == [(how, where, what or None) for how, where, what in two[0].done]
    assert (0, 1, CALL) == (ended.exit_code, len(ended.stdout.splitlines()), ended.stdout[:36])


async def test_a_transfer_to_an_ncco_in_a_file(two: list[Region], key: str, tmp_path: Path) -> None:
    """It goes as it is; a file that holds none is found before anybody is asked."""
    (tmp_path / "next.json").write_text(json.dumps(NCCO))
    (tmp_path / "bad.json").write_text("{")
    good = await vsock(two[0], key, "transfer", CALL, str(tmp_path / "next.json"))
    bad = await vsock(two[0], key, "transfer", CALL, str(tmp_path / "bad.json"))

    assert (0, 2, 1) == (good.exit_code, bad.exit_code, len(two[0].asked))
    assert NCCO == two[0].asked[0][2]["destination"]["ncco"]
    assert "isn't JSON" in bad.stderr


async def test_several_calls_and_one_that_is_gone(two: list[Region], key: str) -> None:
    """What went wrong with one keeps no other from it, and the exit code tells; first letters are enough."""
    gone = "11111111-4a51-4f6b-86e1-46edebcf9356"
    ended = await vsock(two[0], key, "hangup", "63f61863", gone, OTHER_CALL)

    assert (1, [f"{CALL} hung up", f"{OTHER_CALL} hung up"]) == (ended.exit_code, ended.stdout.splitlines())
    assert ended.stderr.startswith(f"Error: no live call {gone} is known at ")
    assert 1 == len(ended.stderr.splitlines())


async def test_json_lines_for_programs(two: list[Region], key: str) -> None:
    """One object for each call, with the API's status where it refuses."""
    gone = "11111111-4a51-4f6b-86e1-46edebcf9356"
    ended = await vsock(two[0], key, "hangup", CALL, gone, "--json")
    good, bad = map(json.loads, ended.stdout.splitlines())

    assert {"v": 1, "uuid": CALL, "action": "hangup", "ok": True} == good
    assert (gone, False, 404) == (bad["uuid"], bad["ok"], bad["status"])
    assert (1, "") == (ended.exit_code, ended.stderr)


async def test_the_region_of_the_answer_webhook(two: list[Region], key: str) -> None:
    """It is asked first; a wrong one is said, and the next tried; one that isn't the API's gets no token."""
    right, wrong = two
    told = await vsock(right, key, "mute", CALL, "--region-url", f"https://{wrong.host}")
    foreign = await vsock(right, key, "mute", CALL, "--region-url", "https://evil.example")

    assert (0, f"{CALL} is muted\n", 1, 1) == (told.exit_code, told.stdout, len(wrong.asked), len(right.asked))
    assert (
        f"{wrong.host} doesn't know this call (404), as all regions but its own; asking {right.host}\n" == told.stderr
    )
    assert (2, 1) == (foreign.exit_code, len(right.asked))
    assert "a token isn't sent anywhere else" in foreign.stderr


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["hangup"], "Missing argument 'UUID...'"),
        (["hangup", "CON-1"], "is a conversation's id"),
        (["hangup", CALL, "x\x1b[31m"], "isn't a call's uuid"),
        (["talk", CALL], "Missing argument 'TEXT'"),
        (["talk", CALL, " "], "1 to 1,500"),
        (["talk", CALL, "--stop", "--loop", "2"], "--stop ends what plays"),
        (["stream", CALL, "music.mp3"], "isn't a web address"),
        (["dtmf", CALL, "12w"], "these aren't keys"),
        (["dtmf", CALL], "Missing argument 'DIGITS'"),
        (["transfer", CALL], "Missing argument 'FILE|URL'"),
    ],
)  # fmt: skip
async def test_what_can_not_be_meant(two: list[Region], key: str, args: list[str], sentence: str) -> None:
    """Exit code 2 and one sentence, before anybody is asked."""
    ended = await vsock(two[0], key, *args)

    assert (2, []) == (ended.exit_code, two[0].asked)
    assert sentence in ended.stderr
    assert "\x1b" not in ended.stderr


async def test_calls_lists(two: list[Region], key: str) -> None:
    """Newest first as the API has it, all of them or the live ones, as a table or as JSON."""
    table = await vsock(two[0], key, "calls")
    live = await vsock(two[0], key, "calls", "--live", "--json")
    one = await vsock(two[0], key, "calls", CALL, "--json")
    two[0].legs.clear()
    none = await vsock(two[0], key, "calls")

    assert f"{CALL}  answered   outbound  442079460000 → 447700900001" == table.stdout.splitlines()[0]
    assert [3, 2, 1] == [len(ended.stdout.splitlines()) for ended in (table, live, one)]
    assert ("442079460000", "447700900001") == tuple(json.loads(one.stdout)[name] for name in ("from", "to"))
    assert "there are no calls\n" == none.stdout


async def test_hostile_legs_are_shown_harmless(two: list[Region], key: str) -> None:
    """A caller chooses his name, and the terminal must not act on it."""
    two[0].legs[:] = [leg(CALL, status="\x1b[2J", **{"from": {"type": "sip", "uri": "\x1b]0;x\x07" * 50}})]
    ended = await vsock(two[0], key, "calls")

    assert "\x1b" not in ended.stdout
    assert "\\x1b[2J" in ended.stdout


async def test_without_credentials() -> None:
    """One sentence says what lacks and where it may stand."""
    ended = await asyncio.to_thread(
        CliRunner().invoke, cli, ["hangup", CALL], env={"VONAGE_APPLICATION_ID": "", "HOME": "/nonexistent"}
    )

    assert 2 == ended.exit_code
    assert "no application was found" in ended.stderr
