"""
The stopwatch of a conversation: how soon the server falls silent when it is interrupted, and how soon it answers.

Both are measured on what the caller said and *heard*, step by step of 20 ms, after the model of the platform's buffer:
what a server has stopped sending may be heard for a minute. A definition that can be argued with stands here, in words:

- **Speech** is three loud frames in a row, from the first of them on; what is quiet is quiet, zeros or not (``NoiseFloor``),
  and so is what lies 20 dB below the voice itself: noise behind it. Noise that came before the voice is known by it, too.
- The **server falls silent** when nothing is left to play for 200 ms, which is where the platform's model sees the end of
  what was said, or when what is played has been quiet for 600 ms: pauses between words and sentences are shorter. Either way
  the silence counts from its first step.
- A **barge-in** is a key press, or the first step of what the caller says, while the server is being heard; it is stopped
  when the server falls silent within 5 s. Who is heard longer, or still at the call's end, is *unstopped*. A ``clear`` after
  a key press stops at once, since a menu rightly goes on with its next prompt; to a caller who speaks nobody should go on.
  That ``clear`` is the key's and isn't timed by itself: a menu's next prompt can't be told from a bot that ignores its own
  ``clear``. Any other one is timed to the silence after it. What began less than a second before the call's end, and was
  heard until then, is *cut short* and says nothing.
  A server whose sentence ends by itself in those 5 s can't be told from one that gave way.
- A **turn** goes from the last loud frame of what the caller said to the first of what the server says next. The caller's
  sentence is over after 600 ms of quiet, so that an answer into a shorter pause is no turn. Nor is one counted of a server
  that was being heard when the caller stopped, as an echo is, unless it has given way to that very sentence and spoke again.
  An **echo** that comes late falls into the caller's pauses; what speaks over the caller and says its words takes no turns.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from vonage_sock.audio.frames import FRAME_MS, FRAME_NS
from vonage_sock.audio.level import FLOOR_DBFS, rms_of_each
from vonage_sock.audio.phrases import DEFAULT_HANGOVER_MS, ONSET_FRAMES, Cut, NoiseFloor
from vonage_sock.audio.playout import RESUME_WITHIN_FRAMES
from vonage_sock.clock import MS, SECOND
from vonage_sock.simulator.leg.measure import Spread

PAUSE_FRAMES: Final = DEFAULT_HANGOVER_MS // FRAME_MS
GIVE_WAY_WITHIN_NS: Final = 5 * SECOND
HEARD_ON_NS: Final = SECOND
"""What was heard on for less before the call ended says nothing about whether it would have stopped."""

OVER_THE_CALLER: Final = 0.1
BELOW_VOICE_DB: Final = 20.0
RISES_DB: Final = 10.0
ONSET_WITHIN_STEPS: Final = 10
NOISE_STEPS: Final = 20
NO_VOICE_DBFS: Final = -35.0
"""What was never louder may be noise from the line's beginning on."""

VOICE_RISE: Final = 0.3
VOICE_FALL_DB_PER_FRAME: Final = 0.02
BATCH_STEPS: Final = 50
MAX_LISTED: Final = 50
MAX_WAITING: Final = 1000


class TurnMeter:
    """
    Tell it of every step, key press and ``clear``, in their order; ``finish`` when the call is over.

    Levels are worked out for fifty steps at a time, so that a step costs next to nothing.

    Args:
        silence: a frame of zeros.
    """

    def __init__(self, silence: bytes) -> None:
        self._silence = silence
        self._said: list[bytes | None] = []
        self._heard: list[bytes | None] = []
        self._late_ns: list[int] = []
        self._marks: list[tuple[int, _Open]] = []
        self._steps_done = 0
        self._caller = _Voice()
        self._server = _Voice()
        self._server_silent_from = 0
        self._open: list[_Open] = []
        self._stops = _Measured()
        self._stopped: list[dict[str, Any]] = []
        self._unstopped = 0
        self._cleared: list[dict[str, Any]] = []
        self._cut_short = 0
        self._turns = _Measured()
        self._unanswered = False
        self._broke_in = False
        self._late_since_said_ns = 0
        self._answer: _Span | None = None
        self._heard_steps = 0
        self._heard_over_steps = 0

    def step(self, said: bytes | None, heard: bytes | None, late_ns: int) -> None:
        """
        20 ms in which the caller said and heard these frames.

        Args:
            heard: None where nothing was left to play.
            late_ns: how late our own timer was.
        """
        self._said.append(said)
        self._heard.append(heard)
        self._late_ns.append(late_ns)
        if len(self._said) >= BATCH_STEPS:
            self._work_off()

    def pressed(self, at: int, late_ns: int = 0) -> None:
        """
        A key was pressed so many nanoseconds after the first step began.

        Args:
            late_ns: how late our own timer was in the step that pressed it.
        """
        self._mark(_Open("key", at, late_ns))

    def cleared(self, at: int) -> None:
        """The server's ``clear`` came, counted likewise."""
        self._mark(_Open("clear", at))

    def finish(self) -> None:
        """The call is over: nothing more is said or heard."""
        self._work_off()
        end_ns = self._steps_done * FRAME_NS
        if self._server.speaking:
            self._fell_silent(end_ns)
        for item in self._open:
            if end_ns - item.at >= HEARD_ON_NS:
                self._note(item, None)
            else:
                self._cut_short += 1
        self._open.clear()
        self._count_answer()

    def report(self, *, echo: bool) -> dict[str, Any]:
        """
        The parts of a leg's report.

        Args:
            echo: what was heard is the caller's own voice, which nobody can interrupt.
        """
        self._work_off()
        stops, each, unstopped = (_Measured(), [], 0) if echo else (self._stops, self._stopped, self._unstopped)
        # A parrot says the caller's words too, but waits for its turn.
        talks_over = echo and self._heard_over_steps > OVER_THE_CALLER * self._heard_steps
        turns = _Measured() if talks_over else self._turns
        return {
            "turns": {
                "count": turns.spread.count,
                "latency_ms": turns.report(),
                "own_lateness_ms": turns.late_ms,
            },
            "barge_in": {
                "count": stops.spread.count + unstopped,
                "unstopped": unstopped,
                "stop_ms": stops.report(),
                "own_lateness_ms": stops.late_ms,
                "each": list(each),
                "cut_short": 0 if echo else self._cut_short,
            },
            "clear_stops": list(self._cleared),
        }

    # How it works inside.

    def _mark(self, item: _Open) -> None:
        if len(self._marks) < MAX_WAITING:
            self._marks.append((len(self._said), item))

    def _work_off(self) -> None:
        said, heard = self._levels(self._said), self._levels(self._heard)
        sounds = 2 * len(said) - said.count(None) - heard.count(None)
        if not sounds and not self._marks and self._nobody_speaks:
            self._pass_over()
        marks = deque(self._marks)
        for at, late_ns in enumerate(self._late_ns):
            while marks and marks[0][0] <= at:
                self._meet(marks.popleft()[1])
            self._take(said[at], heard[at], late_ns, nothing_left=self._heard[at] is None)
        self._marks = [(0, item) for _, item in marks]
        self._said, self._heard, self._late_ns = [], [], []

    @property
    def _nobody_speaks(self) -> bool:
        return not self._caller.speaking and not self._server.speaking

    def _pass_over(self) -> None:
        """Steps without a sound from either side."""
        self._steps_done += len(self._late_ns)
        self._late_since_said_ns = max(self._late_since_said_ns, *self._late_ns, 0)
        self._caller.rest()
        self._server.rest()
        self._late_ns = []

    def _levels(self, frames: list[bytes | None]) -> list[float | None]:
        silence = self._silence
        sounds = [frame for frame in frames if frame is not None and frame != silence]
        levels = iter(rms_of_each(sounds))
        return [None if frame is None or frame == silence else next(levels) for frame in frames]

    def _take(self, said_dbfs: float | None, heard_dbfs: float | None, late_ns: int, *, nothing_left: bool) -> None:
        step = self._steps_done
        self._steps_done += 1
        caller = self._caller.judge(step, said_dbfs)
        server = self._server.judge(step, heard_dbfs, nothing_left=nothing_left)
        for item in self._open:
            item.late_ns = max(item.late_ns, late_ns)
        self._late_since_said_ns = max(self._late_since_said_ns, late_ns)
        if self._server.silent_from > step:
            self._heard_steps += 1
            self._heard_over_steps += self._caller.silent_from > step
        if server is Cut.BEGIN:
            self._open = [item for item in self._open if item.at > self._server.began * FRAME_NS]
            self._spoke()
        elif server is Cut.END:
            self._server_silent_from = self._server.silent_from
            self._fell_silent((step + 1) * FRAME_NS)
        self._listen(caller, step)
        if self._open:
            self._give_up(step * FRAME_NS)

    def _listen(self, caller: Cut, step: int) -> None:
        """What the caller does, as one who waits for an answer."""
        if caller is Cut.BEGIN:
            self._broke_in = False
            if self._server.speaking and self._server.began < self._caller.began:
                self._open.append(_Open("speech", self._caller.began * FRAME_NS))
        if caller is Cut.END:
            self._count_answer()
        elif self._caller.speaking and self._caller.silent_from > step:
            self._unanswered = True
            self._answer = None
            self._late_since_said_ns = 0

    def _spoke(self) -> None:
        """The server began to speak."""
        asked_until = self._caller.silent_from
        if not self._unanswered or asked_until > self._server.began:
            return
        self._unanswered = False
        if self._server_silent_from <= asked_until or self._broke_in:
            span_ns = (self._server.began - asked_until) * FRAME_NS
            self._answer = _Span(span_ns, self._late_since_said_ns)
            if not self._caller.speaking:
                self._count_answer()

    def _count_answer(self) -> None:
        if self._answer is not None:
            self._turns.add(self._answer)
            self._answer = None

    def _meet(self, item: _Open) -> None:
        """A key press or a ``clear`` comes before the step that is next."""
        if item.by == "clear" and self._server.speaking and self._answers_keys():
            return
        if self._server.speaking and len(self._open) < MAX_WAITING:
            self._open.append(item)
        elif item.by == "clear":
            self._note(item, 0)

    def _answers_keys(self) -> bool:
        """A ``clear`` came, which is what keys were pressed for where any wait; then it is done with."""
        keys = [waiting for waiting in self._open if waiting.by == "key"]
        self._open = [waiting for waiting in self._open if waiting.by != "key"]
        for key in keys:
            self._stop(key, self._server.silent_from * FRAME_NS)
        return bool(keys)

    def _fell_silent(self, now_ns: int) -> None:
        """All that waits for silence has it, unless it is being heard at the call's end."""
        silent_ns = self._server.silent_from * FRAME_NS
        if silent_ns < now_ns:
            waiting, self._open = self._open, []
            for item in waiting:
                self._stop(item, silent_ns)

    def _stop(self, item: _Open, silent_ns: int) -> None:
        span_ns = silent_ns - item.at
        if item.by == "clear":
            self._note(item, max(0, span_ns))
        elif span_ns > 0:
            self._broke_in |= item.by == "speech"
            self._note(item, span_ns)

    def _give_up(self, now_ns: int) -> None:
        if self._server.silent_from * FRAME_NS > now_ns:
            for item in [item for item in self._open if now_ns - item.at >= GIVE_WAY_WITHIN_NS]:
                self._open.remove(item)
                self._note(item, None)

    def _note(self, item: _Open, span_ns: int | None) -> None:
        told: dict[str, Any] = {"at_s": round(item.at / SECOND, 3)}
        listed = self._cleared
        if item.by != "clear":
            told["by"] = item.by
            listed = self._stopped
            if span_ns is None:
                self._unstopped += 1
            else:
                self._stops.add(_Span(span_ns, item.late_ns))
        told["stopped_after_ms"] = None if span_ns is None else round(span_ns / MS, 1)
        if len(listed) < MAX_LISTED:
            listed.append(told)


@dataclass(slots=True)
class _Open:
    """What waits for silence; how late our own timer was until that was certain."""

    by: str
    at: int
    late_ns: int = 0


@dataclass(frozen=True, slots=True)
class _Span:
    span_ns: int
    late_ns: int


class _Measured:
    """Times, and how late our own timer was within them at most."""

    def __init__(self) -> None:
        self.spread = Spread()
        self._late_ns = 0

    def add(self, span: _Span) -> None:
        self.spread.add(span.span_ns)
        self._late_ns = max(self._late_ns, span.late_ns)

    def report(self) -> dict[str, float] | None:
        return self.spread.report() if self.spread.count else None

    @property
    def late_ms(self) -> float | None:
        return round(self._late_ns / MS, 3) if self.spread.count else None


class _Voice:
    """One side: in which step its speech began, and from which on it is silent."""

    def __init__(self) -> None:
        self.speaking = False
        self.began = 0
        self.silent_from = 0
        self._floor = NoiseFloor()
        self._voice_dbfs = FLOOR_DBFS
        self._loud_run = 0
        self._nothing_run = 0
        self._rising: list[float] = []

    def judge(self, step: int, level_dbfs: float | None, *, nothing_left: bool = False) -> Cut:
        """One step; its level is None where there is no sound at all."""
        loud = level_dbfs is not None and self._is_loud(level_dbfs)
        if not self.speaking:
            return self._between(step, loud=loud)
        if loud:
            self.silent_from = step + 1
            self._nothing_run = 0
            return self._listen(step, level_dbfs or 0.0)
        self._rising.clear()
        self._nothing_run = self._nothing_run + 1 if nothing_left else 0
        if self._nothing_run < RESUME_WITHIN_FRAMES and step + 1 - self.silent_from < PAUSE_FRAMES:
            return Cut.SPEECH
        self.speaking = False
        self._loud_run = 0
        return Cut.END

    def rest(self) -> None:
        """Some steps without a sound, after which nobody was speaking."""
        self._loud_run = 0

    def _is_loud(self, level_dbfs: float) -> bool:
        in_phrase = self.speaking and self._voice_dbfs > NO_VOICE_DBFS
        loud = self._floor.is_loud(level_dbfs, in_phrase=in_phrase)
        return loud and level_dbfs >= self._voice_dbfs - BELOW_VOICE_DB

    def _listen(self, step: int, level_dbfs: float) -> Cut:
        """How loud the voice is; one that stands out of what was taken for it begins here."""
        if self._voice_dbfs == FLOOR_DBFS:
            self._voice_dbfs = level_dbfs
        over_db = level_dbfs - self._voice_dbfs
        rises = step - self.began >= NOISE_STEPS and over_db >= RISES_DB
        if self._voice_dbfs > NO_VOICE_DBFS or not rises:
            self._rising.clear()
            self._voice_dbfs += VOICE_RISE * over_db if over_db > 0 else max(over_db, -VOICE_FALL_DB_PER_FRAME)
            return Cut.SPEECH
        self._rising.append(level_dbfs)
        loudest_dbfs = max(self._rising)
        stands_out = loudest_dbfs - self._voice_dbfs >= BELOW_VOICE_DB
        if len(self._rising) < (ONSET_FRAMES if stands_out else ONSET_WITHIN_STEPS):
            return Cut.SPEECH
        self._voice_dbfs = loudest_dbfs
        began = step + 1 - len(self._rising)
        self._rising.clear()
        if not stands_out:
            return Cut.SPEECH
        self.began = began
        return Cut.BEGIN

    def _between(self, step: int, *, loud: bool) -> Cut:
        self._loud_run = self._loud_run + 1 if loud else 0
        if self._loud_run < ONSET_FRAMES:
            return Cut.QUIET
        self.speaking = True
        self.began = step + 1 - ONSET_FRAMES
        self.silent_from = step + 1
        self._nothing_run = 0
        return Cut.BEGIN
