"""``vsock scenario`` and ``vsock call --scenario``."""

from __future__ import annotations

import asyncio
import base64
import json
import resource
from pathlib import Path

import pytest
import websockets
from click.testing import CliRunner, Result
from junitparser import JUnitXml

from tests.cli.conftest import Vsock, pcm_of
from vonage_sock.cli import cli
from vonage_sock.simulator.scenario.schema import schema_text

PASSES = """
name: short
steps:
  - play: {audio: tone:440, for: 200ms}
  - wait_for: audio
  - hang_up
expect: [first_audio_within: 2s, {ncco_has: {action: connect}}, {event_reply: {event: answered, status: 204}}]
"""
FAILS = """
name: impatient
steps: [{play: {audio: tone:440, for: 200ms}}, {wait_for: {event: bye, within: 100ms}}]
expect: [close_code: 4000]
"""


def vsock_of(*arguments: object) -> Result:
    """Run ``vsock`` within this process."""
    return CliRunner().invoke(cli, list(map(str, arguments)), prog_name="vsock")


def write(path: Path, text: str) -> Path:
    """A file."""
    path.write_text(text)
    return path


async def test_the_example_passes_and_each_run_is_the_same(vsock: Vsock, tmp_path: Path) -> None:
    """As init writes it, against our echo without waiting: every event, time and figure of two runs."""
    init = await (await vsock("scenario", "init")).end()
    check = await (await vsock("scenario", "check", "scenario.yaml")).end()
    runs = [await (await vsock("call", "vsock:echo", "--scenario", "scenario.yaml", "--json")).end() for _ in range(2)]
    report = json.loads(runs[0][1].splitlines()[-1])

    assert (0, 0) == (init[0], check[0])
    assert (0, "") == (runs[0][0], runs[0][2])
    assert runs[0] == runs[1]
    assert ("call.report", "echo and keys", True) == (report["event"], report["scenario"], report["passed"])
    assert {"done"} == {step["state"] for step in report["steps"]}
    assert (tmp_path / "scenario.yaml").exists()


async def test_several_runs_at_once_are_told_in_a_table_and_in_junit(vsock: Vsock, tmp_path: Path) -> None:
    """Two scenarios, twice each, against a server: what failed stands below with the wanted and the found value."""
    write(tmp_path / "short.yaml", PASSES)
    write(tmp_path / "impatient.yaml", FAILS)
    server = await vsock("serve", "--echo", "--port", 0, "--json")
    url = (await server.event("server.started"))["answer_url"]
    files = ("--scenario", "short.yaml", "--scenario", "impatient.yaml")
    caller = await vsock("call", url, *files, "--repeat", 2, "--jobs", 4, "--junit", "r.xml")
    code, output, errors = await caller.end()
    document = JUnitXml.fromfile(str(tmp_path / "r.xml"))
    lines = output.splitlines()

    assert (8, "") == (code, errors)
    assert "2 of 4 runs passed" in lines[-1]
    assert "        wanted  close code 4000" in lines
    assert "        found   1000" in lines
    assert max(map(len, lines)) <= 80
    assert ["short", "short", "impatient", "impatient"] == [
        line.split()[1] for line in lines[lines.index(next(x for x in lines if "first heard" in x)) + 2 :][:4]
    ]
    assert (4, 2, 0) == (document.tests, document.failures, document.errors)
    assert all("opens socket" in case.system_out for suite in document for case in suite)


async def test_several_runs_as_json_are_told_by_their_call_and_summed_up(vsock: Vsock, tmp_path: Path) -> None:
    """Each line has the call's own id; the last one is the sum."""
    write(tmp_path / "a.yaml", FAILS)
    caller = await vsock("call", "vsock:echo", "--scenario", "a.yaml", "--repeat", 3, "--json")
    code, output, _ = await caller.end()
    events = [json.loads(line) for line in output.splitlines()]
    reports = [event for event in events if event["event"] == "call.report"]

    assert 8 == code
    assert [("call-1", 1), ("call-2", 2), ("call-3", 3)] == [(report["call"], report["run"]) for report in reports]
    assert ("scenario.summary", 3, 0, 3, 8) == tuple(
        events[-1][name] for name in ("event", "runs", "passed", "failed", "exit_code")
    )
    assert "impatient, run 1: step 2, wait_for event bye" in events[-1]["failures"][0]


async def test_several_runs_say_how_soon_the_server_was_heard(vsock: Vsock, tmp_path: Path) -> None:
    """As p50 and p95, with the lateness of our own timer beside it: 2 ms and 40 in the buffer, in each run the same."""
    write(tmp_path / "a.yaml", "steps: [{play: {audio: noise, for: 300ms}}, hang_up]")
    told = await vsock("call", "vsock:echo", "--scenario", "a.yaml", "--repeat", 3, "--json")
    shown = await vsock("call", "vsock:echo", "--scenario", "a.yaml", "--repeat", 3)
    lines = (await told.end())[1].splitlines()
    heard = json.loads(lines[-1])["first_heard_ms"]

    assert heard["p50"] == heard["p95"] <= 60
    assert 0 == heard["own_lateness_ms"]
    assert (
        f"first heard after {heard['p50']:.0f} ms p50, {heard['p95']:.0f} ms p95; own timer late by 0.0 ms p99"
        in (await shown.end())[1]
    )


async def test_a_broken_protocol_is_told_by_its_own_code(vsock: Vsock, tmp_path: Path) -> None:
    """3, where all that is expected came true."""

    async def sloppy(socket: websockets.ServerConnection) -> None:
        async for message in socket:
            if isinstance(message, bytes):
                await socket.send(json.dumps({"media": base64.b64encode(message).decode()}))

    write(tmp_path / "a.yaml", "steps: [{play: {audio: noise, for: 300ms}}, hang_up]\nexpect: [close_code: 1000]")
    async with websockets.serve(sloppy, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        code, output, _ = await (await vsock("call", f"ws://127.0.0.1:{port}/", "--scenario", "a.yaml", "-q")).end()

    assert 3 == code
    assert "VS106" in output


async def test_a_server_that_isn_t_there_is_told_by_its_own_code(vsock: Vsock, tmp_path: Path) -> None:
    """7; a JUnit file is written all the same."""
    write(tmp_path / "a.yaml", "steps: [hang_up]")
    caller = await vsock("call", "ws://127.0.0.1:1/", "--scenario", "a.yaml", "--junit", "r.xml")
    code, output, errors = await caller.end()

    assert 7 == code
    assert "Error: can't reach ws://127.0.0.1:1/" in errors
    assert 1 == JUnitXml.fromfile(str(tmp_path / "r.xml")).errors
    assert "Traceback" not in output


async def test_each_run_is_saved_and_one_that_can_t_be_is_told_by_its_own_code(vsock: Vsock, tmp_path: Path) -> None:
    """4, before what was expected; nothing that was saved is replaced."""
    write(tmp_path / "a.yaml", "steps: [{play: {audio: noise, for: 200ms}}, hang_up]\nexpect: [close_code: 4000]")

    async def echo(socket: websockets.ServerConnection) -> None:
        async for message in socket:
            if isinstance(message, bytes):
                await socket.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        call = ("call", f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/", "--scenario", "a.yaml", "-q")
        saved = await (await vsock(*call, "--repeat", 2, "--save", "heard.wav")).end()
        full = await vsock(*call, "--save", "full.wav")
        resource.prlimit(full.process.pid, resource.RLIMIT_FSIZE, (1000, 1000))
        lost = await full.end()

    assert (8, 4) == (saved[0], lost[0])
    assert "what was heard or recorded couldn't be saved" in lost[1]
    assert 0 < len(pcm_of(tmp_path / "heard.wav"))
    assert 0 < len(pcm_of(tmp_path / "heard-2.wav"))


async def test_ctrl_c_ends_all_calls_and_makes_no_more(vsock: Vsock, tmp_path: Path) -> None:
    """What was made is told, and isn't passed."""
    heard = asyncio.Event()

    async def listen(socket: websockets.ServerConnection) -> None:
        async for _ in socket:
            heard.set()

    write(tmp_path / "a.yaml", "steps: [{silence: 20s}]")
    async with websockets.serve(listen, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        caller = await vsock("call", f"ws://127.0.0.1:{port}/", "--scenario", "a.yaml", "--repeat", 5, "--jobs", 2)
        await heard.wait()
        caller.interrupt()
        code, output, _ = await caller.end()

    assert 8 == code
    assert "3 not made" in output.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["vsock:echo", "--scenario", "a.yaml", "--audio", "noise"], "--audio and --scenario contradict each other"),
        (["vsock:echo", "--scenario", "a.yaml", "--dtmf", "1"], "--dtmf and --scenario contradict each other"),
        (["vsock:echo", "--scenario", "a.yaml", "--duration", "1"], "--duration and --scenario contradict each other"),
        (["vsock:echo", "--scenario", "a.yaml", "--save", "x.wav"], "isn't saved"),
        (["vsock:echo", "--scenario", "a.yaml", "--junit", "none/r.xml"], "--junit none/r.xml"),
        (["vsock:echo", "--scenario", "none.yaml"], "none.yaml: there is no such file"),
        (["vsock:echo", "--scenario", "bad.yaml"], "bad.yaml, line 1, column 8: "),
        (["vsock:echo", "--scenario", "webhook.yaml"], "call an answer URL instead"),
        (["vsock:eko", "--scenario", "a.yaml"], "vsock:echo, vsock:listen or vsock:play=FILE"),
        (["vsock:echo"], "give --scenario FILE too"),
        (["ws://x/", "--repeat", "2"], "--repeat is for scenarios"),
        (["ws://x/", "--jobs", "2"], "--jobs is for scenarios"),
        (["ws://x/", "--junit", "r.xml"], "--junit is for scenarios"),
        (["ws://x/", "--scenario", "a.yaml", "--jobs", "51"], "51 is not in the range"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_together_is_refused(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a call is made, in one sentence and with exit code 2."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.yaml", "steps: [hang_up]")
    write(tmp_path / "bad.yaml", "steps: 3")
    write(tmp_path / "webhook.yaml", "expect: [event_posted: answered]")
    result = vsock_of("call", *arguments)

    assert 2 == result.exit_code
    assert words in result.output


def test_init_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is there stays as it is; a place that isn't there is told."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "mine.yaml", "mine")
    again, nowhere = vsock_of("scenario", "init", "mine.yaml"), vsock_of("scenario", "init", "none/x.yaml")

    assert (2, 2) == (again.exit_code, nowhere.exit_code)
    assert "isn't replaced" in again.output
    assert "mine" == (tmp_path / "mine.yaml").read_text()


def test_check_tells_of_each_file(tmp_path: Path) -> None:
    """The good ones too; audio that isn't there is an error of its own."""
    good = write(tmp_path / "good.yaml", "steps: [hang_up]")
    bad = write(tmp_path / "bad.yaml", "steps:\n  - hangup")
    mute = write(tmp_path / "mute.yaml", "steps:\n  - play: none.wav")
    both, silent = vsock_of("scenario", "check", good, bad), vsock_of("scenario", "check", mute)

    assert (2, 5) == (both.exit_code, silent.exit_code)
    assert f"{good}: good, 1 step, 0 expectations" in both.output
    assert f"{bad}, line 2, column 5: 'hangup' is no step; did you mean hang_up?" in both.output
    assert "line 2: none.wav: no such file" in silent.output


def test_the_schema_is_printed() -> None:
    """For editors, to the letter."""
    result = vsock_of("scenario", "schema")

    assert (0, schema_text()) == (result.exit_code, result.output)


async def test_a_full_disk_spoils_the_table_and_not_the_junit_file(
    vsock: Vsock, tmp_path: Path, full_disk: int
) -> None:
    """One sentence, and the code of the runs; 1 where they passed."""
    write(
        tmp_path / "good.yaml", PASSES.replace("{ncco_has: {action: connect}}, ", "").split(", {event_reply")[0] + "]"
    )
    write(tmp_path / "bad.yaml", FAILS)
    runs = ("--repeat", 2, "--junit", "r.xml")
    bad = await (await vsock("call", "vsock:echo", "--scenario", "bad.yaml", *runs, stdout=full_disk)).end()
    junit = JUnitXml.fromfile(str(tmp_path / "r.xml"))
    good = await (await vsock("call", "vsock:echo", "--scenario", "good.yaml", *runs, stdout=full_disk)).end()
    schema = await (await vsock("scenario", "schema", stdout=full_disk)).end()

    assert (8, 1, 1) == (bad[0], good[0], schema[0])
    assert (2, 2) == (junit.tests, junit.failures)
    assert {"Error: standard output can't be written: No space left on device\n"} == {bad[2], good[2], schema[2]}


def test_a_quiet_run_is_one_line(tmp_path: Path) -> None:
    """And several are one line too."""
    good = write(tmp_path / "a.yaml", "steps: [hang_up]")
    one = vsock_of("call", "vsock:echo", "--scenario", good, "-q")
    two = vsock_of("call", "vsock:echo", "--scenario", good, "--scenario", good, "-q")

    assert ["pass  a  0.0 s"] == one.output.splitlines()
    assert 1 == len(two.output.splitlines())
    assert two.output.startswith("2 of 2 runs passed")


def test_init_quotes_a_name_for_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands can be copied."""
    monkeypatch.chdir(tmp_path)

    assert "vsock call vsock:echo --scenario 'a b.yaml'" in vsock_of("scenario", "init", "a b.yaml").output
