"""WebSocket frames: what bytes mean, in whatever pieces they come, and against an independent reader."""

from __future__ import annotations

import codecs
import itertools
import random
import struct
import tracemalloc

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.frames import Opcode as TheirOpcode
from websockets.protocol import Protocol, Side, State
from websockets.utils import accept_key

from vonage_sock.protocol.rfc6455 import (
    Binary,
    CloseFrame,
    FrameReader,
    Opcode,
    Ping,
    Pong,
    Received,
    Text,
    Violation,
    accept_value,
    close_body,
    frame_head,
    frame_of,
    may_be_sent,
    read_close,
    unmask,
)

MAX_BYTES = 1 << 17
MASK = b"\x12\x34\x56\x78"
SIZES = (0, 1, 2, 125, 126, 127, 640, 65535, 65536, MAX_BYTES)


def client_reader(max_bytes: int = MAX_BYTES) -> FrameReader:
    """Reads what a server sends."""
    return FrameReader(masked=False, max_message_bytes=max_bytes)


def raw_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = None,
    least_form: int = 0,
    length: int | None = None,
) -> bytes:
    """A frame by the book's picture of it; ``least_form`` writes a short length in a longer form, as none should."""
    size = len(payload) if length is None else length
    form = max(least_form, 0 if size < 126 else 126 if size < 65536 else 127)
    bit = 0 if mask is None else 0x80
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode, bit | (form or size)])
    head += {0: b"", 126: struct.pack("!H", size & 0xFFFF), 127: struct.pack("!Q", size)}[form]
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def ended(received: list[Received]) -> bool:
    """Nothing may come after it."""
    return bool(received) and isinstance(received[-1], CloseFrame | Violation)


def codes(received: list[Received]) -> list[object]:
    """What came, with a violation as its code alone: the words are each library's own."""
    return [item.code if isinstance(item, Violation) else item for item in received]


any_mask = st.binary(min_size=4, max_size=4)
close_payloads = st.builds(
    lambda code, reason: struct.pack("!H", code) + reason,
    st.sampled_from([999, 1000, 1001, 1004, 1005, 1006, 1011, 1014, 1015, 2999, 3000, 4999, 5000, 65535]),
    st.sampled_from([b"", b"bye", "früh".encode(), b"\xff", b"x" * 123, b"x" * 124]),
)
payloads = st.one_of(
    st.binary(max_size=150),
    st.text(max_size=40).map(str.encode),
    st.sampled_from([b"", b"\xc3", b"\xbc", b"\xff", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", "ü€😀".encode()]),
    close_payloads,
)
frames = st.builds(
    raw_frame,
    st.sampled_from([0, 0, 0, 1, 1, 1, 2, 2, 8, 9, 10, 3, 11, 15]),
    payloads,
    fin=st.booleans(),
    rsv=st.sampled_from([0] * 15 + [1, 2, 4]),
    mask=st.one_of(any_mask, any_mask, any_mask, any_mask, st.none()),
    least_form=st.sampled_from([0, 0, 0, 126, 127]),
)
streams = st.lists(frames, max_size=8).map(b"".join)
CLOSES = tuple(
    raw_frame(8, payload, mask=b"\x05\x06\x07\x08")
    for payload in (b"", b"\x03", b"\x03\xe8", b"\x0f\xa1bye", b"\x03\xed", b"\x03\xe8\xff", b"\x03\xe8" + bytes(123))
)
closes = st.sampled_from(CLOSES)
sound_frames = st.builds(raw_frame, st.sampled_from([1, 2, 9, 10]), st.text(max_size=60).map(str.encode), mask=any_mask)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mask", [None, MASK, b"\0\0\0\0"])
@pytest.mark.parametrize(
    ("opcode", "kind"), [(Opcode.TEXT, Text), (Opcode.BINARY, Binary), (Opcode.PING, Ping), (Opcode.PONG, Pong)]
)
def test_what_is_written_is_read(size: int, mask: bytes | None, opcode: Opcode, kind: type) -> None:
    """Every kind, at each size where the form of the length changes, masked and not."""
    if opcode >= Opcode.CLOSE:
        size = min(size, 125)
    payload = bytes(range(128)) * (size // 128 + 1)
    payload = payload[:size]
    reader = FrameReader(masked=mask is not None, max_message_bytes=MAX_BYTES)
    expected = Text(payload.decode()) if kind is Text else kind(payload)

    assert [expected] == reader.feed(frame_of(opcode, payload, mask=mask))
    assert reader.between_messages


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opcode", list(Opcode))
def test_frames_are_those_that_another_library_writes(size: int, opcode: Opcode) -> None:
    """Byte for byte."""
    payload = bytes(min(size, 125) if opcode >= Opcode.CLOSE else size)

    assert Frame(TheirOpcode(opcode), payload).serialize(mask=False) == frame_of(opcode, payload)
    assert frame_of(opcode, payload) == frame_head(opcode, len(payload)) + payload
    assert frame_of(opcode, payload, mask=MASK) == frame_head(opcode, len(payload), masked=True) + MASK + unmask(
        payload, MASK
    )


@given(st.binary(max_size=300), any_mask)
def test_a_mask_is_applied_byte_by_byte(payload: bytes, mask: bytes) -> None:
    """And taken away by applying it again."""
    masked = unmask(payload, mask)

    assert bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) == masked
    assert payload == unmask(masked, mask)


@given(streams, st.binary(max_size=20), st.integers(0, 2**32))
def test_it_does_not_matter_in_which_pieces_bytes_come(stream: bytes, rest: bytes, seed: int) -> None:
    """At once, byte by byte, or cut anywhere: the same comes out, sound or broken."""
    stream += rest
    cuts = sorted(random.Random(seed).choices(range(len(stream) + 1), k=5))
    chunkings = [
        [stream],
        [stream[at : at + 1] for at in range(len(stream))],
        [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)],
    ]
    results = []
    for chunks in chunkings:
        reader = FrameReader(masked=True, max_message_bytes=200)
        results.append([received for chunk in chunks for received in reader.feed(chunk)])

    assert results[0] == results[1] == results[2]


@given(st.lists(st.one_of(st.binary(max_size=40), frames), max_size=8), st.booleans())
def test_no_bytes_make_it_raise(chunks: list[bytes], masked: bool) -> None:
    """A close frame and a violation come once and last, and what follows them isn't read."""
    reader = FrameReader(masked=masked, max_message_bytes=100)
    over = False
    for chunk in chunks:
        received = reader.feed(chunk)
        assert not (over and received)
        assert not any(ended([item]) for item in received[:-1])
        over = over or ended(received)
    assert not (over and reader.between_messages)


@given(st.lists(st.one_of(sound_frames, frames, closes), max_size=10))
def test_another_library_reads_the_same(parts: list[bytes]) -> None:
    """Messages, control frames and the code of the first violation, for sound and broken streams alike."""
    # It takes a short control frame in a long form, which the book forbids twice, and looks for two faults of a close
    # frame in another order.
    stream = b"".join(
        part for part in parts if part in CLOSES or part[0] & 0x0F not in (8, 9, 10) or part[1] & 0x7F < 3
    )

    theirs = by_websockets(stream)
    assume(theirs is not None)

    assert theirs == codes(FrameReader(masked=True, max_message_bytes=MAX_BYTES).feed(stream))


def by_websockets(stream: bytes) -> list[object] | None:
    """
    What the websockets library makes of it; messages are joined and text is checked here, as it leaves that to others.

    None where it minds a close frame between fragments, which section 5.4 allows.
    """
    protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=MAX_BYTES)
    protocol.receive_data(stream)
    if str(protocol.parser_exc) == "incomplete fragmented message":
        return None
    received: list[object] = []
    kind, message = TheirOpcode.CONT, b""
    for frame in protocol.events_received():
        data = bytes(frame.data)
        match frame.opcode:
            case TheirOpcode.PING:
                received.append(Ping(data))
            case TheirOpcode.PONG:
                received.append(Pong(data))
            case TheirOpcode.CLOSE:
                told = protocol.close_rcvd
                received.append(CloseFrame(int(told.code), told.reason))
                return received
            case _:
                kind, message = (kind if frame.opcode is TheirOpcode.CONT else frame.opcode), message + data
                if kind is TheirOpcode.TEXT and not is_utf8(message, whole=frame.fin):
                    return [*received, 1007]
                if frame.fin:
                    received.append(Text(message.decode()) if kind is TheirOpcode.TEXT else Binary(message))
                    message = b""
    if protocol.parser_exc is not None:
        received.append(int(protocol.close_sent.code))
    return received


def is_utf8(data: bytes, *, whole: bool) -> bool:
    try:
        codecs.utf_8_decode(data, "strict", whole)
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("stream", "code", "reason"),
    [
        (raw_frame(2, rsv=4), 1002, "a reserved bit is set, and no extension was agreed on"),
        (raw_frame(1, rsv=1), 1002, "a reserved bit is set, and no extension was agreed on"),
        (raw_frame(3), 1002, "a frame of the unknown kind 3"),
        (raw_frame(15), 1002, "a frame of the unknown kind 15"),
        (raw_frame(2, b"x", mask=MASK), 1002, "a frame is masked, which only a client's may be"),
        (raw_frame(9, fin=False), 1002, "a control frame that is in fragments or too long"),
        (raw_frame(8, bytes(126)), 1002, "a control frame that is in fragments or too long"),
        (raw_frame(10, b"x", least_form=126), 1002, "a control frame that is in fragments or too long"),
        (raw_frame(0, b"x"), 1002, "a frame continues a message that never began"),
        (raw_frame(1, fin=False) + raw_frame(2), 1002, "a frame begins inside another message"),
        (raw_frame(1, b"\xff"), 1007, "a text message that isn't UTF-8"),
        (raw_frame(1, b"\xed\xa0\x80"), 1007, "a text message that isn't UTF-8"),
        (raw_frame(1, b"\xc3"), 1007, "a text message that isn't UTF-8"),
        (raw_frame(1, b"\xc3", fin=False) + raw_frame(0), 1007, "a text message that isn't UTF-8"),
        (raw_frame(8, b"\x03"), 1002, "a close frame with half a code"),
        (raw_frame(8, b"\x03\xed"), 1002, "a close frame with the code 1005, which none may have"),
        (raw_frame(8, b"\x03\xe8\xff"), 1007, "a close frame whose reason isn't UTF-8"),
        (raw_frame(2, length=1001), 1009, "a message of more than 1000 bytes"),
        (raw_frame(2, length=2**63), 1009, "a message of more than 1000 bytes"),
        (raw_frame(2, length=2**64 - 1), 1009, "a message of more than 1000 bytes"),
    ],
)
def test_what_breaks_the_rules_is_told_with_its_code(stream: bytes, code: int, reason: str) -> None:
    """Once and last, whatever comes behind it; the text says what it was."""
    reader = client_reader(1000)
    sound = raw_frame(9, b"before")

    assert [Ping(b"before"), Violation(code, reason)] == reader.feed(sound + stream + sound)
    assert [] == reader.feed(sound)
    assert not reader.between_messages


def test_a_client_has_to_mask() -> None:
    """What isn't masked is refused at its second byte."""
    reader = FrameReader(masked=True, max_message_bytes=1000)

    assert [] == reader.feed(b"\x82")
    assert [Violation(1002, "a frame isn't masked, as a client's must be")] == reader.feed(b"\x05")


@pytest.mark.parametrize("least_form", [0, 126, 127])
def test_a_length_may_be_written_longer_than_need_be(least_form: int) -> None:
    """No other library minds, and nothing depends on it."""
    stream = raw_frame(2, b"short", least_form=least_form)

    assert [Binary(b"short")] == client_reader(5).feed(stream)


@pytest.mark.parametrize("cuts", [(), (400,), (1, 2, 3), (0, 0), (999,)])
def test_a_message_may_be_as_long_as_the_limit_and_no_longer(cuts: tuple[int, ...]) -> None:
    """In one piece or in fragments; one byte more is refused as soon as its length is known."""
    marks = [0, *cuts, 1000]
    pieces = [bytes(end - begin) for begin, end in itertools.pairwise(marks)]
    exact = b"".join(raw_frame(0 if at else 2, piece, fin=at == len(pieces) - 1) for at, piece in enumerate(pieces))
    begun = b"".join(raw_frame(0 if at else 2, piece, fin=False) for at, piece in enumerate(pieces[:-1]))
    over = raw_frame(0 if begun else 2, length=len(pieces[-1]) + 1)
    reader = client_reader(1000)

    assert [Binary(bytes(1000))] * 2 == reader.feed(exact * 2)
    assert [] == reader.feed(begun)
    assert [Violation(1009, "a message of more than 1000 bytes")] == reader.feed(over)


def test_a_control_frame_is_no_part_of_the_limit() -> None:
    """A ping between the fragments of a message as long as may be."""
    stream = raw_frame(2, bytes(10), fin=False) + raw_frame(9, bytes(125)) + raw_frame(0)

    assert [Ping(bytes(125)), Binary(bytes(10))] == client_reader(10).feed(stream)


def test_text_that_is_not_utf8_is_told_at_the_fragment_that_shows_it() -> None:
    """The rest of the message isn't waited for; a letter cut in two is no fault."""
    reader = client_reader()

    assert [] == reader.feed(raw_frame(1, "kü".encode()[:2], fin=False))
    assert [] == reader.feed(raw_frame(0, "ü".encode()[1:] + b" \xf4", fin=False))
    assert [Violation(1007, "a text message that isn't UTF-8")] == reader.feed(raw_frame(0, b"\x90", fin=False))


def test_one_messages_letters_are_no_other_messages() -> None:
    """Each text begins anew, also behind one in fragments."""
    reader = client_reader()
    text = "früh".encode()
    fragments = raw_frame(1, text[:3], fin=False) + raw_frame(0, text[3:])

    assert [Text("früh"), Text("ü"), Text("früh")] == reader.feed(fragments + raw_frame(1, "ü".encode()) + fragments)


@pytest.mark.no_cover
@pytest.mark.parametrize("size", [0, 1])
def test_thousands_of_fragments_cost_no_more_room_than_their_bytes(size: int) -> None:
    """A peer that sends twenty thousand, empty or of a byte each, makes nothing grow with their number."""
    reader = client_reader()
    reader.feed(raw_frame(2, fin=False))
    fragment = raw_frame(0, bytes(size), fin=False)
    tracemalloc.start()
    try:
        for _ in range(20_000):
            reader.feed(fragment)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 60_000
    assert [Binary(bytes(20_000 * size))] == reader.feed(raw_frame(0))


def test_nothing_is_kept_room_for_before_it_comes() -> None:
    """A head that announces 100 kB and sends nothing costs a few bytes; a kept buffer isn't larger than what came."""
    reader = client_reader()
    tracemalloc.start()
    try:
        for _ in range(100):
            received = reader.feed(b"")
        received += reader.feed(raw_frame(2, length=100_000))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [] == received
    assert peak_bytes < 10_000


def test_it_says_when_a_message_may_begin() -> None:
    """Not inside a frame, not between fragments, not after the end; a control frame between two messages changes nothing."""
    reader = client_reader()
    seen = [reader.between_messages]
    for chunk in (b"\x82", b"\x01x", raw_frame(1, fin=False), raw_frame(9), raw_frame(0), raw_frame(9), raw_frame(8)):
        reader.feed(chunk)
        seen.append(reader.between_messages)

    assert [True, False, True, False, False, True, True, False] == seen


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", CloseFrame(1005, "")),
        (b"\x03\xe8", CloseFrame(1000, "")),
        (b"\x0f\xa1" + "früh".encode(), CloseFrame(4001, "früh")),
        (b"\x03", Violation(1002, "a close frame with half a code")),
        (b"\x03\xec", Violation(1002, "a close frame with the code 1004, which none may have")),
        (b"\x03\xe8\xc3", Violation(1007, "a close frame whose reason isn't UTF-8")),
    ],
)
def test_a_close_frame_is_read(payload: bytes, expected: CloseFrame | Violation) -> None:
    """One without a code reads as 1005."""
    assert expected == read_close(payload)
    assert [expected] == client_reader().feed(raw_frame(8, payload) + raw_frame(9))


def test_the_codes_that_may_be_sent_are_those_of_the_book() -> None:
    """Those that are defined and not reserved, and both ranges for libraries and applications."""
    defined = {*range(1000, 1004), *range(1007, 1015)}

    assert defined | set(range(3000, 5000)) == {code for code in range(-1, 70_000) if may_be_sent(code)}


@pytest.mark.parametrize(
    ("code", "reason", "body"),
    [
        (1000, "", b"\x03\xe8"),
        (4001, "done", b"\x0f\xa1done"),
        (1006, "", b"\x03\xf3"),
        (99999, "", b"\x03\xf3"),
        (-1, "", b"\x03\xf3"),
        (1000, "é" * 100, b"\x03\xe8" + "é".encode() * 61),
        (1000, "\ud800", b"\x03\xe8?"),
    ],
)
def test_a_close_frame_holds_only_what_it_may(code: int, reason: str, body: bytes) -> None:
    """A code that may not be sent becomes 1011; a long reason is cut between letters."""
    assert body == close_body(code, reason)


@given(st.integers(), st.text(max_size=200))
def test_whatever_is_to_be_said_at_the_end_can_be_read(code: int, reason: str) -> None:
    """A close frame of ours never breaks the rules."""
    received = client_reader().feed(frame_of(Opcode.CLOSE, close_body(code, reason)))

    assert [CloseFrame] == [type(item) for item in received]


@pytest.mark.parametrize("key", ["dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA=="])
def test_a_key_is_accepted_as_the_book_says(key: str) -> None:
    """The book's own example, and what another library says."""
    assert "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" == accept_value("dGhlIHNhbXBsZSBub25jZQ==")
    assert accept_key(key) == accept_value(key)


def test_what_ends_no_message_is_counted() -> None:
    """Pings, pongs and all fragments but the last, for whoever wants to bound them."""
    reader = client_reader()
    whole = raw_frame(2, b"a") * 3
    parts = (
        raw_frame(9) + raw_frame(10) + raw_frame(1, b"a", fin=False) + raw_frame(0, b"", fin=False) + raw_frame(0, b"c")
    )
    reader.feed(whole)
    before = reader.parts
    reader.feed(parts)

    assert (0, 4) == (before, reader.parts)
