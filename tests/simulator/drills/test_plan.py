"""Fault drills as values: what can be asked for, and what is excused."""

from __future__ import annotations

from typing import Any

import pytest

from vonage_sock.call.findings import CATALOGUE
from vonage_sock.errors import UsageError
from vonage_sock.simulator.drills.plan import Drills, Stall, drill_of, excused_by, option_of, parse_stall

BY_OPTION: dict[str, dict[str, Any]] = {
    "--refuse": {"refuse": True},
    "--answer-twice": {"answer_twice": True},
    "--drop-after": {"drop_after_s": 0.0},
    "--reset-after": {"reset_after_s": 1},
    "--half-open-after": {"half_open_after_s": 1.5},
    "--stop-reading-after": {"stop_reading_after_s": 2},
    "--jitter": {"jitter_ms": 40},
    "--stall": {"stalls": (Stall(2, 5),)},
    "--late-connected": {"late_connected": True},
    "--no-connected": {"no_connected": True},
    "--dup-connected": {"dup_connected": True},
    "--bad-frames": {"bad_frames": 3},
}


def test_no_drill_is_on_by_itself() -> None:
    """None acts on a socket."""
    assert ((), False) == (Drills().names, Drills().on_the_socket)


@pytest.mark.parametrize("option", BY_OPTION)
def test_each_drill_has_its_options_name(option: str) -> None:
    """In reports and errors; a drill at 0 s is one."""
    (name,) = Drills(**BY_OPTION[option]).names

    assert (option, option[2:]) == (option_of(name), drill_of(name))


@pytest.mark.parametrize("option", BY_OPTION)
def test_what_is_excused_exists(option: str) -> None:
    """And an error that is none of a drill's doing stays one."""
    drills = Drills(**BY_OPTION[option])

    (excused,) = map(excused_by, drills.names)

    assert excused <= set(CATALOGUE)
    assert not {"VS106", "VS107", "VS111", "VS112", "VS306", "VS311", "VS313", "VS314"} & excused
    assert drills.on_the_socket == bool(excused)
    assert ("VS101" in excused) == (option == "--bad-frames")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("--drop-after --reset-after", "--drop-after and --reset-after exclude each other; give one of them"),
        ("--reset-after --half-open-after", "--reset-after and --half-open-after exclude each other"),
        ("--half-open-after --stop-reading-after", "--half-open-after and --stop-reading-after exclude each other"),
        ("--no-connected --late-connected", "--no-connected and --late-connected exclude each other"),
        ("--no-connected --dup-connected", "--no-connected and --dup-connected exclude each other"),
        ("--refuse --jitter", "--refuse and --jitter exclude each other"),
        ("--refuse --answer-twice", "--refuse and --answer-twice exclude each other"),
    ],
)
def test_drills_that_contradict_each_other_are_refused(options: str, error: str) -> None:
    """With both names."""
    values = {key: value for option in options.split() for key, value in BY_OPTION[option].items()}

    with pytest.raises(UsageError, match=error):
        Drills(**values)


@pytest.mark.parametrize(
    "options", ["--late-connected --dup-connected --bad-frames --jitter --stall --stop-reading-after --drop-after"]
)
def test_drills_that_go_together_may_be_had_together(options: str) -> None:
    """All at once."""
    names = options.split()

    assert len(names) == len(Drills(**{k: v for name in names for k, v in BY_OPTION[name].items()}).names)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"drop_after_s": -1.0}, "--drop-after -1 can't be had: give seconds from 0 to 7200"),
        ({"reset_after_s": float("nan")}, "--reset-after nan can't be had"),
        ({"jitter_ms": 2001.0}, "--jitter 2001 can't be had: give milliseconds from 0 to 2000"),
        ({"bad_frames": 10_001}, "--bad-frames 10001 can't be had: give a number from 0 to 10,000"),
    ],
)
def test_what_is_out_of_bounds_is_refused(values: dict[str, float], error: str) -> None:
    """With the bounds."""
    with pytest.raises(UsageError, match=error):
        Drills(**values)


@pytest.mark.parametrize(("text", "expected"), [("2@5", Stall(2, 5)), (" 0.5 @ 1.25 ", Stall(0.5, 1.25))])
def test_a_stall_is_read(text: str, expected: Stall) -> None:
    """Length, then time."""
    assert expected == parse_stall(text)


@pytest.mark.parametrize("text", ["", "2", "@5", "2@", "2s@5", "-1@5", "2@5@6", "2:5", "\u0662@5x"])
def test_what_is_no_stall_is_told_with_an_example(text: str) -> None:
    """Of the right form."""
    with pytest.raises(UsageError) as caught:
        parse_stall(text)

    assert f"--stall {text!r} isn't a stall; 2@5 stalls for 2 s at 5 s of the socket" == str(caught.value)


@pytest.mark.parametrize("text", ["0@5", "61@5", "1@7201"])
def test_a_stall_is_bounded(text: str) -> None:
    """No call hangs because of one."""
    with pytest.raises(UsageError, match="can't be had: it lasts up to 60 s, and begins within 7200 s"):
        parse_stall(text)


@pytest.mark.parametrize("option", ["--refuse", "--answer-twice"])
def test_drills_of_webhooks_need_webhooks(option: str) -> None:
    """An answer URL will do, a socket won't."""
    drills = Drills(**BY_OPTION[option])
    drills.check_target("https://example.com/answer")

    with pytest.raises(UsageError, match=f"{option} needs an answer URL"):
        drills.check_target("wss://example.com/socket")
