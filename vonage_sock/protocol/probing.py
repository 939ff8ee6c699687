"""
How our own server knows that a request is our own try of its public address, and how it answers that it is itself.

A value that stands in a header: when it was made, a number used once, and a signature by a key that only this run of the
program has. Whoever sees one on its way can do with it, for a minute, what a try does, which is nothing.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

PROBE_HEADER: Final = "X-Vsock-Probe"
MAX_AGE_S: Final = 60
MAX_LETTERS: Final = 160


def probe_value(key: str, *, nonce: str, now_s: int) -> str:
    """What a try shows; ``nonce`` is random, ``now_s`` Unix time."""
    stem = f"{now_s}.{nonce}"
    return f"{stem}.{_signature(key, f'ask {stem}')}"


def is_probe(value: str, key: str, *, now_s: int) -> bool:
    """Whether it was made with this key, and not long ago."""
    if len(value) > MAX_LETTERS or not value.isascii():
        return False
    stem, _, signature = value.rpartition(".")
    made_s = stem.partition(".")[0]
    if not made_s.isdecimal() or abs(now_s - int(made_s)) > MAX_AGE_S:
        return False
    return hmac.compare_digest(signature, _signature(key, f"ask {stem}"))


def probe_reply(value: str, key: str) -> str:
    """What the server says to it, which nobody else can."""
    return _signature(key, f"answer {value}")


def _signature(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
