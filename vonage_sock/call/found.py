"""What somebody found who looks at a stream: a code of the catalogue, before it is counted for a call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Found:
    """A finding's code and the numbers of its message."""

    code: str
    numbers: dict[str, Any] = field(default_factory=dict)
