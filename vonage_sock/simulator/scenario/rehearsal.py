"""
A scenario with one of our own servers, for a manual clock: both ends are machines, and nobody waits.

A target such as ``vsock:echo`` names the server. There are no webhooks here, as with a target that is a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import FramesSource, OpenSource, Source
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.play import Play
from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.events import Ended, Event
from vonage_sock.call.session import CallSession
from vonage_sock.clock import SECOND, ManualClock
from vonage_sock.errors import UsageError
from vonage_sock.media.decode import AudioFile
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import HeardSink, LegPlan
from vonage_sock.simulator.scenario.conductor import Conductor
from vonage_sock.simulator.scenario.model import Scenario
from vonage_sock.simulator.scenario.running import Outcome, nothing_to_say, outcome_of, plan_for
from vonage_sock.simulator.scenario.voices import Voices, whole
from vonage_sock.simulator.telling import CALL_ID

PREFIX: Final = "vsock:"
TARGETS: Final = "vsock:echo, vsock:listen or vsock:play=FILE"

STAND_IN: Final = "ws://vsock.invalid/"
"""An address for what has to have one."""

MakeBehaviours = Callable[[], Sequence[Behaviour]]


def is_rehearsal(target: str | None) -> bool:
    """Whether a target is one of our own servers, in this process."""
    return target is not None and target.startswith(PREFIX)


def behaviours_of(target: str) -> MakeBehaviours:
    """
    What the server does that a target names.

    Raises:
        UsageError: no such server.
        AudioFileError: its file can't be played.
    """
    word, _, file = target.removeprefix(PREFIX).partition("=")
    match word:
        case "echo" if not file:
            return lambda: [Echo()]
        case "listen" if not file:
            return list
        case "play" if file:
            opener = at_once(AudioFile(Path(file)))
            return lambda: [Play([opener])]
    raise UsageError(f"{target!r} is no server of ours; give {TARGETS}")


def at_once(opener: OpenSource) -> OpenSource:
    """The same audio without a decoder that takes its time."""
    decoded: dict[int, list[bytes]] = {}

    def opened(audio_format: AudioFormat) -> Source:
        if audio_format.rate_hz not in decoded:
            decoded[audio_format.rate_hz] = whole(opener, audio_format)
        frames = decoded[audio_format.rate_hz]
        return FramesSource(getattr(opener, "name", "audio"), frames, len(frames))

    return opened


class Rehearsal:
    """
    Both ends of one run: ``leg`` is the platform's, ``session`` the server's, and ``clock`` the time that they go by.

    Args:
        plan: what the leg is beside what the scenario says.
    """

    def __init__(
        self,
        scenario: Scenario,
        voices: Voices,
        behaviours: Sequence[Behaviour],
        plan: LegPlan,
        *,
        target: str,
        run: int = 1,
        heard: HeardSink | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.target = target
        self._run = run
        self._conductor = Conductor(scenario, voices, call=CALL_ID)
        source = nothing_to_say(plan.audio_format)
        self.leg = VonageLeg(
            CALL_ID,
            plan_for(scenario, plan, self._conductor),
            source,
            now=self.clock.now(),
            remote=target,
            heard=heard,
        )
        self.session = CallSession("s1", behaviours, assumed_format=plan.audio_format, now=self.clock.now())

    def outcome(self, events: Sequence[Event]) -> Outcome:
        """What came of it, once the call is over; ``events`` are the leg's."""
        told = [*events, *self._conductor.finish(self.clock.now())]
        report = {"target": self.target, **self.leg.report()}
        report["findings"] = [*report["findings"], *self._failures()]
        ended = next((event for event in told if isinstance(event, Ended)), None)
        if ended is not None:
            report |= {
                "close_code": ended.close_code,
                "close_reason": ended.close_reason,
                "closed_by": ended.closed_by,
            }
        duration_s = round(self.clock.now() / SECOND, 3)
        return outcome_of(self._conductor, report, run=self._run, duration_s=duration_s, events=told)

    def _failures(self) -> list[dict[str, Any]]:
        """What somebody's own behaviour raised, which the leg can't know."""
        return [
            {"code": f.code, "level": f.level, "message": f.message, "count": f.count}
            for f in self.session.findings.all()
            if f.code == "VS307"
        ]
