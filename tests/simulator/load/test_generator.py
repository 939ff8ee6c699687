"""The calls of one process, against servers that return what they hear in many ways."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from websockets.asyncio.server import ServerConnection

from tests.simulator.load import echoes
from vonage_sock.clock import MS, SECOND, SystemClock
from vonage_sock.media.decode import AudioFile
from vonage_sock.protocol.signing import Verifier
from vonage_sock.simulator.load import meter
from vonage_sock.simulator.load.answering import Directory
from vonage_sock.simulator.load.generator import Generator, Share
from vonage_sock.simulator.load.plan import WATCHED_CALLS, LoadPlan
from vonage_sock.simulator.load.report import LoadResult, make_report, not_measured
from vonage_sock.simulator.load.tally import Tally
from vonage_sock.simulator.load.verdict import Thresholds

ENGINES = ("auto", "library")


async def load(
    target: str,
    calls: int = 3,
    *,
    duration_s: float = 0.5,
    stop_at_second: int | None = None,
    **settings: object,
) -> LoadResult:
    """Make this load from this process."""
    plan = LoadPlan(
        target=target,
        calls=calls,
        ramp_ns=50 * MS,
        duration_ns=round(duration_s * SECOND),
        **settings,  # type: ignore[arg-type]
    )
    result = LoadResult(plan, 1, Tally(), [])

    def report(second: int, tally: Tally) -> None:
        result.total.merge(tally)
        if second == stop_at_second:
            generator.stop()

    clock = SystemClock()
    generator = Generator(plan, Share(), AudioFile.shipped_clip(), clock=clock, report=report)
    await generator.prepare()
    result.failed_recordings = await generator.run(clock.now() + 10 * MS)
    return result


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rate_hz", [8000, 24000])
async def test_an_echo_returns_every_frame(engine: str, rate_hz: int) -> None:
    """All calls are opened, every frame is timed, none is lost, and what is our own lateness in that stands beside."""
    async with echoes.serving(echoes.echo) as target:
        total = (await load(target, engine=engine, rate_hz=rate_hz)).total

    assert (3, 0, 0, 3) == (total.opened, total.failed, total.dropped, total.connect.count)
    assert 60 <= total.sent == total.returned <= 90
    assert (0, 0, 0, 0) == (total.lost, total.out_of_order, total.stray, total.altered)
    assert total.own_lateness.count >= total.sent
    assert (engine == "auto") == bool(total.read_late.count)
    assert {} == total.findings
    assert 3 == total.watched


@pytest.mark.parametrize("handler", [echoes.in_pairs, echoes.in_crumbs], ids=["in pairs", "in crumbs"])
async def test_messages_of_other_sizes_are_understood(handler: echoes.Handler) -> None:
    """Frames are found in messages of 1,280 and of 300 bytes; only what the server keeps back is missing, and it is told."""
    async with echoes.serving(handler) as target:
        total = (await load(target)).total

    assert total.sent - 6 <= total.returned <= total.sent
    assert total.returned + total.lost == total.sent
    assert "VS102" in total.findings


async def test_lost_and_overtaken_frames_are_told_apart() -> None:
    """A server that drops each tenth loses a tenth; one that swaps them loses none."""
    async with echoes.serving(echoes.losing) as target:
        losing = (await load(target)).total
    async with echoes.serving(echoes.swapping) as target:
        swapping = (await load(target)).total

    assert losing.sent // 10 - 3 <= losing.lost <= losing.sent // 10 + 3
    assert 0 == losing.out_of_order
    assert 3 <= swapping.out_of_order
    assert 0 == swapping.lost


async def test_changed_audio_is_compared() -> None:
    """A server that halves the volume has a round trip all the same, and the report says how it was found."""

    def halved(frame: bytes) -> bytes:
        return (np.frombuffer(frame, "<i2") // 2).astype("<i2").tobytes()

    async with echoes.serving(echoes.changing(halved)) as target:
        result = await load(target, 2, duration_s=3.2)
    report = make_report(result, Thresholds())

    assert ("correlation", None, 0) == (report["measured_by"], report["not_measured"], report["frames_lost"])
    assert 100 <= report["frames_returned"]
    assert report["round_trip_ms"]["p50"] < 100


async def test_an_unchanged_echo_that_is_too_late_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its marks are there: what it says is too old, and a comparison would invent a time."""
    monkeypatch.setattr(meter, "MAX_WAITING", 10)
    async with echoes.serving(echoes.late(1.2)) as target:
        result = await load(target, 1, duration_s=3.5)
    report = make_report(result, Thresholds(p99_ns=5 * SECOND, lost=1000))

    assert (None, None, False) == (report["measured_by"], report["round_trip_ms"], report["met"])
    assert "all of it older than 10 s" in report["not_measured"]


async def test_a_server_that_returns_nothing_is_said_to() -> None:
    """No figure of a round trip, none of lost frames, and a threshold isn't kept."""
    async with echoes.serving(echoes.silent) as target:
        result = await load(target)
    report = make_report(result, Thresholds(p99_ns=SECOND, lost=0))

    assert (None, None, None) == (report["measured_by"], report["round_trip_ms"], report["frames_lost"])
    assert "sent no audio" in report["not_measured"]
    assert report["met"] is False


async def test_a_server_that_plays_something_else_is_said_to() -> None:
    """What has nothing to do with what was said gives no figure."""
    async with echoes.serving(echoes.unrelated) as target:
        result = await load(target, 2, duration_s=2.2)

    assert result.measured_by is None
    assert "nothing to do with" in (not_measured(result) or "")


@pytest.mark.parametrize("engine", ENGINES)
async def test_calls_that_the_server_ends_are_counted_with_their_code(engine: str) -> None:
    """A close code, or 1006 with its finding in every call."""
    async with echoes.serving(echoes.leaving) as target:
        leaving = (await load(target, 6, engine=engine)).total
    async with echoes.serving(echoes.vanishing) as target:
        vanishing = (await load(target, 6, engine=engine)).total

    assert (6, {"1011": 6}) == (leaving.dropped, leaving.closes)
    assert (6, {"1006": 6}) == (vanishing.dropped, vanishing.closes)
    assert 6 == vanishing.findings["VS308"].calls


@pytest.mark.parametrize("engine", ENGINES)
async def test_calls_that_cannot_be_opened_are_counted_with_the_reason(engine: str) -> None:
    """Nobody listens; the run is over at once."""
    result = await load("ws://127.0.0.1:9/socket", engine=engine, duration_s=30)

    assert (0, 3, 1) == (result.total.opened, result.total.failed, len(result.total.refusals))
    assert "nothing listens there" in next(iter(result.total.refusals))
    assert "no call could be opened" == not_measured(result)


async def test_a_refused_upgrade_is_told_with_its_status() -> None:
    """As vsock call tells it."""
    app = web.Application()
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    total = (await load(f"ws://127.0.0.1:{runner.addresses[0][1]}/nowhere", 2)).total
    await runner.cleanup()

    assert 2 == total.failed
    assert "HTTP 404: there is nothing at this path" in next(iter(total.refusals))


async def answering(ncco: object, *, asked: list[dict[str, str]]) -> web.AppRunner:
    """A web server whose answer URL gives this NCCO."""

    async def answer(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        return web.json_response(ncco)

    app = web.Application()
    app.router.add_get("/answer", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


def connect_to(uri: str) -> list[dict[str, object]]:
    """An NCCO that talks and connects."""
    endpoint = {"type": "websocket", "uri": uri, "content-type": "audio/l16;rate=8000", "headers": {"a": 1}}
    return [{"action": "talk", "text": "hi"}, {"action": "connect", "endpoint": [endpoint]}]


async def test_an_answer_url_is_asked_once_for_each_call() -> None:
    """Each call has a uuid of its own; the NCCO's socket and rate are used, and the answers are timed."""
    asked: list[dict[str, str]] = []
    async with echoes.serving(echoes.echo) as target:
        runner = await answering(connect_to(target), asked=asked)
        total = (await load(f"http://127.0.0.1:{runner.addresses[0][1]}/answer")).total
        await runner.cleanup()

    assert (3, 3) == (len({query["uuid"] for query in asked}), total.answer.count)
    assert (3, 0, total.sent) == (total.opened, total.lost, total.returned)


@pytest.mark.parametrize(
    ("ncco", "reason"),
    [
        ([{"action": "talk", "text": "hi"}], "no connect to a websocket"),
        ({"action": "connect"}, "is an object and must be an array"),
        (connect_to("wss://example.com/socket"), "leads elsewhere"),
    ],
    ids=["no connect", "no array", "another machine"],
)
async def test_an_answer_that_leads_nowhere_fails_the_call(ncco: object, reason: str) -> None:
    """Also where it would lead many calls to another machine that nobody allowed."""
    runner = await answering(ncco, asked=[])
    total = (await load(f"http://127.0.0.1:{runner.addresses[0][1]}/answer", 21)).total
    await runner.cleanup()

    assert (0, 21) == (total.opened, total.failed)
    assert reason in next(iter(total.refusals))


async def test_what_the_first_callers_heard_is_recorded(tmp_path: Path) -> None:
    """A WAV for each of so many, as long as the call, and with what the server sent in it."""
    async with echoes.serving(echoes.echo) as target:
        result = await load(target, 3, record=2, record_path=str(tmp_path / "heard-{n}.wav"))
    lengths = []
    for number in (1, 2):
        with wave.open(str(tmp_path / f"heard-{number}.wav")) as file:
            lengths.append(file.getnframes() / file.getframerate())
            loud = np.abs(np.frombuffer(file.readframes(file.getnframes()), "<i2")).max()

            assert 500 < loud

    assert 0 == result.failed_recordings
    assert 2 == len(list(tmp_path.iterdir()))
    assert pytest.approx([0.5, 0.5], abs=0.3) == lengths


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_stopping_gives_up_what_is_being_opened(engine: str, scheme: str) -> None:
    """A server that takes connections and says nothing holds up nobody, and no call counts as failed."""
    clock, asked = SystemClock(), asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    target = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    plan = LoadPlan(target=target, calls=2, ramp_ns=0, duration_ns=SECOND, engine=engine, open_timeout_s=60)
    total = Tally()
    generator = Generator(
        plan, Share(), AudioFile.shipped_clip(), clock=clock, report=lambda _, tally: total.merge(tally)
    )
    running = asyncio.create_task(generator.run(clock.now()))
    async with server, asyncio.timeout(10):
        await asked.wait()
        generator.stop()
        await running

    assert (0, 0) == (total.opened, total.failed)


async def test_stopping_hangs_up_early_and_counts_nothing_as_lost() -> None:
    """What was said until then comes back."""
    async with echoes.serving(echoes.echo) as target:
        total = (await load(target, duration_s=60, stop_at_second=0)).total

    assert (3, 0, 0) == (total.opened, total.dropped, total.lost)
    assert total.sent == total.returned > 100


async def test_nobody_hangs_up_before_all_was_heard() -> None:
    """What that costs the server would make others' last frames late: all go on in silence for a tenth of a second."""
    calls = 2 * WATCHED_CALLS
    told: list[tuple[int, str]] = []

    async def note(socket: ServerConnection) -> None:
        async for message in socket:
            if isinstance(message, bytes):
                told.append((id(socket), "audio" if any(message) else "silence"))
                await socket.send(message)
        told.append((id(socket), "over"))

    async with echoes.serving(note) as target:
        total = (await load(target, calls=calls)).total
    last = [[what for one, what in told if one == call][-6:] for call in dict(told)]

    assert [[*(5 * ["silence"]), "over"]] * calls == last
    assert total.sent == total.returned == [what for _, what in told].count("audio")


@pytest.mark.parametrize("secret", [None, "a signature secret of more than 32 bytes"])
async def test_the_opening_of_a_socket_is_signed_where_there_is_a_secret(secret: str | None) -> None:
    """As the platform signs it for an endpoint that asks for that; each with a token of its own."""
    clock = SystemClock()
    plan = LoadPlan(target="ws://127.0.0.1:1/", calls=2, ramp_ns=0, duration_ns=SECOND, signature_secret=secret)
    directory = Directory(plan, None, clock)
    upgrades = [(await directory.find()).upgrade for _ in range(2)]

    if secret is None:
        assert [{}, {}] == upgrades
    else:
        verifier, now_s = Verifier(secret), clock.wall_ns() / SECOND
        assert [True, True] == [verifier.check([each["Authorization"]], now_s=now_s).good for each in upgrades]
