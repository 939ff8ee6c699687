"""
What the keys do to a server's calls. Everything returns at once and tells, as a notice, what came of it.

What takes time (a file that is looked at, a request to the API) goes on in a task; a call is touched in ``server.act``
alone, on the event loop.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, Protocol

from vonage_sock.behaviours import by_hand
from vonage_sock.behaviours.record import Record
from vonage_sock.call.session import CallSession
from vonage_sock.cli.hanging_up import HangUp, Notice
from vonage_sock.errors import VsockError
from vonage_sock.media.decode import AudioFile, ready
from vonage_sock.media.record import Recorder
from vonage_sock.server.app import VsockServer

MAX_LISTED: Final = 10_000


class Touches(Protocol):
    """What is done within a call, in the process that has it."""

    def play(self, call: str, path: str) -> None:
        """Play a file behind what is playing, once it has been looked at."""
        ...

    def clear(self, call: str) -> None:
        """Cut off what plays; an echo goes on."""
        ...

    def record(self, call: str) -> None:
        """Begin, or complete what is being recorded; where it is, the recorder tells."""
        ...

    def close(self) -> None:
        """What is still under way is given up."""
        ...


class Tasks:
    """What goes on for a while, for somebody who doesn't wait for it."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Have it done."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def cancel(self) -> None:
        """Give it all up."""
        for task in self._running:
            task.cancel()


class ByHand:
    """
    The ``Actions`` of a ``Desk``.

    Args:
        calls: the process that has the calls, this one or another.
    """

    def __init__(self, calls: Touches, hang_up: HangUp, *, notice: Notice) -> None:
        self._calls = calls
        self._hang_up = hang_up
        self._notice = notice
        self._tasks = Tasks()
        self.play = calls.play
        self.clear = calls.clear
        self.record = calls.record

    def close(self) -> None:
        """What is still under way is given up."""
        self._tasks.cancel()
        self._calls.close()

    def hang_up(self, call: str) -> None:
        """By the API where that is how calls are ended, else by closing the socket."""
        self._hang_up(call)

    def why_not_say(self, call: str) -> str | None:
        """Speech is the platform's, and asked of its API."""
        return self._hang_up.why_not_say(call)

    def say(self, call: str, text: str) -> None:
        """To the caller's leg."""
        self._hang_up.say(call, text)

    def complete(self, path: str, take: Callable[[str], None]) -> None:
        """Look in the directory, in a thread."""

        async def look() -> None:
            take(await asyncio.to_thread(completed, path))

        self._tasks.begin(look())

    def quit(self) -> None:
        """Ctrl-C itself, so that a second one is a second one."""
        os.kill(os.getpid(), signal.SIGINT)

    def tell(self, sentence: str, call: str | None = None) -> None:
        """As a notice among the others."""
        self._notice("info", sentence, call)


class InCalls:
    """
    The ``Touches`` of a server of this process.

    Args:
        recorder: makes, when it is first asked, what writes the recordings; it raises a ``VsockError`` where that can't be.
        make_record: a recording into files of that recorder's, told how much the platform has yet to play.
        recordings_may_follow: whether there can be a second recording.
    """

    def __init__(
        self,
        server: VsockServer,
        *,
        recorder: Callable[[], Recorder],
        make_record: Callable[[Recorder, int], Record],
        recordings_may_follow: bool,
        pace_ns: int,
        lead_ns: int,
        notice: Notice,
    ) -> None:
        self._server = server
        self._recorder = recorder
        self._make_record = make_record
        self._recordings_may_follow = recordings_may_follow
        self._pace_ns = pace_ns
        self._lead_ns = lead_ns
        self._notice = notice
        self._tasks = Tasks()

    def close(self) -> None:
        """What is still under way is given up."""
        self._tasks.cancel()

    def play(self, call: str, path: str) -> None:
        """Behind what is playing, once the file has been looked at."""
        self._tasks.begin(self._play(call, path))

    def clear(self, call: str) -> None:
        """Cut off what plays; an echo goes on."""
        if self._act(call, by_hand.clear):
            self._notice("info", "the platform is told to drop what it hasn't played", call)

    def record(self, call: str) -> None:
        """Begin, or complete what is being recorded; where it is, the recorder tells."""
        try:
            self._act(call, self._toggle_recording)
        except VsockError as error:
            self._notice("warning", f"not recorded: {error}", call)

    def _toggle_recording(self, session: CallSession) -> None:
        if by_hand.is_recorded(session):
            by_hand.stop_recording(session)
        elif not self._recordings_may_follow:
            self._notice("warning", "not recorded: standard output holds one recording", session.id)
        else:
            recorder = self._recorder()
            by_hand.start_recording(session, lambda queued: self._make_record(recorder, queued))

    async def _play(self, call: str, path: str) -> None:
        try:
            file = await asyncio.to_thread(lambda: AudioFile(Path(path).expanduser()))
        except (VsockError, RuntimeError) as error:
            self._notice("warning", f"not played: {error}", call)
            return
        formats = []
        if not self._act(call, lambda session: formats.append(session.audio_format)):
            return
        source = await ready(file(formats[0]))
        played = self._act(
            call,
            lambda session: by_hand.play(session, lambda _format: source, pace_ns=self._pace_ns, lead_ns=self._lead_ns),
        )
        if not played:
            source.close()

    def _act(self, call: str, action: Callable[[CallSession], None]) -> bool:
        done = self._server.act(call, action)
        if not done:
            self._notice("info", "the call has ended meanwhile", call)
        return done


def completed(path: str) -> str:
    """A path with as much of its last name added as all files agree upon that begin so; a directory gets its slash."""
    directory, begun = os.path.split(path)
    try:
        with os.scandir(Path(directory or ".").expanduser()) as entries:
            names = [
                entry.name + ("/" if entry.is_dir() else "")
                for entry, _ in zip(entries, range(MAX_LISTED), strict=False)
                if entry.name.startswith(begun) and (begun or not entry.name.startswith("."))
            ]
    except (OSError, RuntimeError):
        return path
    if not names:
        return path
    certain = names[0]
    while not all(name.startswith(certain) for name in names):
        certain = certain[:-1]
    return path[: len(path) - len(begun)] + certain
