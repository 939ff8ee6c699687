"""Numbers in options: what click makes of them, in words for a person, and never "nan" or an infinity."""

from __future__ import annotations

import math
from typing import Any

import click


class Number(click.FloatRange):
    """A finite number within bounds."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it; "nan" is beyond no bound."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        return number


class WholeNumber(click.IntRange):
    """A whole number within bounds."""

    name = "whole number"
