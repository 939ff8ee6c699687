"""The stopwatch of a conversation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.clock import MS
from vonage_sock.simulator.leg import turns as module
from vonage_sock.simulator.leg.turns import TurnMeter

SILENCE = bytes(320)


def noise(dbfs: float) -> bytes:
    """A frame at 8 kHz of about this level."""
    amplitude = 32768 * 10 ** (dbfs / 20)
    return (np.random.default_rng(3).choice([-amplitude, amplitude], 160)).round().astype("<i2").tobytes()


VOICE = noise(-20)
HUM = noise(-58)
LETTERS = {"x": VOICE, "f": b"\x00\x80" * 160, "h": HUM, "_": SILENCE, ".": None}


class Call:
    """
    Tells a meter what was said and heard.

    Each letter is 20 ms: ``x`` speech, ``f`` full scale, ``h`` hum, ``_`` zeros, ``.`` nothing at all; ``x*50`` is a second.
    """

    def __init__(self) -> None:
        self.meter = TurnMeter(SILENCE)
        self.steps = 0

    def goes(self, said: str, heard: str, *, late_ns: int = 0) -> Call:
        """Steps, as many as the longer of both; the other goes on with nothing."""
        one, other = spelt(said), spelt(heard)
        for number in range(max(len(one), len(other))):
            self.meter.step(
                LETTERS[one[number : number + 1] or "."], LETTERS[other[number : number + 1] or "."], late_ns
            )
            self.steps += 1
        return self

    def press(self, *, late_ns: int = 0) -> Call:
        """A key, in the step that was last."""
        self.meter.pressed((self.steps - 1) * FRAME_NS, late_ns)
        return self

    def clear(self, *, after_ms: float = 0) -> Call:
        """The server's ``clear``, so long after the last step's end."""
        self.meter.cleared(self.steps * FRAME_NS + round(after_ms * MS))
        return self

    def ends(self, *, echo: bool = False) -> dict[str, Any]:
        """The report of the call, which is over."""
        self.meter.finish()
        return self.meter.report(echo=echo)


def spelt(line: str) -> str:
    """``x*3 .`` as ``xxx.``."""
    parts = (part.partition("*") for part in line.split())
    return "".join(letter * int(times or 1) for letter, _, times in parts)


def stops(report: dict[str, Any]) -> list[tuple[str, float | None]]:
    """Who broke in, and how long it was heard on."""
    return [(item["by"], item["stopped_after_ms"]) for item in report["barge_in"]["each"]]


def latencies(report: dict[str, Any]) -> tuple[int, float | None]:
    """How many turns, and the longest."""
    spread = report["turns"]["latency_ms"]
    return report["turns"]["count"], spread and spread["max"]


def test_nothing_is_reported_of_a_call_without_a_conversation() -> None:
    """Counts of zero, and no spreads."""
    assert {
        "turns": {"count": 0, "latency_ms": None, "own_lateness_ms": None},
        "barge_in": {"count": 0, "unstopped": 0, "stop_ms": None, "own_lateness_ms": None, "each": [], "cut_short": 0},
        "clear_stops": [],
    } == Call().goes("_*50", "").ends()


@pytest.mark.parametrize("rest", [".*60", "_*60", "h*60"], ids=["nothing", "zeros", "hum"])
def test_a_server_that_stops_for_a_key_is_timed(rest: str) -> None:
    """From the key's step to the first silent one, whatever the silence is made of."""
    report = Call().goes("", "x*50").press().goes("", f"x*10 {rest}").ends()

    assert [("key", 220.0)] == stops(report)
    assert {"at_s": 0.98, "by": "key", "stopped_after_ms": 220.0} == report["barge_in"]["each"][0]
    assert (1, 0, 220.0) == (
        report["barge_in"]["count"],
        report["barge_in"]["unstopped"],
        report["barge_in"]["stop_ms"]["p95"],
    )


def test_a_server_that_stops_for_speech_is_timed() -> None:
    """From the first loud step of the caller, though it takes three to be sure of it."""
    report = Call().goes("_*50 x*30", "x*70 .*40").ends()

    assert [("speech", 400.0)] == stops(report)
    assert report["barge_in"]["each"][0]["at_s"] == 1.0


def test_a_server_that_goes_on_is_not_stopped() -> None:
    """After five seconds it's certain; the call needn't end for it."""
    call = Call().goes("", "x*50").press().goes("", "x*300")

    assert [("key", None)] == stops(call.meter.report(echo=False))
    assert (1, 1, None) == tuple(call.ends()["barge_in"][key] for key in ("count", "unstopped", "stop_ms"))


def test_a_server_that_stops_after_more_than_five_seconds_did_not_stop_for_the_caller() -> None:
    """Also where the silence began in between and was sure only later."""
    report = Call().goes("", "x*50").press().goes("", "x*245 _*8 x*2 _*60").ends()

    assert [("key", None)] == stops(report)


def test_a_server_heard_until_the_end_is_unstopped_after_a_second() -> None:
    """Half a second says nothing."""
    early = Call().goes("", "x*50").press().goes("", "x*60").ends()
    late = Call().goes("", "x*50").press().goes("", "x*25").ends()

    assert [[("key", None)], []] == [stops(early), stops(late)]


def test_a_silence_at_the_end_of_the_call_lasts() -> None:
    """Nothing comes after it."""
    assert [("key", 120.0)] == stops(Call().goes("", "x*50").press().goes("", "x*5 .*2").ends())


@pytest.mark.parametrize("pause", [".*9", "_*29", "h*29", "_*20 .*9"])
def test_a_pause_between_words_is_no_stop(pause: str) -> None:
    """A gap below 200 ms or a quiet below 600."""
    report = Call().goes("", "x*50").press().goes("", f"x*10 {pause} x*10 .*60").ends()

    assert [("key", 20.0 * (1 + 20 + len(spelt(pause))))] == stops(report)


def test_who_finds_the_server_silent_breaks_in_on_nobody() -> None:
    """Before it speaks, after it has stopped, and in the quiet that turns out to be its end."""
    call = Call().goes("", ".*5").press().goes("", "x*50 .*3").press().goes("x*10", "").goes("", ".*50").press()

    assert [] == stops(call.ends())


def test_a_server_that_begins_while_the_caller_speaks_is_not_interrupted() -> None:
    """It is the one who interrupts."""
    assert [] == stops(Call().goes("x*50", ".*10 x*20 .*20").ends())


def test_each_key_is_timed_by_itself() -> None:
    """And a caller who speaks too."""
    report = Call().goes("", "x*10").press().goes("_*5", "x*5").press().goes("x*10", "x*10 .*40").ends()

    assert [("key", 320.0), ("key", 220.0), ("speech", 200.0)] == stops(report)
    assert report["barge_in"]["stop_ms"]["max"] == 320.0


def test_a_clear_after_a_key_stops_though_the_next_prompt_comes_at_once() -> None:
    """A menu goes on; what was being said has ended. The ``clear`` is the key's, and isn't timed once more."""
    report = Call().goes("", "x*50").press().goes("", "x*4").clear(after_ms=-5).goes("", ".*2 x*100").ends()

    assert [("key", 100.0)] == stops(report)
    assert [] == report["clear_stops"]


def test_only_the_first_clear_is_the_key_s() -> None:
    """A second one is about what came after it."""
    call = Call().goes("", "x*50").press().goes("", "x*4").clear().goes("", ".*2 x*100").clear()
    report = call.goes("", "x*60 .*40").ends()

    assert [("key", 100.0)] == stops(report)
    assert [1200.0] == [stop["stopped_after_ms"] for stop in report["clear_stops"]]


def test_what_begins_just_before_the_end_says_nothing() -> None:
    """It is counted, so that it can be told why nothing was measured."""
    report = Call().goes("", "x*50").press().goes("", "x*20").clear().goes("", "x*3").ends()
    unstopped = Call().goes("", "x*50").press().goes("", "x*20").ends()

    assert (1, 0) == (report["barge_in"]["count"], report["barge_in"]["cut_short"])
    assert (0, 1) == (unstopped["barge_in"]["count"], unstopped["barge_in"]["cut_short"])


def test_a_clear_does_not_stop_for_a_caller_who_speaks() -> None:
    """A server that plays on from a queue of its own is heard on."""
    call = Call().goes("_*50 x*10", "x*60").clear().goes("", ".*2 x*10 .*20")

    assert [("speech", 440.0)] == stops(call.ends())


def test_a_clear_is_timed_until_silence() -> None:
    """To a part of a millisecond, since it comes between the steps; at once where nothing is heard, or nothing more."""
    report = Call().goes("", "x*50").clear(after_ms=-12.5).goes("", ".*20").clear().goes("", "x*10 _*20").clear().ends()

    assert [12.5, 0.0] == [item["stopped_after_ms"] for item in report["clear_stops"]]


def test_a_clear_in_the_quiet_after_speech_finds_silence() -> None:
    """No time before it counts."""
    report = Call().goes("", "x*50 _*5").clear().goes("", ".*20").ends()

    assert [{"at_s": 1.1, "stopped_after_ms": 0.0}] == report["clear_stops"]


def test_an_answer_is_timed_from_the_callers_last_word() -> None:
    """700 ms of silence between both."""
    assert (1, 700.0) == latencies(Call().goes("x*50 _*35", ".*85 x*20").ends())


def test_an_answer_sooner_than_a_pause_counts_when_the_caller_stays_silent() -> None:
    """200 ms after the last word; known when 600 ms are over, or the call."""
    call = Call().goes("x*50", ".*60 x*10")
    before = call.meter.report(echo=False)["turns"]["count"]
    call.goes("", "x*30")

    assert (0, 1) == (before, call.meter.report(echo=False)["turns"]["count"])
    assert (1, 200.0) == latencies(Call().goes("x*50", ".*60 x*10").ends())


def test_a_pause_within_the_callers_sentence_is_no_turn() -> None:
    """What the server says into it is not an answer; the answer comes after the sentence."""
    report = Call().goes("x*50 _*20 x*50", ".*60 x*5 .*85 x*10 .*40").ends()

    assert (1, 600.0) == latencies(report)


def test_a_turn_is_counted_once() -> None:
    """What the server says after its answer, and before anybody has spoken, answers nothing."""
    assert (1, 200.0) == latencies(Call().goes("_*40 x*50", "x*10 .*90 x*20 .*40 x*20").ends())


def test_turns_follow_each_other() -> None:
    """Each with its own time."""
    spread = Call().goes("x*20 _*70", ".*30 x*10 .*50").goes("x*20 _*70", ".*50 x*10 .*30").ends()["turns"]

    assert (2, 200.0, 600.0) == (
        spread["count"],
        pytest.approx(spread["latency_ms"]["p50"], 0.02),
        spread["latency_ms"]["max"],
    )


def test_an_echo_takes_no_turns() -> None:
    """It is being heard when the caller stops, and speaks only when the caller does."""
    said = "x*40 _*25 x*40 _*60 x*30 _*90"
    report = Call().goes(said, f".*3 {said}").ends(echo=True)

    assert (0, None) == latencies(report)
    assert (0, []) == (report["barge_in"]["count"], report["barge_in"]["each"])


def test_a_late_echo_takes_no_turns() -> None:
    """It falls into the caller's pauses, and is heard over its words as well."""
    said = "x*20 _*60 x*60 _*40 x*30 _*70"
    call = Call().goes(said, f".*30 {said}")
    call.meter.finish()

    assert [0, 2] == [call.meter.report(echo=echo)["turns"]["count"] for echo in (True, False)]


def test_a_parrot_takes_turns() -> None:
    """It says the caller's words, when the caller has said them."""
    assert (1, 400.0) == latencies(Call().goes("x*50 _*100", ".*70 x*50").ends(echo=True))


def test_an_echo_is_not_interrupted() -> None:
    """A caller can't interrupt his own voice; the same sounds from a server that isn't an echo would count."""
    call = Call().goes("x*50", ".*30 x*50").press().goes("", "x*5 .*40")
    call.meter.finish()

    assert [[], [("key", 120.0)]] == [stops(call.meter.report(echo=echo)) for echo in (True, False)]


def test_who_speaks_when_the_caller_stops_answers_nothing() -> None:
    """Neither by going on nor by what comes after."""
    assert (0, None) == latencies(Call().goes("x*50", ".*20 x*60 .*40 x*20").ends())


def test_who_gave_way_and_then_answers_takes_a_turn() -> None:
    """Though the old sentence was heard a little longer than the caller's word."""
    report = Call().goes("_*30 x*10", "x*45 .*20 x*20").ends()

    assert [("speech", 300.0)] == stops(report)
    assert (1, 500.0) == latencies(report)


def test_our_own_lateness_stands_beside_each_figure() -> None:
    """The largest within the spans that were measured, not of the whole call."""
    call = Call().goes("", "x*50", late_ns=9 * MS).press().goes("", "x*10", late_ns=2 * MS).goes("", ".*60", late_ns=MS)
    call.goes("x*50", "", late_ns=8 * MS).goes("", ".*40 x*10", late_ns=3 * MS)
    call.goes("", "x*50", late_ns=7 * MS)
    report = call.ends()

    assert (2.0, 3.0) == (report["barge_in"]["own_lateness_ms"], report["turns"]["own_lateness_ms"])


def test_silence_is_passed_over_and_time_is_not() -> None:
    """Minutes in which nobody speaks cost nothing, and what comes after them has its place."""
    call = Call().goes("_*6000", "").goes("", "x*50").press().goes("", "x*10 .*20").goes("_*6000", "").press()
    report = call.goes("", ".*50").ends()

    assert [{"at_s": 120.98, "by": "key", "stopped_after_ms": 220.0}] == report["barge_in"]["each"]


def test_full_scale_is_a_sound() -> None:
    """Its level is 0 dBFS, which is not nothing."""
    report = Call().goes("", "f*50").press().goes("", "f*10 .*20").ends()

    assert [("key", 220.0)] == stops(report)


def test_a_click_is_nothing() -> None:
    """Forty milliseconds are no speech, on either side."""
    report = Call().goes("x*50 _*50", ".*70 x*2 .*40 x*20").ends()

    assert (1, 20.0 * (70 + 42 - 50)) == latencies(report)


def test_what_is_listed_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts go on, however many keys are pressed and whatever a server sends."""
    monkeypatch.setattr(module, "MAX_LISTED", 2)
    call = Call().goes("", "x*50")
    for _ in range(3):
        call.press().goes("", "x*2").clear().clear()
    report = call.goes("", ".*20").ends()

    assert (3, 2, 2) == (report["barge_in"]["count"], len(report["barge_in"]["each"]), len(report["clear_stops"]))


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two batches, and for silence."""
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    call = Call().goes("", "x*20")
    for _ in range(5):
        call.press()
    waiting = call.goes("", "x*60").press().goes("", ".*40").ends()["barge_in"]["count"]

    assert waiting == 2


@settings(deadline=None, database=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    parts=st.lists(
        st.tuples(
            st.sampled_from("xfh_."),
            st.sampled_from("xfh_."),
            st.integers(1, 80),
            st.sampled_from(["", "key", "clear"]),
        ),
        max_size=25,
    )
)
def test_no_call_gives_nonsense(parts: list[tuple[str, str, int, str]]) -> None:
    """Counts and lists agree, and no time is negative or longer than it may be."""
    call = Call()
    for said, heard, steps, then in parts:
        call.goes(f"{said}*{steps}", f"{heard}*{steps}")
        if then:
            call.press() if then == "key" else call.clear()
    report = call.ends()
    barge_in = report["barge_in"]
    times = [item["stopped_after_ms"] for item in barge_in["each"]]
    clears = [item["stopped_after_ms"] for item in report["clear_stops"]]

    assert (barge_in["count"], barge_in["unstopped"]) == (len(times), times.count(None))
    assert all(0 < time <= 5000 for time in times if time is not None)
    assert all(0 <= time <= 5000 for time in clears if time is not None)
    assert (report["turns"]["latency_ms"] is None) == (report["turns"]["count"] == 0)


def test_the_size_of_a_batch_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and clears keep their place among the steps."""

    def report() -> dict[str, Any]:
        call = (
            Call()
            .goes("_*20 x*30 _*47", "x*37 .*45 x*30")
            .press()
            .goes("", "x*3")
            .clear(after_ms=-3)
            .clear()
            .goes("", ".*33")
        )
        return call.ends()

    expected = report()
    for size in (1, 7, 1000):
        monkeypatch.setattr(module, "BATCH_STEPS", size)

        assert expected == report()
    assert (2, 1, 1) == (expected["barge_in"]["count"], expected["turns"]["count"], len(expected["clear_stops"]))


@pytest.mark.parametrize("noise_dbfs", [-55, -50, -48, -45, -40])
@pytest.mark.parametrize("lead_steps", [25, 100, 400])
def test_a_server_with_noise_behind_its_voice_is_timed_as_one_without(
    noise_dbfs: int, lead_steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An office's noise from the first step to the last: it stops after 360 ms, answers after 740, and 20 follow a clear."""
    monkeypatch.setitem(LETTERS, "o", noise(noise_dbfs))
    monkeypatch.setitem(LETTERS, "v", noise(-17))
    call = Call().goes("", f"o*{lead_steps} v*50").press().goes("", "v*17 o*60")
    call.goes("v*50", "o*50").goes("", "o*37 v*60").clear().goes("", "v*1 o*100")
    report = call.ends()

    assert [("key", 360.0)] == stops(report)
    assert (1, 740.0) == latencies(report)
    assert [20.0] == [item["stopped_after_ms"] for item in report["clear_stops"]]


def test_a_voice_that_becomes_a_little_louder_is_no_other() -> None:
    """What swells by 13 dB goes on, and is heard to be quiet when it is."""
    soft, louder = noise(-40), noise(-27)
    meter = TurnMeter(SILENCE)
    for frame in [soft] * 60 + [louder] * 60 + [SILENCE] * 40:
        meter.step(SILENCE, frame, 0)
    meter.finish()

    assert {"turns": 0, "each": []} == {
        "turns": meter.report(echo=False)["turns"]["count"],
        "each": meter.report(echo=False)["barge_in"]["each"],
    }


def test_the_lateness_of_the_key_s_own_step_counts() -> None:
    """The key left as late as that."""
    report = Call().goes("", "x*50").press(late_ns=30 * MS).goes("", "x*10 .*60", late_ns=MS).ends()

    assert 30.0 == report["barge_in"]["own_lateness_ms"]
