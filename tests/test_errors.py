"""Errors and exit codes."""

from __future__ import annotations

import pytest

from vonage_sock import errors
from vonage_sock.errors import ExitCode, VsockError


def test_the_numbers_of_the_exit_codes_are_those_of_the_contract() -> None:
    """Scripts rely on the numbers, so none of them ever changes."""
    numbers = {code.name: code.value for code in ExitCode}

    assert {
        "OK": 0,
        "ERROR": 1,
        "USAGE": 2,
        "PROTOCOL": 3,
        "RECORDING": 4,
        "AUDIO_FILE": 5,
        "LISTEN": 6,
        "CONNECT": 7,
        "THRESHOLD": 8,
        "STOPPED": 130,
    } == numbers


def test_every_exit_code_has_a_meaning_of_its_own() -> None:
    """The manual says one line about each exit code."""
    meanings = {code.meaning for code in ExitCode}

    assert len(ExitCode) == len(meanings)
    assert "" not in meanings


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("VsockError", ExitCode.ERROR),
        ("UsageError", ExitCode.USAGE),
        ("FormatError", ExitCode.USAGE),
        ("AudioFileError", ExitCode.AUDIO_FILE),
        ("RecordingError", ExitCode.RECORDING),
        ("ListenError", ExitCode.LISTEN),
        ("ConnectError", ExitCode.CONNECT),
    ],
)
def test_each_error_knows_its_exit_code(name: str, code: ExitCode) -> None:
    """The command line needs one place only that turns an error into a code."""
    error = getattr(errors, name)("a sentence")

    assert isinstance(error, VsockError)
    assert code is error.exit_code
