"""
For tests: calls to any server as Vonage would make them, servers in the test's own process, and calls without waiting.

``VonageCaller`` and ``ServerMaker`` are what the pytest fixtures ``vonage_call`` and ``vonage_server`` are made of; they
know nothing of pytest. ``run_call`` runs both ends of a leg against each other under a manual clock, and ``run_scenario``
does so with a caller that does what a file says.

Names are imported when they are first used: who runs calls under a manual clock waits for neither the network's libraries
nor the screen's.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vonage_sock.audio.source import PcmSource
    from vonage_sock.testing.calling import VoiceApi, VonageCaller
    from vonage_sock.testing.reports import BargeIn, CallReport, EchoDelay, Found, TurnLatency
    from vonage_sock.testing.scenarios import at_once, run_scenario
    from vonage_sock.testing.servers import ServerMaker
    from vonage_sock.testing.wire import HeardPcm, Lateness, Sent, Transcript, run_call

_HOMES = {
    "BargeIn": "reports",
    "CallReport": "reports",
    "EchoDelay": "reports",
    "Found": "reports",
    "HeardPcm": "wire",
    "Lateness": "wire",
    "PcmSource": "plans",
    "Sent": "wire",
    "ServerMaker": "servers",
    "Transcript": "wire",
    "TurnLatency": "reports",
    "VoiceApi": "calling",
    "VonageCaller": "calling",
    "at_once": "scenarios",
    "run_call": "wire",
    "run_scenario": "scenarios",
}

__all__ = [
    "BargeIn",
    "CallReport",
    "EchoDelay",
    "Found",
    "HeardPcm",
    "Lateness",
    "PcmSource",
    "Sent",
    "ServerMaker",
    "Transcript",
    "TurnLatency",
    "VoiceApi",
    "VonageCaller",
    "at_once",
    "run_call",
    "run_scenario",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'vonage_sock.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"vonage_sock.testing.{_HOMES[name]}"), name)
