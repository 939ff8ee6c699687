"""The path of a frame in C and in Python, one after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from vonage_sock import native

WAYS = ["python"] if native.frames is None else ["c", "python"]
"""Those that there are here."""


@contextlib.contextmanager
def on(way: str) -> Iterator[None]:
    """What is made meanwhile goes this way."""
    with pytest.MonkeyPatch.context() as patch:
        if way == "python":
            patch.setattr(native, "frames", None)
        yield
