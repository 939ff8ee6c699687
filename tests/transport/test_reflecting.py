"""An echo whose frames go straight back, on a real connection."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter

import pytest
from loops import on_both_loops
from rig import MASK, MAX_BYTES, Peer, tcp_pair
from websockets.frames import Opcode as TheirOpcode

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.events import DtmfPressed, Ended, Event
from vonage_sock.call.session import CallSession
from vonage_sock.clock import SystemClock
from vonage_sock.protocol.rfc6455 import FrameReader, Opcode, frame_of
from vonage_sock.transport.direct import DirectDriver
from vonage_sock.transport.framesocket import FrameSocket
from vonage_sock.transport.poller import Poller

RATE = AudioFormat(8000)
CONNECTED = '{"event":"websocket:connected","content-type":"audio/l16;rate=8000"}'
DIGIT = '{"event":"websocket:dtmf","digit":"7","duration":100}'
FRAMES = [bytes([number]) * RATE.frame_bytes for number in range(1, 200)]


class Call:
    """An echo with the barge-in of keys, and the peer it returns."""

    def __init__(self, *, small: bool = False) -> None:
        clock = SystemClock()
        self.poller = Poller(clock)
        self.session = CallSession("c1", [Echo(barge_in=True)], assumed_format=RATE, now=clock.now())
        self.mirror = self.session.mirror()
        ours, theirs = tcp_pair(small=small)
        self.peer = Peer(theirs)
        self.events: list[Event] = []
        self.over = asyncio.Event()
        self.driver = DirectDriver(
            self.session,
            self.poller,
            ours,
            max_message_bytes=MAX_BYTES,
            observer=self.events.append,
            ended=self.over.set,
            mirror=self.mirror,
        )
        self.driver.start()

    def event(self, kind: type[Event]) -> list[Event]:
        """Those of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def stop(self) -> None:
        """Nothing is left."""
        self.poller.close()
        self.peer.sock.close()


def masked(frames: list[bytes]) -> bytes:
    """As the platform sends them."""
    return b"".join(frame_of(Opcode.BINARY, frame, mask=MASK) for frame in frames)


@on_both_loops
async def test_frames_come_back_one_by_one_and_are_counted() -> None:
    """Each as soon as it came; what is told at the end is what a session tells that saw them all."""
    call = Call()
    await call.peer.send(CONNECTED)
    back = []
    for frame in FRAMES:
        await call.peer.send(frame)
        back += await call.peer.messages(1)
    stats = call.session.stats(SystemClock().now())
    by_mirror = call.mirror.not_before == 0 and call.mirror.size == RATE.frame_bytes
    call.stop()
    ended = call.event(Ended)[0]

    assert FRAMES == back
    assert by_mirror
    assert (len(FRAMES), len(FRAMES)) == (stats.frames_in, stats.frames_out)
    assert (len(FRAMES), len(FRAMES)) == (ended.frames_in, ended.frames_out)  # type: ignore[attr-defined]


@on_both_loops
async def test_the_order_holds_however_the_network_cuts_them() -> None:
    """Several at once, half ones, and a key between them, whose answer stands between the same frames."""
    call, dice = Call(), random.Random(4)
    data = masked(FRAMES[:90]) + frame_of(Opcode.TEXT, DIGIT.encode(), mask=MASK) + masked(FRAMES[90:])
    await call.peer.send(CONNECTED)
    back = []
    while data:
        size = dice.choice((50, 328, 328, 328, 656, 1000))
        await call.peer.write(data[:size])
        data = data[size:]
    while len(back) < len(FRAMES) + 1:
        back.append(await call.peer.next())
    call.stop()

    assert TheirOpcode.TEXT is back[90].opcode
    assert FRAMES == [bytes(frame.data) for frame in back if frame.opcode is TheirOpcode.BINARY]
    assert 1 == len(call.event(DtmfPressed))


@on_both_loops
async def test_what_a_slow_peer_has_not_read_waits_in_order() -> None:
    """While something waits, no frame goes straight past it."""
    call = Call(small=True)
    await call.peer.send(CONNECTED)
    for frame in FRAMES:
        await call.peer.send(frame)
    back = await call.peer.messages(len(FRAMES))
    await call.peer.send(FRAMES[0])
    back += await call.peer.messages(1)
    call.stop()

    assert [*FRAMES, FRAMES[0]] == back


def held() -> dict[str, int]:
    """How many there are of what each call has one of."""
    kinds = (CallSession, DirectDriver, FrameSocket, FrameReader, Echo)
    counted = Counter(type(item).__name__ for item in gc.get_objects() if isinstance(item, kinds))
    return {kind.__name__: counted[kind.__name__] for kind in kinds}


@on_both_loops
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_a_call_that_is_over_is_gone(reset: bool) -> None:
    """Nothing of it waits for the collector of garbage, which holds all calls up when it comes."""
    gc.collect()
    gc.disable()
    try:
        before = held()
        call = Call()
        await call.peer.send(CONNECTED)
        await call.peer.send(FRAMES[0])
        back, during = await call.peer.messages(1), held()
        if reset:
            call.peer.reset()
        else:
            call.peer.sock.close()
        async with asyncio.timeout(10):
            await call.over.wait()
        poller = call.poller
        del call
        await asyncio.sleep(0)
        after = held()
        poller.close()
    finally:
        gc.enable()

    assert FRAMES[:1] == back
    assert [1] * len(before) == [during[kind] - before[kind] for kind in before]
    assert before == after
