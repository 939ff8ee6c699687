"""What tests of scenarios share: files written in the test, and servers that do one thing."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

from vonage_sock.audio.source import OpenSource
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.clock import MS
from vonage_sock.simulator.caller import open_audio
from vonage_sock.simulator.scenario.model import Scenario
from vonage_sock.simulator.scenario.reading import read
from vonage_sock.testing import CallReport, run_scenario


def scenario(text: str, path: Path | str = "s.yaml") -> Scenario:
    """A scenario from its text."""
    return read(dedent(text).encode(), Path(path))


def rehearse(text: str, *behaviours: Behaviour, **more: Any) -> CallReport:
    """What comes of a scenario against these behaviours."""
    return run_scenario(scenario(text), *behaviours, **more)


def at(report: CallReport) -> list[float | None]:
    """When each step began."""
    return [step.get("at_s") for step in report.steps]


class Bot(Behaviour):
    """
    Says a tone ``after_ms`` after the call began, all of it at once, and gives way ``stops_ms`` after the caller spoke.

    A key is taken as speech; with ``notifies`` or ``closes`` it is answered with a text, or with the end of the call.
    """

    def __init__(
        self,
        *,
        seconds: float = 2.0,
        after_ms: int = 0,
        stops_ms: int | None = None,
        closes: bool = False,
        notifies: bool = False,
    ) -> None:
        self._audio: OpenSource = open_audio("tone:440", seconds=seconds)
        self._after_ms = after_ms
        self._stops_ms = stops_ms
        self._closes = closes
        self._notifies = notifies
        self._speaks_at: int | None = None
        self._clears_at: int | None = None

    def connected(self, call: Call) -> None:
        """Think about what to say."""
        self._speaks_at = call.now + self._after_ms * MS

    def audio(self, call: Call, frame: bytes) -> None:
        """Give way to a caller who speaks."""
        if any(frame):
            self._give_way(call)

    def digit(self, call: Call, digit: str, duration_ms: int | None) -> None:
        """Do what the key is for."""
        if self._closes:
            call.close()
        if self._notifies:
            call.notify({"key": digit})
        self._give_way(call)

    def due_at(self) -> int | None:
        """The next thing to do."""
        return min(filter(None, (self._speaks_at, self._clears_at)), default=None)

    def due(self, call: Call) -> None:
        """Speak, or be silent."""
        if self._speaks_at is not None and self._speaks_at <= call.now:
            self._speaks_at = None
            source = self._audio(call.audio_format)
            while (frame := source.take()) is not None:
                call.send_audio(frame)
        if self._clears_at is not None and self._clears_at <= call.now:
            self._clears_at = None
            call.clear()

    def _give_way(self, call: Call) -> None:
        if self._stops_ms is not None and self._clears_at is None:
            self._clears_at = call.now + max(1, self._stops_ms * MS)
