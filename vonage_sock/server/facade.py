"""
A call for people who write coroutines: ``async for frame in call``.

It stands on the same machine as every behaviour does; what a coroutine does reaches the call through its driver, so that
order and time are the machine's, not the scheduler's.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from vonage_sock.audio.frames import FRAMES_PER_SECOND, AudioFormat
from vonage_sock.audio.source import OpenSource, PcmSource
from vonage_sock.behaviours.play import Play
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.media.decode import AudioFile, ready

MAX_WAITING_FRAMES: Final = 60 * FRAMES_PER_SECOND
MAX_WAITING_DIGITS: Final = 1000

Handler = Callable[["AsyncCall"], Awaitable[None]]


class AsyncCall:
    """
    One call. Iterate it for the caller's audio, 20 ms of 16-bit PCM at a time, until the call ends.

    A handler that is slow loses the oldest of more than a minute of audio; ``frames_lost`` counts it.
    """

    def __init__(self, bridge: Bridge, call: Call) -> None:
        self._bridge = bridge
        self._call = call
        self._frames: deque[bytes] = deque()
        self._digits: deque[str] = deque()
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.ended = False
        self.frames_lost = 0

    @property
    def id(self) -> str:
        """Short, unique while the server runs."""
        return self._call.id

    @property
    def headers(self) -> dict[str, Any]:
        """The NCCO's metadata, as it came: hostile until proven otherwise."""
        return self._call.headers

    @property
    def audio_format(self) -> AudioFormat:
        """Rate and frame size, both ways."""
        return self._call.audio_format

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The caller's frames until the call ends; a call's very last may be shorter."""
        while await self._wait_for(self._frames):
            yield self._frames.popleft()

    def drop_waiting(self) -> int:
        """
        Forget the audio that came and wasn't taken yet, during a ``play`` for example; how many frames that were.

        An echo that begins with what was said meanwhile would send it in one go, and stay that much behind for good.
        """
        dropped = len(self._frames)
        self._frames.clear()
        return dropped

    async def next_digit(self) -> str | None:
        """The next key press, also one from before; None when the call has ended."""
        return self._digits.popleft() if await self._wait_for(self._digits) else None

    async def send(self, pcm: bytes) -> None:
        """
        Send 16-bit PCM of any length at once, in exact frames; what doesn't fill one waits 40 ms for more.

        The platform plays it in real time from a buffer of about 60 s: for longer audio use ``play``.
        """
        self._bridge.act(lambda call: call.send_audio(pcm))

    async def play(self, audio: str | Path | bytes | OpenSource) -> bool:
        """
        Play a file or 16-bit PCM, paced, and wait until it was heard; False when it was cut off or the call ended.

        Raises:
            AudioFileError: the file can't be played.
        """
        source = await ready(_opener(audio)(self.audio_format))
        if self.ended:
            source.close()
            return False
        self._idle.clear()
        self._bridge.play(lambda _format: source)
        await self._idle.wait()
        return not self._bridge.was_cut_off and not self.ended

    async def clear(self) -> None:
        """Cut off what is playing: the platform drops all audio that it hasn't played yet."""
        self._bridge.act(lambda call: call.clear())

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the call. Vonage goes on with the NCCO's next action, and ends the call when there is none."""
        self._bridge.act(lambda call: call.close(code, reason=reason))

    # For the bridge.

    def put_frame(self, frame: bytes) -> None:
        """A frame came in."""
        if len(self._frames) >= MAX_WAITING_FRAMES:
            self._frames.popleft()
            self.frames_lost += 1
        self._frames.append(frame)
        self._news.set()

    def put_digit(self, digit: str) -> None:
        """A key was pressed."""
        if len(self._digits) < MAX_WAITING_DIGITS:
            self._digits.append(digit)
        self._news.set()

    def playback_ended(self) -> None:
        """Nothing is playing any more."""
        self._idle.set()

    def end(self) -> None:
        """The call is over."""
        self.ended = True
        self._news.set()
        self._idle.set()

    async def _wait_for(self, queue: deque[Any]) -> bool:
        while not queue and not self.ended:
            self._news.clear()
            await self._news.wait()
        return bool(queue)


def _opener(audio: str | Path | bytes | OpenSource) -> OpenSource:
    if isinstance(audio, bytes):
        return functools.partial(PcmSource, audio)
    return AudioFile(Path(audio)) if isinstance(audio, str | Path) else audio


class Bridge(Behaviour):
    """Runs a handler for a call, and carries things between the two."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._act: Callable[[Callable[[], None]], None] | None = None
        self._play = Play([])
        self._call: Call | None = None
        self._async_call: AsyncCall | None = None
        self._task: asyncio.Task[None] | None = None
        self.was_cut_off = False

    def attach(self, act: Callable[[Callable[[], None]], None]) -> None:
        """Be told how to reach the call from outside its own events."""
        self._act = act

    def act(self, action: Callable[[Call], None]) -> None:
        """Do something in the call, now."""
        if self._act is not None and self._call is not None:
            call = self._call
            self._act(lambda: action(call))

    def play(self, file: OpenSource) -> None:
        """Play a file behind what is playing."""
        self.was_cut_off = False
        self.act(lambda call: self._play.add(call, file))

    def connected(self, call: Call) -> None:
        """Start the handler."""
        self._call = call
        self._async_call = AsyncCall(self, call)
        self._task = asyncio.create_task(self._run(self._async_call))

    def audio(self, call: Call, frame: bytes) -> None:
        """To the handler, and to what is played: it goes by the platform's clock."""
        self._play.audio(call, frame)
        if self._async_call is not None:
            self._async_call.put_frame(frame)

    def digit(self, call: Call, digit: str, duration_ms: int | None) -> None:
        """To the handler."""
        if self._async_call is not None:
            self._async_call.put_digit(digit)

    def notified(self, call: Call, payload: object) -> None:
        """A file may have been played."""
        self._play.notified(call, payload)
        self._look()

    def cleared(self, call: Call) -> None:
        """What was playing is cut off."""
        self.was_cut_off = self._play.busy
        self._play.cleared(call)
        self._look()

    def due_at(self) -> int | None:
        """When the next frame of a file is due."""
        return self._play.due_at()

    def due(self, call: Call) -> None:
        """Send what is due of a file."""
        self._play.due(call)
        self._look()

    def closed(self, call: Call) -> None:
        """The handler's loops end; a handler that goes on all the same is cancelled when the server stops."""
        self.was_cut_off = self._play.busy
        self._play.closed(call)
        if self._async_call is not None:
            self._async_call.end()

    def _look(self) -> None:
        if self._async_call is not None and not self._play.busy:
            self._async_call.playback_ended()

    async def _run(self, async_call: AsyncCall) -> None:
        try:
            await self._handler(async_call)
        except Exception as error:  # noqa: BLE001  (somebody else's code ends its own call and no other)
            self._fail(error)
        else:
            await async_call.close()

    def _fail(self, error: Exception) -> None:
        self.act(lambda call: call.fail(error))
