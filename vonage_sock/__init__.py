"""
The workbench for phone calls over WebSockets, as Vonage's Voice API makes them.

What stands in ``__all__`` is the public interface. Names are imported when they are first used, so that ``import
vonage_sock`` costs next to nothing.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
"""As type checkers know it; theirs would have to be imported."""

if TYPE_CHECKING:
    from vonage_sock.audio.frames import AudioFormat
    from vonage_sock.audio.level import rms_dbfs
    from vonage_sock.audio.phrases import Cut, PhraseDetector
    from vonage_sock.behaviours.echo import Echo
    from vonage_sock.behaviours.play import Play, Then
    from vonage_sock.behaviours.record import Record
    from vonage_sock.call.behaviour import Behaviour, Call
    from vonage_sock.call.events import Event, Observer
    from vonage_sock.errors import ExitCode, VsockError
    from vonage_sock.media.decode import AudioFile
    from vonage_sock.media.naming import RecordingPath
    from vonage_sock.media.record import Recorder
    from vonage_sock.server.config import ServerConfig
    from vonage_sock.server.facade import AsyncCall
    from vonage_sock.server.library import Server
    from vonage_sock.simulator.drills.plan import Drills, Stall
    from vonage_sock.simulator.leg.plan import LegPlan
    from vonage_sock.simulator.order import CallOrder
    from vonage_sock.simulator.vonage import VonageCall

_HOMES = {
    "AsyncCall": "server.facade",
    "AudioFile": "media.decode",
    "AudioFormat": "audio.frames",
    "Behaviour": "call.behaviour",
    "Call": "call.behaviour",
    "CallOrder": "simulator.order",
    "Cut": "audio.phrases",
    "Drills": "simulator.drills.plan",
    "Echo": "behaviours.echo",
    "Event": "call.events",
    "ExitCode": "errors",
    "LegPlan": "simulator.leg.plan",
    "Observer": "call.events",
    "PhraseDetector": "audio.phrases",
    "Play": "behaviours.play",
    "Record": "behaviours.record",
    "Recorder": "media.record",
    "RecordingPath": "media.naming",
    "Server": "server.library",
    "ServerConfig": "server.config",
    "Stall": "simulator.drills.plan",
    "Then": "behaviours.play",
    "VonageCall": "simulator.vonage",
    "VsockError": "errors",
    "rms_dbfs": "audio.level",
}

__all__ = [
    "AsyncCall",
    "AudioFile",
    "AudioFormat",
    "Behaviour",
    "Call",
    "CallOrder",
    "Cut",
    "Drills",
    "Echo",
    "Event",
    "ExitCode",
    "LegPlan",
    "Observer",
    "PhraseDetector",
    "Play",
    "Record",
    "Recorder",
    "RecordingPath",
    "Server",
    "ServerConfig",
    "Stall",
    "Then",
    "VonageCall",
    "VsockError",
    "__version__",
    "rms_dbfs",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'vonage_sock' has no attribute {name!r}")
    import importlib  # noqa: PLC0415  (only who asks for a name needs it)

    return getattr(importlib.import_module(f"vonage_sock.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
