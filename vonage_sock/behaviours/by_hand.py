"""
What a person does in a call that is going on: play one more file, cut off what plays, record from here on.

It stands in with what is done in the call anyway: a file comes behind what is playing, an echo waits for its end, and a
recording takes its frames before anybody answers them. Rule: called within ``act`` of whoever runs the session, and nothing
that was not asked for changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from vonage_sock.audio.source import OpenSource
from vonage_sock.behaviours.echo import Echo
from vonage_sock.behaviours.play import Play, Then
from vonage_sock.behaviours.record import Record
from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.session import CallSession

BehaviourT = TypeVar("BehaviourT", bound=Behaviour)

MakeRecord = Callable[[int], Record]
"""Given how many frames the platform has yet to play."""


def play(call: CallSession, file: OpenSource, *, pace_ns: int, lead_ns: int) -> None:
    """Play a file behind what is playing."""
    player = _first(call, Play)
    if player is None:
        player = _new_player(call, pace_ns=pace_ns, lead_ns=lead_ns)
    player.add(call, file)


def clear(call: CallSession) -> None:
    """Cut off what is playing, and drop what the platform hasn't played yet; an echo goes on."""
    player = _first(call, Play)
    if player is None:
        call.clear()
    else:
        player.cut_off(call)


def start_recording(call: CallSession, make: MakeRecord) -> None:
    """Record from now on; a call has one such recording at a time."""
    if not is_recorded(call):
        call.join(make(call.queued_frames), first=True)


def stop_recording(call: CallSession) -> None:
    """Complete the recording, however it was begun; the call goes on."""
    recording = _first(call, Record)
    if recording is not None:
        call.leave(recording)


def is_recorded(call: CallSession) -> bool:
    """Somebody is recording the call, by hand or from its beginning."""
    return _first(call, Record) is not None


def _new_player(call: CallSession, *, pace_ns: int, lead_ns: int) -> Play:
    """A player that echoes between its files what an echo of the call's own would."""
    echo = _first(call, Echo)
    if echo is None:
        player = Play([], pace_ns=pace_ns, lead_ns=lead_ns)
    else:
        player = Play(
            [],
            pace_ns=pace_ns,
            lead_ns=lead_ns,
            then=Then.ECHO,
            barge_in=echo.barge_in,
            echo_delay_ms=echo.delay_ms,
        )
        # Both at once would send two frames for each one that is played.
        call.leave(echo)
    call.join(player)
    return player


def _first(call: CallSession, kind: type[BehaviourT]) -> BehaviourT | None:
    return next((behaviour for behaviour in call.behaviours if isinstance(behaviour, kind)), None)
