"""The README is right: what it shows runs, and what there is stands in it."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import shlex
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pytest
import soundfile
from aiohttp import web
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import vonage_sock
from vonage_sock.call import events
from vonage_sock.cli import COMMANDS, cli
from vonage_sock.errors import ExitCode
from vonage_sock.media.decode import AudioFile
from vonage_sock.protocol import webhooks
from vonage_sock.simulator.leg.dtmf import parse_dtmf
from vonage_sock.testing import CallReport, EchoDelay, Found, ServerMaker, VonageCaller

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
EXAMPLE = re.compile(r"<!-- example (?P<name>\w+) -->\n```python\n(?P<code>.*?)```", re.DOTALL)
WALK_THROUGH = re.compile(r"<!-- walk-through (\w+) -->\n```sh\n(.*?)```", re.DOTALL)
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def example(name: str) -> SimpleNamespace:
    """The names that an example of the README defines."""
    codes = {match["name"]: match["code"] for match in EXAMPLE.finditer(README)}
    names: dict[str, object] = {"__name__": name}
    exec(compile(codes[name], f"README.md: {name}", "exec"), names)
    return SimpleNamespace(**names)


async def test_the_bot_of_the_readme_greets_and_echoes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller hears the greeting, then itself, and # ends the call."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("welcome.wav", np.full(320, 0.1), 16000)
    bot = example("bot").bot

    async with asyncio.timeout(20), vonage_sock.Server(bot, port=0) as server:
        report = await vonage_sock.VonageCall(
            vonage_sock.CallOrder(
                target=server.addresses.socket_url,
                audio=AudioFile.shipped_clip(),
                plan=vonage_sock.LegPlan(audio_format=vonage_sock.AudioFormat(16000), key_presses=parse_dtmf("1w1#")),
            )
        ).run()

    assert "server" == report["closed_by"]
    assert 10 < report["echo"]["frames"]


async def test_the_caller_and_the_behaviours_of_the_readme_work_together() -> None:
    """The example caller calls a server with the example behaviours, and hears its echo half a second later."""
    async with asyncio.timeout(30), vonage_sock.Server(behaviours=example("behaviour").behaviours, port=0) as server:
        report = await example("caller").try_it(server.addresses.answer_url)

    assert 270 < report["frames_received"] <= report["frames_sent"]
    assert 500 <= report["echo"]["delay_ms"]["p50"]


async def test_the_test_of_the_readme_passes(vonage_call: VonageCaller, vonage_server: ServerMaker) -> None:
    """With the fixtures as anybody gets them who has installed the package."""
    async with asyncio.timeout(30):
        await example("tests").test_the_parrot_hangs_up(vonage_call, vonage_server)


def test_the_scenario_of_the_readme_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a server that plays and gives way to a key, under the manual clock, in the example's own test."""
    text = re.search(r"<!-- example scenario -->\n```yaml\n(.*?)```", README, re.DOTALL)
    assert text is not None
    monkeypatch.chdir(tmp_path)
    Path("barge-in.yaml").write_text(text[1])
    soundfile.write("welcome.wav", np.sin(np.arange(5 * 16000) / 8) / 4, 16000)

    example("rehearsal").test_a_key_cuts_the_greeting_off()


async def test_the_application_of_the_readme_hangs_up_through_the_sdk(
    vonage_call: VonageCaller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its # ends the socket's leg, and the call says goodbye."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "api.pem"))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    async with asyncio.timeout(30), vonage_call.api(public_key=key, tls=tmp_path / "api.pem") as api:
        runner = web.AppRunner(example("hangup").make_app(api.host, "aaaa", key.decode()))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        report = await vonage_call(f"http://127.0.0.1:{runner.addresses[0][1]}/answer", press="#", fast=True)
        await runner.cleanup()

    assert ([("PUT", 204)], "platform") == ([(asked.method, asked.status) for asked in api.requests], report.closed_by)
    assert 100 > report.frames_sent
    assert "Goodbye" in report.ladder()


def test_the_walk_through_of_the_readme_ends_calls_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own commands: closed, the caller is sorry for; ended by the API, it isn't; and drills are what it is for."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("welcome.wav", np.sin(np.arange(8000) / 8) / 4, 16000)
    walk_through = {match[1]: match[2].splitlines() for match in WALK_THROUGH.finditer(README)}
    words = re.search("'(.*)' > sorry.json", walk_through["files"][0])
    assert words is not None
    Path("sorry.json").write_text(words[1])
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    Path("private.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )

    closed, refused, dropped = calls_of([*walk_through["close"], *walk_through["drills"]])
    (ended,) = calls_of(walk_through["rest"])

    assert ["One moment, please.", "Sorry, we were cut off. Please call again."] == heard_in(closed)
    assert heard_in(closed) == heard_in(refused) == heard_in(dropped)
    assert ["One moment, please."] == heard_in(ended)
    assert "event   disconnected" in closed
    assert "event   disconnected" not in ended
    assert "api     PUT /v1/calls/" in ended


def calls_of(commands: list[str]) -> list[str]:
    """What the calls show that these commands make; the first of them is their server."""
    ports = {}
    for name in ("8000", "8100"):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports[name] = str(free.getsockname()[1])
    server, *calls = [
        shlex.split(re.sub(r"(?<=[ :])8[01]00\b", lambda match: ports[match[0]], line))[1:] for line in commands
    ]
    environ = {**os.environ, "VSOCK_PORT": ports["8000"], "VSOCK_NGROK_API": "http://127.0.0.1:9", "VSOCK_JSON": "1"}
    program = subprocess.Popen([sys.executable, "-m", "vonage_sock", *server], env=environ, stdout=subprocess.PIPE)
    try:
        assert program.stdout is not None
        assert any(b"server.started" in line for line in program.stdout)
        return [CliRunner().invoke(cli, [*call, "--fast"]).stdout for call in calls]
    finally:
        program.terminate()
        program.communicate()


def heard_in(output: str) -> list[str]:
    """What the platform said to the caller, as lines tell it."""
    return re.findall(r"notice  the caller hears, for about \d+ s: (.*)", output)


@pytest.mark.parametrize("kind", [CallReport, EchoDelay, Found])
def test_what_a_report_holds_stands_in_the_readme(kind: type) -> None:
    """Every public field, and every argument of a call."""
    arguments = inspect.signature(VonageCaller.__call__).parameters if kind is CallReport else {}
    names = [item.name for item in fields(kind) if item.name not in ("target", "level", "message", "count", "code")]

    assert [] == [name for name in names if f"`{name}`" not in README and name not in ("duration_s", "rate_hz")]
    assert [] == [name for name in arguments if name not in ("self", "url", "order") and f"`{name}=" not in README]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_stands_in_the_readme(name: str) -> None:
    """Nothing is there that isn't documented."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]

    assert [] == [option for option in options if option not in README]


def test_the_readme_s_commands_and_options_exist() -> None:
    """Nothing is documented that isn't there."""
    lines = [line.split("#")[0] for block in SHELL.findall(README) for line in block.splitlines() if "vsock " in line]
    calls = [line.split("vsock ", 1)[1].split() for line in lines]

    assert calls
    for name, *arguments in calls:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}

        assert {argument for argument in arguments if argument.startswith("--")} <= known


def test_every_public_name_exit_code_event_and_route_stands_in_the_readme_or_the_interface() -> None:
    """The tables are whole."""
    names = [kind.name for kind in vars(events).values() if isinstance(kind, type) and hasattr(kind, "name")]
    routes = [webhooks.ANSWER_PATH, *webhooks.EVENT_PATHS, webhooks.FALLBACK_PATH, webhooks.SOCKET_PATH]
    wanted = [f"`{name}`" for name in names if name != "server.notice"]
    wanted += [f"`{route}`" for route in routes] + [f"| {code.value} | {code.meaning} |" for code in ExitCode]

    assert [] == [text for text in wanted if text not in README]


def test_the_public_interface_can_be_imported() -> None:
    """Each name of ``__all__`` leads somewhere, and nothing else does."""
    assert [] == [name for name in vonage_sock.__all__ if not hasattr(vonage_sock, name)]
    assert not hasattr(vonage_sock, "nothing")
    assert sorted(vonage_sock.__all__) == dir(vonage_sock)


def test_the_changelog_knows_this_version() -> None:
    """A release without a word about it can't happen."""
    assert f"## {vonage_sock.__version__}" in (ROOT / "CHANGELOG.md").read_text()
