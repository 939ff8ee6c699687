"""
What is wrong with a stream of audio, judged by its bytes and its times alone.

Rule 1: no false alarms. What is legitimate in some program (sending ahead, long pauses, only silence, nothing at all) is a
note at most; what is only suspected needs at least a second of audio, and every second that speaks must say the same.

A message costs little more than noting its time: times are judged many at once, and samples half a second at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from operator import sub
from typing import Final

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.call.content import BATCH_FRAMES, ContentJudge
from vonage_sock.call.found import Found
from vonage_sock.call.pace import AheadJudge, BurstJudge, RateJudge
from vonage_sock.call.stats import LONG_AGO, TIMES_AT_ONCE
from vonage_sock.clock import MS, SECOND
from vonage_sock.protocol import jsontext

__all__ = ["CONTENT", "AudioInspector", "Found", "base64_audio"]

CONTENT: Final = frozenset({"VS104", "VS105", "VS107", "VS109", "VS110", "VS111"})
"""What is said about the samples themselves, which in an echo are the caller's own."""

SAMPLED_FRAMES: Final = 5
NOTHING_AFTER_S: Final = 5
PAUSE_NS: Final = 100 * MS
MIN_BASE64: Final = 160

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{160,}={0,2}", re.ASCII)


class AudioInspector:
    """
    Looks at all the audio that one side of a leg sends.

    It takes messages one by one (``audio``), or, from who can tell them himself, whole frames many at once (``frames``), and
    says the same of both. What is wrong is told some messages later, at the end of the call at the latest.

    Args:
        now: when the leg began, in nanoseconds.
        capacity_frames: how much the receiver buffers; None when it doesn't, and how far ahead and in what pieces the audio
            comes means nothing.
        thorough: whether all samples and times are looked at, as is fit for a server that may have any fault at any time;
            otherwise the last 100 ms of each half second, and the pace after each pause until it is plain.
    """

    __slots__ = (
        "_ahead",
        "_any",
        "_bursts",
        "_content",
        "_found",
        "_frame_bytes",
        "_judged_at",
        "_last_at",
        "_rate",
        "_size",
        "_started_at",
        "_times",
    )

    def __init__(
        self,
        audio_format: AudioFormat,
        *,
        now: int,
        capacity_frames: int | None = None,
        thorough: bool = True,
    ) -> None:
        self._frame_bytes = audio_format.frame_bytes
        self._started_at = now
        self._content = ContentJudge(audio_format, BATCH_FRAMES if thorough else SAMPLED_FRAMES)
        self._rate = RateJudge(audio_format, settles=not thorough)
        self._ahead = None if capacity_frames is None else AheadJudge(audio_format, capacity_frames)
        self._bursts = None if capacity_frames is None else BurstJudge(audio_format)
        self._any = False
        self._last_at = self._judged_at = LONG_AGO
        self._size = 0
        self._times: list[int] = []
        self._found: list[Found] = []

    @property
    def reads_on(self) -> bool:
        """The messages that follow have to be given to ``audio``, one by one: a file may have begun."""
        return self._content.reads_on

    def audio(self, data: bytes, now: int) -> list[Found]:
        """A binary message came; what is sure by now, each thing once."""
        self._any = True
        if len(data) != self._size or len(self._times) >= TIMES_AT_ONCE:
            self._judge_times()
            self._size = len(data)
        self._times.append(now)
        first = now - self._last_at > PAUSE_NS
        self._last_at = now
        if found := self._content.message(data, first=first):
            self._found += found
        return self._take() if self._found else []

    def frames(self, times: Sequence[int], gaps_ns: list[int], latest: Sequence[bytes]) -> list[Found]:
        """
        Whole frames came; what is sure by now.

        Args:
            times: when each of them did; one at least.
            gaps_ns: the time between each of them and the message before it; that of the first isn't looked at.
            latest: the last of them, at least as many as are looked at, where so many came. None of them may begin as a file
                does: see ``filehead.BEGINNINGS``.
        """
        self._any = True
        if self._times:
            self._judge_times()
        gaps_ns[0] = times[0] - self._judged_at
        self._last_at = times[-1]
        self._judge(times, gaps_ns, self._frame_bytes)
        if found := self._content.frames(len(times) * self._frame_bytes, latest):
            self._found += found
        return self._take() if self._found else []

    def stalled(self) -> None:
        """We didn't read for a while ourselves: times around now say nothing about the sender."""
        if self._bursts is not None:
            self._judge_times()
            self._bursts.restart()

    def cleared(self) -> None:
        """The receiver dropped what it had queued."""
        if self._ahead is not None:
            self._judge_times()
            self._ahead.cleared()

    def finish(self, now: int, latest: Sequence[bytes] = ()) -> list[Found]:
        """The leg is over; what can only be said then. ``latest`` is as it is for ``frames``."""
        if not self._any:
            seconds = (now - self._started_at) // SECOND
            return [Found("VS207", {"seconds": seconds})] if seconds >= NOTHING_AFTER_S else []
        self._judge_times()
        self._found += self._content.finish(latest)
        if self._bursts is not None:
            self._found += self._bursts.finish()
        return self._take()

    def _judge_times(self) -> None:
        if self._times:
            times, self._times = self._times, []
            self._judge(times, list(map(sub, times, [self._judged_at, *times])), self._size)

    def _judge(self, times: Sequence[int], gaps_ns: Sequence[int], size: int) -> None:
        self._judged_at = times[-1]
        if found := self._rate.messages(times, gaps_ns, size):
            self._found += found
        if self._ahead is not None and (found := self._ahead.messages(times, size)):
            self._found += found
        if self._bursts is not None:
            self._bursts.messages(times, gaps_ns, size)

    def _take(self) -> list[Found]:
        found, self._found = self._found, []
        return found


def base64_audio(text: str) -> int | None:
    """How many characters of base64 a text message carries, alone or in JSON; None where it carries none to speak of."""
    if len(text) < MIN_BASE64:
        return None
    try:
        value = jsontext.loads(text)
    except ValueError:
        value = text
    longest = max((len(item) for item in _texts(value) if _BASE64.fullmatch(item.strip())), default=0)
    return longest or None


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)
