"""A websocket moved by callbacks: against another library's frames, hostile bytes, and a kernel that takes little."""

from __future__ import annotations

import asyncio
import os
import random
import select
import socket
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops import on_both_loops
from rig import MASK, MAX_BYTES, Heard, Peer, StandInPoller, StandInSocket, connected, tcp_pair
from websockets.frames import Opcode as TheirOpcode

from vonage_sock.call.inspect import Found
from vonage_sock.clock import MS, SECOND, ManualClock, SystemClock
from vonage_sock.protocol.rfc6455 import (
    Binary,
    CloseFrame,
    FrameReader,
    Opcode,
    Pong,
    Text,
    close_body,
    frame_of,
)
from vonage_sock.transport.framesocket import CLOSE_WAIT_NS, LINGER_NS, FrameSocket
from vonage_sock.transport.poller import Poller
from vonage_sock.transport.steady import READ_BYTES

SIZES = (0, 1, 125, 126, 320, 640, 640, 640, 2040, 2048, 65535, 65536, MAX_BYTES)
FRAME = frame_of(Opcode.BINARY, bytes(640), mask=MASK)


class StandIn:
    """A frame socket on a kernel that does as it is told, at a time that stands still."""

    def __init__(self, *, client: bool = False, early: bytes = b"") -> None:
        self.clock = ManualClock(SECOND)
        self.poller = StandInPoller(self.clock)
        self.kernel = StandInSocket()
        self.heard = Heard()
        self.socket = FrameSocket(
            self.poller,  # type: ignore[arg-type]
            self.kernel,  # type: ignore[arg-type]
            self.heard,
            client=client,
            max_message_bytes=MAX_BYTES,
            early=early,
        )

    def come(self, *chunks: bytes | OSError) -> list[tuple[object, ...]]:
        """What is told of chunks, each of which the kernel gives by itself."""
        for chunk in chunks:
            self.kernel.incoming.append(chunk)
            while self.kernel.incoming:
                self.socket.readable(self.clock.now())
        return self.heard.told

    def sent(self) -> list[object]:
        """The frames that the kernel took."""
        masked = bool(self.kernel.taken) and self.kernel.taken[1] & 0x80 != 0
        return list(FrameReader(masked=masked, max_message_bytes=1 << 24).feed(bytes(self.kernel.taken)))

    def fire(self) -> None:
        """The time of every timer comes."""
        timers, self.poller.timers = self.poller.timers, []
        for timer in timers:
            if timer.action is not None:
                timer.action(timer.at)


# Messages.


@on_both_loops
@pytest.mark.parametrize("client", [False, True], ids=["server", "client"])
async def test_messages_of_all_sizes_go_both_ways(client: bool) -> None:
    """As another library writes and reads them, masked by the client alone."""
    async with connected(client=client) as (frames, heard, peer):
        for size in SIZES:
            await peer.send(bytes([size % 251]) * size)
            await peer.send("ü" * (size // 2))
        await heard.next(2 * len(SIZES))
        received = []
        for size in SIZES:
            frames.send(bytes([size % 251]) * size)
            frames.send("ü" * (size // 2))
            received += [await peer.next(), await peer.next()]

    expected = [item for size in SIZES for item in (bytes([size % 251]) * size, "ü" * (size // 2))]
    assert expected == [item[1] for item in heard.told[:-1]]
    assert [item.encode() if isinstance(item, str) else item for item in expected] == [bytes(f.data) for f in received]
    assert {TheirOpcode.TEXT, TheirOpcode.BINARY} == {frame.opcode for frame in received}


parts = st.lists(
    st.one_of(
        st.sampled_from([FRAME] * 4 + [frame_of(Opcode.BINARY, b"\x07" * 640, mask=b"\xff\x00\x80\x01")]),
        st.integers(0, 1300).map(lambda size: frame_of(Opcode.BINARY, bytes([size % 256]) * size, mask=MASK)),
        st.text(max_size=20).map(lambda text: frame_of(Opcode.TEXT, text.encode(), mask=MASK)),
        st.sampled_from(
            [
                frame_of(Opcode.PING, b"?", mask=MASK),
                b"\x02\x81" + MASK + b"a",
                b"\x00\x81" + MASK + b"b",
                b"\x80\x81" + MASK + b"c",
                b"\x82\xfe\x02\x80" + MASK + b"x" * 10,
                frame_of(Opcode.CLOSE, b"", mask=MASK),
            ]
        ),
    ),
    max_size=12,
)


@given(parts, st.integers(0, 2**32))
def test_the_short_way_gives_what_the_reader_gives(frames: list[bytes], seed: int) -> None:
    """However a stream is cut, along its frames or across them, the same messages come out of it."""
    dice, chunks = random.Random(seed), [b""]
    for frame in frames:
        at = dice.randrange(len(frame)) if dice.random() < 0.3 else len(frame)
        if dice.random() < 0.7:
            chunks.append(b"")
        chunks[-1] += frame[:at]
        if at < len(frame):
            chunks.append(frame[at:])
    stand_in = StandIn()
    reader = FrameReader(masked=True, max_message_bytes=MAX_BYTES)
    expected: list[tuple[object, ...]] = []
    for received in reader.feed(b"".join(chunks)):
        match received:
            case Binary(data):
                expected.append(("binary", data))
            case Text(text):
                expected.append(("text", text))
    stand_in.come(*(chunk for chunk in chunks if chunk))

    assert expected == [item for item in stand_in.heard.told if item[0] != "gone"]


def test_a_burst_is_read_in_turns() -> None:
    """So much at once that the others have their turn too; and the rest in the next."""
    stand_in = StandIn()
    burst = frame_of(Opcode.BINARY, b"xy", mask=MASK) * 4000
    stand_in.kernel.incoming.append(burst)
    turns = []
    while stand_in.kernel.incoming:
        stand_in.socket.readable(SECOND)
        turns.append(len(stand_in.heard.told))

    assert READ_BYTES // 8 == turns[0]
    assert (4000, 4) == (turns[-1], len(turns))


@pytest.mark.parametrize("size", [READ_BYTES, READ_BYTES + 1])
def test_the_end_may_come_behind_a_full_read(size: int) -> None:
    """In the same turn or in the next."""
    stand_in = StandIn()
    payload = bytes(READ_BYTES - 8)
    frame = frame_of(Opcode.BINARY, payload, mask=MASK)
    told = stand_in.come(frame[:READ_BYTES], b"") if size == READ_BYTES else stand_in.come(frame + b"\x82", b"")

    assert [("binary", payload), ("gone", 1006, "")] == told


@pytest.mark.parametrize("end", [ConnectionResetError(), b""], ids=["an error", "the end"])
def test_an_end_behind_a_full_read_is_seen_in_the_next_turn(end: bytes | Exception) -> None:
    """What came before it is told all the same; a kernel says it as often as it is asked."""
    stand_in = StandIn()
    frame = frame_of(Opcode.BINARY, bytes(READ_BYTES - 8), mask=MASK)
    stand_in.kernel.incoming += [frame, end, b""]
    stand_in.socket.readable(SECOND)
    in_first = [item[0] for item in stand_in.heard.told]
    stand_in.socket.readable(SECOND)

    assert ["binary"] == in_first
    assert ["binary", "gone"] == [item[0] for item in stand_in.heard.told]


# What came before.


@on_both_loops
@pytest.mark.parametrize("size", [10, 640, 2040, 5000])
async def test_what_came_with_the_upgrade_comes_first(size: int) -> None:
    """Whether the kernel has more by then or not, and however much it is."""
    message = b"e" * size
    whole = frame_of(Opcode.BINARY, message, mask=MASK) * 3
    async with connected(early=whole[:-7]) as (_, heard, peer):
        await peer.write(whole[-7:])
        await peer.send(b"later")
        await heard.next(4)

    assert [("binary", message)] * 3 + [("binary", b"later")] == heard.told[:-1]


@on_both_loops
async def test_what_came_early_to_a_socket_that_ended_is_not_told() -> None:
    """Nothing is told behind the end."""
    async with connected(early=FRAME) as (frames, heard, _):
        frames.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert [("gone", 1006, "")] == heard.told


@on_both_loops
async def test_a_receiver_that_fails_at_what_came_early_is_dropped() -> None:
    """As at any other message; the loop is told why."""
    contexts: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: contexts.append(context))
    async with connected(early=FRAME) as (_, heard, peer):
        heard.then = fail_at("binary")
        await heard.end()
        await peer.end()

    assert ["binary", "gone"] == [item[0] for item in heard.told]
    assert ["on purpose"] == [str(context["exception"]) for context in contexts]


def fail_at(kind: str) -> Callable[[tuple[object, ...]], None]:
    def fail(item: tuple[object, ...]) -> None:
        if item[0] == kind:
            raise RuntimeError("on purpose")

    return fail


# Pings.


@on_both_loops
@pytest.mark.parametrize("client", [False, True], ids=["server", "client"])
async def test_each_ping_is_answered_with_its_own_content(client: bool) -> None:
    """In order, also when several come at once, and before what is behind them."""
    async with connected(client=client) as (frames, heard, peer):
        heard.then = lambda item: frames.send(b"echo") if item[0] == "binary" else None
        for number in range(10):
            peer.protocol.send_ping(bytes([number]) * number)
        peer.protocol.send_binary(b"behind")
        peer.protocol.send_ping(b"last")
        await peer.flush()
        answers = [await peer.next() for _ in range(12)]

    assert [TheirOpcode.PONG] * 10 + [TheirOpcode.BINARY, TheirOpcode.PONG] == [frame.opcode for frame in answers]
    assert [bytes([n]) * n for n in range(10)] + [b"echo", b"last"] == [bytes(frame.data) for frame in answers]


def test_a_ping_before_a_close_is_answered_before_it() -> None:
    """In the same packet; nothing follows a close frame."""
    stand_in = StandIn()
    stand_in.come(frame_of(Opcode.PING, b"a", mask=MASK) + frame_of(Opcode.CLOSE, b"\x03\xe8", mask=MASK))

    assert [Pong(b"a"), CloseFrame(1000, "")] == stand_in.sent()


def test_pings_of_a_peer_that_reads_nothing_cost_one_answer() -> None:
    """That to its latest, sent once it reads again; what waits doesn't grow."""
    stand_in = StandIn()
    stand_in.kernel.takes = [5]
    stand_in.socket.send(b"waits")
    before = stand_in.socket.unsent_bytes
    for number in range(10_000):
        stand_in.socket.readable(0)
        stand_in.come(frame_of(Opcode.PING, str(number).encode() * 20, mask=MASK))
    after = stand_in.socket.unsent_bytes
    stand_in.socket.ready(select.EPOLLOUT, 0)

    assert before == after == 2
    assert [Binary(b"waits"), Pong(b"9999" * 20)] == stand_in.sent()
    assert 0 == stand_in.socket.unsent_bytes


@on_both_loops
async def test_our_ping_is_a_ping_and_its_pong_ends_the_waiting() -> None:
    """As whoever watches the peer sees it."""
    async with connected() as (frames, heard, peer):
        frames.ping()
        awaited = frames.watch.awaits_pong
        sent = await peer.next()
        await peer.flush()
        await peer.send("done")
        await heard.next()
        answered = not frames.watch.awaits_pong

    assert (TheirOpcode.PING, True, True) == (sent.opcode, awaited, answered)


# The end.


@on_both_loops
@pytest.mark.parametrize("client", [False, True], ids=["server", "client"])
@pytest.mark.parametrize(
    ("code", "reason", "told", "answered"),
    [
        (1000, "bye", (1000, "bye"), 1000),
        (4321, "früh", (4321, "früh"), 4321),
        (None, "", (1005, ""), 1000),
    ],
)
async def test_the_peers_close_is_answered_and_told(
    client: bool, code: int | None, reason: str, told: tuple[int, str], answered: int
) -> None:
    """With its own code; a server then closes TCP, and a client has that done."""
    async with connected(client=client) as (_, heard, peer):
        if code is None:
            await peer.write(frame_of(Opcode.CLOSE, b"", mask=None if client else MASK))
        else:
            peer.protocol.send_close(code, reason)
            await peer.flush()
        close = await peer.next()
        at_end = await peer.read()
        peer.sock.close()
        end = await heard.end()

    assert ("gone", *told) == end
    assert (TheirOpcode.CLOSE, struct.pack("!H", answered)) == (close.opcode, bytes(close.data))
    assert b"" == at_end


@on_both_loops
@pytest.mark.parametrize("client", [False, True], ids=["server", "client"])
async def test_our_close_is_told_when_it_is_answered(client: bool) -> None:
    """With our code, whatever the peer's is; messages until then come through, and none of ours go out."""
    async with connected(client=client) as (frames, heard, peer):
        frames.close(4001, "that will do")
        frames.close(4002, "again")
        frames.send(b"too late")
        frames.send_framed(b"too late")
        frames.ping()
        close = await peer.next()
        await peer.write(frame_of(Opcode.BINARY, b"under way", mask=None if client else MASK))
        await peer.write(frame_of(Opcode.PING, b"?", mask=None if client else MASK))
        await peer.write(frame_of(Opcode.CLOSE, struct.pack("!H", 1001), mask=None if client else MASK))
        at_end = await peer.read()
        peer.sock.close()
        await heard.end()

    assert struct.pack("!H", 4001) + b"that will do" == bytes(close.data)
    assert [("binary", b"under way"), ("gone", 4001, "that will do")] == heard.told
    assert b"" == at_end
    assert not frames.watch.awaits_pong


@on_both_loops
async def test_a_close_that_nobody_answers_ends_after_its_time() -> None:
    """As a connection without a close frame; nothing more is told after it."""
    async with connected(close_wait_ns=20 * MS) as (frames, heard, peer):
        frames.close(1000)
        end = await heard.end()
        await peer.end()

    assert ("gone", 1006, "") == end


def test_both_may_close_at_once() -> None:
    """Neither waits for another answer; the code is ours."""
    stand_in = StandIn()
    stand_in.socket.close(4001)
    told = stand_in.come(frame_of(Opcode.CLOSE, struct.pack("!H", 4002), mask=MASK))

    assert [("gone", 4001, "")] == told
    assert [CloseFrame(4001, "")] == stand_in.sent()
    assert stand_in.kernel.closed


def test_a_client_gives_the_server_its_time_to_close_tcp() -> None:
    """And does it itself afterwards; more bytes until then are nothing to it."""
    stand_in = StandIn(client=True)
    stand_in.come(frame_of(Opcode.CLOSE, close_body(1000, "bye")), b"more", frame_of(Opcode.BINARY, b"x"))
    before = (stand_in.heard.told[:], stand_in.kernel.shut, stand_in.kernel.closed)
    times = [timer.at for timer in stand_in.poller.timers]
    stand_in.fire()

    assert ([], True, False) == before
    assert [SECOND + LINGER_NS] == times
    assert [("gone", 1000, "bye")] == stand_in.heard.told
    assert stand_in.kernel.closed


@on_both_loops
@pytest.mark.parametrize("client", [False, True], ids=["server", "client"])
@pytest.mark.parametrize(
    ("data", "code"), [(b"\xc2\x80", 1002), (b"\x81\x01\xff", 1007), (b"\x82\x7f" + b"\x7f" * 8, 1009)]
)
async def test_what_breaks_the_rules_is_refused_with_its_code(client: bool, data: bytes, code: int) -> None:
    """The peer is told; what it still sends is read and dropped, so that no reset takes our close frame from it."""
    if not client:
        data = data[:1] + bytes([data[1] | 0x80]) + data[2 : 2 + (8 if code == 1009 else 0)] + bytes(4) + data[2:]
    async with connected(client=client) as (frames, heard, peer):
        await peer.write(data + bytes(50_000))
        close = await peer.next()
        at_end = await peer.read()
        peer.sock.close()
        end = await heard.end()

    assert code == struct.unpack_from("!H", close.data)[0]
    assert ("gone", code, close.data[2:].decode()) == end
    assert b"" == at_end
    assert frames.refused


def test_what_breaks_the_rules_after_our_close_is_told_too() -> None:
    """Though no second close frame may be sent for it."""
    stand_in = StandIn()
    stand_in.socket.close(1000)
    told = stand_in.come(b"\xff\xff")
    stand_in.fire()

    assert [CloseFrame(1000, "")] == stand_in.sent()
    assert stand_in.socket.refused
    assert ("gone", 1002) == told[0][:2]


MOMENTS: dict[str, Callable[[FrameSocket, Peer], object]] = {
    "at once": lambda _frames, _peer: None,
    "in a frame": lambda _frames, peer: peer.sock.send(FRAME[:100]),
    "behind a frame": lambda _frames, peer: peer.sock.send(FRAME),
    "while closing": lambda frames, _peer: frames.close(1000),
    "with something waiting": lambda frames, _peer: frames.send(bytes(20_000_000)),
    "closing, with something waiting": lambda frames, _peer: (frames.send(bytes(20_000_000)), frames.close(1000)),
    "refused": lambda _frames, peer: peer.sock.send(b"\xff\xff"),
}


@on_both_loops
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("how", ["reset", "close", "half"])
async def test_the_connection_may_end_at_any_moment(moment: str, how: str) -> None:
    """Its end is told once, and nothing is left: no descriptor, no timer that does something, no exception."""
    async with connected(close_wait_ns=50 * MS) as (frames, heard, peer):
        MOMENTS[moment](frames, peer)
        if moment in ("behind a frame", "refused"):
            await (heard.next() if moment == "behind a frame" else peer.next())
        match how:
            case "reset":
                peer.reset()
            case "close":
                peer.sock.close()
            case "half":
                peer.sock.shutdown(socket.SHUT_WR)
        end = await heard.end()
        frames.send(b"nobody is there")
        frames.abort()
        frames.close(1000)
        left = frames.unsent_bytes

    assert (1002 if moment == "refused" else 1006, 0) == (end[1], left)


@on_both_loops
async def test_aborting_is_a_reset() -> None:
    """The peer sees at once that it was no ordinary end."""
    async with connected() as (frames, heard, peer):
        frames.abort()
        frames.abort()
        with pytest.raises(ConnectionResetError):
            await peer.read()

    assert [("gone", 1006, "")] == heard.told
    assert not frames.is_open


@on_both_loops
@pytest.mark.parametrize("kind", ["binary", "gone"])
async def test_a_receiver_that_fails_loses_its_connection_and_no_other(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; the one beside it goes on."""
    async with connected() as (frames, heard, peer):
        poller, other = frames._poller, Heard()
        ours, theirs = tcp_pair()
        beside = FrameSocket(poller, ours, other, client=False, max_message_bytes=MAX_BYTES)
        heard.then = fail_at(kind)
        await peer.send(b"a")
        if kind == "gone":
            peer.sock.close()
        await heard.end()
        beside_peer = Peer(theirs)
        await beside_peer.send(b"b")
        await other.next()
        beside.abort()
        theirs.close()

    assert ["binary", "gone"] == [item[0] for item in heard.told]
    assert [("binary", b"b"), ("gone", 1006, "")] == other.told
    assert ["a connection failed and is dropped"] == caplog.messages


@pytest.mark.parametrize("usual", [0, 2], ids=["the long way", "the short way"])
@pytest.mark.parametrize("piled", [1, 3])
@pytest.mark.parametrize("does", ["abort", "close", "send"])
def test_a_receiver_may_do_anything_inside_a_message(usual: int, piled: int, does: str) -> None:
    """What lies behind in the same packet is told only where there is still a connection."""
    stand_in = StandIn()
    stand_in.come(*[FRAME] * usual)
    actions = {
        "abort": stand_in.socket.abort,
        "close": lambda: stand_in.socket.close(4001),
        "send": lambda: stand_in.socket.send(bytes(640)),
    }
    stand_in.heard.then = lambda item: actions[does]() if item[0] == "binary" else None
    stand_in.come(FRAME * piled)
    kinds = [item[0] for item in stand_in.heard.told[usual:]]

    assert (["binary", "gone"] if does == "abort" else ["binary"] * piled) == kinds
    assert {"abort": 0, "close": 1, "send": piled}[does] == len(stand_in.sent())


# Writing.


@given(st.lists(st.one_of(st.integers(0, 2000), st.none()), max_size=30), st.integers(0, 2**32))
def test_what_is_sent_arrives_whole_and_in_order(takes: list[int | None], seed: int) -> None:
    """However little of it the kernel takes at a time, and however often it takes nothing."""
    dice, stand_in = random.Random(seed), StandIn()
    stand_in.kernel.takes = [BlockingIOError() if take is None else take for take in takes]
    expected: list[object] = []
    for number in range(30):
        message: str | bytes = bytes([number]) * 640 if dice.random() < 0.8 else str(number)
        stand_in.socket.send(message)
        expected.append(Text(message) if isinstance(message, str) else Binary(message))
        if dice.random() < 0.5:
            stand_in.socket.ready(select.EPOLLOUT, 0)
        assert bool(stand_in.socket.unsent_bytes) == bool(stand_in.poller.writing)
    while stand_in.socket.unsent_bytes:
        stand_in.socket.ready(select.EPOLLOUT, 0)

    assert expected == stand_in.sent()
    assert set() == stand_in.poller.writing


@on_both_loops
async def test_a_peer_that_reads_slowly_gets_everything_and_then_the_close() -> None:
    """Half a megabyte waits here, and the close frame behind them."""
    messages = [bytes([number % 256]) * 640 for number in range(800)]
    async with connected(small=True) as (frames, heard, peer):
        for message in messages:
            frames.send(message)
        frames.close(4001, "all sent")
        waited = frames.unsent_bytes
        received = await peer.messages(len(messages))
        close = await peer.next()
        await peer.flush()
        end = await heard.end()

    assert messages == received
    assert struct.pack("!H", 4001) + b"all sent" == bytes(close.data)
    assert ("gone", 4001, "all sent") == end
    assert waited > 100_000


@on_both_loops
async def test_a_peer_that_closes_gets_what_waits_for_it_first() -> None:
    """And our close frame behind it, and then the end of TCP."""
    async with connected(small=True) as (frames, heard, peer):
        for number in range(500):
            frames.send(struct.pack("!H", number) * 320)
        peer.protocol.send_close(1000)
        await peer.flush()
        received = await peer.messages(501)
        at_end = await peer.read()
        peer.sock.close()
        end = await heard.end()

    assert [struct.pack("!H", number) * 320 for number in range(500)] == received[:-1]
    assert (struct.pack("!H", 1000), b"") == (received[-1], at_end)
    assert ("gone", 1000, "") == end


@pytest.mark.parametrize(("takes", "wait_ns"), [(10**6, LINGER_NS), (10, CLOSE_WAIT_NS)])
def test_a_refused_peer_with_much_to_read_has_longer_for_it(takes: int, wait_ns: int) -> None:
    """Then it is dropped."""
    stand_in = StandIn()
    stand_in.kernel.takes = [takes] + [BlockingIOError()] * 10
    stand_in.socket.send(bytes(640))
    stand_in.kernel.takes = stand_in.kernel.takes if takes == 10 else []
    stand_in.come(b"\xff\xff")
    times = [timer.at - SECOND for timer in stand_in.poller.timers]
    stand_in.fire()

    assert [wait_ns] == times
    assert stand_in.kernel.closed


def test_who_sends_sees_what_waits_and_since_when() -> None:
    """Each time that the peer takes something is progress; a write that it doesn't take is none."""
    stand_in = StandIn()
    stand_in.kernel.takes = [4, 100, BlockingIOError(), 100]
    seen = []
    stand_in.clock.advance_to(2 * SECOND)
    stand_in.socket.send(bytes(640))
    for at in (3, 4, 5):
        seen.append((stand_in.socket.unsent_bytes, stand_in.socket.progress_at // SECOND))
        stand_in.clock.advance_to(at * SECOND)
        stand_in.socket.ready(select.EPOLLOUT, 0)
    seen.append((stand_in.socket.unsent_bytes, stand_in.socket.progress_at // SECOND))

    assert [(640, 2), (540, 3), (540, 3), (440, 5)] == seen


@pytest.mark.parametrize("first", [None, 100], ids=["at once", "with something waiting"])
def test_a_peer_that_is_gone_takes_nothing_and_raises_nothing(first: int | None) -> None:
    """What it said before it went is still read, and its end is what tells."""
    stand_in = StandIn()
    stand_in.kernel.takes = [BrokenPipeError()] if first is None else [first, ConnectionResetError()]
    stand_in.socket.send(bytes(640))
    stand_in.socket.ready(select.EPOLLOUT, 0)
    waits = stand_in.socket.unsent_bytes
    told = stand_in.come(FRAME, ConnectionResetError())

    assert 0 == waits
    assert [("binary", bytes(640)), ("gone", 1006, "")] == told


def test_frames_that_are_made_elsewhere_are_sent_as_they_are() -> None:
    """Several in one write."""
    stand_in = StandIn()
    stand_in.socket.send_framed(frame_of(Opcode.BINARY, b"a") + frame_of(Opcode.TEXT, b"b"))

    assert [Binary(b"a"), Text("b")] == stand_in.sent()


def test_a_writable_socket_with_nothing_to_write_is_left_alone() -> None:
    """The event may be one round old."""
    stand_in = StandIn()
    stand_in.socket.ready(select.EPOLLOUT, 0)
    stand_in.socket.readable(0)

    assert ([], b"") == (stand_in.heard.told, bytes(stand_in.kernel.taken))


def test_a_client_reads_the_short_way_too() -> None:
    """Frames like the one before, without a mask."""
    stand_in = StandIn(client=True)
    frame = frame_of(Opcode.BINARY, bytes(range(256)) * 2)
    told = stand_in.come(frame, frame, frame)

    assert [("binary", bytes(range(256)) * 2)] * 3 == told


def test_a_socket_that_ended_hears_nothing_more() -> None:
    """Whoever still calls it."""
    stand_in = StandIn()
    told = stand_in.come(b"", b"", ConnectionResetError(), FRAME[:10])

    assert [("gone", 1006, "")] == told


# Findings.


@pytest.mark.parametrize(
    ("ends_with", "expected"),
    [
        ([frame_of(Opcode.CLOSE, b"\x03\xe8", mask=MASK)], []),
        ([b""], [Found("VS316", {"frames": 2, "late_ms": 600})]),
        ([b"\xff\xff", b""], [Found("VS316", {"frames": 2, "late_ms": 600})]),
    ],
    ids=["answered", "lost", "refused"],
)
def test_audio_long_after_our_close_is_told_unless_the_close_is_answered(
    ends_with: list[bytes], expected: list[Found]
) -> None:
    """It may have been under way for long; only who never answers goes on without an end."""
    stand_in = StandIn()
    stand_in.come(FRAME, FRAME)
    stand_in.socket.close(1000)
    stand_in.clock.advance_to(SECOND + 600 * MS)
    stand_in.come(FRAME, FRAME, *ends_with)

    assert "gone" == stand_in.heard.told[-1][0]
    assert expected == stand_in.socket.watch.found(stand_in.clock.now())


@on_both_loops
async def test_a_descriptor_that_is_used_again_in_the_same_round_gets_nothing_of_the_one_before() -> None:
    """An event of the old connection finds the new one with nothing to read."""
    poller = Poller(SystemClock())
    first, second = Heard(), Heard()
    (ours_1, theirs_1), (ours_2, theirs_2) = tcp_pair(), tcp_pair()
    sockets = [
        FrameSocket(poller, ours, heard, client=False, max_message_bytes=MAX_BYTES)
        for ours, heard in ((ours_1, first), (ours_2, second))
    ]
    later = Heard()
    fds = [ours_1.fileno(), ours_2.fileno()]
    spare = tcp_pair()

    def replace(victim: FrameSocket, fd: int) -> Callable[[tuple[object, ...]], None]:
        def then(item: tuple[object, ...]) -> None:
            if item[0] == "binary":
                victim.abort()
                again = socket.socket(fileno=os.dup2(spare[0].fileno(), fd))
                FrameSocket(poller, again, later, client=False, max_message_bytes=MAX_BYTES)

        return then

    first.then, second.then = replace(sockets[1], fds[1]), replace(sockets[0], fds[0])
    for theirs in (theirs_1, theirs_2):
        theirs.send(FRAME)
    poller._wake()
    told = [heard.told[:] for heard in (first, second)]
    poller.close()
    for sock in (theirs_1, theirs_2, *spare):
        sock.close()

    assert {"binary", "gone"} == {items[0][0] for items in told}
    assert [1, 1] == [len(items) for items in told]
    assert [("gone", 1006, "")] == later.told
