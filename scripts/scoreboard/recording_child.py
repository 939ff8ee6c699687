"""
A server of recordings: each line on stdin, a folder, becomes a process that records a call there.

The child's id is said, and it begins when the next line, an empty one, has come: until then a tracer can be put to it. It
writes each frame by itself, and tells after each, as a byte in ``told``, that it is on its disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
from pathlib import Path
from types import SimpleNamespace

from wire import numbered

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.clock import SystemClock
from vonage_sock.media.naming import RecordingPath
from vonage_sock.media.record import Recorder

FRAMES = 130
WAIT_S = 20.0
SET_TRACER, ANYBODY = 0x59616D61, -1


async def record(folder: Path) -> None:
    """One call; it doesn't live to the end of it."""
    recorder = Recorder(RecordingPath(str(folder / "a.wav")), observer=lambda _: None, clock=SystemClock())
    recorder.start()
    sink = recorder.open(SimpleNamespace(id="c1", audio_format=AudioFormat(16000), headers={}), 1, None)
    told = os.open(folder / "told", os.O_WRONLY | os.O_CREAT)
    for number in range(FRAMES):
        sink.write(numbered(number))
        if not await recorder.finish(WAIT_S):
            sys.exit("the recorder is stuck")
        os.write(told, b".")


def main() -> None:
    """Fork for each line; everything is imported once."""
    for line in sys.stdin:
        begin, go = os.pipe()
        pid = os.fork()
        if not pid:
            with contextlib.suppress(AttributeError):
                ctypes.CDLL(None).prctl(SET_TRACER, ANYBODY, 0, 0, 0)
            os.read(begin, 1)
            asyncio.run(record(Path(line.strip())))
            os._exit(0)
        print(pid, flush=True)
        sys.stdin.readline()
        os.write(go, b".")
        os.close(begin)
        os.close(go)
        os.waitpid(pid, 0)
        print("over", flush=True)


if __name__ == "__main__":
    main()
