"""What is wrong with a stream of audio; precision and recall on a table of good and bad ones."""

from __future__ import annotations

import itertools
import json

import audio_streams as streams
import numpy as np
import pytest
from audio_streams import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.call.content import ALL_BATCHES
from vonage_sock.call.findings import CATALOGUE
from vonage_sock.call.inspect import AudioInspector, base64_audio
from vonage_sock.clock import MS, SECOND, US

RATES = (8000, 16000, 24000)
GOOD = [(rate_hz, name) for rate_hz in RATES for name in streams.good(rate_hz)]
BAD = [(rate_hz, name) for rate_hz in RATES for name in streams.bad(rate_hz)]
RATE_8K = AudioFormat(8000)


def inspected(rate_hz: int, messages: list[Message], *, capacity_frames: int | None = 3072) -> list[str]:
    """The codes for a stream, each checked to fit its message."""
    inspector = AudioInspector(AudioFormat(rate_hz), now=0, capacity_frames=capacity_frames)
    found = [item for at, message in messages for item in inspector.audio(message, at)]
    found += inspector.finish(messages[-1][0] if messages else 8 * SECOND)

    assert all(CATALOGUE[item.code].message.format(**item.numbers) for item in found)
    return sorted(item.code for item in found)


@pytest.mark.parametrize(("rate_hz", "name"), GOOD)
def test_what_is_right_gives_nothing(rate_hz: int, name: str) -> None:
    """Speech, tones, noise, pauses, jitter, stalls, and sending ahead: no false alarm."""
    assert [] == inspected(rate_hz, streams.good(rate_hz)[name])


@pytest.mark.parametrize(("rate_hz", "name"), BAD)
def test_what_is_wrong_gives_its_own_code_and_no_other(rate_hz: int, name: str) -> None:
    """One fault, one finding."""
    messages, expected = streams.bad(rate_hz)[name]

    assert expected == inspected(rate_hz, messages)


def test_a_swapped_half_second_in_plain_speech_is_nothing() -> None:
    """One look suspects it, and the next knows better."""
    pcm = streams.speech(8000)
    messages = streams.paced(streams.frames(streams.swapped(pcm[16000:24000]) + pcm[16000:], 320))

    assert [] == inspected(8000, messages)


def test_messages_given_one_by_one_and_many_at_once_are_the_same_stream() -> None:
    """A receiver may tell plain frames by himself; the gap between the two kinds counts too."""
    inspector = AudioInspector(RATE_8K, now=0, capacity_frames=3072)
    pieces = streams.frames(streams.swapped(streams.speech(8000)), 320)
    found = []
    for number in range(0, 400, 25):
        times = [(number + n) * 21 * MS for n in range(25)]
        found += inspector.audio(pieces[number], times[0])
        found += inspector.frames(times[1:], [0] + [21 * MS] * 23, pieces[number : number + 25])

    assert ["VS107", "VS204"] == sorted(item.code for item in found)


def test_without_a_buffer_a_stall_and_a_clear_change_nothing() -> None:
    """There is nothing that could be ahead, and bursts mean nothing."""
    inspector = AudioInspector(RATE_8K, now=0)
    found = []
    for at, message in streams.bad(8000)["sleep(0.02)"][0]:
        inspector.stalled()
        inspector.cleared()
        found += inspector.audio(message, at)

    assert ["VS204"] == [item.code for item in found]


def test_each_thing_is_told_once() -> None:
    """A fault that goes on doesn't repeat itself."""
    pcm = streams.speech(8000)
    messages = streams.paced(streams.frames(streams.swapped(pcm) * 3, 320), 21 * MS)

    assert ["VS107", "VS204"] == inspected(8000, messages)


def test_the_numbers_are_those_of_the_stream() -> None:
    """How far ahead, and of how much."""
    inspector = AudioInspector(RATE_8K, now=0, capacity_frames=1024)
    found = [item for _ in range(600) for item in inspector.audio(bytes(320), 0)]

    assert [{"ahead_s": 10, "capacity_s": 20}] == [item.numbers for item in found]


def test_without_a_buffer_nothing_is_too_far_ahead() -> None:
    """Our own end plays nothing."""
    messages = streams.bad(8000)["a long file at once"][0]

    assert [] == inspected(8000, messages, capacity_frames=None)


def test_what_was_cleared_is_not_ahead_any_more() -> None:
    """A barge-in empties the buffer."""
    inspector = AudioInspector(RATE_8K, now=0, capacity_frames=1024)
    found = []
    for _ in range(5):
        found += [item for _ in range(500) for item in inspector.audio(bytes(320), 0)]
        inspector.cleared()

    assert [] == found


@pytest.mark.parametrize(
    ("every_ms", "size", "found"),
    [(20, 640, []), (21, 640, ["VS204"]), (23, 640, ["VS204"]), (20, 320, ["VS108"])],
    ids=["real time", "slow", "slower", "half the rate"],
)
@pytest.mark.parametrize("seed", range(20))
def test_a_pace_is_seen_through_the_stalls_of_a_busy_machine(
    every_ms: int, size: int, found: list[str], seed: int
) -> None:
    """Stalls of up to 90 ms, a few each second, hide no drift and make none."""
    random, latest, messages = np.random.default_rng(seed), 0, []
    for number, piece in enumerate(streams.frames(streams.tone(size * 25, 440, seconds=6), size)):
        late_ms = random.uniform(5, 90) if random.random() < 0.06 else random.uniform(0, 0.8)
        latest = max(latest, round((number * every_ms + late_ms) * MS))
        messages.append((latest, piece))

    assert found == inspected(16000, messages)


def test_a_pace_that_changes_is_no_other_rate() -> None:
    """It is half of real time on the average, and nothing is made for 8 kHz at two fifths and three fifths of it."""
    gaps_us = [25_000] * 32 + [20_000] * 40 + [16_667] * 100
    messages = [(at * US, bytes(range(160)) * 2) for at in itertools.accumulate(gaps_us)]

    assert ["VS204"] == inspected(16000, messages)


def test_bursts_that_our_own_stalls_may_have_made_are_not_the_sender_s() -> None:
    """What was measured around them is forgotten."""
    messages = streams.bad(8000)["100 ms at once"][0]
    inspector = AudioInspector(RATE_8K, now=0, capacity_frames=3072)
    found = []
    for number, (at, message) in enumerate(messages):
        if number % 40 == 0:
            inspector.stalled()
        found += inspector.audio(message, at)

    assert [] == found + inspector.finish(10 * SECOND)


def test_bursts_that_are_not_real_time_are_answers() -> None:
    """A bot that talks in pieces is faster than real time, and then quiet."""
    pieces = streams.frames(streams.speech(8000), 320)

    assert [] == inspected(8000, streams.in_bursts(pieces, 10, period_ns=900 * MS))


def test_few_bursts_among_steady_frames_are_nothing() -> None:
    """Ten short stalls in a minute."""
    pieces = streams.frames(streams.speech(8000, seconds=60), 320)

    assert [] == inspected(8000, streams.with_stalls(streams.paced(pieces), 4 * SECOND, 90 * MS))


def test_a_shorter_call_without_audio_is_nothing() -> None:
    """The other side may still have been thinking."""
    assert [] == AudioInspector(RATE_8K, now=0).finish(4 * SECOND)


def test_a_long_call_is_looked_at_now_and_then() -> None:
    """A fault that begins late is found all the same."""
    good, bad = streams.speech(8000, seconds=ALL_BATCHES), streams.speech(8000, seconds=200)
    messages = streams.paced(streams.frames(good + streams.swapped(bad) * 2, 320))

    assert ["VS107"] == inspected(8000, messages)


def test_clipping_of_either_sign_is_found() -> None:
    """One half-wave suffices."""
    samples = np.frombuffer(streams.tone(8000, 200), "<i2").astype(np.int32) * 20 - 20000

    assert ["VS109"] == inspected(
        8000, streams.paced(streams.frames(samples.clip(-32768, 0).astype("<i2").tobytes(), 320))
    )


@pytest.mark.parametrize(
    "head",
    [
        b"\xff\xfb\x90\0",  # the next frame isn't where it should be
        b"\xff\xeb\x90\0",  # a reserved version
        b"\xff\xfb\xf0\0",  # no such bit rate
        b"\xff\xfb\x9c\0",  # no such sample rate
        b"\xff\xfd\x90\0",  # another layer
    ],
)
def test_a_sync_word_alone_is_no_mp3(head: bytes) -> None:
    """It is a sample like any other."""
    pcm = head + streams.speech(8000)[4:]

    assert [] == inspected(8000, streams.paced(streams.frames(pcm, 320)))


def test_an_mp3_whose_frames_fill_all_that_was_looked_at_needs_more() -> None:
    """Three frames are wanted, and each must be there."""
    inspector = AudioInspector(RATE_8K, now=0)

    assert [] == inspector.audio(b"\xff\xfb\xe0\0" + bytes(5800), 0)


@settings(deadline=None, database=None, max_examples=60)
@given(pieces=st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=900), st.integers(0, 40)), max_size=30))
def test_any_bytes_at_any_times_raise_nothing(pieces: list[tuple[int, bytes, int]]) -> None:
    """What comes is judged, never fatal."""
    messages: list[Message] = []
    at = 0
    for gap_ms, data, repeat in pieces:
        for _ in range(repeat):
            at += gap_ms * MS
            messages.append((at, data))

    assert set(inspected(16000, messages)) <= CATALOGUE.keys()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("QUJD" * 50, 200),
        (json.dumps({"media": {"payload": "QUJD" * 50}}), 200),
        (json.dumps({"list": ["a", {"x": 1, "delta": "QUJD" * 60}]}), 240),
        (json.dumps({"audio": "QUJD" * 10, "words": "some more words to fill it up " * 9}), None),
        (json.dumps({"instructions": "You are a kind assistant. " * 20}), None),
        ("hello " * 50, None),
        ("QUJD", None),
    ],
    ids=["alone", "in JSON", "deep", "a short one", "words in JSON", "words", "short"],
)
def test_base64_of_some_length_is_audio(text: str, expected: int | None) -> None:
    """Words have spaces, and ids are short."""
    assert expected == base64_audio(text)
