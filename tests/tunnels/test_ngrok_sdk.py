"""The SDK's program, with the SDK itself and with one that stands in for its service."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import ngrok
import pytest

from vonage_sock.tunnels.base import Closed, Opened
from vonage_sock.tunnels.ngrok_sdk import has_token, installed, sdk_command
from vonage_sock.tunnels.programs import NgrokLog
from vonage_sock.tunnels.started import StartedTunnel

FAKE = '''
"""What the program uses of the SDK, without its service; the builder's methods are those of ngrok 1.4."""
import asyncio, os

class Builder:
    def authtoken_from_env(self):
        assert os.environ["NGROK_AUTHTOKEN"]
        return self
    def handle_disconnection(self, handler):
        self.lost = handler
        return self
    def handle_heartbeat(self, handler):
        self.beat = handler
        return self
    async def connect(self):
        return Session(self)

class Session:
    def __init__(self, builder):
        self.builder = builder
    def http_endpoint(self):
        return self
    def verify_upstream_tls(self, verify):
        return self
    async def listen_and_forward(self, upstream):
        assert upstream == "http://localhost:8000"
        return self
    def url(self):
        return "https://ab12.ngrok-free.example"
    async def join(self):
        self.builder.beat(12)
        self.builder.lost("connect.example:443", "read EOF from remote peer")
        self.builder.beat(12)

SessionBuilder = Builder
'''


async def test_it_opens_loses_its_way_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the agent does; the program speaks its language."""
    (tmp_path / "ngrok.py").write_text(FAKE)
    monkeypatch.syspath_prepend(tmp_path)
    environ = dict(os.environ) | {"NGROK_AUTHTOKEN": "2aTokenOfMine_78"}
    tunnel = StartedTunnel(NgrokLog(), sdk_command(8000, tls=False), environ, name="ngrok SDK")
    async with asyncio.timeout(20):
        url = await tunnel.open(8000, tls=False)
        news = [await tunnel.news() for _ in range(3)]
        await tunnel.close()

    assert "https://ab12.ngrok-free.example" == url
    assert [
        Closed("ngrok SDK lost its way to its service: read EOF from remote peer"),
        Opened(url),
        Closed("ngrok SDK ended with exit code 1: ngrok's service has closed the tunnel", for_good=True),
    ] == news


def test_the_sdk_has_what_the_program_uses() -> None:
    """The names that the stand-in above has."""
    used = {
        ngrok.SessionBuilder: (
            "authtoken_from_env",
            "handle_disconnection",
            "handle_heartbeat",
            "server_addr",
            "connect",
        ),
        ngrok.Session: ("http_endpoint",),
        ngrok.HttpListenerBuilder: ("verify_upstream_tls", "listen_and_forward"),
        ngrok.Listener: ("url", "join"),
    }

    assert all(hasattr(kind, name) for kind, names in used.items() for name in names)
    assert installed()
    assert [False, False, True] == [has_token(env) for env in ({}, {"NGROK_AUTHTOKEN": ""}, {"NGROK_AUTHTOKEN": "2a"})]
