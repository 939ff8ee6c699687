"""
What a handler does wrong, for every Python framework alike: a script of messages to send and seconds to sleep.

A script yields bytes (a binary message), texts, or numbers of seconds to wait. A handler runs it and reads what comes until
the caller hangs up; in a mode of ``HANGS_UP`` it returns instead. The audio is a second of something like a voice.
"""

import base64
import io
import json
import math
import struct
import time
import wave

FRAME_S = 0.02
SLOW_ANSWER_S = 1.3
BLOCK_S = 0.2
BLOCK_EVERY = 60
STALL_S = 0.4
STALL_BEHIND = 62
HANGS_UP = {"closes"}


def voice(rate, seconds):
    """16-bit PCM: a tone that rises and falls four times a second, so that no two frames of a second are alike."""
    count = round(rate * seconds)
    levels = (0.6 + 0.4 * math.sin(2 * math.pi * 4 * at / rate) for at in range(count))
    samples = (
        round(8000 * level * math.sin(2 * math.pi * (200 + at / rate % 1 * 50) * at / rate))
        for at, level in enumerate(levels)
    )
    return struct.pack(f"<{count}h", *samples)


VOICE = voice(16000, 1.0)
VOICE_8K = voice(8000, 1.0)


def wav_file(pcm, rate=16000):
    """The bytes of a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(pcm)
    return file.getvalue()


def frames(pcm, size=640):
    """Cut into messages; the last is as long as it is."""
    return [pcm[at : at + size] for at in range(0, len(pcm), size)]


def paced(messages, lead=10):
    """Some messages ahead, and each at a time counted from the start."""
    start = time.monotonic()
    for number, message in enumerate(messages):
        delay = start + max(0, number - lead) * FRAME_S - time.monotonic()
        if delay > 0:
            yield delay
        yield message


def play():
    """Correct: whole frames, 200 ms ahead."""
    yield from paced(frames(VOICE * 3))


def no_pacing():
    """A file of 70 s, as fast as the socket takes it."""
    yield from frames(VOICE * 70)


def one_message():
    """A file in a single message."""
    yield VOICE * 2


def waits_and_sleeps():
    """The next piece is waited for 2 ms, sent, and then a frame's time is slept: 22 ms a frame."""
    for frame in frames(VOICE * 4):
        yield 0.002
        yield frame
        yield FRAME_S


def sleeps():
    """A frame, and then a frame's time is slept: slow by what sending and waking take."""
    for frame in frames(VOICE * 6):
        yield frame
        yield FRAME_S


def stalls():
    """Correct, but for standing still once, with all that the process does, in the middle of a sound."""
    sent = 0
    for step in paced(frames(VOICE * 3), lead=5):
        yield step
        if isinstance(step, bytes):
            sent += 1
            if sent == STALL_BEHIND:
                time.sleep(STALL_S)


def wav_header():
    """A file from its first byte on."""
    for message in paced(frames(wav_file(VOICE * 2))):
        yield message.ljust(640, b"\0") if isinstance(message, bytes) else message


def half_rate():
    """Frames of 8 kHz, whatever the leg has."""
    yield from paced(frames(VOICE_8K * 5, 320), lead=0)


def short_tail():
    """The last frame of an utterance is as long as the utterance leaves it."""
    yield from paced(frames(VOICE[:31000] + bytes(200)))


def json_base64():
    """As another platform wants it."""
    for message in paced(frames(VOICE * 2)):
        if isinstance(message, bytes):
            yield json.dumps({"event": "media", "media": {"payload": base64.b64encode(message).decode()}})
        else:
            yield message


def big_endian():
    """As the name audio/l16 suggests."""
    swapped = bytearray(VOICE * 2)
    swapped[::2], swapped[1::2] = swapped[1::2], swapped[::2]
    yield from paced(frames(bytes(swapped)), lead=50)


def shifted():
    """A byte too many at the beginning."""
    yield from paced(frames((b"\0" + VOICE * 2)[: 2 * len(VOICE)]), lead=50)


def too_loud():
    """Amplified until it is cut off."""
    count = len(VOICE) // 2
    loud = struct.pack(f"<{count}h", *(max(-32768, min(32767, 12 * s)) for s in struct.unpack(f"<{count}h", VOICE)))
    yield from paced(frames(loud * 2), lead=50)


def muted():
    """The source is off."""
    yield from paced([bytes(640)] * 150, lead=50)


def odd_bytes():
    """Pieces as they come from somewhere else."""
    yield from paced(frames(VOICE, 641), lead=50)


def not_json():
    """A greeting."""
    yield "hello"


def unknown_command():
    """One that another platform has."""
    yield json.dumps({"action": "hangup"})


def bad_notify():
    """Without a payload."""
    yield json.dumps({"action": "notify"})


SCRIPTS = {
    "play": play,
    "no-pacing": no_pacing,
    "one-message": one_message,
    "waits-and-sleeps": waits_and_sleeps,
    "sleeps": sleeps,
    "stalls": stalls,
    "wav-header": wav_header,
    "half-rate": half_rate,
    "short-tail": short_tail,
    "json-base64": json_base64,
    "big-endian": big_endian,
    "shifted": shifted,
    "too-loud": too_loud,
    "muted": muted,
    "odd-bytes": odd_bytes,
    "not-json": not_json,
    "unknown-command": unknown_command,
    "bad-notify": bad_notify,
}


def ncco(mode, host):
    """What the answer URL gives."""
    connect = {
        "action": "connect",
        "endpoint": [
            {"type": "websocket", "uri": f"ws://{host}/{mode}/socket", "content-type": "audio/l16;rate=16000"}
        ],
    }
    return connect if mode == "object" else [connect]


class Blocker:
    """Blocks its thread now and then, as a request to a database does."""

    def __init__(self, mode):
        self._blocks = mode == "blocks"
        self._count = 0

    def frame(self):
        """To be called for each frame."""
        self._count += 1
        if self._blocks and self._count % BLOCK_EVERY == 0:
            time.sleep(BLOCK_S)
