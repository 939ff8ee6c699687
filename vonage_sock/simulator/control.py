"""
What a call can be told from outside while it goes on, and the book of all legs that there are.

The REST API finds a leg in the ``CallBook`` by its uuid and tells its ``LegControl`` what to do. Every verb returns at once;
what takes time (a synthesiser, a file to fetch) is done beside the call. A leg that is over has no control any more.

Rule: the book learns what a leg's status is from the events that are posted about it, and from nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from vonage_sock.audio.frames import FRAMES_PER_SECOND, AudioFormat
from vonage_sock.audio.source import FramesSource, OpenSource, Source
from vonage_sock.errors import AudioFileError, ConnectError, VsockError
from vonage_sock.media.decode import AudioFile
from vonage_sock.protocol.ncco import Ncco
from vonage_sock.protocol.rfc6455 import CLOSE_NORMAL
from vonage_sock.protocol.webhooks import Leg
from vonage_sock.simulator.caller import dtmf_tones
from vonage_sock.simulator.leg.dtmf import KeyPress
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.ncco.line import Line
from vonage_sock.simulator.party import Bridge, Party
from vonage_sock.simulator.telling import Teller
from vonage_sock.simulator.webhooks.posting import Destination
from vonage_sock.simulator.webhooks.web import Webhooks
from vonage_sock.transport import Driver

JsonObject = dict[str, Any]
Speak = Callable[[str, str | None], OpenSource]
"""Makes audio of a text, given the name of a voice; raises ``VsockError`` where it can't. Runs in a thread."""
TellDigit = Callable[[str, Destination], Coroutine[Any, Any, None]]

MAX_LEGS: Final = 1_000
"""How many legs the book knows; of more than these it forgets the ones that ended first."""

LAST_STATUSES: Final = frozenset(
    {"completed", "failed", "rejected", "busy", "cancelled", "timeout", "unanswered"},
)
LETTERS_PER_S: Final = 15
DB_PER_LEVEL: Final = 12.0
LATE_DIGITS_S: Final = 2.0


@dataclass(slots=True, kw_only=True)
class LegRecord:
    """
    One leg as it stands.

    Args:
        begun_at: when it was first heard of, ISO 8601 in UTC.
        control: what it can be told; None when it is over.
        region: the address of the API that knows it; empty where that is the first one's.
    """

    uuid: str
    conversation_uuid: str
    from_: str
    to: str
    direction: str
    status: str
    call: str
    begun_at: str
    endpoint: JsonObject | None = None
    start_time: str | None = None
    ended: JsonObject = field(default_factory=dict)
    control: LegControl | None = None
    region: str = ""


class CallBook:
    """All legs, those that are over among them, in the order in which they began."""

    def __init__(self) -> None:
        self._legs: dict[str, LegRecord] = {}
        self._conversations: dict[str, str] = {}
        self._regions: dict[str, str] = {}

    def conversation(self, name: str) -> str:
        """The uuid of a named conversation, the same for every call; of many the oldest are forgotten."""
        if name not in self._conversations and len(self._conversations) >= MAX_LEGS:
            del self._conversations[next(iter(self._conversations))]
        return self._conversations.setdefault(name, f"CON-{uuid4()}")

    def settle(self, call: str, region: str) -> None:
        """All legs of this call are known in this region alone."""
        self._regions[call] = region
        if len(self._regions) > MAX_LEGS:
            del self._regions[next(iter(self._regions))]

    def enter(
        self, leg: Leg, *, call: str, at: str, control: LegControl | None, endpoint: JsonObject | None = None
    ) -> LegRecord:
        """A leg begins, or one that was ordered gets its control; ``at`` is ISO 8601."""
        known = self._legs.get(leg.uuid)
        if known is not None:
            known.control = control
            return known
        if len(self._legs) >= MAX_LEGS:
            self._forget()
        self._legs[leg.uuid] = LegRecord(
            uuid=leg.uuid,
            conversation_uuid=leg.conversation_uuid,
            from_=leg.from_,
            to=leg.to,
            direction=leg.direction,
            status="started",
            call=call,
            begun_at=at,
            endpoint=endpoint,
            control=control,
            region=self._regions.get(call, ""),
        )
        return self._legs[leg.uuid]

    def note(self, event: JsonObject) -> None:
        """What an event tells of a leg; events about anything else change nothing."""
        leg = self._legs.get(str(event.get("uuid")))
        if leg is None or leg.status in LAST_STATUSES:
            return
        if "conversation_uuid_to" in event:
            leg.conversation_uuid = event["conversation_uuid_to"]
        status = event.get("status")
        if not isinstance(status, str) or status == "disconnected":
            return
        leg.status = status
        if status == "answered":
            leg.start_time = event["timestamp"]
        if status in LAST_STATUSES:
            self._end(leg, event)

    def _end(self, leg: LegRecord, event: JsonObject) -> None:
        leg.control = None
        leg.ended = {key: event[key] for key in ("duration", "rate", "price", "network") if key in event}
        leg.ended["end_time"] = event.get("end_time", event["timestamp"])

    def get(self, uuid: str) -> LegRecord | None:
        """The leg with this uuid."""
        return self._legs.get(uuid)

    def all(self) -> list[LegRecord]:
        """Every leg, oldest first."""
        return list(self._legs.values())

    def _forget(self) -> None:
        over = next((leg for leg in self._legs.values() if leg.control is None), None)
        if over is not None:
            del self._legs[over.uuid]


@dataclass(slots=True)
class Socket:
    """
    The websocket of a leg, from when it is asked for.

    Args:
        is_caller: it has been called by itself, and the NCCO is carried out on it.
    """

    is_caller: bool = False
    party: Party = field(default_factory=Party)
    closed_from_outside: bool = False
    given_up: asyncio.Event = field(default_factory=asyncio.Event)
    """It need not be opened any more."""

    _driver: Driver | None = None
    _leg: VonageLeg | None = None

    def opened(self, leg: VonageLeg, driver: Driver) -> None:
        """It is open; or was to be closed before it was."""
        self._leg, self._driver = leg, driver
        if self.closed_from_outside:
            driver.close(CLOSE_NORMAL)

    def close(self) -> None:
        """The platform ends this leg alone."""
        self.closed_from_outside = True
        self.given_up.set()
        if self._driver is not None:
            self._driver.close(CLOSE_NORMAL)

    def send_keys(self, presses: Sequence[KeyPress]) -> None:
        """Tell the server of keys."""
        leg = self._leg
        if self._driver is not None and leg is not None:
            self._driver.act(lambda now: leg.send_keys(presses, now))


class CallControl:
    """
    One call, seen from outside.

    Args:
        hang_up: ends the whole call.
        clock_text: the time of day, ISO 8601.
    """

    def __init__(self, book: CallBook, *, hang_up: Callable[[], None], clock_text: Callable[[], str]) -> None:
        self.book = book
        self.caller = Party()
        self.hung_up_from_outside = False
        self.hung_up = asyncio.Event()
        self.line: Line | None = None
        self.listener: Destination | None = None
        self.jobs = Jobs()
        self._hang_up = hang_up
        self._clock_text = clock_text
        self._sockets: list[Socket] = []
        self._caller_socket: Socket | None = None
        self._destination: Ncco | str | None = None
        self._over = False
        self._format = AudioFormat(16000)
        self._tools: Tools | None = None
        self._telling = asyncio.Lock()
        self._tell_digit: TellDigit | None = None

    def equip(self, tools: Tools, audio_format: AudioFormat) -> None:
        """What it takes to play something; ``audio_format`` is the line's until there is one."""
        self._tools = tools
        self._format = audio_format

    def enter_caller(self, leg: Leg, call: str, *, socket: Socket | None = None) -> None:
        """The leg begins that the NCCO is carried out on, a telephone's or a websocket's."""
        self._caller_socket = socket
        control = LegControl(
            self,
            self.caller,
            hang_up=self.hang_up,
            audio_format=lambda: self._format if self.line is None else self.line.audio_format,
            send_digits=self._sound_digits if socket is None else socket.send_keys,
        )
        self.book.enter(leg, call=call, at=self._clock_text(), control=control)

    def enter_socket(self, leg: Leg, call: str, audio_format: AudioFormat, endpoint: JsonObject) -> Socket:
        """A websocket's leg begins; give it to ``Socket.opened`` and ``leave_socket``."""
        socket = Socket()
        control = LegControl(
            self,
            socket.party,
            hang_up=socket.close,
            audio_format=lambda: audio_format,
            send_digits=socket.send_keys,
        )
        self.book.enter(leg, call=call, at=self._clock_text(), control=control, endpoint=endpoint)
        self._sockets.append(socket)
        return socket

    def enter_callee(self, leg: Leg, call: str, endpoint: JsonObject) -> Callable[[], bool]:
        """Somebody who says nothing is called; whether that leg was ended from outside."""
        ended: list[bool] = []
        control = LegControl(
            self,
            Party(),
            hang_up=lambda: ended.append(True),
            audio_format=lambda: self._format,
            send_digits=lambda _presses: None,
        )
        self.book.enter(leg, call=call, at=self._clock_text(), control=control, endpoint=endpoint)
        return lambda: bool(ended)

    def leave_socket(self, socket: Socket) -> None:
        """Its leg is over."""
        self._sockets.remove(socket)
        socket.party.close()

    def bridge(self, socket: Socket) -> Bridge:
        """What lies between the caller and this websocket; nothing where the websocket is the caller."""
        return Bridge(Party() if socket.is_caller else self.caller, socket.party)

    def hang_up(self) -> None:
        """End the whole call, and what is waited for until somebody answers."""
        self.hung_up_from_outside = True
        self.hung_up.set()
        for socket in filter(None, [self._caller_socket, *self._sockets]):
            socket.given_up.set()
        self._hang_up()

    def transfer(self, destination: Ncco | str) -> bool:
        """Let another NCCO, or that of an address, take over; False when the call has nothing left to be taken over."""
        if self._over:
            return False
        self._destination = destination
        for socket in self._sockets:
            socket.close()
        if self.line is not None:
            self.line.taken_over = True
        return True

    def take_transfer(self) -> Ncco | str | None:
        """Where the call is to go on; given once."""
        destination, self._destination = self._destination, None
        if self.line is not None:
            self.line.taken_over = False
        return destination

    def tell_digits(self, tell: TellDigit) -> None:
        """How a key that the caller presses is told to whoever listens."""
        self._tell_digit = tell

    def pressed(self, digit: str) -> None:
        """The caller presses a key."""
        if self.listener is not None and self._tell_digit is not None:
            self.jobs.start(self._tell_in_order(self._tell_digit, digit, self.listener))

    async def _tell_in_order(self, tell: TellDigit, digit: str, where: Destination) -> None:
        async with self._telling:
            await tell(digit, where)

    async def digits_told(self) -> None:
        """Wait until every key was told, but not for long."""
        await asyncio.sleep(0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LATE_DIGITS_S), self._telling:
                pass

    def end_transfers(self) -> None:
        """From here on nothing can take over."""
        self._over = True

    async def close(self) -> None:
        """The call is over."""
        self._over = True
        self.caller.close()
        await self.jobs.stop()

    def play_talk(self, leg: LegControl, text: str, *, voice: str | None, times: int, level: float) -> None:
        """Speak to a leg."""
        self.jobs.start(self._talk(leg, text, voice, times, gain_of(level)))

    def play_stream(self, leg: LegControl, url: str, *, times: int, level: float) -> None:
        """Play a file to a leg."""
        self.jobs.start(self._stream(leg, url, times, gain_of(level)))

    async def _talk(self, leg: LegControl, text: str, voice: str | None, times: int, gain: float) -> None:
        tools = self._tools
        opener = silence_of(text)
        if tools is not None and tools.speak is not None:
            try:
                opener = await asyncio.to_thread(tools.speak, text, voice)
            except VsockError as error:
                tools.teller.note(f"the text stays silent: {error}")
        self._begin(leg, "talk", opener, times, gain)

    async def _stream(self, leg: LegControl, url: str, times: int, gain: float) -> None:
        tools = self._tools
        if tools is None:
            return
        path = self.jobs.temporary_path()
        try:
            data = await tools.web.fetch_audio(url)
            await asyncio.to_thread(path.write_bytes, data)
            file = await asyncio.to_thread(AudioFile, path, name=url)
        except (ConnectError, AudioFileError) as error:
            tools.teller.find("VS426", reason=str(error))
            return
        self._begin(leg, "stream", file, times, gain)

    def _begin(self, leg: LegControl, kind: str, opener: OpenSource, times: int, gain: float) -> None:
        if leg.party is self.caller and self.line is not None and not self._sockets:
            self.line.catch_up()  # what is played now isn't heard in the time that passed before
        audio_format = leg.audio_format()
        leg.party.play(kind, lambda: opener(audio_format), times=times, gain=gain)

    def _sound_digits(self, presses: Sequence[KeyPress]) -> None:
        """A telephone hears keys as tones."""
        audio_format = self._format if self.line is None else self.line.audio_format
        self.caller.play("dtmf", lambda: dtmf_tones(audio_format, presses))


class LegControl:
    """
    What one leg can be told from outside.

    Args:
        hang_up: ends this leg; the caller's ends the call.
        audio_format: that of what it hears.
        send_digits: lets it know of keys, timed from now on.
    """

    def __init__(
        self,
        call: CallControl,
        party: Party,
        *,
        hang_up: Callable[[], None],
        audio_format: Callable[[], AudioFormat],
        send_digits: Callable[[Sequence[KeyPress]], None],
    ) -> None:
        self.party = party
        self.hang_up = hang_up
        self.audio_format = audio_format
        self.send_digits = send_digits
        self._call = call

    def transfer(self, destination: Ncco | str) -> bool:
        """Let another NCCO take over the call that this leg is in."""
        return self._call.transfer(destination)

    def talk(self, text: str, *, voice: str | None = None, times: int = 1, level: float = 0.0) -> None:
        """Let it hear a text."""
        self._call.play_talk(self, text, voice=voice, times=times, level=level)

    def stream(self, url: str, *, times: int = 1, level: float = 0.0) -> None:
        """Let it hear a file."""
        self._call.play_stream(self, url, times=times, level=level)

    def listen(self, to: Destination | None) -> None:
        """Tell each key that the caller presses, or none any more."""
        self._call.listener = to


@dataclass(frozen=True, slots=True)
class Tools:
    """What playing takes: a synthesiser where there is one, webhooks to fetch files with, somebody to tell."""

    teller: Teller
    web: Webhooks
    speak: Speak | None


class Jobs:
    """What is done beside a call, and the files that this takes."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._files = contextlib.ExitStack()

    def start(self, job: Coroutine[Any, Any, None]) -> None:
        """Do it."""
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def temporary_path(self) -> Path:
        """For a file that is needed until the call is over."""
        return Path(self._files.enter_context(tempfile.TemporaryDirectory(prefix="vsock-"))) / "stream"

    async def stop(self) -> None:
        """Do no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._files.close()


def gain_of(level: float) -> float:
    """How much louder a ``level`` from -1 to 1 makes it."""
    return float(10 ** (level * DB_PER_LEVEL / 20))


def silence_of(text: str) -> OpenSource:
    """As long as it would take to say a text, where nobody can."""
    frames = max(1, round(len(text) * FRAMES_PER_SECOND / LETTERS_PER_S))

    def opened(audio_format: AudioFormat) -> Source:
        return FramesSource("silence", (audio_format.silence for _ in range(frames)), frames)

    return opened
