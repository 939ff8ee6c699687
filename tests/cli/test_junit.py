"""JUnit XML, read by a parser that isn't ours."""

from __future__ import annotations

import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from junitparser import Error, Failure, JUnitXml

from vonage_sock.cli.junit import Case, JunitFile
from vonage_sock.errors import ConnectError, ExitCode, UsageError
from vonage_sock.simulator.scenario.judging import Judgement
from vonage_sock.simulator.scenario.model import Scenario
from vonage_sock.simulator.scenario.running import Outcome

NASTY = 'a]]>\x1b[2J<b attr="\x00">&amp;\u202e\ud800\n'
GOOD = Judgement("no_underruns", passed=True, wanted="no underrun", found="0 underruns")
BAD = Judgement(f"close_code: {NASTY}", passed=False, wanted="close code 1000", found=NASTY)
ERROR = {"code": "VS101", "level": "error", "message": NASTY, "count": 1}


def outcome(name: str = "menu", *, run: int = 1, code: ExitCode = ExitCode.OK, **more: object) -> Outcome:
    """A run of a scenario in a file of its own."""
    made = Scenario(name=name, path=Path("calls") / f"{name[:4]}.yaml")
    values: dict[str, object] = {"report": {"findings": []}, "judgements": [GOOD], "duration_s": 1.25}
    return replace(Outcome(scenario=made, run=run, report={}, exit_code=code), **{**values, **more})  # type: ignore[arg-type]


def written(path: Path, *outcomes: Outcome, ladder: str = "0.000 | opens socket") -> JUnitXml:
    """What the independent parser reads of a file with these runs."""
    JunitFile(str(path)).write("ws://x/", [Case(item, ladder) for item in outcomes], wall_ns=1_700_000_000_000_000_000)
    return JUnitXml.fromfile(str(path))


def test_each_run_is_a_test_case(tmp_path: Path) -> None:
    """With its time, what failed, and the ladder of its call."""
    error = ConnectError("can't reach ws://x/")
    document = written(
        tmp_path / "r.xml",
        outcome(),
        outcome(run=2, code=ExitCode.THRESHOLD, judgements=[GOOD, BAD], step_failure="step 1, drop: no"),
        outcome("other", code=ExitCode.CONNECT, error=error),
        outcome("broken", code=ExitCode.PROTOCOL, report={"findings": [ERROR]}),
    )
    suite = next(iter(document))
    first, second, third, fourth = suite

    assert (4, 2, 1, 5.0) == (document.tests, document.failures, document.errors, document.time)
    assert ("vsock call ws://x/", "2023-11-14T22:13:20") == (suite.name, suite.timestamp)
    assert [("calls.menu", "menu (run 1)", 1.25), ("calls.othe", "other", 1.25)] == [
        (case.classname, case.name, case.time) for case in (first, third)
    ]
    assert ([], "0.000 | opens socket") == (first.result, first.system_out)
    assert [(Failure, "expectation")] == [(type(result), result.type) for result in second.result]
    assert "step 1, drop: no" == second.result[0].message
    assert "close_code: a]]>" in second.result[0].text
    assert [(Error, "connection", str(error))] == [(type(item), item.type, item.message) for item in third.result]
    assert [(Failure, "protocol")] == [(type(result), result.type) for result in fourth.result]


def test_whatever_a_server_says_is_xml(tmp_path: Path) -> None:
    """Control characters are made visible, the rest is escaped."""
    document = written(tmp_path / "r.xml", outcome(NASTY, code=ExitCode.THRESHOLD, judgements=[BAD]))
    case = next(iter(next(iter(document))))

    assert r'a]]>\x1b[2J<b attr="\x00">&amp;\u202e\ud800\x0a' == case.name
    assert r"\x1b[2J" in case.result[0].text


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """A report that can't be written leaves the old one, and nothing beside it."""
    path = tmp_path / "r.xml"
    path.write_text("old")
    report = JunitFile(str(path))

    with pytest.raises(AttributeError):
        report.write("ws://x/", [None], wall_ns=0)  # type: ignore[list-item]
    kept = path.read_text()
    report.write("ws://x/", [], wall_ns=0)

    assert "old" == kept
    assert ["r.xml"] == [item.name for item in tmp_path.iterdir()]
    assert 0 == JUnitXml.fromfile(str(path)).tests
    assert path.stat().st_mode & stat.S_IRUSR


@pytest.mark.parametrize("name", ["none/r.xml", "."])
def test_a_place_that_can_t_be_written_to_is_refused_before_the_call(name: str, tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(UsageError, match=r"name a file, such as report\.xml"):
        JunitFile(str(tmp_path / name))


def test_a_place_that_is_gone_by_the_end_is_told(tmp_path: Path) -> None:
    """In one sentence."""
    place = tmp_path / "gone"
    place.mkdir()
    report = JunitFile(str(place / "r.xml"))
    place.rmdir()

    with pytest.raises(UsageError, match="No such file or directory"):
        report.write("ws://x/", [], wall_ns=0)


def test_a_link_stays_one_and_its_file_is_replaced(tmp_path: Path) -> None:
    """Wherever it leads, the report is there."""
    (tmp_path / "there").mkdir()
    link = tmp_path / "r.xml"
    link.symlink_to(tmp_path / "there" / "real.xml")
    document = written(link, outcome())

    assert (True, 1) == (link.is_symlink(), document.tests)
    assert ["real.xml"] == [item.name for item in (tmp_path / "there").iterdir()]


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    """A rename would put a file in its place; so it would in that of a device."""
    pipe = tmp_path / "r.xml"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    JunitFile(str(pipe)).write("ws://x/", [], wall_ns=0)
    reader.join(10)

    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert b"</testsuites>" in read[0]
    assert ["r.xml"] == [item.name for item in tmp_path.iterdir()]


def test_no_two_test_cases_share_a_name(tmp_path: Path) -> None:
    """Two scenarios of one file name and title neither."""
    document = written(tmp_path / "r.xml", outcome(), outcome(), outcome("other"))

    assert ["menu (run 1)", "menu (run 2)", "other"] == [case.name for case in next(iter(document))]


def test_a_run_that_was_stopped_is_an_error(tmp_path: Path) -> None:
    """It says nothing about the server."""
    stopped = outcome(code=ExitCode.THRESHOLD, stopped=True, judgements=[], step_failure="step 1: stopped by Ctrl-C")
    document = written(tmp_path / "r.xml", stopped)
    result = next(iter(next(iter(document)))).result[0]

    assert (0, 1) == (document.failures, document.errors)
    assert (Error, "stopped", "step 1: stopped by Ctrl-C") == (type(result), result.type, result.message)
