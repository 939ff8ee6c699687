"""
Taking masks away at the speed of C.

The ``websockets`` library has such a function in a module that isn't part of its documented interface: it is used where it
is there and does what it should, and our own otherwise.
"""

from __future__ import annotations

from typing import Final

from vonage_sock.protocol import rfc6455

_TRIALS: Final = (
    (bytes(range(11)), b"\x01\x80\xff\x10"),
    (bytearray(range(11)), bytearray(b"\x01\x80\xff\x10")),
)


def quickest() -> rfc6455.Unmask:
    """A function that gives the same as ``rfc6455.unmask``."""
    try:
        from websockets.speedups import apply_mask  # noqa: PLC0415  (it may not be there)

        # What a buffer holds must become a value of its own.
        if all(type(value := apply_mask(*trial)) is bytes and value == rfc6455.unmask(*trial) for trial in _TRIALS):
            return apply_mask
    except (ImportError, TypeError):
        pass
    return rfc6455.unmask


unmask: Final = quickest()
