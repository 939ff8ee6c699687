"""
The actions of an NCCO that need no second leg: what the caller hears, says and presses, and what is told of it.

Each action gives the bytes of an answer that may be an NCCO; empty when the call goes on with the next action. A value
that an NCCO can't have is told as a finding and the default is taken, or the action is passed over.

Source: NCCO reference. Guessed: how loud a ``level`` of 1 is (12 dB), how fast a ``talk`` is without a synthesiser.
"""

from __future__ import annotations

import asyncio
import math
import re
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vonage_sock.audio.frames import FRAME_NS
from vonage_sock.audio.level import rms_dbfs
from vonage_sock.audio.source import FramesSource, OpenSource
from vonage_sock.call.events import DtmfPressed
from vonage_sock.clock import MS, SECOND
from vonage_sock.errors import AudioFileError, ConnectError, VsockError
from vonage_sock.media.decode import AudioFile, ready
from vonage_sock.protocol.ncco import KNOWN_ACTIONS
from vonage_sock.protocol.webhooks import Leg
from vonage_sock.simulator.caller import can_speak, say, tone
from vonage_sock.simulator.control import LETTERS_PER_S, CallControl, Speak, gain_of, silence_of
from vonage_sock.simulator.ncco.checking import is_told
from vonage_sock.simulator.ncco.keypad import Keypad
from vonage_sock.simulator.ncco.line import Line, next_frame
from vonage_sock.simulator.ncco.listening import IdleKeys
from vonage_sock.simulator.ncco.recording import Recording, Recordings
from vonage_sock.simulator.telling import Teller
from vonage_sock.simulator.webhooks.posting import Destination, Poster
from vonage_sock.simulator.webhooks.web import Webhooks

MAX_TEXT: Final = 1_500
"""Source: NCCO reference, "talk": without the tags of SSML."""

SHOWN_LETTERS: Final = 200
BEEP_HZ: Final = 1_000.0
BEEP_FRAMES: Final = 15
QUIET_DBFS: Final = -45.0
END_ON_SILENCE_S: Final = 3.0
MAX_RECORD_S: Final = 7_200.0

_TAG = re.compile(r"<[^<>]{0,500}>")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{2,4})?", re.ASCII)

JsonObject = dict[str, Any]


@dataclass(kw_only=True)
class Desk:
    """What all actions of a call work with."""

    line: Line
    keypad: Keypad
    poster: Poster
    teller: Teller
    web: Webhooks
    phone: Leg
    control: CallControl
    audio: OpenSource
    recordings: Recordings
    speech: deque[str]
    speak: Speak | None
    recording: list[tuple[Recording, Destination | None]] = field(default_factory=list)
    """Recordings that go on until the call is over."""

    def pass_over(self, action: JsonObject, what: str) -> None:
        """An action can't be carried out; say so, once."""
        if is_told(action):
            self.teller.note(f"the NCCO has {what}, which is passed over")
        else:
            self.teller.find("VS402", reason=f"has {what}")


def espeak() -> Speak | None:
    """espeak-ng, where it is installed."""
    return _espeak if can_speak() else None


def _espeak(text: str, voice: str | None) -> OpenSource:
    if voice is not None:
        try:
            return say(text, voice=voice)
        except AudioFileError:
            pass  # it doesn't speak this language
    return say(text)


class Actions:
    """Carries out one action after the other."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        desk.line.each_step = IdleKeys(desk.keypad, listening=self._is_listened_to, press=self._press).step

    @property
    def keys_to_press(self) -> bool:
        """Keys are left, and somebody listens for them whatever else goes on."""
        return self._is_listened_to() and self._desk.keypad.next_in_ns is not None

    async def carry_out(self, number: int, action: JsonObject, following: JsonObject | None) -> bytes:
        """
        One action; ``following`` is the next of the same NCCO.

        Raises:
            CallOverError: the caller has hung up.
        """
        match action["action"]:
            case "talk":
                await self._talk(action, following)
            case "stream":
                await self.stream(action, following)
            case "record":
                await self._record(action)
            case "input":
                return await self._input(action)
            case "wait":
                await self._desk.line.pass_time(_ns(seconds_of(action, "timeout", 10, 0.1, 7200)))
            case "notify":
                return await self._notify(action)
            case name if name in KNOWN_ACTIONS:
                self._desk.teller.note(f"action {number} of the NCCO, {name}, is passed over")
            case name:
                self._desk.teller.find("VS406", number=number, action=str(name)[:40])
        return b""

    async def finish(self) -> None:
        """The call is over: complete what was recorded through it."""
        for recording, where in self._desk.recording:
            self._desk.line.remove(recording)
            await self.tell_recording(recording, where)

    # What the caller hears.

    async def _talk(self, action: JsonObject, following: JsonObject | None) -> None:
        text = action.get("text")
        if not isinstance(text, str) or not (plain := " ".join(_TAG.sub(" ", text).split())):
            self._desk.pass_over(action, "a talk without a 'text'")
            return
        about_s = math.ceil(len(plain) / LETTERS_PER_S)
        self._desk.teller.note(f"the caller hears, for about {about_s} s: {plain[:SHOWN_LETTERS]}")
        await self._play_often(action, following, await self._spoken(plain[:MAX_TEXT], action.get("language")))

    async def _spoken(self, text: str, language: object) -> OpenSource:
        desk = self._desk
        if desk.speak is not None and desk.line.heard_by_somebody:
            voice = language.lower() if isinstance(language, str) and _LANGUAGE.fullmatch(language) else None
            try:
                return await asyncio.to_thread(desk.speak, text, voice)
            except VsockError as error:
                desk.teller.note(f"the text stays silent: {error}")
        return silence_of(text)

    async def stream(
        self, action: JsonObject, following: JsonObject | None = None, *, at_most_ns: int | None = None
    ) -> None:
        """
        Fetch a file and let the caller hear it.

        Raises:
            CallOverError: the caller has hung up.
        """
        url = url_of(action.get("streamUrl"))
        if url is None:
            self._desk.pass_over(action, "a stream without an address in 'streamUrl', an array of one")
            return
        self._desk.teller.note(f"the caller hears the file at {url[:SHOWN_LETTERS]}")
        with tempfile.TemporaryDirectory(prefix="vsock-") as directory:
            path = Path(directory) / "stream"
            try:
                data = await self._desk.web.fetch_audio(url)
                await asyncio.to_thread(path.write_bytes, data)
                file = await asyncio.to_thread(AudioFile, path, name=url)
            except (ConnectError, AudioFileError) as error:
                self._desk.teller.find("VS426", reason=str(error))
                return
            await self._play_often(action, following, file, at_most_ns=at_most_ns)

    async def _play_often(
        self,
        action: JsonObject,
        following: JsonObject | None,
        opener: OpenSource,
        *,
        at_most_ns: int | None = None,
    ) -> None:
        """Play what a talk or stream has, as often and as loud as it says; a key ends it where it may."""
        line, keypad = self._desk.line, self._desk.keypad
        until_ns = None if at_most_ns is None else line.position_ns + at_most_ns
        times = round(seconds_of(action, "loop", 1, 0, 1_000_000))
        gain = gain_of(seconds_of(action, "level", 0, -1, 1))
        barge_in = action.get("bargeIn") is True and following is not None and following.get("action") == "input"
        played = 0
        while not times or played < times:
            played += 1
            before_ns = line.position_ns
            at_most_ns = keypad.next_in_ns if barge_in else None
            if until_ns is not None:
                at_most_ns = until_ns - before_ns
            source = await ready(opener(line.audio_format))
            with self._keys_taken(for_us=barge_in):
                whole = await line.play(source, gain=gain, at_most_ns=at_most_ns)
            took_ns = line.position_ns - before_ns
            if barge_in:
                keypad.listened(took_ns)
            if source.error is not None:
                self._desk.teller.find("VS426", reason=source.error)
            if not whole or not took_ns:
                return

    # What the caller says.

    async def _record(self, action: JsonObject) -> None:
        desk = self._desk
        where = destination_of(action)
        suffix = action.get("format")
        split = action.get("split") == "conversation"
        stereo = split and seconds_of(action, "channels", 1, 1, 32) >= 2
        waits = any(action.get(key) is not None for key in ("endOnSilence", "endOnKey", "timeOut"))
        if action.get("beepStart") is True:
            frames = tone(desk.line.audio_format, BEEP_FRAMES, BEEP_HZ)
            await desk.line.play(FramesSource("beep", frames, BEEP_FRAMES))
        recording = desk.recordings.start(
            desk.line.audio_format, suffix=str(suffix), both_sides=not waits, stereo=stereo
        )
        desk.line.add(recording)
        if not waits:
            desk.teller.note("the call is recorded from here on")
            desk.recording.append((recording, where))
            return
        desk.teller.note("the caller is recorded")
        try:
            await self._say_until(action)
        finally:
            desk.line.remove(recording)
            await self.tell_recording(recording, where)

    async def _say_until(self, action: JsonObject) -> None:
        """Let the caller speak until it is quiet, a key is pressed, or the time is up."""
        desk = self._desk
        end_key = str(action["endOnKey"]) if action.get("endOnKey") is not None else ""
        quiet_ns = _ns(seconds_of(action, "endOnSilence", END_ON_SILENCE_S, 0.02, 10))
        source = await ready(desk.audio(desk.line.audio_format))
        silent_since = start = desk.line.position_ns
        timeout_ns = _ns(seconds_of(action, "timeOut", MAX_RECORD_S, 0.02, MAX_RECORD_S))
        try:
            while desk.line.position_ns - start < timeout_ns:
                frame = await next_frame(source, desk.line.audio_format.silence)
                with self._keys_taken(for_us=bool(end_key)):
                    await desk.line.step(said=frame)
                if frame is not None and rms_dbfs(frame) > QUIET_DBFS:
                    silent_since = desk.line.position_ns
                if end_key and self._pressed_meanwhile(end_key):
                    return
                # Where only a key or the time ends it, a caller who has none left doesn't wait for hours.
                ends_on_silence = "endOnSilence" in action or (frame is None and desk.keypad.next_in_ns is None)
                if ends_on_silence and desk.line.position_ns - silent_since >= quiet_ns:
                    return
        finally:
            source.close()

    def _pressed_meanwhile(self, wanted: str) -> bool:
        keypad = self._desk.keypad
        keypad.listened(FRAME_NS)
        return keypad.next_in_ns == 0 and self._press() in wanted

    def _press(self) -> str:
        key = self._desk.keypad.press()
        self._desk.teller.tell(
            DtmfPressed(
                at=self._desk.teller.clock.now(),
                call=self._desk.teller.call_id,
                digit=key.digit,
                duration_ms=key.duration_ms,
            )
        )
        return key.digit

    @contextmanager
    def _keys_taken(self, *, for_us: bool = True) -> Iterator[None]:
        """An action waits for keys itself; nobody else presses them meanwhile."""
        self._desk.keypad.taken = for_us
        try:
            yield
        finally:
            self._desk.keypad.taken = False

    async def tell_recording(self, recording: Recording, where: Destination | None) -> None:
        """Complete a recording and post its webhook."""
        fields = await recording.finish()
        if fields is not None:
            poster = self._desk.poster
            await poster.tell(self._desk.phone.conversation_event(timestamp=poster.timestamp(), **fields), where)

    async def _input(self, action: JsonObject) -> bytes:
        desk = self._desk
        kinds = action.get("type", ["dtmf"])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if not isinstance(kinds, list) or not {"dtmf", "speech"} & set(filter(_is_text, kinds)):
            self._desk.pass_over(action, "an input whose 'type' is neither dtmf nor speech")
            return b""
        if action.get("mode") == "asynchronous":
            if "dtmf" in kinds:
                self._listen(destination_of(action))
            else:
                self._desk.pass_over(action, "an asynchronous input whose 'type' isn't dtmf")
            return b""
        inputs = await self._collect(action, kinds)
        body = desk.phone.input_event(timestamp=desk.poster.timestamp(), **inputs)
        return await desk.poster.ask(body, destination_of(action))

    def _listen(self, where: Destination | None) -> None:
        """Tell each key by itself from now on; the call goes on at once."""
        self._desk.control.listener = where or self._desk.poster.default
        self._desk.teller.note("each key is told by itself from here on")

    def _is_listened_to(self) -> bool:
        return self._desk.control.listener is not None

    async def _collect(self, action: JsonObject, kinds: Iterable[object]) -> dict[str, JsonObject]:
        desk = self._desk
        settings = action.get("dtmf")
        # An input of before 2020 has the settings of dtmf beside its other fields.
        dtmf = settings if isinstance(settings, dict) else action
        timeout_ns = _ns(seconds_of(dtmf, "timeOut", 3, 0, 10))
        speaks = "speech" in kinds and bool(desk.speech)
        comes = desk.keypad.next_in_ns is not None and desk.keypad.next_in_ns <= timeout_ns
        inputs: dict[str, JsonObject] = {}
        if "dtmf" in kinds and (comes or not speaks):
            with self._keys_taken():
                inputs["dtmf"] = await self._collect_keys(dtmf, timeout_ns)
            if "speech" in kinds:
                inputs["speech"] = {"results": []}
        elif "speech" in kinds:
            inputs["speech"] = await self._collect_speech(action.get("speech"))
            if "dtmf" in kinds:
                inputs["dtmf"] = {"digits": None, "timed_out": False}
        return inputs

    async def _collect_keys(self, settings: JsonObject, timeout_ns: int) -> JsonObject:
        line, keypad = self._desk.line, self._desk.keypad
        most = round(seconds_of(settings, "maxDigits", 4, 1, 20))
        submit = settings.get("submitOnHash") is True
        digits = ""
        while len(digits) < most:
            gap_ns = keypad.next_in_ns
            if gap_ns is None or gap_ns > timeout_ns:
                await line.pass_time(timeout_ns)
                keypad.listened(timeout_ns)
                return {"digits": digits, "timed_out": True}
            await line.pass_time(gap_ns)
            digit = self._press()
            if digit == "#" and submit:
                break
            digits += digit
        return {"digits": digits, "timed_out": False}

    async def _collect_speech(self, settings: object) -> JsonObject:
        """What a recogniser would have found; a stub, which hears what the script says."""
        values = settings if isinstance(settings, dict) else {}
        line = self._desk.line
        if not self._desk.speech:
            await line.pass_time(_ns(seconds_of(values, "startTimeout", 10, 1, 60)))
            return {"timeout_reason": "start_timeout", "results": []}
        text = self._desk.speech.popleft()
        self._desk.teller.note(f"the caller says: {text[:SHOWN_LETTERS]}")
        await line.pass_time(_ns(len(text) / LETTERS_PER_S + seconds_of(values, "endOnSilence", 2, 0.4, 10)))
        return {"timeout_reason": "end_on_silence_timeout", "results": [{"confidence": "0.9", "text": text}]}

    # What is only told.

    async def _notify(self, action: JsonObject) -> bytes:
        payload, where = action.get("payload"), destination_of(action)
        if not isinstance(payload, dict) or where is None:
            self._desk.pass_over(
                action, "a notify that lacks 'payload', an object, or 'eventUrl', an array of one address"
            )
            return b""
        poster = self._desk.poster
        body = self._desk.phone.conversation_event(timestamp=poster.timestamp(), payload=payload)
        return await poster.ask(body, where)


def seconds_of(values: JsonObject, key: str, default: float, low: float, high: float) -> float:
    """A number of an action, which many write as a text, within its bounds; the default where it is none."""
    value = values.get(key, default)
    if isinstance(value, str):
        try:
            value = float(value[:20])
        except ValueError:
            return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        return default
    return float(min(max(value, low), high))


def url_of(value: object) -> str | None:
    """The one address of an ``eventUrl`` or ``streamUrl``; a text in place of the array is understood."""
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) and value else None


def destination_of(action: JsonObject) -> Destination | None:
    """Where an action's events go; None for where all go."""
    url = url_of(action.get("eventUrl"))
    return None if url is None else Destination(url, "GET" if action.get("eventMethod") == "GET" else "POST")


def _ns(seconds: float) -> int:
    return round(seconds * SECOND / MS) * MS


def _is_text(value: object) -> bool:
    return isinstance(value, str)
