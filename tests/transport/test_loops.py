"""The event loop that is chosen."""

from __future__ import annotations

import asyncio
import sys

import pytest
import uvloop

from vonage_sock.transport.loops import loop_factory


def test_uvloop_is_taken_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the standard loop."""
    with_it = loop_factory()
    monkeypatch.setitem(sys.modules, "uvloop", None)

    assert uvloop.new_event_loop is with_it
    assert asyncio.new_event_loop is loop_factory()
