"""The quickest way to take a mask away."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonage_sock.protocol import rfc6455
from vonage_sock.transport.masking import quickest, unmask


@given(st.binary(max_size=2000), st.binary(min_size=4, max_size=4))
def test_it_gives_what_our_own_gives(payload: bytes, mask: bytes) -> None:
    """As bytes, for nothing at all too."""
    unmasked = unmask(payload, mask)

    assert rfc6455.unmask(payload, mask) == unmasked
    assert bytes is type(unmasked)


def test_it_is_that_of_the_library_where_it_has_one() -> None:
    """It is there in each wheel for CPython; where this fails, masks take three times as long."""
    assert quickest() is not rfc6455.unmask


def raises(*_: object) -> bytes:
    raise TypeError("other arguments")


@pytest.mark.parametrize(
    "module",
    [
        None,
        SimpleNamespace(),
        SimpleNamespace(apply_mask=raises),
        SimpleNamespace(apply_mask=lambda payload, _mask: payload),
    ],
    ids=["not there", "without it", "other arguments", "another result"],
)
def test_without_one_that_does_what_it_should_our_own_is_used(module: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """It isn't part of the library's interface, and may change."""
    monkeypatch.setitem(sys.modules, "websockets.speedups", module)

    assert quickest() is rfc6455.unmask
