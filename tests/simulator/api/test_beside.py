"""An application that controls its calls through Vonage's official SDK, tried whole."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from vonage import Vonage
from vonage_http_client.errors import AuthenticationError, HttpRequestError, NotFoundError
from vonage_voice.models import AudioStreamOptions, CreateCallRequest, ListCallsFilter, Notify, Talk, ToPhone, Websocket

from tests.simulator.api.conftest import AFTERWARDS, APPLICATION, CONNECT, Bot, Keys, new_keys
from vonage_sock.call.events import ApiRequested, DtmfPressed
from vonage_sock.simulator.report import summary_lines
from vonage_sock.testing import CallReport, VoiceApi, VonageCaller

Sdk = Callable[..., Vonage]
LOUD = 8000
WAIT_S = 20


@pytest.fixture(autouse=True)
def _cert(sdk: Sdk) -> None:
    """The SDK's trust is set before anything asks."""


class Trial:
    """A bot, an API and the SDK between them."""

    def __init__(self, bot: Bot, api: VoiceApi, client: Vonage, caller: VonageCaller) -> None:
        self.bot = bot
        self.api = api
        self.client = client
        self.caller = caller

    async def voice(self, verb: str, *args: Any) -> Any:
        """One of the SDK's own methods; it blocks, so it has a thread."""
        return await asyncio.to_thread(getattr(self.client.voice, verb), *args)


async def trial(
    ncco: list[dict[str, Any]],
    tmp_path: Path,
    sdk: Sdk,
    keys: Keys,
    act: Callable[[Trial], Any] | None = None,
    *,
    on: str = "digit",
    duration_s: float = 10.0,
    press: str = "#",
    bot: Bot | None = None,
    scenario: Path | None = None,
) -> tuple[Trial, CallReport]:
    """A call of ten seconds, unless the application ends it; it acts upon a key or, with ``on``, something else."""
    bot = bot or Bot()
    bot.ncco = ncco
    caller = VonageCaller()
    tls = tmp_path / "cert.pem"
    async with (
        asyncio.timeout(WAIT_S),
        bot.running(),
        caller.api(public_key=keys.public, application_id=APPLICATION, tls=tls) as api,
    ):
        tried = Trial(bot, api, sdk(api.host), caller)

        async def on_text(message: dict[str, Any]) -> None:
            if act is not None and (on in message or message["event"].endswith(on)):
                await act(tried)

        bot.on_text = on_text
        said = {"audio": "tone:440", "press": press, "duration_s": duration_s}
        report = await caller(f"{bot.base}/answer", **(said if scenario is None else {"scenario": scenario}))
        return tried, report


async def test_an_application_that_hangs_up_on_a_key(tmp_path: Path, sdk: Sdk, keys: Keys) -> None:
    """The platform closes the socket, no disconnected is told, and the next action goes on."""

    async def hang_up(tried: Trial) -> None:
        await tried.voice("hangup", tried.bot.leg("socket"))

    tried, report = await trial([CONNECT, AFTERWARDS], tmp_path, sdk, keys, hang_up)
    completed = [body for body in tried.bot.events if body.get("status") == "completed"]

    assert (1000, "platform", True) == (report.close_code, report.closed_by, report.figures["ended_by_request"])
    assert "the REST API ended it, code 1000" in summary_lines(report.figures)
    assert 10.0 > report.duration_s
    assert [
        ("phone", "started"),
        ("phone", "ringing"),
        ("phone", "answered"),
        ("socket", "started"),
        ("socket", "answered"),
        ("socket", "completed"),
        ("phone", "completed"),
    ] == tried.bot.statuses
    assert ["platform", "platform"] == [body["disconnected_by"] for body in completed]
    assert [{"said": "afterwards"}] == tried.bot.payloads()
    assert not [found for found in report.findings if found.level == "error"]
    assert [("PUT", 204, "hangup")] == [(asked.method, asked.status, asked.detail) for asked in tried.api.requests]
    assert tried.api.requests[0] in report.events
    assert "PUT call" in report.ladder()
    assert tried.api.url == tried.bot.answered[0]["region_url"]


async def test_hanging_up_the_caller_ends_the_call(tmp_path: Path, sdk: Sdk, keys: Keys) -> None:
    """Both legs are completed by the platform, and no further action is carried out."""

    async def hang_up(tried: Trial) -> None:
        await tried.voice("hangup", tried.bot.leg("phone"))

    tried, report = await trial([CONNECT, AFTERWARDS], tmp_path, sdk, keys, hang_up)

    assert [("socket", "completed"), ("phone", "completed")] == tried.bot.statuses[-2:]
    assert {"platform"} == {body["disconnected_by"] for body in tried.bot.events if "disconnected_by" in body}
    assert [] == tried.bot.payloads()
    assert "platform" == report.closed_by


@pytest.mark.parametrize("leg", ["phone", "socket"])
async def test_a_transfer_takes_over_at_once(tmp_path: Path, sdk: Sdk, keys: Keys, leg: str) -> None:
    """The socket is closed, the caller goes to a conversation of its own, and the new NCCO is carried out."""

    async def transfer(tried: Trial) -> None:
        action = Notify(payload={"said": "elsewhere"}, eventUrl=[f"{tried.bot.base}/event"])
        await tried.voice("transfer_call_ncco", tried.bot.leg(leg), [action])

    tried, report = await trial([CONNECT, AFTERWARDS], tmp_path, sdk, keys, transfer)
    moved = next(body for body in tried.bot.events if "conversation_uuid_to" in body)

    assert [{"said": "elsewhere"}] == tried.bot.payloads()
    assert moved["conversation_uuid_from"] == tried.bot.events[0]["conversation_uuid"]
    assert moved["conversation_uuid_to"] == tried.bot.events[-1]["conversation_uuid"]
    assert ("disconnected" not in dict(tried.bot.statuses).values(), "platform") == (True, report.closed_by)


async def test_a_transfer_to_an_address_fetches_its_ncco(tmp_path: Path, sdk: Sdk, keys: Keys) -> None:
    """In the middle of an action that would last for long."""
    bot = Bot()

    async def transfer(body: dict[str, Any]) -> None:
        if "payload" in body:
            tried.bot.ncco = []
            await tried.voice("transfer_call_answer_url", bot.leg("phone"), f"{bot.base}/answer")

    caller = VonageCaller()
    async with (
        asyncio.timeout(WAIT_S),
        bot.running(),
        caller.api(public_key=keys.public, tls=tmp_path / "cert.pem") as api,
    ):
        tried = Trial(bot, api, sdk(api.host), caller)
        bot.ncco = [AFTERWARDS, {"action": "wait", "timeout": 600}]
        bot.on_event = transfer
        report = await caller(f"{bot.base}/answer", audio="silence")

    assert 2 == len(bot.answered)
    assert ["VS402", "VS409"] == report.codes  # the second answer was empty, and the first had no socket
    assert 1 == len([body for body in bot.events if "conversation_uuid_to" in body])


async def test_who_is_muted_is_not_heard(tmp_path: Path, sdk: Sdk, keys: Keys) -> None:
    """Mute the socket, and the caller hears nothing of it; put earmuffs on it, and it is sent silence."""
    marks: dict[str, int] = {}

    async def mute(tried: Trial) -> None:
        leg = tried.bot.leg("socket")
        await tried.voice("mute", leg)
        await tried.voice("earmuff", leg)
        marks["heard"] = len(tried.bot.received)

    tried, report = await trial(
        [CONNECT], tmp_path, sdk, keys, mute, on="connected", duration_s=1.0, press="", bot=Bot(says=b"\x00\x10" * 160)
    )
    sent = np.frombuffer(bytes(tried.bot.received)[marks["heard"] :], "<i2")
    heard = np.frombuffer(report.heard_pcm, "<i2")

    assert 0 == np.abs(sent[320:]).max()
    assert 0 == np.abs(heard[-3200:]).max()
    assert 4096 == np.abs(heard).max() or not heard[:1600].any()
    assert 8000 >= np.abs(np.frombuffer(report.said_pcm, "<i2")).max() > 7000


async def test_unmuted_it_is_heard_again(tmp_path: Path, sdk: Sdk, keys: Keys) -> None:
    """The caller's mute is the socket's silence, and it ends."""

    async def mute(tried: Trial) -> None:
        for verb in ("mute", "earmuff", "unmute", "unearmuff"):
            await tried.voice(verb, tried.bot.leg("phone"))

    tried, report = await trial([CONNECT], tmp_path, sdk, keys, mute, on="connected", duration_s=2.5, press="")

    assert np.abs(np.frombuffer(bytes(tried.bot.received), "<i2")[-800:]).max() > 7000
    assert np.abs(np.frombuffer(report.heard_pcm, "<i2")[-800:]).max() > 7000
    assert ["mute", "earmuff", "unmute", "unearmuff"] == [asked.detail for asked in tried.api.requests]


def wav(frames: int) -> bytes:
    """A file at 8 kHz that is all one value."""
    file = io.BytesIO()
    soundfile.write(file, np.full(frames * 160, LOUD, np.int16), 8000, format="WAV")
    return file.getvalue()


@pytest.mark.parametrize("leg", ["phone", "socket"])
async def test_a_file_is_played_into_a_leg(tmp_path: Path, sdk: Sdk, keys: Keys, leg: str) -> None:
    """That leg hears it, as often as was asked for, and the other doesn't."""
    bot = Bot(files={"x.wav": wav(5)}, echo=False)

    async def play(tried: Trial) -> None:
        options = AudioStreamOptions(stream_url=[f"{bot.base}/files/x.wav"], loop=2)
        answer = await tried.voice("play_audio_into_call", bot.leg(leg), options)
        assert ("Stream started", bot.leg(leg)) == (answer.message, answer.uuid)

    _, report = await trial([CONNECT], tmp_path, sdk, keys, play, on="connected", duration_s=1.2, press="", bot=bot)
    heard = np.frombuffer(report.heard_pcm if leg == "phone" else bytes(bot.received), "<i2").astype(int)
    other = np.frombuffer(bytes(bot.received) if leg == "phone" else report.heard_pcm, "<i2").astype(int)

    # In the socket's ear it is mixed with the caller's tone, whose mean is nothing.
    played = [frame.mean() for frame in heard.reshape(-1, 160) if frame.mean() > LOUD / 2]
    assert 10 == len(played)
    assert LOUD == pytest.approx(max(played), abs=1200)
    assert not [frame for frame in other[: len(other) // 160 * 160].reshape(-1, 160) if frame.mean() > LOUD / 2]


async def test_a_text_that_goes_on_for_ever_is_stopped(tmp_path: Path, sdk: Sdk, keys: Keys) -> None:
    """While something is played the leg stays, though the caller has nothing left to say."""
    from vonage_voice.models import TtsStreamOptions

    async def play(tried: Trial) -> None:
        leg = tried.bot.leg("socket")
        assert (
            "Talk started" == (await tried.voice("play_tts_into_call", leg, TtsStreamOptions(text="x", loop=0))).message
        )
        assert "Stream stopped" == (await tried.voice("stop_audio_stream", leg)).message
        assert "Talk stopped" == (await tried.voice("stop_tts", leg)).message
        await tried.voice("hangup", leg)

    tried, report = await trial([CONNECT], tmp_path, sdk, keys, play, on="connected", press="")

    assert [200, 200, 200, 204] == [asked.status for asked in tried.api.requests]
    assert "platform" == report.closed_by


async def test_keys_are_sent_to_a_leg(tmp_path: Path, sdk: Sdk, keys: Keys) -> None:
    """A socket is told of them, a telephone hears them as tones; p is a pause."""

    async def send(tried: Trial) -> None:
        assert "DTMF sent" == (await tried.voice("play_dtmf_into_call", tried.bot.leg("socket"), "1p#")).message
        await tried.voice("play_dtmf_into_call", tried.bot.leg("phone"), "5")

    bot = Bot(echo=False)
    _, report = await trial([CONNECT], tmp_path, sdk, keys, send, on="connected", duration_s=1.4, press="", bot=bot)
    heard = np.frombuffer(report.heard_pcm, "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(heard))
    peaks = sorted(np.argsort(spectrum)[-12:] * 8000 / len(heard))

    assert ["1", "#"] == [text["digit"] for text in bot.texts if "digit" in text]
    assert not [event for event in report.events if isinstance(event, DtmfPressed)]
    assert {True} == {abs(peak - 770) < 20 or abs(peak - 1336) < 20 for peak in peaks}


PRESSES_WHEN_TOLD = """\
steps:
  - wait_for: {event: clear, within: 15s}
  - press: "12"
  - wait_for: {event: notify, within: 15s}
  - press: "3"
  - silence: 200ms
  - hang_up
"""


async def test_keys_of_the_caller_are_told_to_whoever_listens(tmp_path: Path, sdk: Sdk, keys: Keys) -> None:
    """One event a key, in their order, until nobody listens any more."""

    async def listen(tried: Trial) -> None:
        client, bot = tried.client.http_client, tried.bot
        path = f"/v1/calls/{bot.leg('phone')}/input/dtmf"
        body = {"event_url": [f"{bot.base}/event"]}
        if bot.texts[-1]["event"] == "websocket:connected":
            await asyncio.to_thread(client.put, client.api_host, path, body)
            await bot.socket.send_json({"action": "clear"})
        elif bot.texts[-1].get("digit") == "2":
            await asyncio.to_thread(client.delete, client.api_host, path)
            await bot.socket.send_json({"action": "notify", "payload": {}})

    scenario = tmp_path / "presses.yaml"
    scenario.write_text(PRESSES_WHEN_TOLD)
    tried, report = await trial([CONNECT], tmp_path, sdk, keys, listen, on="event", scenario=scenario)
    told = [body["dtmf"] for body in tried.bot.events if "dtmf" in body]

    assert report.passed, report.failures
    assert [{"digits": "1", "timed_out": False}, {"digits": "2", "timed_out": False}] == told


async def test_a_call_is_ordered_and_looked_up(tmp_path: Path, sdk: Sdk, keys: Keys) -> None:
    """To a telephone with an NCCO: it is really made, its legs are listed, and in the end it is completed."""
    bot, caller = Bot(), VonageCaller()
    async with (
        asyncio.timeout(WAIT_S),
        bot.running(),
        caller.api(public_key=keys.public, tls=tmp_path / "cert.pem", audio=_short, fast=True) as api,
    ):
        tried = Trial(bot, api, sdk(api.host), caller)
        request = CreateCallRequest(
            to=[ToPhone(number="442079460001")],
            from_={"number": "447700900002"},
            event_url=[f"{bot.base}/event"],
            answer_url=[f"{bot.base}/answer"],
        )
        bot.ncco = [AFTERWARDS, CONNECT]
        made = await tried.voice("create_call", request)
        begun = await tried.voice("get_call", made.uuid)
        await api.idle()
        over = await tried.voice("get_call", made.uuid)
        listed, more = await tried.voice("list_calls", ListCallsFilter(page_size=1, order="desc"))
        none, _ = await tried.voice("list_calls", ListCallsFilter(status="ringing"))

    assert ("started", "outbound") == (made.status, made.direction)
    assert begun.status in ("started", "ringing", "answered")
    assert ("completed", "442079460001", "447700900002") == (over.status, over.to.number, over.from_.number)
    assert (made.conversation_uuid, f"/v1/calls/{made.uuid}") == (over.conversation_uuid, over.link)
    assert over.start_time is not None
    assert over.duration is not None
    assert (["websocket"], 1, []) == ([leg.to.type.value for leg in listed], more, none)
    assert [{"said": "afterwards"}] == bot.payloads()
    assert ["442079460001"] == [query["to"] for query in bot.answered]
    assert [("phone", "started"), ("phone", "ringing"), ("phone", "answered")] == bot.statuses[:3]
    assert ("phone", "completed") == bot.statuses[-1]
    assert [report] == api.calls == caller.calls if (report := api.calls[0]) else False
    assert "platform" == report.closed_by


def _short(audio_format: Any) -> Any:
    from vonage_sock.testing import PcmSource

    return PcmSource(b"\x01\x10" * 1600, audio_format)


async def test_a_websocket_is_called_by_itself(tmp_path: Path, sdk: Sdk, keys: Keys) -> None:
    """It hears what the NCCO lets a caller hear, and is hung up when that is over."""
    bot, caller = Bot(files={"x.wav": wav(10)}), VonageCaller()
    async with (
        asyncio.timeout(WAIT_S),
        bot.running(),
        caller.api(public_key=keys.public, tls=tmp_path / "cert.pem") as api,
    ):
        tried = Trial(bot, api, sdk(api.host), caller)
        request = CreateCallRequest(
            to=[Websocket(uri=bot.ws, content_type="audio/l16;rate=8000", headers={"id": "y"})],
            from_="vsock",
            event_url=[f"{bot.base}/event"],
            ncco=[{"action": "stream", "streamUrl": [f"{bot.base}/files/x.wav"]}],
        )
        made = await tried.voice("create_call", request)
        await api.idle()
        over = await tried.voice("get_call", made.uuid)
    heard = np.frombuffer(bytes(bot.received), "<i2").reshape(-1, 160)

    assert {"event": "websocket:connected", "content-type": "audio/l16;rate=8000", "id": "y"} == bot.texts[0]
    assert 10 == len([frame for frame in heard if frame.min() == LOUD])
    assert [("socket", "started"), ("socket", "answered"), ("socket", "completed")] == bot.statuses
    assert ("completed", "websocket", bot.ws) == (over.status, over.to.type.value, over.to.uri)
    assert (1000, "platform") == (api.calls[0].close_code, api.calls[0].closed_by)


async def test_a_socket_that_is_called_directly_is_found_too(tmp_path: Path, sdk: Sdk, keys: Keys) -> None:
    """By the list of calls, as no webhook tells its uuid."""
    bot, caller = Bot(), VonageCaller()
    async with (
        asyncio.timeout(WAIT_S),
        bot.running(),
        caller.api(public_key=keys.public, tls=tmp_path / "cert.pem") as api,
    ):
        tried = Trial(bot, api, sdk(api.host), caller)

        async def end(message: dict[str, Any]) -> None:
            live, _ = await tried.voice("list_calls", ListCallsFilter(conversation_uuid=None))
            await tried.voice("hangup", live[0].uuid)

        bot.on_text = end
        report = await caller(bot.ws, audio="tone:440", duration_s=10)
        over, _ = await tried.voice("list_calls")
        bot.on_text = None
        await caller(bot.ws, pcm=b"\x01\x10" * 320)

    assert ("platform", 1000, True) == (report.closed_by, report.close_code, 10 > report.duration_s)
    assert [("completed", bot.ws)] == [(leg.status, leg.to.uri) for leg in over]
    assert ["call", "call2"] == [call.events[0].call for call in caller.calls]


async def test_somebody_who_is_connected_is_hung_up_alone(tmp_path: Path, sdk: Sdk, keys: Keys) -> None:
    """And the next action goes on."""
    bot, caller = Bot(), VonageCaller()
    async with (
        asyncio.timeout(WAIT_S),
        bot.running(),
        caller.api(public_key=keys.public, tls=tmp_path / "cert.pem") as api,
    ):
        tried = Trial(bot, api, sdk(api.host), caller)

        async def end(body: dict[str, Any]) -> None:
            if (body.get("direction"), body.get("status")) == ("outbound", "answered"):
                await tried.voice("hangup", body["uuid"])

        bot.on_event = end
        connect = {"action": "connect", "from": "1", "endpoint": [{"type": "phone", "number": "442079460009"}]}
        bot.ncco = [{**connect, "eventUrl": ["{base}/event"]}, AFTERWARDS]
        await caller(f"{bot.base}/answer", audio="tone:440", duration_s=10)

    assert [{"said": "afterwards"}] == bot.payloads()
    assert [204] == [asked.status for asked in api.requests]


async def test_what_is_wrong_is_the_sdk_s_own_error(tmp_path: Path, sdk: Sdk, keys: Keys) -> None:
    """A call that is over, or never was, isn't found; a strange key isn't let in."""
    bot, caller = Bot(), VonageCaller()
    async with (
        asyncio.timeout(WAIT_S),
        bot.running(),
        caller.api(public_key=keys.public, tls=tmp_path / "cert.pem") as api,
    ):
        bot.ncco = [{"action": "talk", "text": "x"}]
        await caller(f"{bot.base}/answer", fast=True)
        tried = Trial(bot, api, sdk(api.host), caller)
        with pytest.raises(NotFoundError):
            await tried.voice("hangup", bot.leg("phone"))
        with pytest.raises(NotFoundError):
            await tried.voice("get_call", "63f61863-4a51-4f6b-86e1-46edebcf9356")
        with pytest.raises(HttpRequestError, match="invalid_parameters"):
            await tried.voice("play_audio_into_call", await _live_leg(tried), AudioStreamOptions(stream_url=["x"]))
        stranger = Trial(bot, api, sdk(api.host, new_keys().private), caller)
        with pytest.raises(AuthenticationError, match="signature"):
            await stranger.voice("list_calls")

    assert [404, 404, 400, 401] == [asked.status for asked in api.requests if asked.method != "POST"]
    assert {ApiRequested} == {type(asked) for asked in api.requests}


async def _live_leg(tried: Trial) -> str:
    """A leg that stays until the API goes."""
    request = CreateCallRequest(to=[Websocket(uri=tried.bot.ws)], from_="vsock", ncco=[Talk(text="x", loop=0)])
    return str((await tried.voice("create_call", request)).uuid)
