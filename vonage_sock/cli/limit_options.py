"""An option for each limit, made from what ``limits`` says of it; of most of them a command's own help says nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import click

from vonage_sock.cli.options import Command, option, option_group
from vonage_sock.limits import DEFAULTS, About, catalogue

SHOWN: Final = frozenset({"--max-calls"})
SIZES: Final = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
BYTES: Final = "bytes"


class Amount(click.FloatRange):
    """
    A finite number within bounds.

    Args:
        whole: without a fraction.
        size: a number of bytes, which may end in K, M, G or T.
    """

    def __init__(self, least: float, most: float, *, whole: bool, size: bool) -> None:
        super().__init__(least, most)
        self.name = "whole number" if whole else "number"
        self._whole = whole
        self._size = size

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it; "nan" is beyond no bound."""
        text, times = value, 1
        if self._size and isinstance(text, str) and text[-1:].upper() in SIZES:
            text, times = text[:-1], SIZES[text[-1].upper()]
        try:
            number = float(text) * times
        except ValueError:
            number = math.nan
        if math.isnan(number) or (self._whole and number % 1):
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        number = float(super().convert(number, param, ctx))
        return int(number) if self._whole else number


def _option(name: str, about: About) -> Callable[[Command], Command]:
    default = getattr(DEFAULTS, name)
    return option(
        about.option,
        name,
        type=Amount(about.least, about.most, whole=isinstance(default, int), size=about.unit == BYTES),
        default=default,
        metavar="S" if about.unit == "s" else "BYTES" if about.unit == BYTES else "N",
        hidden=about.option not in SHOWN,
        help=f"{about.help[:-1]}; beyond it, {about.beyond}. See vsock limits for all limits."
        if about.option in SHOWN
        else about.help,
    )


LIMITS: Final = option_group(*(_option(name, about) for name, about in catalogue().items()))
