"""What strangers say, and the address that is given."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonage_sock.errors import ExitCode
from vonage_sock.tunnels.base import TunnelError, said
from vonage_sock.tunnels.given import GivenTunnel


@given(st.text(max_size=1000))
def test_what_is_said_is_harmless(text: str) -> None:
    """One line, printable, and short."""
    shown = said(text, 40)

    assert shown.isprintable()
    assert len(shown) <= 40


def test_no_secret_is_said() -> None:
    """Known by the name that it stands under."""
    assert "authtoken=***" == said("authtoken=2aAbCdEfGh_123")


def test_a_tunnel_that_fails_is_a_failure_to_connect() -> None:
    """By its exit code."""
    assert ExitCode.CONNECT == TunnelError.exit_code


async def test_a_given_address_is_taken_as_it_is() -> None:
    """Nothing is known of it, and nothing becomes of it."""
    tunnel = GivenTunnel("https://calls.example")
    url = await tunnel.open(8000, tls=True)
    news = asyncio.create_task(tunnel.news())
    await asyncio.sleep(0)
    waits = not news.done()
    news.cancel()
    await tunnel.close()

    assert "https://calls.example" == url
    assert waits
    assert None is await tunnel.why_closed()
    with pytest.raises(asyncio.CancelledError):
        await news
