"""Calls that are ended from here: by the Voice API or by closing, with real sockets and webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.control.fakes import private_key
from vonage_sock.account.credentials import Credentials, Setting
from vonage_sock.behaviours.play import Play, Then
from vonage_sock.call.events import Connected, EventPosted
from vonage_sock.cli import hanging_up
from vonage_sock.cli.hanging_up import HangUp, closes
from vonage_sock.cli.voice import Voice
from vonage_sock.display.typing import MAX_LINE
from vonage_sock.errors import VsockError
from vonage_sock.protocol.webhooks import REGION_URL
from vonage_sock.server.library import Server
from vonage_sock.testing import CallReport, PcmSource, ServerMaker, VonageCaller

APP = "00000000-0000-4000-8000-00000000abcd"
NOBODY = Credentials(application_id=Setting(APP, "a test"), private_key=Setting("no key", "a test"))


class Api:
    """A Voice API of which only its answers matter."""

    def __init__(self, answer: Callable[[], Awaitable[None]]) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.regions: dict[str, str] = {}
        self._answer = answer

    def remember(self, uuid: str, region_url: object) -> bool:
        if region_url is not None:
            self.regions[uuid] = str(region_url)
        return region_url is not None

    async def hangup(self, uuid: str) -> None:
        self.asked.append((uuid,))
        await self._answer()

    async def talk(self, uuid: str, text: str) -> None:
        self.asked.append((uuid, text))
        await self._answer()


async def refuses() -> None:
    raise VsockError("the token was refused")


async def hangs() -> None:
    await asyncio.Event().wait()


class Desk:
    """A server that hangs up after a short file, and what was told."""

    def __init__(self, voice: Voice, api: Api | None = None) -> None:
        self.voice, self.api = voice, api
        self.said: list[tuple[str, str]] = []
        self.legs: dict[str, str] = {}
        self.connected: list[str] = []
        self.hang_up: HangUp

    def notice(self, level: str, message: str, call: str | None = None) -> None:
        self.said.append((level, message))

    async def server(self, make: ServerMaker, *, then: Then = Then.HANGUP, **config: Any) -> Server:
        """Start it."""
        server = await make(behaviours=lambda: [self._play(then)], observers=[self._watch], **config)
        self.hang_up = HangUp(
            self.voice, close=closes(server), is_public=lambda: server.is_public, notice=self.notice, calls=self.api
        )
        return server

    @property
    def knows_all(self) -> bool:
        """The call, by what was said at its beginning, and both of its legs."""
        return len(self.connected) == 1 and len(self.legs) == 2

    def _watch(self, event: Any) -> None:
        if isinstance(event, Connected):
            self.connected.append(event.call)
        if isinstance(event, EventPosted) and event.uuid:
            self.legs[event.uuid] = str(event.body.get("to"))
        if hasattr(self, "hang_up"):
            self.hang_up.watch(event)

    def _play(self, then: Then) -> Play:
        file = PcmSource(b"\1\1" * 3200, config_format())
        return Play([lambda _: file], then=then, hang_up=self.hang_up.from_within)


def config_format() -> Any:
    """16 kHz."""
    from vonage_sock.audio.frames import AudioFormat

    return AudioFormat(16000)


def statuses(report: CallReport) -> list[str]:
    """Of the events that the platform posted."""
    return [event.status for event in report.events if isinstance(event, EventPosted)]


async def test_a_call_that_is_ended_by_the_api_raises_no_disconnected(
    vonage_call: VonageCaller, vonage_server: ServerMaker, tmp_path: Path
) -> None:
    """--then hangup with rest, through Vonage's own client over TLS: the leg's own uuid, signed by the application."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    credentials = Credentials(application_id=Setting(APP, "--app"), private_key=Setting(pem, "--private-key"))
    ca = tmp_path / "api.pem"
    async with vonage_call.api(public_key=public, application_id=APP, tls=ca) as api:
        desk = Desk(Voice(hangup="rest", credentials=credentials, api_host=api.host, ca=ca))
        server = await desk.server(vonage_server)
        desk.hang_up.announce()
        report = await vonage_call(server.addresses.answer_url, audio="silence", duration_s=20, fast=True)
        # The leg may be gone before the answer is read that says so.
        await until(lambda: len(desk.said) == 2)

    assert ("platform", [204]) == (report.closed_by, [asked.status for asked in api.requests])
    assert "completed" in statuses(report)
    assert "disconnected" not in statuses(report)
    assert [
        ("info", f"calls are hung up by the Voice API, as application {APP} (--app)"),
        ("info", "its leg is ended by the Voice API, which raises no disconnected"),
    ] == desk.said


async def test_a_server_that_stops_ends_its_calls_by_the_api(
    vonage_call: VonageCaller, vonage_server: ServerMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Q and Ctrl-C are no fault either; the platform's last event is still heard."""
    # On a busy machine the import of Vonage's client alone takes longer than stopping may.
    monkeypatch.setattr(hanging_up, "AT_STOP_S", 15.0)
    credentials = Credentials(application_id=Setting(APP, "--app"), private_key=Setting(private_key(), "--private-key"))
    ca = tmp_path / "api.pem"
    async with vonage_call.api(tls=ca) as api:
        desk = Desk(Voice(hangup="rest", credentials=credentials, api_host=api.host, ca=ca))
        server = await desk.server(vonage_server, then=Then.STAY)
        calling = asyncio.create_task(vonage_call(server.addresses.answer_url, audio="silence", duration_s=30))
        await until(lambda: desk.knows_all)
        await desk.hang_up.all_at_stop()
        await server.stop(last_events=server.open_legs.over)
        report = await calling

    assert ("platform", [204]) == (report.closed_by, [asked.status for asked in api.requests])
    assert ["completed", "completed"] == statuses(report)[-2:]
    assert "disconnected" not in statuses(report)
    assert [] == [finding.code for finding in report.findings if finding.code == "VS408"]


async def test_an_api_that_says_nothing_keeps_no_server_from_stopping(
    vonage_call: VonageCaller, vonage_server: ServerMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its calls are closed then."""
    monkeypatch.setattr(hanging_up, "AT_STOP_S", 0.05)
    desk = Desk(Voice(hangup="rest", credentials=NOBODY), api := Api(hangs))
    server = await desk.server(vonage_server, then=Then.STAY)
    calling = asyncio.create_task(vonage_call(server.addresses.answer_url, audio="silence", duration_s=20))
    await until(lambda: desk.knows_all)
    await desk.hang_up.all_at_stop()
    await server.stop()
    report = await calling

    assert (1, "server", 1001) == (len(api.asked), report.closed_by, report.close_code)


async def test_a_call_that_is_closed_raises_disconnected(vonage_call: VonageCaller, vonage_server: ServerMaker) -> None:
    """--hangup close: credentials or not, and nobody is asked."""
    api = Api(refuses)
    desk = Desk(Voice(hangup="close", credentials=NOBODY), api)
    server = await desk.server(vonage_server)
    report = await vonage_call(server.addresses.answer_url, audio="silence", duration_s=20, fast=True)

    assert ("server", "played to the end", []) == (report.closed_by, report.close_reason, api.asked)
    assert "disconnected" in statuses(report)


@pytest.mark.parametrize(("answer", "why"), [(refuses, "the token was refused"), (hangs, "it took more than 0.05 s")])
async def test_where_the_api_fails_the_socket_is_closed(
    vonage_call: VonageCaller,
    vonage_server: ServerMaker,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[], Awaitable[None]],
    why: str,
) -> None:
    """A call that is to end ends, and one line says why it ended otherwise."""
    monkeypatch.setattr(hanging_up, "REST_WAIT_S", 0.05)
    api = Api(answer)
    desk = Desk(Voice(hangup="rest", credentials=NOBODY), api)
    server = await desk.server(vonage_server)
    report = await vonage_call(server.addresses.answer_url, audio="silence", duration_s=20, fast=True)

    assert [("warning", f"closed, as the Voice API couldn't end it: {why}")] == desk.said
    assert ("server", "played to the end") == (report.closed_by, report.close_reason)
    assert desk.legs[api.asked[0][0]].startswith("ws://")


async def test_a_leg_that_no_event_has_told_of_is_closed(
    vonage_call: VonageCaller, vonage_server: ServerMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the event URL leads elsewhere, or the socket was opened without a call."""
    monkeypatch.setattr(hanging_up, "LEG_WAIT_S", 0.05)
    desk = Desk(Voice(hangup="rest", credentials=NOBODY), api := Api(hangs))
    server = await desk.server(vonage_server)
    report = await vonage_call(server.addresses.socket_url, audio="silence", duration_s=20)

    assert ("server", []) == (report.closed_by, api.asked)
    assert desk.said[0][1].endswith("no event has told the uuid of its leg; does the event URL lead here?")


async def test_hanging_up_twice_closes_at_once(vonage_call: VonageCaller, vonage_server: ServerMaker) -> None:
    """Whoever presses h again doesn't want to wait for the API; that no disconnected is raised isn't said then."""
    closed, done = asyncio.Event(), asyncio.Event()

    async def late() -> None:
        await closed.wait()
        done.set()

    desk = Desk(Voice(hangup="rest", credentials=NOBODY), api := Api(late))
    server = await desk.server(vonage_server, then=Then.STAY)
    calling = asyncio.create_task(vonage_call(server.addresses.answer_url, audio="silence", duration_s=20, fast=True))
    await until(lambda: desk.knows_all)
    desk.hang_up(server.calls[0])
    await until(lambda: bool(api.asked))
    desk.hang_up(server.calls[0])
    report = await calling
    closed.set()
    await until(done.is_set)

    assert ("hung up", []) == (report.close_reason, desk.said)
    # The answer webhook alone tells the region, and it is that of both legs.
    assert dict.fromkeys(desk.legs, REGION_URL) == api.regions


async def test_the_platform_says_what_is_typed_to_the_caller_s_leg(
    vonage_call: VonageCaller, vonage_server: ServerMaker
) -> None:
    """Not to the socket's, where only we would hear it; and a refusal is told."""
    refusing = asyncio.Event()

    async def answer() -> None:
        if refusing.is_set():
            await refuses()

    desk = Desk(Voice(hangup="close", credentials=NOBODY), api := Api(answer))
    server = await desk.server(vonage_server, then=Then.STAY)
    calling = asyncio.create_task(vonage_call(server.addresses.answer_url, audio="silence", duration_s=20, fast=True))
    await until(lambda: len(desk.legs) == 2 and desk.hang_up.why_not_say("c1") is None)
    call = server.calls[0]
    desk.hang_up.say(call, "Hello" + MAX_LINE * "o")
    await until(lambda: len(desk.said) == 1)
    refusing.set()
    desk.hang_up.say(call, "Bye")
    await until(lambda: len(desk.said) == 2)
    desk.hang_up(call)
    await calling

    assert [("447700900001", "Hellooooo"), ("447700900001", "Bye")] == [
        (report_number(desk, uuid), text[:9]) for uuid, text in api.asked
    ]
    assert [("info", f"the platform says 'Hello{74 * 'o'}…' to the caller")] == desk.said[:1]
    assert ("warning", "nothing is said: the token was refused") == desk.said[1]


def report_number(desk: Desk, uuid: str) -> str:
    """Whose leg that is: the caller's is the one that isn't the socket's."""
    return "447700900001" if not desk.legs[uuid].startswith("ws") else "the socket"


async def test_without_credentials_it_is_said_what_lacks(vonage_server: ServerMaker) -> None:
    """Rather than that nothing happens."""
    desk = Desk(Voice(lack="no application was found; give --app"))
    await desk.server(vonage_server)

    assert "saying something needs the Voice API: no application was found; give --app" == desk.hang_up.why_not_say(
        "c1"
    )


@pytest.mark.parametrize(
    ("voice", "public", "asked"),
    [
        (Voice(), True, False),
        (Voice(credentials=NOBODY), True, True),
        (Voice(credentials=NOBODY), False, False),
        (Voice(credentials=NOBODY, api_host="127.0.0.1:1"), False, True),
        (Voice(credentials=NOBODY, hangup="rest"), False, True),
        (Voice(credentials=NOBODY, hangup="close"), True, False),
    ],
)
def test_when_the_api_is_asked(voice: Voice, public: bool, asked: bool) -> None:
    """With credentials and an address that Vonage can call; a simulated call is none of Vonage's business."""
    assert asked == voice.is_asked(public=public)


async def until(condition: Callable[[], bool]) -> None:
    """Let things go on until this is so."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (what is waited for tells nobody)
            await asyncio.sleep(0.01)
