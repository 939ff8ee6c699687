"""
Our server's end of a leg.

Frames go to the behaviours in order, whatever sizes the messages had; commands and audio from the behaviours go out in
order, in exact frames. Audio that arrives before ``websocket:connected`` is held, not lost, until the format is known or
half a second has passed.

A message of exactly one frame, while nothing waits before it, takes a short way in and a short way out: its time is noted,
to be judged with those of half a second, and it is handed over. All else goes the long way, which decides what is short.

What a behaviour foretold may go out without the session. Whatever else is done to the call takes it back first, so that all
is as if it had been asked for each frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Final

from vonage_sock.audio.frames import AudioFormat, Packetizer, parse_content_type
from vonage_sock.audio.playout import PlayoutCount
from vonage_sock.call.allowance import Allowance
from vonage_sock.call.behaviour import Behaviour
from vonage_sock.call.events import Connected, DtmfPressed, Ended, Event, MessageReceived, StatsUpdated
from vonage_sock.call.filehead import BEGINNINGS, FIRST_BYTES
from vonage_sock.call.findings import Findings
from vonage_sock.call.inspect import CONTENT, AudioInspector, Found, base64_audio
from vonage_sock.call.machine import Close, Outgoing, Passage
from vonage_sock.call.mirror import OFF, Mirror, mirror_of
from vonage_sock.call.roles import Roles
from vonage_sock.call.stats import LEVEL_WINDOW_FRAMES, TIMES_AT_ONCE, CallStats
from vonage_sock.clock import MS, SECOND
from vonage_sock.errors import FormatError
from vonage_sock.limits import DEFAULTS, Limits
from vonage_sock.protocol import messages, rfc6455

HOLD_NS: Final = 500 * MS
HOLD_MAX_BYTES: Final = 256 * 1024
TAIL_WAIT_NS: Final = 40 * MS
MAX_DIGITS_KEPT: Final = 1000
NO_SIZE: Final = -1

SENT_AT_ONCE: Final = 4 * TIMES_AT_ONCE
"""So many frames we send before they are judged, where nobody asks and nothing comes in."""

TOLD_OF_PLATFORM: Final = (CONTENT - {"VS110"}) | {"VS108", "VS207"}
"""What is said about the platform's audio: a silent caller is nothing odd, and its pace suffers from our own stalls."""


class State(Enum):
    """Where a call stands; it only ever moves forward."""

    WAITING = "waiting for websocket:connected"
    OPEN = "open"
    CLOSING = "our close frame is on its way"
    CLOSED = "closed"


class CallSession:
    """
    A ``Machine`` for one call, and the ``Call`` that its behaviours are given.

    Args:
        call_id: short, unique while the server runs; made by us, never by the other side.
        assumed_format: the rate to go by when the platform doesn't say one.
        now: when the socket was opened, in nanoseconds.
        remote: the other side's address, to show.
        limits: what is taken from the platform; anything at any time, when left out, in messages as they usually are.
    """

    __slots__ = (
        "_allowance",
        "_begun",
        "_behaviours",
        "_closed_by_us",
        "_digits",
        "_due_at",
        "_failure",
        "_findings",
        "_foreteller",
        "_format",
        "_frame_bytes",
        "_headers",
        "_hearing",
        "_held",
        "_held_bytes",
        "_hold_until",
        "_id",
        "_incoming",
        "_inspector",
        "_latest",
        "_latest_sent",
        "_limits",
        "_mirror",
        "_moved_by_audio",
        "_noted",
        "_now",
        "_outgoing",
        "_passage",
        "_passed",
        "_playout",
        "_remote",
        "_roles",
        "_sent_hooks",
        "_sent_times",
        "_short_in",
        "_short_out",
        "_silent_until",
        "_state",
        "_stats",
        "_tail_due_at",
        "_timed",
        "_times",
        "_too_many",
        "deadline_changed",
        "outbox",
        "untold",
    )

    def __init__(
        self,
        call_id: str,
        behaviours: Sequence[Behaviour],
        *,
        assumed_format: AudioFormat,
        now: int,
        remote: str = "",
        limits: Limits | None = None,
    ) -> None:
        self._id = call_id
        self._limits = limits or DEFAULTS
        self._allowance: Allowance | None = None
        self._silent_until: int | None = None
        self._too_many = False
        if limits is not None:
            self._allowance = Allowance(per_s=limits.messages_per_s, burst=limits.messages_burst, now=now)
            self._silent_until = now + round(limits.first_message_s * SECOND)
        self._mirror: Mirror | None = None
        self._short_in = self._short_out = NO_SIZE
        self._passage: Passage | None = None
        self._passed = self._noted = 0
        self._set_behaviours(behaviours)
        self._format = assumed_format
        self._frame_bytes = assumed_format.frame_bytes
        self._now = now
        self._remote = remote
        self._headers: messages.JsonObject = {}
        self._state = State.WAITING
        self._begun = False
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._hold_until: int | None = None
        self._incoming = Packetizer(self._frame_bytes)
        self._outgoing = Packetizer(self._frame_bytes)
        self._tail_due_at: int | None = None
        self._playout = PlayoutCount()
        self._stats = CallStats(now)
        self._times = self._stats.incoming.times
        self._latest = self._stats.incoming.latest
        self._sent_times = self._stats.outgoing.times
        self._latest_sent = self._stats.outgoing.latest
        self._findings = Findings(call_id)
        self._inspector = self._new_inspector()
        self._digits = ""
        self._due_at: int | None = None
        self.outbox: list[Outgoing] = []
        self.untold: list[Event] = []
        self.deadline_changed = True
        self._closed_by_us = False
        self._failure: Exception | None = None

    # What a behaviour may know and do.

    @property
    def id(self) -> str:
        """The id this session was made with."""
        return self._id

    @property
    def audio_format(self) -> AudioFormat:
        """What the platform said, or what is assumed until then."""
        return self._format

    @property
    def headers(self) -> messages.JsonObject:
        """The NCCO's metadata."""
        return self._headers

    @property
    def now(self) -> int:
        """The time of what is being handled, in nanoseconds."""
        return self._now

    @property
    def state(self) -> State:
        """Where the call stands."""
        return self._state

    @property
    def behaviours(self) -> tuple[Behaviour, ...]:
        """What is done in the call now, in its order."""
        return self._behaviours

    @property
    def queued_frames(self) -> int:
        """How much of what was sent the platform hasn't played yet, by the playout model."""
        self._catch_up()
        return self._playout.depth_frames(self._now)

    @property
    def findings(self) -> Findings:
        """What was wrong so far."""
        self._catch_up()
        return self._findings

    @property
    def failure(self) -> Exception | None:
        """What somebody else's code raised first; whoever runs the session can show where."""
        return self._failure

    def send_audio(self, pcm: bytes) -> None:
        """Send 16-bit PCM to the caller at once, in exact frames."""
        if len(pcm) == self._short_out:
            # As in _send_frame; the call of it would cost as much as all that it does.
            times = self._sent_times
            self._latest_sent[len(times) % LEVEL_WINDOW_FRAMES] = pcm
            times.append(self._now)
            self.outbox.append(pcm)
            if self._sent_hooks:
                self._tell_sent(pcm)
        elif self._state is State.OPEN:
            self.recall()
            frames = self._outgoing.push(pcm)
            self._tail_due_at = self._now + TAIL_WAIT_NS if self._outgoing.pending_bytes else None
            self._choose_ways()
            for frame in frames:
                # A behaviour may close the call at an earlier frame of the same piece.
                if self._state is State.OPEN:
                    self._send_frame(frame)

    def flush_audio(self) -> None:
        """Send what waits for a full frame now, padded with zeros."""
        tail = self._take_outgoing_tail()
        if tail and self._state is State.OPEN:
            self._send_frame(tail.ljust(self._frame_bytes, b"\0"))

    def clear(self) -> None:
        """Make the platform drop all audio that it hasn't played yet."""
        if self._state is not State.OPEN:
            return
        self.recall()
        self._take_outgoing_tail()
        self._catch_up()
        self._playout.clear()
        self.outbox.append(messages.clear_text())
        for behaviour in self._behaviours:
            self._guarded(behaviour.cleared, self)

    def notify(self, payload: messages.JsonObject) -> None:
        """Ask to be told when all audio sent so far has been played."""
        if self._state is State.OPEN:
            self.recall()
            self.flush_audio()
            self.outbox.append(messages.notify_command_text(payload))

    def close(self, code: int = rfc6455.CLOSE_NORMAL, now: int | None = None, *, reason: str = "") -> None:
        """End the call from our side; what was sent before still goes out."""
        if now is not None:
            self._now = now
        if self._state in (State.CLOSING, State.CLOSED):
            return
        self.recall()
        self.flush_audio()
        if self._closed_by_us:
            return  # a behaviour saw the last frame and closed the call at it
        self._state = State.CLOSING
        self._choose_ways()
        self._closed_by_us = True
        self._silent_until = None
        self.outbox.append(Close(code, reason))

    def fail(self, error: Exception) -> None:
        """What was to be done in this call can't go on: told as a finding, and closed with 1011."""
        if self._failure is None:
            self._failure = error
        self._find("VS307", reason=f"{type(error).__name__}: {error}")
        self.close(rfc6455.CLOSE_INTERNAL_ERROR, reason="internal error")

    def recall(self) -> None:
        """Count what went out as foretold, and take back the rest."""
        passage = self._passage
        if passage is not None:
            self._note_passed(passage)
            passage.left = 0
            self._due_at = passage.at
            self._passage = None
            self._choose_ways()

    def emit(self, event: Event) -> None:
        """Tell the observers."""
        self.untold.append(event)

    def mirror(self) -> Mirror:
        """The shortest way for frames; whoever asks for it keeps its rules from now on."""
        if self._mirror is None:
            self._mirror = mirror_of(self._settle_mirror, self._fail_mirrored)
            self._set_mirror()
        return self._mirror

    # What is done to a call from outside, while it goes on.

    def join(self, behaviour: Behaviour, *, first: bool = False) -> None:
        """One more behaviour from now on, before or behind the others; a call that is open connects it at once."""
        if self._state in (State.CLOSING, State.CLOSED):
            return
        self.recall()
        others = self._behaviours
        self._set_behaviours((behaviour, *others) if first else (*others, behaviour))
        if self._begun:
            self._guarded(behaviour.connected, self)
            self._set_mirror()

    def leave(self, behaviour: Behaviour) -> None:
        """For this behaviour the call is over, and for no other."""
        if any(other is behaviour for other in self._behaviours):
            self.recall()
            self._set_behaviours(tuple(other for other in self._behaviours if other is not behaviour))
            self._guarded(behaviour.closed, self)

    # What the driver calls.

    def let_pass(self, now: int) -> None:
        """Time has come to ``now``; for callers who act from outside the driver's own verbs."""
        self.recall()
        self._now = now
        self.deadline_changed = True

    def receive_text(self, text: str, now: int) -> None:
        """A text message from the platform."""
        self.recall()
        self._now = now
        self.deadline_changed = True
        if self._state is State.CLOSED or not self._lets_in(1):
            return
        match messages.parse_platform_text(text, max_depth=self._limits.json_depth):
            case messages.ConnectedMessage(content_type, headers):
                self._receive_connected(content_type, headers)
            case messages.DtmfMessage(digit, duration_ms):
                self._receive_digit(digit, duration_ms)
            case messages.ClearedMessage():
                self.emit(MessageReceived(at=now, call=self._id, message={"event": messages.CLEARED}))
            case messages.NotifyMessage(payload):
                self._receive_notified(payload)
            case messages.UnknownMessage(value):
                self._find_base64(text)
                self._receive_unknown(value)
            case not_json:
                told = "VS301" in self._findings or "VS106" in self._findings
                if not self._find_base64(text):
                    self._find("VS301", reason=not_json.reason)
                self._receive_unknown(text, told=told)

    def receive_bytes(self, data: bytes, now: int) -> None:
        """A binary message from the platform: 20 ms of audio, or whatever it sent instead."""
        self._now = now
        if len(data) != self._short_in or (data[0] in FIRST_BYTES and data[:2] in BEGINNINGS):
            self._receive_unusual(data)
            return
        noted = len(self._times)
        self._latest[noted % LEVEL_WINDOW_FRAMES] = data
        self._times.append(now)
        for behaviour in self._hearing:
            try:
                behaviour.audio(self, data)
            except Exception as error:  # noqa: BLE001  (somebody else's code ends its own call and no other)
                self.fail(error)
        if self._moved_by_audio:
            self.deadline_changed = True
        if noted >= TIMES_AT_ONCE - 1:
            self._catch_up()

    def receive_violation(self, code: int, reason: str, now: int) -> None:
        """The platform broke the rules of WebSocket; the socket is being closed for that."""
        self.recall()
        self._now = now
        if code == rfc6455.CLOSE_TOO_BIG:
            self._find("VS112", limit_kb=self._limits.message_bytes >> 10, reason=reason)
        elif code == rfc6455.CLOSE_POLICY:
            self._find_too_many("pings, pongs and fragments")
        elif "VS314" not in self._findings:
            self._find("VS311", close_code=code, reason=reason)
        self.close(code, now, reason=reason)

    def receive_found(self, found: Found, now: int) -> None:
        """The socket saw something wrong that no message shows."""
        self._now = now
        self._find(found.code, **found.numbers)

    def receive_close(self, code: int, reason: str, now: int) -> None:
        """The socket is gone; the behaviours are told and the call is over."""
        self.recall()
        self._now = now
        if self._state is State.CLOSED:
            return
        # What still comes to the behaviours can't be answered any more.
        self._state = State.CLOSING
        self._choose_ways()
        if self._held and not self._too_many:
            self._assume_format()
        self._catch_up()
        self._find_all(self._inspector.finish(now, self._stats.incoming.latest))
        tail = self._incoming.take_tail()
        if tail:
            self._receive_frame(tail)
        self._state = State.CLOSED
        self._choose_ways()
        self._tail_due_at = self._silent_until = None
        for behaviour in self._behaviours:
            self._guarded(behaviour.closed, self)
        self._tell_end(code, reason)
        # It holds us; what is over must not wait for the collector of garbage, which holds up all calls.
        self._mirror = None

    def messages_to_send(self) -> list[Outgoing]:
        """What is to be sent, in order; each is given once."""
        outbox, self.outbox = self.outbox, []
        return outbox

    def next_deadline(self) -> int | None:
        """The earliest of what waits: held audio, an incomplete frame, the behaviours."""
        self.deadline_changed = False
        if self._passage is not None:
            return self._passage.at
        deadline = None
        if self._timed and self._state is State.OPEN:
            for behaviour in self._timed:
                try:
                    due_at = behaviour.due_at()
                except Exception as error:  # noqa: BLE001  (as above)
                    self.fail(error)
                    continue
                if due_at is not None and (deadline is None or due_at < deadline):
                    deadline = due_at
        self._due_at = deadline
        for waits_until in (self._hold_until, self._tail_due_at, self._silent_until):
            if waits_until is not None and (deadline is None or waits_until < deadline):
                deadline = waits_until
        return deadline

    def handle_deadline(self, now: int) -> None:
        """Do what is due."""
        asked, self.deadline_changed = not self.deadline_changed, True
        if self._passage is not None:
            self.recall()
        self._now = now
        if len(self._sent_times) >= SENT_AT_ONCE:
            self._catch_up()
        if self._silent_until is not None and self._silent_until <= now:
            self._give_up_waiting()
        if self._hold_until is not None and self._hold_until <= now:
            self._assume_format()
            asked = False
        if self._tail_due_at is not None and self._tail_due_at <= now:
            self.flush_audio()
            asked = False
        # Whose deadline it is need be asked only where it may be another's, or may have changed.
        alone = asked and len(self._timed) == 1 and (due_at := self._due_at) is not None and due_at <= now
        for behaviour in self._timed:
            if self._state is not State.OPEN:
                return
            try:
                if alone or ((due_at := behaviour.due_at()) is not None and due_at <= now):
                    behaviour.due(self)
            except Exception as error:  # noqa: BLE001  (as above)
                self.fail(error)

    def foretell(self, passage: Passage) -> bool:
        """Fill in what a behaviour will send, where nothing else waits and nobody else has to do with it."""
        foreteller = self._foreteller
        if foreteller is None or self.deadline_changed or self._short_out == NO_SIZE:
            return False
        if self._silent_until is not None or self.outbox:
            return False
        try:
            ahead = foreteller.foretell(SENT_AT_ONCE - len(self._sent_times))
        except Exception as error:  # noqa: BLE001  (as above)
            self.fail(error)
            return False
        if ahead is None or ahead.at != self._due_at:
            return False
        passage.frames, passage.end, passage.at, passage.step_ns = ahead.frames, ahead.end, ahead.at, ahead.step_ns
        passage.times = self._sent_times
        self._passage = passage
        passage.left = ahead.end - ahead.first
        self._passed, self._noted = ahead.first, len(self._sent_times)
        # Whoever else sends something takes the long way, and the passage back.
        self._short_out = NO_SIZE
        return True

    def next_event(self) -> Event | None:
        """The oldest event that was not given yet."""
        return self.untold.pop(0) if self.untold else None

    def stats(self, now: int) -> StatsUpdated:
        """Where the call stands."""
        self._catch_up()
        return self._stats.snapshot(self._id, now, depth_frames=self._playout.depth_frames(now))

    # How it works inside.

    def _set_behaviours(self, behaviours: Sequence[Behaviour]) -> None:
        self._behaviours = tuple(behaviours)
        self._roles = roles = Roles.of(behaviours)
        # What each frame asks for is at hand.
        self._hearing, self._sent_hooks, self._timed = roles.hearing, roles.sent_hooks, roles.timed
        self._moved_by_audio, self._foreteller = roles.moved_by_audio, roles.foreteller
        self._set_mirror()
        self.deadline_changed = True

    def _receive_connected(self, content_type: str, headers: messages.JsonObject) -> None:
        if self._begun:
            self._find("VS303")
            self._receive_unknown({"event": messages.CONNECTED, "content-type": content_type, **headers})
            return
        self._headers = headers
        try:
            self._format = parse_content_type(content_type)
        except FormatError as error:
            self._find("VS304", reason=f"can't be used: {error};", rate_hz=self._format.rate_hz)
        self._open(content_type)

    def _lets_in(self, count: int) -> bool:
        """So many messages came; False when nothing is heard any more, as there were too many."""
        self._silent_until = None
        if self._allowance is not None and not self._too_many and not self._allowance.take(count, self._now):
            self._find_too_many("messages")
            reason = f"more than {self._limits.messages_per_s} messages a second for long"
            self.close(rfc6455.CLOSE_POLICY, reason=reason)
        return not self._too_many

    def _find_too_many(self, what: str) -> None:
        self._too_many = True
        self._choose_ways()
        self._find("VS325", what=what, per_s=self._limits.messages_per_s, burst=self._limits.messages_burst)

    def _give_up_waiting(self) -> None:
        self._silent_until = None
        waited_s = f"{self._limits.first_message_s:g}"
        self._find("VS326", waited_s=waited_s)
        self.close(rfc6455.CLOSE_POLICY, reason=f"no message within {waited_s} s")

    def _assume_format(self) -> None:
        self._find("VS302", waited_ms=HOLD_NS // MS, rate_hz=self._format.rate_hz)
        self._open(self._format.content_type)

    def _open(self, content_type: str) -> None:
        self._begun = True
        if self._state is State.WAITING:
            self._state = State.OPEN
        self._hold_until = None
        self._frame_bytes = self._format.frame_bytes
        self._inspector = self._new_inspector()
        self._incoming = Packetizer(self._frame_bytes)
        self._outgoing = Packetizer(self._frame_bytes)
        self._choose_ways()
        self.emit(
            Connected(
                at=self._now,
                call=self._id,
                content_type=content_type,
                rate_hz=self._format.rate_hz,
                headers=self._headers,
                remote=self._remote,
            )
        )
        for behaviour in self._behaviours:
            self._guarded(behaviour.connected, self)
        self._set_mirror()
        held, self._held, self._held_bytes = self._held, [], 0
        for data in held:
            self.receive_bytes(data, self._now)

    def _new_inspector(self) -> AudioInspector:
        return AudioInspector(self._format, now=self._now, thorough=False)

    def _choose_ways(self) -> None:
        """What size of message takes the short way now, in and out."""
        hears = self._begun and self._state is not State.CLOSED and not self._inspector.reads_on and not self._too_many
        sends = self._state is State.OPEN and self._passage is None
        self._short_in = self._frame_bytes if hears and not self._incoming.pending_bytes else NO_SIZE
        self._short_out = self._frame_bytes if sends and not self._outgoing.pending_bytes else NO_SIZE
        self._set_mirror()
        self.deadline_changed = True

    def _set_mirror(self) -> None:
        """Whether frames may take the shortest way."""
        if self._mirror is not None:
            listeners = self._roles.listeners()
            free = listeners is not None and self._short_in == self._short_out
            self._mirror.size = self._short_in if free else OFF
            self._mirror.hearing = listeners or ()

    def _settle_mirror(self, now: int) -> None:
        self._now = now
        self._catch_up()

    def _fail_mirrored(self, error: Exception, now: int) -> None:
        self._now = now
        self._catch_up()
        self.fail(error)

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)
        if self._hold_until is None:
            self._hold_until = self._now + HOLD_NS
            self.deadline_changed = True
        if self._held_bytes > HOLD_MAX_BYTES:
            self._assume_format()

    def _receive_unusual(self, data: bytes) -> None:
        if self._state is State.CLOSED:
            return
        self.recall()
        self._catch_up()
        if not self._lets_in(1):
            return
        if not self._begun:
            self._hold(data)
            return
        self._find_all(self._inspector.audio(data, self._now))
        if len(data) == self._frame_bytes and not self._incoming.pending_bytes:
            self._receive_frame(data)
        else:
            self._receive_odd_size(data)
        self._choose_ways()

    def _receive_odd_size(self, data: bytes) -> None:
        if len(data) % 2:
            self._find("VS103", size=len(data))
        if len(data) != self._frame_bytes:
            self._find("VS102", size=len(data), expected=self._frame_bytes)
        for frame in self._incoming.push(data):
            self._receive_frame(frame)

    def _receive_frame(self, frame: bytes) -> None:
        self._stats.incoming.frame(frame, self._now)
        # The inspector was given the message that this is from.
        self._stats.incoming.take()
        for behaviour in self._hearing:
            self._guarded(behaviour.audio, self, frame)

    def _catch_up(self) -> None:
        """Work out what the frames say of which only the times were noted since this was last done."""
        if (mirror := self._mirror) is not None and mirror.due:
            times, latest = mirror.times, mirror.latest
            self._stats.incoming.note(times, latest)
            self._stats.outgoing.note(times, latest)
            mirror.forget()
        if self._passage is not None:
            self._note_passed(self._passage)
        if self._sent_times:
            for _ in range(self._playout.push(self._stats.outgoing.take())):
                self._find("VS202", capacity=self._playout.capacity_frames)
            self._noted = 0
        if self._times:
            self._lets_in(len(self._times))
            times, gaps_ns = self._stats.incoming.take_with_gaps()
            if found := self._inspector.frames(times, gaps_ns, self._latest):
                self._find_all(found)

    def _note_passed(self, passage: Passage) -> None:
        """What went out as foretold since this was last done: its times are noted already."""
        noted = len(self._sent_times)
        went, self._noted = noted - self._noted, noted
        if went and self._foreteller is not None:
            self._passed += went
            for back in range(1, min(went, LEVEL_WINDOW_FRAMES) + 1):
                self._latest_sent[(noted - back) % LEVEL_WINDOW_FRAMES] = passage.frames[self._passed - back]
            self._now = max(self._now, self._sent_times[-1])
            self._guarded(self._foreteller.went, went)

    def _take_outgoing_tail(self) -> bytes:
        tail = self._outgoing.take_tail()
        self._tail_due_at = None
        self._choose_ways()
        return tail

    def _receive_digit(self, digit: str, duration_ms: int | None) -> None:
        if len(self._digits) < MAX_DIGITS_KEPT:
            self._digits += digit
        self.emit(DtmfPressed(at=self._now, call=self._id, digit=digit, duration_ms=duration_ms))
        for behaviour in self._behaviours:
            self._guarded(behaviour.digit, self, digit, duration_ms)

    def _receive_notified(self, payload: object) -> None:
        for behaviour in self._behaviours:
            self._guarded(behaviour.notified, self, payload)
        self.emit(MessageReceived(at=self._now, call=self._id, message={"event": messages.NOTIFY, "payload": payload}))

    def _receive_unknown(self, message: object, *, told: bool = False) -> None:
        if not told:
            self.emit(MessageReceived(at=self._now, call=self._id, message=message))
        for behaviour in self._behaviours:
            self._guarded(behaviour.message, self, message)

    def _send_frame(self, frame: bytes) -> None:
        self._latest_sent[len(self._sent_times) % LEVEL_WINDOW_FRAMES] = frame
        self._sent_times.append(self._now)
        self.outbox.append(frame)
        self._tell_sent(frame)

    def _tell_sent(self, frame: bytes) -> None:
        self.deadline_changed = True
        for hook in self._sent_hooks:
            self._guarded(hook, self, frame)

    def _guarded(self, method: Callable[..., None], *args: Any) -> None:
        try:
            method(*args)
        except Exception as error:  # noqa: BLE001  (as above)
            self.fail(error)

    def _find_all(self, found: list[Found]) -> None:
        for item in found:
            if item.code in TOLD_OF_PLATFORM:
                self._find(item.code, **item.numbers)

    def _find_base64(self, text: str) -> bool:
        size = base64_audio(text)
        if size is not None:
            self._find("VS106", characters=size)
        return size is not None

    def _find(self, code: str, **numbers: object) -> None:
        event = self._findings.add(code, at=self._now, frame=self._stats.incoming.frames, **numbers)
        if event is not None:
            self.emit(event)

    def _tell_end(self, code: int, reason: str) -> None:
        if code == rfc6455.CLOSE_ABNORMAL and not self._closed_by_us:
            closed_by = "network"
        else:
            closed_by = "server" if self._closed_by_us else "platform"
        for finding in self._findings.totals(at=self._now):
            self.emit(finding)
        self.emit(
            Ended(
                at=self._now,
                call=self._id,
                duration_s=round((self._now - self._stats.started_at) / SECOND, 3),
                frames_in=self._stats.incoming.frames,
                frames_out=self._stats.outgoing.frames,
                dtmf=self._digits,
                close_code=code,
                close_reason=reason,
                closed_by=closed_by,
            )
        )
