"""The caller's line: one time line over a whole call."""

from __future__ import annotations

import numpy as np
import pytest
from timing import Kept, Stopwatch

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.audio.source import FramesSource
from vonage_sock.clock import MS, SECOND, ManualClock
from vonage_sock.media.decode import AudioFile
from vonage_sock.simulator.caller import tone
from vonage_sock.simulator.ncco.line import CallOverError, Line, TakenOverError, frames_in, louder, next_frame

PHONE = AudioFormat(8000)
FRAME = b"\x01\x00" * 160


def line_of(watch: Stopwatch, **options: object) -> tuple[Line, Kept]:
    """A line and what is written to it."""
    kept = Kept()
    line = Line(PHONE, clock=watch.clock, pause=watch.pause, sink=kept, **options)  # type: ignore[arg-type]
    return line, kept


def frames(count: int) -> FramesSource:
    """A source of frames that aren't silent."""
    return FramesSource("frames", [FRAME] * count, count)


async def test_what_is_played_takes_its_time() -> None:
    """A second of audio takes a second, to the tenth that the line is written ahead."""
    watch = Stopwatch()
    line, kept = line_of(watch)

    assert await line.play(frames(50))
    assert 0.9 * SECOND <= watch.clock.now() <= SECOND
    assert [FRAME] * 50 == kept.heard


async def test_a_fast_line_takes_no_time() -> None:
    """What is written is the same."""
    watch = Stopwatch()
    line, kept = line_of(watch, fast=True)

    await line.play(frames(500))
    await line.pass_time(SECOND)

    assert (0, 550) == (watch.clock.now(), len(kept.heard))


async def test_time_that_passes_elsewhere_is_silence() -> None:
    """So that the recording stays in step with the clock."""
    watch = Stopwatch()
    line, kept = line_of(watch)

    watch.clock.advance_to(100 * MS)
    await line.play(frames(1))

    assert [PHONE.silence] * 5 + [FRAME] == kept.heard


async def test_a_source_can_be_cut_off() -> None:
    """After a whole number of frames; that it was is told."""
    line, kept = line_of(Stopwatch())

    assert not await line.play(frames(10), at_most_ns=50 * MS)
    assert 3 == len(kept.heard)


async def test_a_source_that_ends_in_time_was_not_cut_off() -> None:
    """To the very frame."""
    line, _ = line_of(Stopwatch())

    assert await line.play(frames(3), at_most_ns=60 * MS)


@pytest.mark.parametrize("options", [{"limit_ns": 60 * MS}, {"hung_up": lambda: True}], ids=["limit", "hung up"])
async def test_the_caller_hangs_up(options: dict[str, object]) -> None:
    """At the limit, or when the person at the screen does."""
    line, kept = line_of(Stopwatch(), **options)

    with pytest.raises(CallOverError):
        await line.pass_time(SECOND)
    assert len(kept.heard) <= 3


async def test_a_legs_frames_of_another_rate_are_converted() -> None:
    """One second in, one second out but for what the filter holds back; the pitch stays."""
    watch = Stopwatch()
    line, kept = line_of(watch)
    wide = AudioFormat(16000)
    sink = line.leg_sink(wide)

    for frame in tone(wide, 50, 440):
        sink.write(wide.silence, frame)
    heard = np.frombuffer(b"".join(kept.heard), "<i2")
    spectrum = np.abs(np.fft.rfft(heard))

    assert 45 * 160 <= len(heard) <= 50 * 160
    assert 440 == pytest.approx(spectrum.argmax() * 8000 / len(heard), abs=3)
    assert {len(frame) for frame in kept.said + kept.heard} == {320}


def test_a_leg_of_the_same_rate_is_written_as_it_is() -> None:
    """Bit by bit."""
    line, kept = line_of(Stopwatch())

    line.leg_sink(PHONE).write(FRAME, PHONE.silence)

    assert ([FRAME], [PHONE.silence]) == (kept.said, kept.heard)


def test_another_sink_has_what_comes_after_it() -> None:
    """And no more when it is removed."""
    line, _ = line_of(Stopwatch())
    kept = Kept()

    line.write(FRAME, FRAME)
    line.add(kept)
    line.write(FRAME, PHONE.silence)
    line.remove(kept)
    line.write(FRAME, FRAME)

    assert [PHONE.silence] == kept.heard


async def test_a_file_is_waited_for() -> None:
    """A line that takes no time doesn't outrun its decoder."""
    line = Line(PHONE, clock=ManualClock(), fast=True)
    clip = AudioFile.shipped_clip()

    await line.play(clip(PHONE))

    assert clip.seconds == pytest.approx(line.position_ns / SECOND, abs=0.05)


class Starving(FramesSource):
    """A source of somebody else's that has nothing yet."""

    def take(self) -> bytes | None:
        return None


async def test_a_source_that_has_nothing_yet_is_silent() -> None:
    """Nobody waits for it for ever."""
    assert PHONE.silence == await next_frame(Starving("later", [], 5), PHONE.silence)


@pytest.mark.parametrize(("span_ns", "count"), [(0, 0), (1, 1), (20 * MS, 1), (21 * MS, 2)])
def test_a_span_takes_whole_steps(span_ns: int, count: int) -> None:
    """Rounded up."""
    assert count == frames_in(span_ns)


def test_a_gain_is_clipped() -> None:
    """Twice as loud, but never wrapped around."""
    loud = np.array([100, -100, 30000, -30000], "<i2").tobytes()

    assert [200, -200, 32767, -32768] == np.frombuffer(louder(loud, 2.0), "<i2").tolist()
    assert loud == louder(loud, 1.0)


class _Ears:
    """Muted, and hears everything twice as loud."""

    def says(self, frame: bytes) -> bytes:
        """Nothing."""
        return bytes(len(frame))

    def hears(self, frame: bytes) -> bytes:
        """Each sample doubled."""
        return louder(frame, 2.0)


async def test_what_is_done_to_mouth_and_ear_is_in_every_step() -> None:
    """Also in the silence of time that passed."""
    watch = Stopwatch()
    line, kept = line_of(watch, ears=_Ears())
    await line.step(heard=FRAME, said=FRAME)

    assert ([louder(FRAME, 2.0)], [bytes(320)]) == (kept.heard, kept.said)


async def test_another_ncco_takes_over_at_the_next_step() -> None:
    """In the middle of whatever is under way."""
    watch = Stopwatch()
    line, kept = line_of(watch)
    await line.play(frames(2))
    line.taken_over = True

    with pytest.raises(TakenOverError):
        await line.play(frames(50))
    assert 2 == len(kept.heard)
