"""An option for each limit, made from what ``limits`` says of it; of most of them a command's own help says nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final

import click

from vonage_sock.cli.options import Command, option, option_group
from vonage_sock.limits import BYTES, DEFAULTS, About, amount, catalogue

SHOWN: Final = frozenset({"--max-calls"})
_SIZE: Final = re.compile(r"([0-9.]{1,24}) ?(?:([KMGTP])(I?B)?|B)?", re.IGNORECASE | re.ASCII)
_THOUSAND: Final = {"B": 1000}
"""MB are a million bytes; M and MiB are 1,048,576, as ``dd`` and ``ls`` have it."""


class Amount(click.FloatRange):
    """
    A finite number within bounds.

    Args:
        whole: without a fraction.
        unit: that of the limit; a number of bytes may have one of its own, from B to PiB.
    """

    def __init__(self, least: float, most: float, *, whole: bool, unit: str) -> None:
        super().__init__(least, most)
        self.name = "whole number" if whole else "number"
        self._least, self._most = least, most
        self._whole = whole
        self._unit = unit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it; "nan" is beyond no bound."""
        number = bytes_in(value) if self._unit == BYTES and isinstance(value, str) else _number(value)
        if math.isnan(number) or (self._whole and number % 1):
            what = (
                f"a {self.name}" if self._unit != BYTES else "a size: give bytes, or a unit, as in 500M, 64KiB or 2GB"
            )
            self.fail(f"{value!r} is not {what}.", param, ctx)
        if not self._least <= number <= self._most:
            low = number < self._least
            bound, words = (self._least, "less") if low else (self._most, "more")
            least = "least" if low else "most"
            self.fail(
                f"{self._told(number)} is {words} than {self._told(bound)}, the {least} that it can be.", param, ctx
            )
        return int(number) if self._whole else number

    def _told(self, number: float) -> str:
        return amount(number, self._unit) if self._unit == BYTES else f"{number:,.16g}"


def bytes_in(text: str) -> float:
    """A size as one writes it: ``65536``, ``64K``, ``64KiB``, ``1.5 GB``; "nan" for anything else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return math.nan
    number, prefix, rest = match.groups()
    power = 0 if prefix is None else 1 + "KMGTP".index(prefix.upper())
    return _number(number) * float(_THOUSAND.get((rest or "").upper(), 1024) ** power)


def _number(text: Any) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _option(name: str, about: About) -> Callable[[Command], Command]:
    default = getattr(DEFAULTS, name)
    return option(
        about.option,
        name,
        type=Amount(about.least, about.most, whole=isinstance(default, int), unit=about.unit),
        default=default,
        metavar="S" if about.unit == "s" else "BYTES" if about.unit == BYTES else "N",
        hidden=about.option not in SHOWN,
        help=f"{about.help[:-1]}; beyond it, {about.beyond}. See vsock limits for all limits."
        if about.option in SHOWN
        else about.help,
    )


LIMITS: Final = option_group(*(_option(name, about) for name, about in catalogue().items()))
