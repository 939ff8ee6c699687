"""The fixtures in somebody else's tests, under each of the plugins that run coroutines."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

ASYNCIO = ("-p", "no:anyio", "-o", "asyncio_default_fixture_loop_scope=function")
AUTO = (*ASYNCIO, "-o", "asyncio_mode=auto")
STRICT = (*ASYNCIO, "-o", "asyncio_mode=strict")
ANYIO = ("-p", "no:asyncio")
MARKS = {
    AUTO: "",
    STRICT: "pytestmark = pytest.mark.asyncio",
    ANYIO: "pytestmark = pytest.mark.anyio\nanyio_backend = pytest.fixture(lambda: 'asyncio')",
}
RUNNERS = pytest.mark.parametrize("runner", [AUTO, STRICT, ANYIO], ids=["asyncio-auto", "asyncio-strict", "anyio"])

HEAD = """
import asyncio
import pytest
from vonage_sock import Echo

told = []
{mark}

async def mute(call):
    async for frame in call:
        if await call.next_digit() == "#":
            break

"""
PASSING = """
async def test_echo(vonage_call, vonage_server):
    server = await vonage_server(behaviours=lambda: [Echo()], observers=[lambda event: told.append(event.name)])
    report = await vonage_call(server.addresses.answer_url, audio="tone:440", press="1", duration_s=0.3)
    assert report.frames_sent == report.frames_received
    assert report.echo.frames > 5
    assert "server.stopped" not in told

async def test_the_server_of_the_test_before_is_gone():
    assert told.count("server.stopped") == 1
"""
FAILING = """
async def test_mute(vonage_call, vonage_server):
    server = await vonage_server(mute, headers={"id": "x"})
    report = await vonage_call(server.addresses.socket_url, pcm=bytes(640) * 5, press="#")
    assert report.close_code == 4000
"""
EXPECTING = """
async def test_expects(vonage_call, vonage_server, tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("steps: [{silence: 100ms}, hang_up]\\nexpect: [close_code: 4000, heard_at_least: 1s]")
    server = await vonage_server(mute)
    report = await vonage_call(server.addresses.socket_url, scenario=path)
    assert report.passed

async def test_nobody_there(vonage_call):
    await vonage_call("ws://127.0.0.1:1/")
"""
LEFT_OPEN = """
async def test_stuck(vonage_call, vonage_server):
    server = await vonage_server(mute)
    async with asyncio.timeout(0.3):
        await vonage_call(server.addresses.socket_url)
"""


def run(pytester: pytest.Pytester, runner: tuple[str, ...], body: str, *more: str) -> pytest.RunResult:
    """Run tests in a process of their own; any warning is an error."""
    pytester.makepyfile(HEAD.replace("{mark}", MARKS[runner]) + body)
    return pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider", *runner, *more)


@RUNNERS
def test_calls_pass_or_show_their_ladder_and_servers_stop_with_their_test(
    pytester: pytest.Pytester, runner: tuple[str, ...]
) -> None:
    """Whatever runs the coroutines: nothing is left open, nothing warns, and only what failed tells of its calls."""
    result = run(pytester, runner, PASSING + FAILING + LEFT_OPEN)

    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "* test_mute *",
            "E*assert 1000 == 4000",
            "E*where 1000 = <CallReport 'ws://127.0.0.1:*/socket': *closed by server (1000), findings: *>.close_code",
            "*Vonage call 1: 'ws://127.0.0.1:*/socket'*",
            "*time │ platform *│ webhooks *│ socket *│ our reading",
            "*0.000 │ opens socket *│ → connected 16 kHz *",
            "*│ → key #*",
            "*│ ← close 1000 *│ after 0.* s",
            "* test_stuck *",
            "*TimeoutError",
            "*Vonage call 1: *",
            "*opens socket *│ → connected 16 kHz *",
        ]
    )
    assert 2 == result.stdout.str().count("Vonage call 1: ")


def test_a_loop_of_the_whole_module_is_fine_too(pytester: pytest.Pytester) -> None:
    """The server stops with its test and not with the loop."""
    mark = 'pytestmark = pytest.mark.asyncio(loop_scope="module")\n'

    run(pytester, STRICT, mark.join(["", PASSING])).assert_outcomes(passed=2)


def test_all_that_failed_is_told_and_nothing_of_our_insides(pytester: pytest.Pytester) -> None:
    """Each expectation with what was wanted and found; a server that isn't there is one sentence."""
    result = run(pytester, AUTO, EXPECTING)

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["FAIL  close_code: 4000", "      wanted  close code 4000", "      found   1000", "FAIL  heard_at_least: 1s"]
    )
    result.stdout.fnmatch_lines(["E *ConnectError: can't reach ws://127.0.0.1:1/*"])
    assert "/aiohttp/" not in result.stdout.str()


def test_workers_of_xdist_send_the_ladder(pytester: pytest.Pytester) -> None:
    """Without a terminal of their own they take a usual width."""
    result = run(pytester, AUTO, FAILING, "-p", "xdist", "-n", "1")

    result.stdout.fnmatch_lines(["*Vonage call 1: *", "*│ ← close 1000 *"])


def test_a_terminal_of_ascii_gets_ascii(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """No arrows that it can't show."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")

    run(pytester, AUTO, FAILING).stdout.fnmatch_lines(["*| our reading", "*| -> connected 16 kHz*"])


def test_whoever_does_not_call_does_not_pay() -> None:
    """Loading the plugin imports neither numpy nor anything that goes to the network or the terminal."""
    code = (
        "import sys, pytest; old = set(sys.modules); import vonage_sock.pytest_plugin; print(*set(sys.modules) - old)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert {"vonage_sock", "vonage_sock.pytest_plugin"} == set(done.stdout.split())
