"""The book of legs, and what a call can be told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.clock import ManualClock
from vonage_sock.errors import ConnectError, UsageError
from vonage_sock.protocol.webhooks import Leg
from vonage_sock.simulator.control import MAX_LEGS, CallBook, CallControl, Tools, gain_of, silence_of
from vonage_sock.simulator.leg.dtmf import KeyPress
from vonage_sock.simulator.telling import Teller
from vonage_sock.simulator.webhooks.posting import Destination

AT = "2026-02-03T10:00:00.000Z"
FORMAT = AudioFormat(8000)


def leg(uuid: str = "u1") -> Leg:
    """A caller's."""
    return Leg(uuid=uuid, conversation_uuid="CON-1", from_="1", to="2")


def control(book: CallBook | None = None) -> tuple[CallControl, list[str]]:
    """A call's, and what it did."""
    done: list[str] = []
    return CallControl(book or CallBook(), hang_up=lambda: done.append("hung up"), clock_text=lambda: AT), done


def test_a_leg_is_what_its_events_say() -> None:
    """Until its last one, after which it can't be told anything."""
    book = CallBook()
    call, _ = control(book)
    call.enter_caller(leg(), "call")
    record = book.get("u1")
    assert record is not None
    seen = []
    for status in ("ringing", "answered", "disconnected", "completed", "answered"):
        book.note(leg().event(status, timestamp=f"2026-02-03T10:00:0{len(seen)}.000Z", duration="7", extra=1))
        seen.append(record.status)

    assert ["ringing", "answered", "answered", "completed", "completed"] == seen
    assert ("2026-02-03T10:00:01.000Z", None) == (record.start_time, record.control)
    assert {"duration": "7", "end_time": "2026-02-03T10:00:03.000Z"} == record.ended


def test_events_about_nothing_known_change_nothing() -> None:
    """An event of a conversation, a stranger's, one without a status."""
    book = CallBook()
    call, _ = control(book)
    call.enter_caller(leg(), "call")
    for event in ({}, {"uuid": "x", "status": "completed"}, {"uuid": "u1"}, {"uuid": "u1", "status": 7}):
        book.note(event)

    assert ["started"] == [record.status for record in book.all()]


def test_a_transfer_moves_a_leg_to_another_conversation() -> None:
    """By its event."""
    book = CallBook()
    call, _ = control(book)
    call.enter_caller(leg(), "call")
    book.note(leg().transfer_event("CON-2", timestamp=AT))

    assert "CON-2" == book.all()[0].conversation_uuid


def test_a_leg_that_was_ordered_gets_its_control_later() -> None:
    """It is one leg."""
    book = CallBook()
    book.enter(leg(), call="call", at=AT, control=None)
    call, _ = control(book)
    call.enter_caller(leg(), "call")

    assert 1 == len(book.all())
    assert book.all()[0].control is not None


def test_the_book_forgets_what_ended_first() -> None:
    """And never a leg that can still be told something."""
    book = CallBook()
    call, _ = control(book)
    call.enter_caller(leg("alive"), "call")
    for number in range(MAX_LEGS + 5):
        book.enter(leg(f"over-{number}"), call="call", at=AT, control=None)

    assert MAX_LEGS == len(book.all())
    assert book.get("alive") is not None
    assert (None, None) == (book.get("over-0"), book.get("over-5"))


def test_hanging_the_caller_up_ends_the_call() -> None:
    """And it is known that nobody on the call did."""
    book = CallBook()
    call, done = control(book)
    call.enter_caller(leg(), "call")
    record = book.get("u1")
    assert record is not None
    assert record.control is not None
    record.control.hang_up()

    assert (["hung up"], True) == (done, call.hung_up_from_outside)


def test_a_transfer_is_given_once_and_not_when_the_call_is_over() -> None:
    """The last one counts."""
    call, _ = control()
    call.transfer("http://x/")
    call.transfer([{"action": "talk"}])

    assert ([{"action": "talk"}], None) == (call.take_transfer(), call.take_transfer())
    call.end_transfers()
    assert not call.transfer("http://x/")


class _Hooks:
    """Webhooks whose files can't be fetched."""

    async def fetch_audio(self, url: str) -> bytes:
        raise ConnectError(f"{url} is gone")


def _mute(text: str, voice: str | None) -> Any:
    raise UsageError("it has no voice")


async def test_what_cannot_be_played_is_told() -> None:
    """A text that can't be spoken takes its time in silence; a file that can't be fetched is a finding."""
    notes: list[Any] = []
    book = CallBook()
    call, _ = control(book)
    call.equip(Tools(Teller([notes.append], ManualClock()), _Hooks(), _mute), FORMAT)  # type: ignore[arg-type]
    call.enter_caller(leg(), "call")
    record = book.get("u1")
    assert record is not None
    assert record.control is not None
    record.control.talk("a text", times=1)
    record.control.stream("http://x/y.wav")
    while len(notes) < 2:
        await _turn()

    assert {"the text stays silent: it has no voice", "VS426"} == {
        getattr(event, "code", getattr(event, "message", "")) for event in notes
    }
    await call.close()
    assert not call.caller.busy


async def test_a_key_is_told_to_whoever_listens() -> None:
    """In the order in which they are pressed, and to nobody before and after."""
    told: list[str] = []

    async def tell(digit: str, where: Destination) -> None:
        if digit == "1":
            await _turn()
        told.append(f"{digit} {where.url}")

    call, _ = control()
    call.pressed("0")
    call.tell_digits(tell)
    call.listener = Destination("x")
    call.pressed("1")
    call.pressed("2")
    await call.digits_told()
    call.listener = None
    call.pressed("3")
    await call.close()

    assert ["1 x", "2 x"] == told


def test_a_telephone_hears_keys_as_tones() -> None:
    """At their times."""
    book = CallBook()
    call, _ = control(book)
    call.equip(Tools(Teller([], ManualClock()), _Hooks(), None), FORMAT)  # type: ignore[arg-type]
    call.enter_caller(leg(), "call")
    record = book.get("u1")
    assert record is not None
    assert record.control is not None
    record.control.send_digits([KeyPress(40_000_000, "5", 40)])
    loud = [bool(np.frombuffer(call.caller.hears(FORMAT.silence), "<i2").any()) for _ in range(6)]

    assert [False, False, True, True, False, False] == loud


def test_somebody_who_is_called_can_be_hung_up() -> None:
    """And hears nothing, as nobody speaks to it."""
    book = CallBook()
    call, _ = control(book)
    left = call.enter_callee(leg(), "call", {"type": "phone", "number": "2"})
    record = book.get("u1")
    assert record is not None
    assert record.control is not None
    record.control.send_digits([])

    assert (FORMAT.rate_hz * 2, False) == (record.control.audio_format().rate_hz, left())
    record.control.hang_up()
    assert left()


@pytest.mark.parametrize(("level", "gain"), [(0.0, 1.0), (1.0, 3.98), (-1.0, 0.251)])
def test_a_level_is_a_loudness(level: float, gain: float) -> None:
    """Twelve decibels, either way."""
    assert gain == pytest.approx(gain_of(level), rel=0.01)


def test_a_text_that_nobody_speaks_takes_its_time() -> None:
    """Fifteen letters a second, and one step at least."""
    assert (50, 1) == (silence_of("x" * 15)(FORMAT).total_frames, silence_of("")(FORMAT).total_frames)


async def _turn() -> None:
    import asyncio

    await asyncio.sleep(0)


def test_a_named_conversation_is_the_same_for_every_call() -> None:
    """Another name is another; of too many the oldest is forgotten."""
    book = CallBook()
    first = book.conversation("a")
    assert (first, False) == (book.conversation("a"), first == book.conversation("b"))
    for number in range(MAX_LEGS):
        book.conversation(str(number))
    assert first != book.conversation("a")
