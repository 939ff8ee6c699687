"""The server's websocket on the wire, on both engines, against a client of bare bytes."""

from __future__ import annotations

import asyncio
import struct

import pytest
from wire import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Closes,
    Keeper,
    RawClient,
    Seen,
    connected_text,
    numbered_frames,
    serving,
)

from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.events import Connected, DtmfPressed, Ended, FindingRaised, MessageReceived, Notice
from vonage_sock.limits import Limits
from vonage_sock.server.config import Engine
from vonage_sock.transport import Patience

CONTINUATION = 0
pytestmark = pytest.mark.usefixtures("each_engine")


@pytest.mark.parametrize(("rate_hz", "size"), [(8000, 320), (16000, 640), (24000, 960)])
async def test_an_echo_is_whole_unmasked_uncompressed_frames(rate_hz: int, size: int) -> None:
    """Each frame comes back as one binary frame with FIN set and no reserved bit, byte for byte, whatever is offered."""
    frames = numbered_frames(20, size)
    async with serving() as server:
        client = await RawClient.open(
            server, headers="Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        )
        client.send(TEXT, connected_text(rate_hz).encode())
        for frame in frames:
            client.send(BINARY, frame)
        received = [await client.receive() for _ in frames]
        await client.close()

    assert b"sec-websocket-extensions" not in client.head.lower()
    assert frames == [frame.payload for frame in received]
    assert {(True, 0, BINARY, False)} == {(f.fin, f.rsv, f.opcode, f.masked) for f in received}


async def test_a_subprotocol_and_our_own_origin_are_no_hindrance(caplog: pytest.LogCaptureFixture) -> None:
    """An offered subprotocol is ignored, silently, and our own host accepted: Vonage's older clients send both."""
    async with serving() as server:
        client = await RawClient.open(
            server, headers=f"Sec-WebSocket-Protocol: WSBRIDGE\r\nOrigin: http://127.0.0.1:{server.port}\r\n"
        )
        await client.close()

    assert client.head.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-protocol" not in client.head.lower()
    assert [] == caplog.records


async def test_a_query_on_the_socket_is_accepted() -> None:
    """The uri of an NCCO may carry a query, and often does."""
    async with serving() as server:
        client = await RawClient.open(server, path="/socket?call=1&x=%2F")
        await client.close()

    assert client.head.startswith(b"HTTP/1.1 101 ")


async def test_fragmented_messages_are_put_together() -> None:
    """Text and audio in fragments, with a ping between them, count as one message each."""
    seen, frame = Seen(), numbered_frames(2)[1]
    async with serving(lambda: [Echo()], seen) as server:
        client = await RawClient.open(server)
        text = connected_text(id="ü").encode()
        client.send(TEXT, text[:30], fin=False)
        client.send(CONTINUATION, text[30:-4], fin=False)
        client.send(PING, b"between")
        client.send(CONTINUATION, text[-4:])
        client.send(BINARY, frame[:1], fin=False)
        client.send(CONTINUATION, frame[1:])
        pong, echo = await client.receive(), await client.receive()
        await client.close()

    assert (PONG, b"between") == (pong.opcode, pong.payload)
    assert frame == echo.payload
    assert {"id": "ü"} == seen.all(Connected)[0].headers


async def test_text_is_trimmed_and_a_bare_content_type_is_connected() -> None:
    """A space before the brace, and the form of 2018 without an event, both mean connected."""
    seen = Seen()
    async with serving(list, seen) as server:
        client = await RawClient.open(server)
        client.send(TEXT, b' {"content-type":"audio/l16;rate=8000","a":1}\n')
        event = await seen.next(Connected)
        await client.close()

    assert (8000, {"a": 1}) == (event.rate_hz, event.headers)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"event":"websocket:dtmf","digit":"7","duration":180}', ("7", 180)),
        ('{"digit":"#","duration":260}', ("#", 260)),
        ('{"event":"websocket:dtmf","dtmf":{"digit":"5","duration":40}}', ("5", 40)),
        ('{"event":"websocket:dtmf","dtmf":"*"}', ("*", None)),
        ('{"event":"websocket:dtmf","digit":3}', ("3", None)),
    ],
)
async def test_every_shape_of_a_key_press_is_understood(text: str, expected: tuple[str, int | None]) -> None:
    """The documented shape, the older clients' and those seen in the wild give one event."""
    seen = Seen()
    async with serving(list, seen) as server:
        client = await RawClient.open(server)
        client.send(TEXT, connected_text().encode())
        client.send(TEXT, text.encode())
        event = await seen.next(DtmfPressed)
        await client.close()

    assert expected == (event.digit, event.duration_ms)


async def test_unknown_text_is_kept_whole() -> None:
    """JSON of an unknown kind and text that isn't JSON are told as they came, and the call goes on."""
    seen = Seen()
    async with serving(lambda: [Echo()], seen) as server:
        client = await RawClient.open(server)
        client.send(TEXT, connected_text().encode())
        client.send(TEXT, b'{"event":"websocket:new","x":[1]}')
        client.send(TEXT, b"hello \x1b[2J")
        client.send(BINARY, bytes(640))
        await client.receive()
        await client.close()

    assert [{"event": "websocket:new", "x": [1]}, "hello \x1b[2J"] == [e.message for e in seen.all(MessageReceived)]


async def test_audio_before_connected_is_not_lost() -> None:
    """What came first is echoed first, in the format that connected names."""
    frames = numbered_frames(5, 320)
    async with serving() as server:
        client = await RawClient.open(server)
        for frame in frames[:3]:
            client.send(BINARY, frame)
        client.send(TEXT, connected_text(8000).encode())
        for frame in frames[3:]:
            client.send(BINARY, frame)
        received = [(await client.receive()).payload for _ in frames]
        await client.close()

    assert frames == received


async def test_without_connected_a_format_is_assumed() -> None:
    """Audio alone is a call too: half a second later it is taken to be of the configured rate."""
    seen, frames = Seen(), numbered_frames(3)
    async with serving(lambda: [Echo()], seen) as server:
        client = await RawClient.open(server)
        for frame in frames:
            client.send(BINARY, frame)
        received = [(await client.receive()).payload for _ in frames]
        await client.close()

    assert frames == received
    assert ["VS302"] == [finding.code for finding in seen.all(FindingRaised)]


async def test_messages_of_odd_sizes_lose_nothing() -> None:
    """Whatever the sizes, the audio comes back in exact frames and in order."""
    pcm = b"".join(numbered_frames(12))
    sizes, pieces, at = [1, 639, 641, 2, 1277, 7, 3000, 640], [], 0
    for size in sizes:
        pieces.append(pcm[at : at + size])
        at += size
    pieces.append(pcm[at:])
    async with serving() as server:
        client = await RawClient.open(server)
        client.send(TEXT, connected_text().encode())
        for piece in pieces:
            client.send(BINARY, piece)
        received = [(await client.receive()).payload for _ in range(12)]
        await client.close()

    assert {640} == {len(frame) for frame in received}
    assert pcm == b"".join(received)


@pytest.mark.parametrize("traffic", [0, 50], ids=["alone", "with more behind it"])
@pytest.mark.parametrize(
    ("opcode", "payload", "code"),
    [(TEXT, b"\xff\xfe", 1007), (BINARY, bytes(200_000), 1009), (3, b"", 1002)],
    ids=["not UTF-8", "oversize", "reserved opcode"],
)
async def test_what_breaks_websocket_itself_is_refused_with_its_code(
    opcode: int, payload: bytes, code: int, traffic: int
) -> None:
    """The peer gets a close frame that says what was wrong, and the call's end says that it was we who closed."""
    seen = Seen()
    async with serving(lambda: [Echo()], seen) as server:
        client = await RawClient.open(server)
        client.send(TEXT, connected_text().encode())
        client.send(opcode, payload)
        for _ in range(traffic):
            client.send(BINARY, bytes(640))
        closed_with, why = await client.receive_close()
        await client.close()
        ended = await seen.next(Ended)

    assert (code, True) == (closed_with, bool(why))
    assert (code, "server") == (ended.close_code, ended.closed_by)
    assert ended.close_reason


async def test_a_ping_is_answered_with_its_own_content() -> None:
    """Proxies and tests count on it."""
    async with serving() as server:
        client = await RawClient.open(server)
        client.send(PING, b"are you there")
        answer = await client.receive()
        await client.close()

    assert (PONG, b"are you there") == (answer.opcode, answer.payload)


@pytest.mark.parametrize(
    ("payload", "answered", "told"),
    [
        (struct.pack("!H", 1000) + b"bye", 1000, (1000, "bye", "platform")),
        (struct.pack("!H", 1001), 1001, (1001, "", "platform")),
        (struct.pack("!H", 4321) + "früh".encode(), 4321, (4321, "früh", "platform")),
        (b"", 1000, (1005, "", "platform")),
    ],
    ids=["1000", "1001", "own", "no code"],
)
async def test_the_peers_close_is_answered_and_told(payload: bytes, answered: int, told: tuple[int, str, str]) -> None:
    """Its code and its reason are those of the call's end; a frame without a code reads as 1005."""
    seen = Seen()
    async with serving(lambda: [Echo()], seen) as server:
        client = await RawClient.open(server)
        client.send(TEXT, connected_text().encode())
        client.send(CLOSE, payload)
        code, _ = await client.receive_close()
        rest = await client.wait_for_end()
        await client.close()
        ended = await seen.next(Ended)

    assert answered == code
    assert b"" == rest
    assert told == (ended.close_code, ended.close_reason, ended.closed_by)


@pytest.mark.parametrize("how", ["reset", "half_close"])
async def test_a_connection_that_ends_without_a_close_frame_is_the_networks_doing(how: str) -> None:
    """A reset and a plain end of the stream both read as 1006."""
    seen = Seen()
    async with serving(lambda: [Echo()], seen) as server:
        client = await RawClient.open(server)
        client.send(TEXT, connected_text().encode())
        client.send(BINARY, bytes(640))
        await client.receive()
        getattr(client, how)()
        ended = await seen.next(Ended)
        await client.close()

    assert (1006, "network", 1) == (ended.close_code, ended.closed_by, ended.frames_in)


async def test_our_close_frame_arrives_while_audio_keeps_coming_in() -> None:
    """Twenty times over: code and reason reach a client that never stops sending."""
    seen, received = Seen(), []
    async with serving(lambda: [Closes(4001, "that will do")], seen) as server:
        for number in range(20):
            client = await RawClient.open(server)
            client.send(TEXT, connected_text().encode())
            flood = asyncio.create_task(_flood(client))
            received.append(await client.receive_close())
            client.send(CLOSE, struct.pack("!H", 1000))
            flood.cancel()
            await client.wait_for_end()
            await client.close()
            ended = await seen.next(Ended, number + 1)
            received.append((ended.close_code, ended.closed_by))

    assert [(4001, "that will do"), (4001, "server")] * 20 == received


async def _flood(client: RawClient) -> None:
    while True:
        client.send(BINARY, bytes(640))
        await client.drain()
        await asyncio.sleep(0)


async def test_a_peer_that_never_answers_our_close_is_dropped() -> None:
    """The call ends after the time that a close may take."""
    seen = Seen()
    async with serving(lambda: [Closes(1000)], seen, patience=Patience(close_wait_s=0.1)) as server:
        client = await RawClient.open(server)
        client.send(TEXT, connected_text().encode())
        client.send(BINARY, bytes(640))
        ended = await seen.next(Ended)
        await client.close()

    assert (1006, "server") == (ended.close_code, ended.closed_by)


async def test_an_idle_peer_is_pinged() -> None:
    """So that proxies on the way see life."""
    patience = Patience(check_every_s=0.02, ping_every_s=0.05)
    async with serving(patience=patience) as server:
        client = await RawClient.open(server)
        frames = [await client.receive(), await client.receive()]
        await client.close()

    assert [PING, PING] == [frame.opcode for frame in frames]


async def test_a_platform_that_answers_pings_is_kept_and_one_that_is_gone_is_not() -> None:
    """A cut cable closes nothing; what tells is that no pong comes, nor anything else."""
    seen = Seen()
    patience = Patience(check_every_s=0.02, ping_every_s=0.05, gone_after_s=0.3)
    async with serving(list, seen, patience=patience) as server:
        kept = await RawClient.open(server)
        gone = await RawClient.open(server)
        started_at = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - started_at < 0.8:
            frame = await kept.receive()
            kept.send(PONG, frame.payload)
        ended = [(event.call, event.close_code) for event in seen.all(Ended)]
        await kept.close()
        await gone.close()

    assert [("c2", 1006)] == ended


async def test_audio_that_a_platform_sends_long_after_our_close_is_told() -> None:
    """Where it doesn't answer our close frame either."""
    seen = Seen()
    async with serving(lambda: [Closes(1000)], seen, patience=Patience(close_wait_s=0.8)) as server:
        client = await RawClient.open(server)
        client.send(TEXT, connected_text().encode())
        while not seen.all(Ended):
            client.send(BINARY, bytes(640))
            await asyncio.sleep(0.02)
        await client.close()

    assert "VS316" in [finding.code for finding in seen.all(FindingRaised)]


async def test_a_behaviour_may_close_with_nonsense() -> None:
    """A code that doesn't exist and a reason that is too long end the call all the same."""
    keeper = Keeper()
    async with serving(lambda: [keeper, Closes(77777, "x" * 500)]) as server:
        client = await RawClient.open(server)
        client.send(TEXT, connected_text().encode())
        client.send(BINARY, bytes(640))
        code, reason = await client.receive_close()
        await client.close()

    assert (1011, "x" * 123) == (code, reason)
    assert 1 == len(keeper.frames)


FEW = Limits(messages_per_s=100, messages_burst=200)


@pytest.mark.parametrize(
    ("opcode", "payload"),
    [(BINARY, bytes(640)), (BINARY, b""), (TEXT, b"{}"), (TEXT, b"x"), (PING, b""), (PONG, b"")],
    ids=["audio", "empty", "text", "nonsense", "pings", "pongs"],
)
async def test_a_flood_is_closed_and_disturbs_nobody(opcode: int, payload: bytes) -> None:
    """With 1008 and a reason; it is told once; another call hears its echo meanwhile, and the place is given back."""
    seen = Seen()
    async with serving(lambda: [Echo()], seen, limits=FEW) as server:
        bystander, flood = await RawClient.open(server), await RawClient.open(server)
        for client in (bystander, flood):
            client.send(TEXT, connected_text().encode())
        for number in range(1000):
            flood.send(opcode, payload)
            if number % 100 == 0:
                bystander.send(BINARY, numbered_frames(1)[0])
                assert numbered_frames(1)[0] == (await bystander.receive()).payload
        code, reason = await flood.receive_close()
        flood.send(CLOSE, struct.pack("!H", code))
        ended = await seen.next(Ended)
        await flood.close()
        await bystander.close()
    told = [finding for finding in seen.all(FindingRaised) if finding.code == "VS325"]

    assert 1008 == code == ended.close_code
    assert "too many" in reason or "more than 100 messages a second" in reason
    assert [(ended.call, 1)] == [(finding.call, finding.count) for finding in told]
    assert "more than 100 a second for long, and 200 at once" in told[0].message


async def test_what_piled_up_for_ten_seconds_may_come_at_once() -> None:
    """By the limits as they are: a line that stood still is nobody's fault."""
    frames = numbered_frames(500)
    async with serving() as server:
        client = await RawClient.open(server)
        client.send(TEXT, connected_text().encode())
        for frame in frames:
            client.send(BINARY, frame)
        echoed = [(await client.receive()).payload for _ in frames]
        await client.close()

    assert frames == echoed


async def test_a_socket_that_says_nothing_is_closed() -> None:
    """With 1008; one that says something in time isn't."""
    seen = Seen()
    async with serving(list, seen, limits=Limits(first_message_s=0.2)) as server:
        silent, speaks = await RawClient.open(server), await RawClient.open(server)
        speaks.send(TEXT, connected_text().encode())
        closed = await silent.receive_close()
        speaks.send(PING, b"")
        still = await speaks.receive()
        await silent.close()
        await speaks.close()

    assert (1008, "no message within 0.2 s") == closed
    assert PONG == still.opcode
    assert ["VS326"] == [finding.code for finding in seen.all(FindingRaised)][:1]


async def test_only_so_many_sockets_may_be_silent_at_once() -> None:
    """Who comes next waits a moment and is refused with 503; as soon as one speaks there is room."""
    seen = Seen()
    async with serving(list, seen, limits=Limits(silent_sockets=2)) as server:
        silent = [await RawClient.open(server) for _ in range(2)]
        refused = await RawClient.open(server)
        opening = asyncio.create_task(RawClient.open(server))
        silent[0].send(TEXT, connected_text().encode())
        let_in = await opening
        for client in (*silent, refused, let_in):
            await client.close()
    notices = [notice.message for notice in seen.all(Notice)]

    why = "2 sockets have sent nothing yet, and --max-silent lets no more in"
    assert refused.head.startswith(b"HTTP/1.1 503 ")
    assert let_in.head.startswith(b"HTTP/1.1 101 ")
    assert [f"a call was refused: {why}"] == notices


async def test_many_that_speak_at_once_are_all_let_in() -> None:
    """Each is silent for the moment between the upgrade and its first message, and none is refused for that."""
    seen = Seen()

    async def call() -> bytes:
        client = await RawClient.open(server)
        client.send(TEXT, connected_text().encode())
        await seen.next(Connected, 40)
        await client.close()
        return client.head[:12]

    async with serving(list, seen) as server:
        heads = await asyncio.gather(*(call() for _ in range(40)))

    assert [b"HTTP/1.1 101"] * 40 == heads


@pytest.mark.parametrize("size", [1024, 1025])
async def test_the_size_of_a_message_is_as_the_limit_says(size: int) -> None:
    """A byte more closes with 1009."""
    async with serving(lambda: [Echo()], limits=Limits(message_bytes=1024)) as server:
        client = await RawClient.open(server)
        client.send(TEXT, connected_text(8000).encode())
        client.send(BINARY, bytes(size))
        answer = await client.receive()
        await client.close()

    assert (BINARY if size == 1024 else CLOSE) == answer.opcode


async def test_a_flood_of_fragments_is_closed(each_engine: Engine) -> None:
    """A message that never ends, in empty pieces: 1008 by our own engine; aiohttp shows nobody its fragments."""
    async with serving(list, limits=FEW) as server:
        client = await RawClient.open(server)
        client.send(TEXT, connected_text().encode())
        client.send(BINARY, b"", fin=False)
        for _ in range(1000):
            client.send(CONTINUATION, b"", fin=False)
        client.send(PING, b"")
        answer = await client.receive()
        await client.close()

    assert (CLOSE if each_engine is Engine.AUTO else PONG) == answer.opcode
