"""The bot, called as Vonage would."""

from __future__ import annotations

import math
import struct
from pathlib import Path

from vonage_sock.testing import ServerMaker, VonageCaller

from answer import RATE_HZ
from server import HANGOVER_MS, Bot

SCENARIO = Path(__file__).parent.parent / "scenarios" / "barge-in.yaml"
SOON_MS = 400
"""How long an answer may take beyond the quiet that ends a phrase. Set it to what your callers put up with."""


def tone(pitch_hz: int, seconds: float) -> bytes:
    """16-bit PCM."""
    samples = (8000 * math.sin(2 * math.pi * pitch_hz * at / RATE_HZ) for at in range(int(seconds * RATE_HZ)))
    return b"".join(struct.pack("<h", round(sample)) for sample in samples)


def quiet(seconds: float) -> bytes:
    """16-bit PCM."""
    return bytes(2 * int(seconds * RATE_HZ))


async def test_a_phrase_is_answered_soon(vonage_call: VonageCaller, vonage_server: ServerMaker) -> None:
    """Two phrases, two answers, each within what is promised; the phrase is handed over whole."""
    phrases: list[bytes] = []
    reply = tone(880, 0.3)

    def answer(pcm: bytes) -> bytes:
        phrases.append(pcm)
        return reply

    server = await vonage_server(Bot(answer).listen)
    said = [tone(440, 0.4), tone(550, 0.4)]

    report = await vonage_call(server.addresses.answer_url, pcm=said[0] + quiet(1.1) + said[1])

    assert 2 == len(phrases)
    assert all(whole in phrase for whole, phrase in zip(said, phrases, strict=True))
    assert 2 * reply in report.heard_pcm.replace(bytes(640), b"")
    assert report.turns is not None
    assert 2 == report.turns.count
    assert report.turns.max_ms - report.turns.own_lateness_ms < HANGOVER_MS + SOON_MS


async def test_the_caller_cuts_an_answer_off(vonage_call: VonageCaller, vonage_server: ServerMaker) -> None:
    """What ``make scenario`` plays: the caller speaks over a long answer, and the bot falls silent."""
    server = await vonage_server(Bot(lambda pcm: tone(880, 3)).listen)

    report = await vonage_call(server.addresses.answer_url, scenario=SCENARIO)

    assert report.passed, report.failures


async def test_what_fails_ends_its_own_call(vonage_call: VonageCaller, vonage_server: ServerMaker) -> None:
    """An answer that raises is told, and the next call is taken as if nothing had been."""

    def fail(pcm: bytes) -> bytes:
        raise RuntimeError("no model today")

    server = await vonage_server(Bot(fail).listen)

    reports = [await vonage_call(server.addresses.socket_url, pcm=tone(440, 0.3)) for _ in range(2)]

    assert [1011, 1011] == [report.close_code for report in reports]
