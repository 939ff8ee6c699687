"""The scoreboard itself: its checks keep to the contract, its tables say what was found, its frames are frames."""

from __future__ import annotations

import importlib
import json
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import jwt
import pytest

from vonage_sock.protocol.rfc6455 import Opcode, frame_of

SCOREBOARD = Path(__file__).resolve().parents[2] / "scripts" / "scoreboard"
MODULES = ("rows", "wire", "wavs", "running", "vectors", "beside")


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The folder's modules, and its checks, gone from the interpreter afterwards."""
    monkeypatch.syspath_prepend(str(SCOREBOARD))
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        for name in (*MODULES, "checks"):
            patch.delitem(sys.modules, name, raising=False)
        modules: dict[str, ModuleType] = {name: importlib.import_module(name) for name in MODULES}
        package = importlib.import_module("checks")
        checks = [
            importlib.import_module(f"checks.{item.name}")
            for item in pkgutil.iter_modules(package.__path__)
            if not item.name.startswith("_")
        ]
        yield SimpleNamespace(**modules, checks=[check for check in checks if hasattr(check, "NAME")])
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(SCOREBOARD) in str(sys.modules[name].__file__):
            del sys.modules[name]


def test_each_check_keeps_to_the_contract(board: SimpleNamespace) -> None:
    """A name that is its module's, a promise, whether it is quick and wants the machine to itself, and something to run."""
    assert board.checks
    for check in board.checks:
        assert f"checks.{check.NAME}" == check.__name__
        assert check.PROMISE
        assert isinstance(check.QUICK, bool)
        assert isinstance(check.ALONE, bool)
        assert callable(check.run)


def test_a_result_is_met_when_all_its_rows_are_and_there_are_some(board: SimpleNamespace) -> None:
    """A check that found nothing has met nothing."""
    met, missed = board.rows.Row("a", "1", "1", ok=True), board.rows.Row("b", "1", "2", ok=False)
    found = {
        (): False,
        (met,): True,
        (met, missed): False,
    }

    assert list(found.values()) == [
        board.rows.Result(check="c", promise="p", rows=rows, seconds=1).ok for rows in found
    ]


def test_the_table_tells_what_was_missed(board: SimpleNamespace) -> None:
    """A line for each check; a bar in what was measured breaks no column; and JSON brings back what was written."""
    rows = [board.rows.Row("first", "≤ 1", "1", ok=True), board.rows.Row("second", "≤ 1", "2|3", ok=False)]
    result = board.rows.Result(check="c", promise="p", rows=rows, seconds=1.25)

    assert result == board.rows.Result.of_json(json.loads(json.dumps({**result.as_json(), "seconds": 1.25})))
    assert "| ✗ | `c` | p | first: 1; ✗ second: 2&#124;3 |" in board.rows.markdown([result], "foot")
    assert "1 of 2 goals met in 9 s; missed: c" == board.rows.summary([result], 9)


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_frames_are_as_a_client_writes_them(board: SimpleNamespace, size: int) -> None:
    """Of each length, masked."""
    payload, mask = bytes(index % 251 for index in range(size)), b"\x01\x02\x03\x04"

    assert frame_of(Opcode.BINARY, payload, mask=mask) == board.wire.frame(board.wire.BINARY, payload, mask=mask)


def test_the_vectors_are_22_and_differ(board: SimpleNamespace) -> None:
    """Each has a name of its own; those that are let in are what PyJWT accepts, too."""
    vectors = board.vectors.VECTORS

    assert 22 == len(vectors) == len({vector.name for vector in vectors})
    for vector in vectors:
        if vector.on_webhook:
            token = vector.authorization().removeprefix("Bearer ")
            # PyJWT allows no difference between clocks by itself.
            claims = jwt.decode(token, board.vectors.SECRET, algorithms=["HS256"], leeway=60)
            assert "Vonage" == claims["iss"]


def test_a_check_ends_when_its_time_is_up(board: SimpleNamespace) -> None:
    """By an exception that no check takes for a socket's."""
    with pytest.raises(board.running.TimeUpError, match="not done in 0 s"), board.running.at_most(0.01):
        signal.pause()


def test_others_are_blamed_only_for_what_did_not_fit(board: SimpleNamespace) -> None:
    """What fits is measured once."""
    made: list[int] = []

    assert (1, "") == board.running.fairly(lambda: made.append(1) or 1, lambda found: found == 1)
    assert [1] == made


def test_an_unknown_check_is_told_with_those_that_there_are() -> None:
    """One sentence, and exit code 1."""
    done = subprocess.run([sys.executable, str(SCOREBOARD), "nothing"], capture_output=True, text=True, check=False)

    assert 1 == done.returncode
    assert done.stderr.startswith("Error: there is no check nothing; there are attacks, ")


def test_a_promise_names_as_many_as_there_are(board: SimpleNamespace) -> None:
    """The attacks are counted."""
    attacks = next(check for check in board.checks if check.NAME == "attacks")

    assert f"each of {len(attacks.ATTACKS)} attacks" in attacks.PROMISE


def test_a_check_whose_process_ends_without_a_word_has_missed_its_goal(board: SimpleNamespace) -> None:
    """It is told with its exit code, and the others are made all the same."""
    modules = [SimpleNamespace(NAME=name, PROMISE=f"of {name}") for name in ("nothing", "nobody")]

    with board.running.bench(quick=True) as bench:
        results = sorted(board.beside.made_beside(modules, bench), key=lambda result: result.check)

    assert [("nobody", "of nobody", False), ("nothing", "of nothing", False)] == [
        (result.check, result.promise, result.ok) for result in results
    ]
    assert ["exit code 1: "] * 2 == [result.rows[0].measured for result in results]
