"""Never run, only type-checked: the types of the public interface are an interface too."""

from __future__ import annotations

from typing import Any, assert_type

from vonage_sock import (
    AsyncCall,
    AudioFile,
    AudioFormat,
    Behaviour,
    Call,
    CallOrder,
    Cut,
    Drills,
    Echo,
    LegPlan,
    PhraseDetector,
    Play,
    Server,
    Stall,
    Then,
    VonageCall,
    rms_dbfs,
)
from vonage_sock.testing import (
    BargeIn,
    CallReport,
    EchoDelay,
    ServerMaker,
    TurnLatency,
    VonageCaller,
    at_once,
    run_scenario,
)


class Parrot(Behaviour):
    def audio(self, call: Call, frame: bytes) -> None:
        assert_type(call.audio_format, AudioFormat)
        call.send_audio(frame)


def a_drill() -> CallOrder:
    return CallOrder(
        target="ws://127.0.0.1/",
        audio=AudioFile.shipped_clip(),
        plan=LegPlan(audio_format=AudioFormat(8000)),
        drills=Drills(drop_after_s=2.0, stalls=(Stall(0.5, 1.0),), seed=7),
    )


async def bot(call: AsyncCall) -> None:
    async for frame in call:
        assert_type(frame, bytes)
        await call.send(frame)
    assert_type(await call.next_digit(), str | None)
    assert_type(await call.play("a.wav"), bool)
    assert_type(await call.play(bytes(640)), bool)


async def listener(call: AsyncCall) -> None:
    phrases = PhraseDetector[bytes]()
    async for frame in call:
        decision = phrases.push(rms_dbfs(frame), frame)
        assert_type(decision.cut, Cut)
        assert_type(decision.items, tuple[bytes, ...])


def behaviours() -> list[Behaviour]:
    return [Parrot(), Echo(delay_ms=20), Play([AudioFile.shipped_clip()], then=Then.HANGUP)]


async def main() -> None:
    async with Server(bot, behaviours=behaviours, port=0, headers={"a": 1}) as server:
        assert_type(server.addresses.answer_url, str)
        order = CallOrder(
            target=server.addresses.answer_url,
            audio=AudioFile.shipped_clip(),
            plan=LegPlan(audio_format=AudioFormat(16000)),
        )
        report = await VonageCall(order).run()
        assert_type(report, dict[str, Any])


async def test_bot(vonage_call: VonageCaller, vonage_server: ServerMaker) -> None:
    server = await vonage_server(bot, headers={"a": 1})
    assert_type(server, Server)
    report = await vonage_call(server.addresses.socket_url, say="hello", press="1#", headers={"a": 1})
    assert_type(report, CallReport)
    assert_type(report.first_audio_ms, float | None)
    assert_type(report.echo, EchoDelay | None)
    assert_type(report.turns, TurnLatency | None)
    assert_type(report.barge_ins, list[BargeIn])
    assert_type(report.codes, list[str])
    assert_type(report.passed, bool | None)
    assert_type(report.failures, list[str])


def test_behaviour() -> None:
    report = run_scenario("s.yaml", Play([at_once(AudioFile.shipped_clip())]), Echo(), rate_hz=8000)
    assert_type(report, CallReport)
