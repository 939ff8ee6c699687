"""What is said between the processes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
import uvloop

from tests.supervisor.telling import connected, stats
from vonage_sock.call.events import DtmfPressed, MessageReceived
from vonage_sock.supervisor import channel as channels
from vonage_sock.supervisor.channel import Channel, Go, Message, Outbox, Quiet, Ready, Stop, Stopped, Told


class Ear:
    """Keeps what comes."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.ended = asyncio.Event()
        self.news = asyncio.Event()

    def __call__(self, message: Message) -> None:
        self.messages.append(message)
        self.news.set()

    async def until(self, count: int) -> list[Message]:
        """So many messages, or the end."""
        async with asyncio.timeout(20):
            while len(self.messages) < count:
                self.news.clear()
                await self.news.wait()
        return self.messages


async def pair() -> tuple[Channel, Ear, Channel, Ear]:
    """Two ends of a channel, and who listens at each."""
    ends = socket.socketpair()
    ears = Ear(), Ear()
    made = [await Channel.open(end, ear, ear.ended.set) for end, ear in zip(ends, ears, strict=True)]
    return made[0], ears[0], made[1], ears[1]


async def test_messages_arrive_whole_and_in_order() -> None:
    """However the bytes are cut: one of them is larger than any buffer."""
    one, _, two, ear = await pair()
    large = Told((MessageReceived(at=1, call="c1", message="\ud800" + "x" * 3_000_000),))
    sent: list[Message] = [Ready(), large, Stop(1.5), Go(url=None)]
    for message in sent:
        one.send(message)

    assert sent == await ear.until(4)
    one.close()
    two.close()


async def test_the_end_of_one_side_is_told_to_the_other_after_its_last_word() -> None:
    """What is said to nobody is no error."""
    one, mine, two, ear = await pair()
    one.send(Ready())
    one.close()
    async with asyncio.timeout(20):
        await ear.ended.wait()
        await mine.ended.wait()
    two.send(Ready())
    one.send(Ready())
    one.close()

    assert ([Ready()], 0) == (ear.messages, one.waiting_bytes)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_the_last_word_is_heard_by_who_speaks_meanwhile(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """A worker that was told to stop may be done before its parent has told it all that it had to tell."""

    async def speak() -> None:
        one, mine, two, ear = await pair()
        one.send(Stopped(failures=2))
        one.close()
        # It has not heard of that yet.
        two.send(Quiet())
        async with asyncio.timeout(20):
            await ear.ended.wait()
            await mine.ended.wait()

        assert ([Stopped(failures=2)], [Quiet()]) == (ear.messages, mine.messages)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(speak())


async def test_what_happens_in_one_turn_of_the_loop_is_one_message() -> None:
    """900 calls' statistics don't cost 900 writes."""
    one, _, two, ear = await pair()
    outbox = Outbox(one)
    events = [stats(f"c{number}", 1, 1.0, 50) for number in range(900)]
    for event in events:
        outbox(event)
    (message,) = await ear.until(1)

    assert Told(tuple(events)) == message
    one.close()
    two.close()


async def test_a_parent_that_does_not_listen_gets_no_statistics_and_in_the_end_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory is bounded; how many events were lost is told with the next that aren't."""
    monkeypatch.setattr(channels, "MAX_WAITING_STATS_BYTES", 1_000)
    monkeypatch.setattr(channels, "MAX_WAITING_BYTES", 2_000_000)
    one, _, two, ear = await pair()
    transport = two._transport
    assert isinstance(transport, asyncio.ReadTransport)
    transport.pause_reading()
    outbox, event = Outbox(one), MessageReceived(at=1, call="c1", message="x" * 1_000_000)
    for _ in range(10):
        outbox(event)
        outbox(stats("c1", 1, 1.0, 50))
        outbox.flush()
    held = one.waiting_bytes
    transport.resume_reading()
    async with asyncio.timeout(20):
        while one.waiting_bytes:
            await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(lambda: None))])
    outbox(connected("c2", 2))
    outbox(DtmfPressed(at=3, call="c2", digit="1", duration_ms=None))
    outbox.flush()
    outbox.flush()
    while not (told := [message for message in ear.messages if isinstance(message, Told)])[-1].lost:
        await ear.until(len(ear.messages) + 1)
    events = [event.name for message in told for event in message.events]

    assert held < 5_000_000
    assert 1 == events.count("call.stats")
    assert 10 == events.count("call.message") + told[-1].lost
    assert ["call.connected", "call.dtmf"] == events[-2:]
    one.close()
    two.close()
