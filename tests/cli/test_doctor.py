"""``vsock doctor``."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.account.fakes import APP_ID, applications_api
from tests.doctor.fakes import Fake, serving
from tests.doctor.test_accounting import points_at
from vonage_sock.account.credentials import REGIONS
from vonage_sock.call.events import DoctorSummed
from vonage_sock.cli import cli
from vonage_sock.cli.doctor_lines import check_lines, sum_line
from vonage_sock.doctor.checks import fault, fine, skipped
from vonage_sock.errors import ExitCode

Vsock = Callable[..., Awaitable[Any]]


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KEY", "SECRET"):
        monkeypatch.delenv(f"VONAGE_API_{name}", raising=False)


def doctor(*arguments: str) -> Result:
    """Run it."""
    return CliRunner().invoke(cli, ["doctor", *arguments], prog_name="vsock")


async def test_a_good_server_is_found_good_in_lines_for_people(vsock: Vsock) -> None:
    """Each with its mark; the exit code is 0."""
    async with serving(Fake()) as fake:
        code, text, errors = await (await vsock("doctor", fake.url)).end()

    assert (ExitCode.OK, "") == (code, errors)
    assert "  ✓ upgrade          open in " in text
    assert "  – TLS              none is asked for" in text
    assert "\nthis vsock\n  ✓ frames           in " in text
    assert "\x1b" not in text
    assert "nothing is wrong, 14 looked at, 2 not tried, in " in text


async def test_json_has_a_line_for_each_check_and_the_sum(vsock: Vsock, tmp_path: Path) -> None:
    """With an account too; no secret stands in any of them."""
    async with applications_api(tmp_path) as api, serving(Fake()) as fake:
        points_at(api, "https://127.0.0.1:9")
        program = await vsock("doctor", fake.socket_url, *api.options, "--app", APP_ID, "--json")
        code, text, _ = await program.end()

    lines = [json.loads(line) for line in text.splitlines()]
    checks, summed = lines[:-1], lines[-1]
    assert {"doctor.check"} == {line["event"] for line in checks}
    assert ["account", "credentials", "ok"] == [checks[0][name] for name in ("about", "check", "result")]
    assert [fake.socket_url, "this vsock"] == [line["about"] for line in checks[-2:]]
    assert ("doctor.summary", ExitCode.PROTOCOL, code) == (summed["event"], summed["exit_code"], ExitCode.PROTOCOL)
    assert summed["faults"] == len([line for line in checks if line["result"] == "fault"])
    assert api.secret not in text


def test_a_fault_has_its_cure_right_below_and_exit_code_3() -> None:
    """A server that isn't there."""
    result = doctor("http://127.0.0.1:9")
    lines = result.stdout.splitlines()
    at = lines.index("  ✗ connection       nothing listens on port 9")

    assert ExitCode.PROTOCOL == result.exit_code
    assert "                   → start the server, or correct the port" == lines[at + 1]
    assert "1 fault, 3 looked at, 6 not tried, in 0." in lines[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["example.com"],
        ["http://127.0.0.1:9", "--event-url", "ws://a"],
        ["http://127.0.0.1:9", "--ca", "none.pem"],
    ],
)
def test_what_cannot_be_examined_is_a_usage_error(arguments: list[str]) -> None:
    """One sentence, before anything is tried."""
    result = doctor(*arguments)

    assert (ExitCode.USAGE, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))


@pytest.mark.parametrize(("arguments", "variable"), [(["--region", "moon"], ""), ([], "moon")])
def test_a_region_that_there_isnt_is_a_usage_error_also_without_credentials(
    arguments: list[str], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The regions that there are stand in it."""
    monkeypatch.setenv("VONAGE_REGION", variable)
    result = doctor("http://127.0.0.1:9", *arguments)

    assert (ExitCode.USAGE, "") == (result.exit_code, result.stdout)
    assert "'moon'" in result.stderr
    assert [] == [region for region in REGIONS if region not in result.stderr]


async def test_strictly_what_could_be_better_is_a_fault_too(vsock: Vsock) -> None:
    """And has its mark."""
    warned = [{"action": "talk", "text": "a", "bargin": True}]
    async with serving(Fake(ncco=warned)) as fake:
        code, text, _ = await (await vsock("doctor", fake.url, "--strict")).end()

    assert ExitCode.PROTOCOL == code
    assert "  ✗ NCCO             talk; no error in it" in text


def test_a_line_is_folded_below_itself_and_a_stranger_s_text_is_harmless() -> None:
    """To a terminal's width; elsewhere each is one line."""
    check = fault("x", "a\x1b[31m " + "word " * 20, "cure " * 20)
    folded = check_lines(check, 60)

    assert [True] * len(folded) == [len(line) < 60 and "\x1b" not in line for line in folded]
    assert {19, 21} == {len(line) - len(line.lstrip()) for line in folded[1:]}
    assert 2 == len(check_lines(check, None))
    assert ["  – TLS              why"] == check_lines(skipped("TLS", "why"), 80)
    assert ["  ✓ TLS              "] == check_lines(fine("TLS", ""), 80)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((5, 0, 0, 0), "nothing is wrong, 5 looked at, in 1.5 s"),
        ((5, 1, 2, 0), "1 fault, 6 looked at, 2 not tried, in 1.5 s"),
        ((5, 2, 0, 3), "2 faults, 7 looked at, 3 could be better, in 1.5 s"),
    ],
)
def test_the_last_line_says_how_it_all_was(counts: tuple[int, int, int, int], expected: str) -> None:
    """In numbers."""
    ok, faults, not_tried, advised = counts
    summed = DoctorSummed(at=0, ok=ok, faults=faults, skipped=not_tried, advised=advised, exit_code=0, duration_s=1.5)

    assert expected == sum_line(summed)
