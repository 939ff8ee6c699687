from __future__ import annotations

import logging

import pytest

from vonage_sock.protocol.logtext import logger, make_harmless


def formatted(record: logging.LogRecord) -> str:
    """What an ordinary handler writes."""
    assert make_harmless(record)
    return logging.Formatter("%(message)s").format(record)


def record(message: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    """As a logger makes it."""
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("x", logging.ERROR, "file", 1, message, args, exc_info)


def test_arguments_are_harmless_and_numbers_stay_numbers() -> None:
    """What is quoted becomes text; what is formatted as a number can be."""
    assert "a\\x1b[31m 005 token=***" == formatted(record("%s %03d %s", "a\x1b[31m", 5, OSError("token=abc")))


def test_a_traceback_is_harmless_and_the_exception_stays() -> None:
    """Its lines are lines, and what it quotes is shown as escapes."""
    error = ValueError("\x1b]52;c;x\x07 Bearer s3cr3t-value")
    made = record("it failed", error=error)

    assert "it failed\nValueError: \\x1b]52;c;x\\x07 Bearer ***" == formatted(made)
    assert made.exc_info is not None
    assert error is made.exc_info[1]


def test_a_record_without_arguments_or_with_a_mapping_stays() -> None:
    """Logging takes a dict instead of arguments."""
    made = logging.LogRecord("x", logging.ERROR, "file", 1, "%(a)s", ({"a": 1},), (None, None, None))

    assert "1" == formatted(made).split("\n", maxsplit=1)[0]


def test_our_loggers_have_harmless_records(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever handler the program has."""
    logger("vonage_sock.tests").error("%s", "a\nb")

    assert ["a\\x0ab"] == caplog.messages
