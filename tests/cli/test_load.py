"""``vsock load``, as a program and by its options."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.cli.conftest import Vsock
from tests.simulator.load import echoes
from vonage_sock.behaviours.echo import Echo
from vonage_sock.cli import cli
from vonage_sock.cli.load import _most
from vonage_sock.errors import ExitCode
from vonage_sock.limits import Limits
from vonage_sock.server.app import VsockServer
from vonage_sock.server.config import ServerConfig


def load(*arguments: str) -> Result:
    """Run ``vsock load`` in this process, up to where it would begin."""
    return CliRunner().invoke(cli, ["load", *arguments], prog_name="vsock")


async def test_a_load_of_an_echo_is_told_as_json_lines_and_as_a_page(vsock: Vsock, tmp_path: Path) -> None:
    """Nothing but events on stdout; thresholds are kept; the page is one file that needs no other."""
    page = tmp_path / "load.html"
    async with echoes.serving(echoes.echo) as target:
        program = await vsock(
            *("load", target, "-n", "4", "--ramp", "0", "--duration", "1.2", "--json", "--html", str(page)),
            *("--max-p99", "2s", "--max-lost", "0", "--pid", str(os.getpid())),
        )
        code, stdout, stderr = await program.end()
    events = [json.loads(line) for line in stdout.splitlines()]
    report = events[-1]

    assert (0, "") == (code, stderr)
    assert ["load.started", "load.progress", "load.report"] == sorted({event["event"] for event in events}, key=_ORDER)
    assert (4, 0, True, "marks") == (
        report["calls_opened"],
        report["frames_lost"],
        report["met"],
        report["measured_by"],
    )
    assert report["server"]["pid"] == os.getpid()
    assert 200 <= report["frames_sent"] == report["frames_returned"] <= 260
    assert "<svg" in (text := page.read_text())
    assert [] == [word for word in ("http://", "https://", "<script", "src=", "@import", "url(") if word in text]


_ORDER = ["load.started", "load.progress", "load.report"].index


async def test_a_missed_threshold_is_exit_code_8_and_a_sentence(vsock: Vsock, tmp_path: Path) -> None:
    """What the first caller heard is recorded all the same."""
    async with echoes.serving(echoes.losing) as target:
        program = await vsock(
            *("load", target, "-n", "2", "--ramp", "0", "--duration", "0.6", "--max-lost", "0"),
            *("--record-heard", "1", "--record-path", str(tmp_path / "heard-{n}.wav")),
        )
        code, stdout, _ = await program.end()

    assert ExitCode.THRESHOLD == code
    assert "missed lost at most 0: " in stdout
    assert "generator late by" in stdout
    assert ["heard-1.wav"] == [path.name for path in tmp_path.iterdir()]


async def test_the_most_calls_are_found(vsock: Vsock) -> None:
    """A server that takes three at once: each try is a line, and the number is exact."""
    async with echoes.serving(echoes.only(3)) as target:
        program = await vsock(
            "load", target, "--find-max", "-n", "2", "--ramp", "0", "--duration", "0.3", "--max-p99", "5s", "-q"
        )
        code, stdout, _ = await program.end()

    assert ["2 calls: kept", "4 calls: missed", "3 calls: kept"] == [
        line.split(",")[0] for line in stdout.splitlines()[:3]
    ]
    assert "3 calls at most keep to the thresholds" in stdout
    assert ExitCode.OK == code


async def test_ctrl_c_hangs_up_and_reports(vsock: Vsock) -> None:
    """What was measured until then is told, and nothing of it is lost."""
    async with echoes.serving(echoes.echo) as target:
        program = await vsock("load", target, "-n", "2", "--duration", "600", "--json")
        await program.event("load.progress")
        program.interrupt()
        report = await program.event("load.report")
        code, _, stderr = await program.end()

    assert (0, "", True, 0) == (code, stderr, report["stopped"], report["frames_lost"])


async def test_ctrl_c_in_a_search_gives_what_was_found_until_then(vsock: Vsock) -> None:
    """At least so many calls."""
    async with echoes.serving(echoes.echo) as target:
        program = await vsock(
            *("load", target, "--find-max", "-n", "1", "--ramp", "0", "--duration", "0.8", "--max-p99", "5s", "--json")
        )
        await program.event("load.try")
        program.interrupt()
        report = await program.event("load.report")
        code, _, _ = await program.end()

    assert (0, True) == (code, report["stopped"])
    assert 1 <= report["max_calls"] <= 2


async def test_ctrl_c_before_the_first_try_was_over_is_said(vsock: Vsock) -> None:
    """No number is known, and no threshold was missed."""
    async with echoes.serving(echoes.echo) as target:
        program = await vsock("load", target, "--find-max", "--duration", "600", "--json")
        await program.event("load.progress")
        program.interrupt()
        report = await program.event("load.report")
        code, _, _ = await program.end()

    assert (0, True, None) == (code, report["stopped"], report["max_calls"])


async def test_the_servers_own_limit_is_named_as_what_ended_the_search(vsock: Vsock) -> None:
    """Otherwise a number that an option sets would pass for what the machine can do."""
    async with VsockServer(ServerConfig(port=0, limits=Limits(calls=2)), lambda: [Echo()]) as server:
        program = await vsock(
            *("load", f"ws://127.0.0.1:{server.port}/socket", "--find-max", "-n", "2", "--ramp", "0"),
            *("--duration", "0.3", "--max-p99", "5s", "-q"),
        )
        code, stdout, _ = await program.end()
    refused = "1 not opened: ws://127.0.0.1:{port}/socket refused the call with HTTP 503: it takes no more calls"
    refused = refused.format(port=server.port)

    assert [True] == [refused in line for line in stdout.splitlines() if line.startswith("3 calls: missed")]
    assert f"; beyond that, {refused}" in stdout.splitlines()[-1]
    assert ExitCode.OK == code


@pytest.mark.parametrize(
    ("most", "stopped", "sentence"),
    [
        (None, True, "stopped before the first try was over"),
        (0, False, "not even one call keeps to the thresholds"),
        (0, True, "stopped: no number of calls kept to the thresholds"),
        (1, False, "1 call at most keeps to the thresholds"),
        (20, True, "stopped: at least 20 calls keep to the thresholds"),
        (50, False, "50 calls, the most that --find-up-to allows, keep to the thresholds"),
    ],
)
def test_the_most_calls_are_said_as_they_were_found(most: int | None, stopped: bool, sentence: str) -> None:
    """Stopped, limited, or found."""
    report = {
        "max_calls": most,
        "stopped": stopped,
        "own_lateness_ms": {"p99": 1.0},
        "read_late_ms": None,
        "limited_by": {},
    }

    assert _most(report, 50).startswith(sentence)


async def test_a_server_that_is_not_there_is_exit_code_7(vsock: Vsock) -> None:
    """With the reason, and how often."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        program = await vsock("load", f"ws://127.0.0.1:{taken.getsockname()[1]}/", "-n", "3", "--ramp", "0")
        code, stdout, _ = await program.end()

    assert ExitCode.CONNECT == code
    assert "3 \u00d7 can't reach" in stdout


TARGET = "ws://127.0.0.1:9/socket"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["ws://example.com/x", "-n", "500"], "--i-may-load-this"),
        (["https://example.com/answer", "--find-max"], "--i-may-load-this"),
        (["ftp://example.com/"], "can't be called"),
        ([TARGET, "--max-p99", "20"], "such as 20ms"),
        ([TARGET, "--pid", "999999999"], "no such process"),
        ([TARGET, "--audio", "silence"], "can't be told apart"),
        ([TARGET, "--audio", "tone:440"], "can't be told apart"),
        ([TARGET, "--record-heard", "2", "--record-path", "one.wav"], "put {n} into it"),
        ([TARGET, "--record-heard", "1", "--record-path", "-"], "name a file"),
        ([TARGET, "--record-heard", "1", "--record-path", "heard.txt"], "recordings are made as"),
        ([TARGET, "--html", "nowhere/page.html"], "directory that exists"),
        ([TARGET, "--find-max", "-n", "100", "--find-up-to", "50"], "more than --find-up-to"),
        ([TARGET, "-n", "0"], "0"),
        ([TARGET, "--duration", "nan"], "is not a valid number"),
        ([TARGET, "--ramp", "NaN"], "is not a valid number"),
        ([TARGET, "--open-timeout", "nan"], "is not a valid number"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(arguments: list[str], part: str) -> None:
    """Before anything is called; exit code 2."""
    result = load(*arguments)

    assert ExitCode.USAGE == result.exit_code
    assert part in " ".join(result.output.split())


def test_a_page_is_not_overwritten_unasked(tmp_path: Path) -> None:
    """Somebody may want to compare."""
    page = tmp_path / "page.html"
    page.write_text("before")
    result = load(TARGET, "--html", str(page))

    assert ExitCode.USAGE == result.exit_code
    assert "--overwrite" in result.output
    assert "before" == page.read_text()
