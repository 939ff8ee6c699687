"""
Where phrases begin and end in a call's audio.

Energy against a noise floor that follows the line: fast downwards, slowly upwards, and slower still while somebody
speaks, so that noise which set in is taken for a phrase for some seconds only, not for ever. A phrase starts
a little before its first loud frame, so that soft consonants stay whole, and ends when it has been quiet for the
hang-over time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar

from vonage_sock.audio.frames import FRAME_MS

ABOVE_FLOOR_DB: Final = 10.0
QUIETEST_SPEECH_DBFS: Final = -50.0
CERTAIN_SPEECH_DBFS: Final = -20.0
FLOOR_START_DBFS: Final = -60.0
FLOOR_RISE_DB_PER_FRAME: Final = 0.06
FLOOR_RISE_IN_SPEECH_DB_PER_FRAME: Final = 0.02
FLOOR_FALL: Final = 0.2
ONSET_FRAMES: Final = 3
PREROLL_MS: Final = 200
DEFAULT_HANGOVER_MS: Final = 600

ItemT = TypeVar("ItemT")


class Cut(Enum):
    """What one frame meant."""

    QUIET = "quiet"
    BEGIN = "begin"
    SPEECH = "speech"
    END = "end"


@dataclass(frozen=True, slots=True)
class Decision(Generic[ItemT]):
    """What to do now: ``items`` belong to the phrase that begins, goes on or ends with this frame."""

    cut: Cut
    items: tuple[ItemT, ...] = ()


class NoiseFloor:
    """Tells what is loud from what is quiet on one line."""

    def __init__(self) -> None:
        self._dbfs = FLOOR_START_DBFS

    def is_loud(self, rms_dbfs: float, *, in_phrase: bool) -> bool:
        """Whether a frame of this level may be speech; the floor follows it."""
        threshold_dbfs = max(self._dbfs + ABOVE_FLOOR_DB, QUIETEST_SPEECH_DBFS)
        loud = rms_dbfs >= min(threshold_dbfs, CERTAIN_SPEECH_DBFS)
        if rms_dbfs < self._dbfs:
            self._dbfs += (rms_dbfs - self._dbfs) * FLOOR_FALL
        else:
            speech = loud and in_phrase
            rise_db = FLOOR_RISE_IN_SPEECH_DB_PER_FRAME if speech else FLOOR_RISE_DB_PER_FRAME
            self._dbfs = min(rms_dbfs, self._dbfs + rise_db)
        return loud


class PhraseDetector(Generic[ItemT]):
    """
    Feed it one level and one item (the frame, in whatever shape) per 20 ms.

    Args:
        hangover_ms: how long it must be quiet until a phrase is over; the quiet stays at the phrase's end.
    """

    def __init__(self, *, hangover_ms: int = DEFAULT_HANGOVER_MS) -> None:
        self._hangover_frames = max(1, hangover_ms // FRAME_MS)
        self._floor = NoiseFloor()
        self._recent: deque[ItemT] = deque(maxlen=PREROLL_MS // FRAME_MS + ONSET_FRAMES)
        self._loud_run = 0
        self._quiet_run = 0
        self._in_phrase = False

    @property
    def in_phrase(self) -> bool:
        """A phrase has begun and not ended."""
        return self._in_phrase

    def push(self, rms_dbfs: float, item: ItemT) -> Decision[ItemT]:
        """Judge one frame by its level in dBFS."""
        loud = self._floor.is_loud(rms_dbfs, in_phrase=self._in_phrase)
        return self._within(item, loud=loud) if self._in_phrase else self._between(item, loud=loud)

    def _between(self, item: ItemT, *, loud: bool) -> Decision[ItemT]:
        self._recent.append(item)
        self._loud_run = self._loud_run + 1 if loud else 0
        if self._loud_run < ONSET_FRAMES:
            return Decision(Cut.QUIET)
        self._in_phrase = True
        self._quiet_run = 0
        items = tuple(self._recent)
        self._recent.clear()
        return Decision(Cut.BEGIN, items)

    def _within(self, item: ItemT, *, loud: bool) -> Decision[ItemT]:
        self._quiet_run = 0 if loud else self._quiet_run + 1
        if self._quiet_run < self._hangover_frames:
            return Decision(Cut.SPEECH, (item,))
        self._in_phrase = False
        self._loud_run = 0
        return Decision(Cut.END, (item,))
