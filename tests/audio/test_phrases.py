"""Where phrases begin and end."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.audio.phrases import Cut, Decision, PhraseDetector

PROPERTY = settings(deadline=None, database=None, max_examples=150)
QUIET = -70.0
SPEECH = -25.0


def cuts(levels: list[float], *, hangover_ms: int = 100) -> list[tuple[Cut, int]]:
    """What the detector decides about a line, as (decision, number of the frame), without what goes on as before."""
    detector: PhraseDetector[int] = PhraseDetector(hangover_ms=hangover_ms)
    decisions = [(detector.push(level, number).cut, number) for number, level in enumerate(levels)]
    return [decision for decision in decisions if decision[0] in (Cut.BEGIN, Cut.END)]


def test_three_loud_frames_begin_a_phrase() -> None:
    """The third loud frame is the one that decides."""
    assert [(Cut.BEGIN, 12)] == cuts([QUIET] * 10 + [SPEECH] * 5)


def test_a_click_is_no_phrase() -> None:
    """Two loud frames, however often they come, begin nothing."""
    assert [] == cuts(([QUIET] * 10 + [SPEECH] * 2) * 10)


def test_a_phrase_brings_the_200_ms_before_it() -> None:
    """Soft consonants before the first loud frame stay whole: ten frames more, and the three that decided."""
    detector: PhraseDetector[int] = PhraseDetector()
    decisions = [detector.push(SPEECH if number >= 20 else QUIET, number) for number in range(23)]

    assert Decision(Cut.BEGIN, tuple(range(10, 23))) == decisions[-1]


def test_a_phrase_ends_when_it_was_quiet_for_the_hangover() -> None:
    """Five quiet frames of 20 ms are 100 ms; the quiet belongs to the phrase."""
    detector: PhraseDetector[int] = PhraseDetector(hangover_ms=100)
    decisions = [detector.push(level, 0) for level in [SPEECH] * 10 + [QUIET] * 6]

    assert [Cut.SPEECH] * 4 + [Cut.END, Cut.QUIET] == [decision.cut for decision in decisions[-6:]]
    assert (0,) == decisions[-2].items
    assert () == decisions[-1].items


def test_a_short_pause_does_not_end_a_phrase() -> None:
    """Each loud frame starts the hang-over anew."""
    assert [(Cut.BEGIN, 2)] == cuts([SPEECH] * 10 + ([QUIET] * 4 + [SPEECH]) * 10)


def test_a_second_phrase_begins_after_the_first() -> None:
    """The detector is as good as new, and what belonged to the first phrase isn't in the second."""
    detector: PhraseDetector[int] = PhraseDetector(hangover_ms=100)
    levels = [SPEECH] * 10 + [QUIET] * 6 + [SPEECH] * 5
    decisions = [detector.push(level, number) for number, level in enumerate(levels)]
    begun = [decision.items for decision in decisions if decision.cut is Cut.BEGIN]

    assert [(0, 1, 2), (15, 16, 17, 18)] == begun


def test_in_phrase_tells_whether_one_has_begun_and_not_ended() -> None:
    """True from the frame that begins it until the one that ends it."""
    detector: PhraseDetector[int] = PhraseDetector(hangover_ms=20)
    states: list[bool] = []
    for level in [SPEECH] * 4 + [QUIET] * 2:
        detector.push(level, 0)
        states.append(detector.in_phrase)

    assert [False, False, True, True, False, False] == states


def test_the_hangover_is_at_least_one_frame() -> None:
    """A hang-over of nothing would end a phrase in the middle of a loud frame."""
    assert [(Cut.BEGIN, 2), (Cut.END, 4)] == cuts([SPEECH] * 4 + [QUIET], hangover_ms=0)


def test_steady_noise_becomes_the_floor() -> None:
    """A noisy line at -45 dBFS is taken for speech at first; once known, it isn't, and speech above it is."""
    noise = -45.0
    decided = cuts([QUIET] * 50 + [noise] * 1000 + [SPEECH] * 10)

    assert Cut.BEGIN is decided[-1][0]
    assert decided[-1][1] == 1052


def test_whispering_below_the_quietest_speech_is_nothing() -> None:
    """On a perfectly silent line, -55 dBFS is still no speech, though far above the floor."""
    assert [] == cuts([-96.0] * 100 + [-55.0] * 50)


def test_loud_speech_is_speech_on_any_line() -> None:
    """From -20 dBFS on there is no doubt, even where the floor has come near."""
    assert [(Cut.BEGIN, 2)] == cuts([-19.0] * 3000)


def test_the_floor_falls_fast() -> None:
    """After a noisy stretch, half a second of quiet suffices to hear soft speech again."""
    decided = cuts([-30.0] * 2000 + [QUIET] * 25 + [-45.0] * 5)

    assert (Cut.BEGIN, 2027) == decided[-1]


@PROPERTY
@given(levels=st.lists(st.floats(-96, 0), max_size=300), hangover_ms=st.integers(0, 400))
def test_phrases_hold_frames_in_order_and_none_twice(levels: list[float], hangover_ms: int) -> None:
    """Whatever the levels, begin and end alternate, and each phrase is a stretch of the line without holes."""
    detector: PhraseDetector[int] = PhraseDetector(hangover_ms=hangover_ms)
    kept: list[int] = []
    phrase: list[int] = []
    for number, level in enumerate(levels):
        before = detector.in_phrase
        decision = detector.push(level, number)
        assert before == (decision.cut in (Cut.SPEECH, Cut.END))
        assert detector.in_phrase == (decision.cut in (Cut.BEGIN, Cut.SPEECH))
        phrase = list(decision.items) if decision.cut is Cut.BEGIN else [*phrase, *decision.items]
        kept += decision.items
        if decision.items:
            assert list(range(phrase[0], number + 1)) == phrase

    assert sorted(set(kept)) == kept
