"""
One leg's mouth and ear, as the REST API can stop them and speak into them.

A leg that is muted isn't heard; one with earmuffs on hears nothing, what is played into it included. What is played into a
leg is mixed with what it hears anyway. Pure: frames in, frames out, one for each step of 20 ms.

Guessed: that what is played is mixed rather than taking the place of the others' speech.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from vonage_sock.audio.source import Source
from vonage_sock.simulator.ncco.line import louder

ENDLESS: Final = 0

OpenAgain = Callable[[], Source]
"""Gives what is played from its beginning."""


class Party:
    """Who takes part in a call, seen from outside."""

    def __init__(self) -> None:
        self.muted = False
        self.earmuffed = False
        self._playing: dict[str, _Playing] = {}

    @property
    def busy(self) -> bool:
        """Something is being played into its ear."""
        return bool(self._playing)

    def play(self, kind: str, open_again: OpenAgain, *, times: int = 1, gain: float = 1.0) -> None:
        """
        Let it hear something from the next step on; what was played of this kind before ends.

        Args:
            kind: talk, stream or dtmf.
            times: how often; 0 is for ever.
        """
        self.stop(kind)
        self._playing[kind] = _Playing(open_again, times, gain)

    def stop(self, kind: str) -> bool:
        """Play no more of this kind; whether there was any."""
        playing = self._playing.pop(kind, None)
        if playing is not None:
            playing.close()
        return playing is not None

    def close(self) -> None:
        """The leg is gone."""
        for kind in list(self._playing):
            self.stop(kind)

    def says(self, frame: bytes) -> bytes:
        """What the others hear of it."""
        return bytes(len(frame)) if self.muted else frame

    def hears(self, frame: bytes) -> bytes:
        """What comes to its ear; each call takes a step of what is played."""
        for kind, playing in list(self._playing.items()):
            if (played := playing.take()) is not None:
                frame = _mixed(frame, played)
            elif playing.over:
                self.stop(kind)
        return bytes(len(frame)) if self.earmuffed else frame


class Bridge:
    """What lies between the caller and a websocket: a ``Patch`` for the websocket's leg."""

    def __init__(self, caller: Party, socket: Party) -> None:
        self._caller = caller
        self._socket = socket

    @property
    def busy(self) -> bool:
        """Somebody still has something to hear, for which the leg must stay."""
        return self._caller.busy or self._socket.busy

    def to_server(self, frame: bytes) -> bytes:
        """What the server is sent where the caller says this."""
        return self._socket.hears(self._caller.says(frame))

    def from_server(self, frame: bytes | None) -> bytes | None:
        """What comes to the caller's line where the server's audio is this."""
        return None if frame is None else self._socket.says(frame)


class _Playing:
    """Something that is played as often as was asked for."""

    def __init__(self, open_again: OpenAgain, times: int, gain: float) -> None:
        self._open_again = open_again
        self._left = times
        self._endless = times == ENDLESS
        self._gain = gain
        self._source = open_again()
        self._gave = False
        self.over = False

    def take(self) -> bytes | None:
        """The next frame; None while the decoder is behind, and when it is over."""
        frame = self._source.take()
        if frame is None and self._source.ended() and not self.over:
            frame = self._begin_again()
        if frame is None:
            return None
        self._gave = True
        return louder(frame, self._gain)

    def _begin_again(self) -> bytes | None:
        self._left -= 1
        # What has no frame at all would be begun again in each step, for ever.
        self.over = not self._gave or not (self._endless or self._left > 0)
        if self.over:
            return None
        self._source.close()
        self._source = self._open_again()
        return self._source.take()

    def close(self) -> None:
        """It isn't heard any more."""
        self._source.close()


def _mixed(frame: bytes, other: bytes) -> bytes:
    total = np.frombuffer(frame, "<i2").astype(np.int32) + np.frombuffer(other, "<i2")
    pcm: bytes = np.clip(total, -32768, 32767).astype("<i2").tobytes()
    return pcm
