"""
Log records that quote strangers, fit to be shown by whatever handler the program has.

A program that uses us as a library logs as it likes, and mostly to a terminal. Rule: each logger of ours is made here. What
a handler writes of its records is harmless and without secrets; the exception itself stays with the record for those who
look at it.
"""

from __future__ import annotations

import logging
from typing import Final

from vonage_sock.protocol.harmless import visible
from vonage_sock.protocol.redaction import redact_text

MAX_ARGUMENT: Final = 1000
MAX_TRACEBACK: Final = 20_000

_as_text = logging.Formatter()


def logger(name: str) -> logging.Logger:
    """The logger of this name, with harmless records."""
    result = logging.getLogger(name)
    result.addFilter(make_harmless)
    return result


def make_harmless(record: logging.LogRecord) -> bool:
    """Change what is quoted in a record; it is always logged."""
    if isinstance(record.args, tuple):
        record.args = tuple(map(_harmless, record.args))
    if record.exc_info is not None and record.exc_info[0] is not None and not record.exc_text:
        text = redact_text(_as_text.formatException(record.exc_info)[:MAX_TRACEBACK])
        record.exc_text = "\n".join(map(visible, text.split("\n")))
    return True


def _harmless(argument: object) -> object:
    if argument is None or isinstance(argument, int | float):
        return argument
    return visible(redact_text(str(argument)[:MAX_ARGUMENT]))
