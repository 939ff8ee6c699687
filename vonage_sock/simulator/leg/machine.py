"""
The platform's end of a leg: what Vonage does on a websocket, as far as it is known.

It says ``websocket:connected``, sends a frame each 20 ms on an absolute schedule and DTMF between them, plays what it is
sent from a bounded buffer, and answers ``clear`` and ``notify``. One step of 20 ms is the leg's heart-beat: in it one
frame goes out and one is heard, so that both sides of a recording share one time line. Whoever has nothing to say sends
silence, until the end: a server that listens for the end of a phrase hears it.

Where Vonage documents nothing, this is the most plausible behaviour: a full buffer drops the newest frame; ``clear``
cancels pending ``notify`` markers; playing starts 40 ms after the first frame came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from vonage_sock.audio import seam
from vonage_sock.audio.frames import FRAME_NS, Packetizer
from vonage_sock.audio.level import AUDIBLE_DBFS, rms_dbfs, rms_of_each
from vonage_sock.audio.playout import (
    MAX_MARKERS,
    Gap,
    Played,
    PlayoutBuffer,
)
from vonage_sock.audio.source import Source
from vonage_sock.call import speech_rate
from vonage_sock.call.events import Connected, DtmfPressed, Ended, Event, MessageReceived, StatsUpdated
from vonage_sock.call.findings import Findings
from vonage_sock.call.inspect import CONTENT, AudioInspector, Found, base64_audio
from vonage_sock.call.machine import Abort, Close, Outgoing
from vonage_sock.call.stats import CallStats
from vonage_sock.clock import MS, SECOND
from vonage_sock.protocol import messages, rfc6455
from vonage_sock.simulator.leg.dtmf import KeyPress
from vonage_sock.simulator.leg.gaps import GapJudge
from vonage_sock.simulator.leg.measure import EchoMeter, Spread
from vonage_sock.simulator.leg.plan import HeardSink, LegPlan, Patch
from vonage_sock.simulator.leg.script import Move
from vonage_sock.simulator.leg.turns import TurnMeter

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""What the simulated platform looks at, so that it can say what is wrong with it; Vonage takes one frame a message."""

LINGER_NS: Final = SECOND
"""How long a caller who has said everything waits for more."""

PAUSE_NS: Final = 3 * SECOND
"""How long a pause may be in what a server plays that sends silence as well."""

MAX_LENGTH_NS: Final = 7200 * SECOND
"""Vonage's own limit for a leg (NCCO reference, "connect", ``limit``)."""

PREBUFFER_FRAMES: Final = 2
OWN_STALL_NS: Final = 20 * MS
PACE: Final = frozenset({"VS108", "VS204"})
MAX_CATCH_UP: Final = 500
MAX_LISTED: Final = 20

NO_SPEECH: Final = ("VS104", "VS105", "VS107", "VS108", "VS111")
"""After these nothing is left to be said about how speech sounds."""

CLOSED_AT_ONCE_NS: Final = SECOND
REFUSALS: Final = frozenset({1003, 1008, 1013, *range(3000, 5000)})
"""Codes by which a server says that it doesn't want this call."""


class VonageLeg:
    """
    A ``Machine`` that plays the platform.

    Args:
        source: what the caller says, in frames of the plan's format; silence follows its end.
        now: when the socket was opened, in nanoseconds; the first frame goes out at once.
    """

    def __init__(
        self,
        call_id: str,
        plan: LegPlan,
        source: Source,
        *,
        now: int,
        remote: str = "",
        heard: HeardSink | None = None,
        patch: Patch | None = None,
    ) -> None:
        self._id = call_id
        self._patch = patch
        self._plan = plan
        self._source = source
        self._silence = plan.audio_format.silence
        self._heard_sink = heard
        self._script = plan.script
        self._started_at = now
        self._now = now
        self._step = 0
        self._key_presses = deque(plan.key_presses)
        self._sent_presses: deque[KeyPress] = deque()
        self._playout: PlayoutBuffer[bytes] = PlayoutBuffer(
            plan.platform.buffer_frames,
            grid_at=now,
            prebuffer_frames=PREBUFFER_FRAMES,
            continues=seam.continues,
            remembered_frames=seam.REMEMBERED_FRAMES,
        )
        self._incoming = Packetizer(plan.audio_format.frame_bytes)
        self._findings = Findings(call_id)
        self._inspector = AudioInspector(plan.audio_format, now=now, capacity_frames=plan.platform.buffer_frames)
        self._gaps = GapJudge(PREBUFFER_FRAMES)
        self._mute = True
        self.outbox: list[Outgoing] = [messages.connected_text(plan.audio_format, plan.headers)]
        self.untold: deque[Event] = deque()
        self.deadline_changed = True
        self._said_at: int | None = None
        self._active_at = now
        self._sound_at = now
        self._closing = False
        self._closed = False
        self._late = Spread()
        self._echo = EchoMeter(plan.audio_format.rate_hz)
        self._turns = TurnMeter(self._silence)
        self._digits = ""
        self._stats = CallStats(now)
        self._first_audio_at: int | None = None
        self._commands = {"clear": 0, "notify": 0}
        self._emit(
            Connected(
                at=now,
                call=call_id,
                content_type=plan.audio_format.content_type,
                rate_hz=plan.audio_format.rate_hz,
                headers=plan.headers,
                remote=remote,
            )
        )

    @property
    def findings(self) -> Findings:
        """What was wrong so far."""
        return self._findings

    @property
    def closed_by_us(self) -> bool:
        """The caller hung up, rather than the server."""
        return self._closing

    def receive_bytes(self, data: bytes, now: int) -> None:
        """Audio from the server."""
        self._now = now
        if self._closing or self._closed:
            return
        self._active_at = now
        self._mute = False
        if found := self._inspector.audio(data, now):
            self._find_all(found)
        if len(data) == len(self._silence) and not self._incoming.pending_bytes:
            self._receive_frame(data)
        elif self._plan.strict and len(data) != len(self._silence) and not self._findings.excuses("VS101"):
            self._find("VS101", size=len(data), expected=len(self._silence))
            self._end(Abort())
        else:
            self._receive_odd_size(data)

    def receive_text(self, text: str, now: int) -> None:
        """A command from the server."""
        self._now = now
        if self._closing or self._closed:
            return
        self._mute = False
        message = messages.parse_server_text(text)
        if isinstance(message, messages.NotJson | messages.UnknownMessage) and (size := base64_audio(text)) is not None:
            self._find("VS106", characters=size)
            value = text if isinstance(message, messages.NotJson) else message.value
            self._emit(MessageReceived(at=now, call=self._id, message=value))
            return
        if isinstance(message, messages.NotJson):
            self._find("VS301", reason=message.reason)
            self._emit(MessageReceived(at=now, call=self._id, message=text))
            return
        if not self._plan.platform.knows_commands:
            self._find("VS312")
            return
        self._obey(message)

    def receive_violation(self, code: int, reason: str, now: int) -> None:
        """The server broke the rules of WebSocket; the socket is being closed for that."""
        self._now = now
        if code == rfc6455.CLOSE_TOO_BIG:
            self._find("VS112", limit_kb=MAX_MESSAGE_BYTES >> 10, reason=reason)
        elif "VS314" not in self._findings:
            self._find("VS311", close_code=code, reason=reason)
        self.close(code, now, reason=reason)

    def receive_found(self, found: Found, now: int) -> None:
        """The socket saw something wrong that no message shows."""
        self._now = now
        self._find(found.code, **found.numbers)

    def receive_close(self, code: int, reason: str, now: int) -> None:
        """The socket is gone."""
        self._now = now
        if self._closed:
            return
        self._closed = self.deadline_changed = True
        self._source.close()
        self._judge_end(code)
        for finding in self._findings.totals(at=now):
            self._emit(finding)
        self._emit(
            Ended(
                at=now,
                call=self._id,
                duration_s=round((now - self._started_at) / SECOND, 3),
                frames_in=self._stats.incoming.frames,
                frames_out=self._stats.outgoing.frames,
                dtmf=self._digits,
                close_code=code,
                close_reason=reason,
                closed_by=self._closer(code),
            )
        )

    def messages_to_send(self) -> list[Outgoing]:
        """What is to be sent, in order; each is given once."""
        outbox, self.outbox = self.outbox, []
        return outbox

    def next_deadline(self) -> int | None:
        """The next step of 20 ms."""
        self.deadline_changed = False
        if self._closing or self._closed:
            return None
        return self._started_at + self._step * FRAME_NS

    def handle_deadline(self, now: int) -> None:
        """Take all steps that are due; after a stall they come at once and the grid stays."""
        self._now = now
        self.deadline_changed = True
        for _ in range(MAX_CATCH_UP):
            step_at = self._started_at + self._step * FRAME_NS
            if self._closing or self._closed or step_at > now:
                return
            self._take_step(step_at)

    def next_event(self) -> Event | None:
        """The oldest event that was not given yet."""
        return self.untold.popleft() if self.untold else None

    def close(self, code: int, now: int, *, reason: str = "") -> None:
        """Hang up."""
        self._now = now
        self._end(Close(code, reason))

    def send_keys(self, presses: Iterable[KeyPress], now: int) -> None:
        """Let the server be told of keys that nobody on the call presses; their times count from ``now``."""
        self._now = now
        elapsed_ns = now - self._started_at
        self._sent_presses.extend(replace(press, after_ns=elapsed_ns + press.after_ns) for press in presses)

    def let_pass(self, now: int) -> None:
        """Time has come to ``now``; for callers who act from outside the driver's own verbs."""
        self._now = now

    def stats(self, now: int) -> StatsUpdated:
        """Where the call stands; in is what the caller hears, out what it says, and the depth what waits to be played."""
        return self._stats.snapshot(self._id, now, depth_frames=self._playout.depth_frames)

    def report(self) -> messages.JsonObject:
        """The figures of this leg, in JSON's types; see ``simulator.report`` for what each means."""
        playout = self._playout
        first_audio_ms = None
        if self._first_audio_at is not None:
            first_audio_ms = round((self._first_audio_at - self._started_at) / MS, 1)
        echo = self._echo.report()
        return {
            "duration_s": round((self._now - self._started_at) / SECOND, 3),
            "rate_hz": self._plan.audio_format.rate_hz,
            "frames_sent": self._stats.outgoing.frames,
            "frames_received": self._stats.incoming.frames,
            "frames_heard": playout.frames_played,
            "first_audio_ms": first_audio_ms,
            "echo": echo,
            **self._turns.report(echo=self._echo.is_verbatim or (echo is not None and echo["method"] == "correlation")),
            "underruns": playout.underruns,
            "underrun_ms": round(playout.underrun_ns / MS, 1),
            "underruns_at_s": [self._seconds(gap.at) for gap in playout.gaps[:MAX_LISTED]],
            "overflow_frames": playout.frames_overflowed,
            "overflows_at_s": [self._seconds(at) for at in playout.overflows_at[:MAX_LISTED]],
            "clears": self._commands["clear"],
            "notifies": self._commands["notify"],
            "dtmf_sent": self._digits,
            "own_lateness_ms": self._late.report(),
            "findings": [
                {"code": f.code, "level": f.level, "message": f.message, "count": f.count} for f in self._findings.all()
            ],
        }

    # How it works inside.

    def _take_step(self, step_at: int) -> None:
        late_ns = self._now - step_at
        self._late.add(late_ns)
        self._gaps.stepped(late_ns)
        if late_ns > OWN_STALL_NS:
            self._inspector.stalled()
        heard = self._play(step_at)
        if self._patch is not None:
            heard = self._patch.from_server(heard)
        if self._is_over(step_at):
            self._end(Close(rfc6455.CLOSE_NORMAL))
            return
        said: bytes | None
        if self._script is None:
            said = self._say(step_at)
        else:
            said = self._follow(self._script.step(step_at, heard))
            if self._closing:
                return
        self._turns.step(said, heard, late_ns)
        if self._heard_sink is not None:
            self._heard_sink.write(said or self._silence, heard or self._silence)
        while self._key_presses and self._key_presses[0].after_ns <= step_at - self._started_at:
            self._press(self._key_presses.popleft())
            self._turns.pressed(step_at - self._started_at, late_ns)
        while self._sent_presses and self._sent_presses[0].after_ns <= step_at - self._started_at:
            self._send_key(self._sent_presses.popleft())
        self._step += 1

    def _say(self, step_at: int) -> bytes:
        frame = self._source.take() if self._said_at is None else None
        if frame is None and self._said_at is None and self._source.ended():
            self._said_at = step_at
        return self._send(frame or self._silence)

    def _follow(self, move: Move) -> bytes | None:
        for event in move.events:
            self._emit(event)
        if move.end is not None:
            self._end(move.end)
            return None
        self._key_presses.extendleft(KeyPress(0, digit) for digit in reversed(move.keys))
        return self._send(move.frame or self._silence)

    def _send(self, frame: bytes) -> bytes:
        sent = frame if self._patch is None else self._patch.to_server(frame)
        self._echo.sent(sent, self._now)
        self._stats.outgoing.frame(sent, self._now)
        self.outbox.append(sent)
        return frame

    def _play(self, step_at: int) -> bytes | None:
        heard: bytes | None = None
        for item in self._playout.advance(step_at):
            match item:
                case Played(_, frame):
                    heard = frame
                    self._active_at = max(self._active_at, item.at + FRAME_NS)
                    if self._said_at is not None and rms_dbfs(frame) > AUDIBLE_DBFS:
                        self._sound_at = item.at + FRAME_NS
                case marker:
                    self.outbox.append(messages.notify_text(marker.payload))
        return heard

    def _is_over(self, step_at: int) -> bool:
        elapsed_ns = step_at - self._started_at
        if self._plan.duration_ns is not None:
            return elapsed_ns >= self._plan.duration_ns
        if elapsed_ns >= MAX_LENGTH_NS:
            return True
        if self._is_told_more():
            self._active_at = self._sound_at = max(self._active_at, step_at)
        if self._said_at is None or self._key_presses or self._is_told_more():
            return False
        if self._playout.idle and step_at - max(self._said_at, self._active_at) >= LINGER_NS:
            return True
        return self._only_silence_comes(step_at, self._said_at)

    def _only_silence_comes(self, step_at: int, said_at: int) -> bool:
        """What is still played, as an echo of our silence is, is nothing to stay for."""
        quiet_ns = step_at - max(said_at, self._sound_at)
        if quiet_ns < LINGER_NS:
            return False
        # What an echo has yet to give back is as old as it is late, and so is the longest pause in it.
        pause_ns = LINGER_NS + self._echo.longest_ns if self._echo.is_verbatim else PAUSE_NS
        if quiet_ns < pause_ns:
            return False
        waiting = rms_of_each(self._playout.waiting())
        behind = next((place for place in range(len(waiting), 0, -1) if waiting[place - 1] > AUDIBLE_DBFS), 0)
        self._sound_at = max(self._sound_at, step_at + behind * FRAME_NS) if behind else self._sound_at
        return not behind

    def _is_told_more(self) -> bool:
        """Somebody outside lets the server hear something, or be told of keys."""
        return bool(self._sent_presses) or (self._patch is not None and self._patch.busy)

    def _press(self, key: KeyPress) -> None:
        self._send_key(key)
        self._emit(DtmfPressed(at=self._now, call=self._id, digit=key.digit, duration_ms=key.duration_ms))

    def _send_key(self, key: KeyPress) -> None:
        self._digits += key.digit
        self.outbox.append(messages.dtmf_text(key.digit, key.duration_ms))

    def _receive_odd_size(self, data: bytes) -> None:
        if len(data) % 2:
            self._find("VS103", size=len(data))
        if len(data) != len(self._silence):
            self._find("VS102", size=len(data), expected=len(self._silence))
        for frame in self._incoming.push(data):
            self._receive_frame(frame)

    def _receive_frame(self, frame: bytes) -> None:
        now = self._now
        self._stats.incoming.frame(frame, now)
        if self._first_audio_at is None:
            self._first_audio_at = now
        continues = self._echo.received(frame, now)
        if not self._playout.push(frame, now, continues=continues):
            self._find("VS202", capacity=self._playout.capacity_frames)
        self._tell_gaps(self._gaps.judge(self._playout.gaps))

    def _tell_gaps(self, gaps: list[Gap]) -> None:
        for gap in gaps:
            at_s = round((gap.at - self._started_at) / SECOND, 2)
            self._find("VS201", gap_ms=round(gap.length_ns / MS), at_s=at_s)

    def _obey(self, message: messages.Command) -> None:
        match message:
            case messages.ClearCommand():
                self._commands["clear"] += 1
                self._playout.clear()
                self._sound_at = min(self._sound_at, self._now)
                self._turns.cleared(self._now - self._started_at)
                self._inspector.cleared()
                self._incoming.take_tail()
                self.outbox.append(messages.cleared_text())
                self._emit(MessageReceived(at=self._now, call=self._id, message={"action": "clear"}))
            case messages.NotifyCommand(payload):
                self._commands["notify"] += 1
                if not self._playout.mark(payload, self._now):
                    self._find("VS319", most=MAX_MARKERS)
                self._emit(
                    MessageReceived(at=self._now, call=self._id, message={"action": "notify", "payload": payload})
                )
            case messages.BadCommand(problem):
                self._find("VS306", reason=problem)
            case unknown:
                self._find("VS305", reason=messages.describe(unknown.value))
                self._emit(MessageReceived(at=self._now, call=self._id, message=unknown.value))

    def _end(self, how: Outgoing) -> None:
        if not self._closing and not self._closed:
            self._closing = self.deadline_changed = True
            self.outbox.append(how)

    def _judge_end(self, code: int) -> None:
        self._turns.finish()
        self._find_all(self._inspector.finish(self._now))
        if not self._echo.is_verbatim:
            self._judge_speech()
        if (numbers := self._gaps.numbers()) is not None:
            self._find("VS203", **numbers)
        after_ns = self._now - self._started_at
        if self._mute and not self._closing and after_ns < CLOSED_AT_ONCE_NS and code not in REFUSALS:
            self._find("VS318", after_ms=round(after_ns / MS))
        if code == rfc6455.CLOSE_ABNORMAL and not self._closing:
            self._find("VS308")
        elif code == rfc6455.CLOSE_NO_CODE and not self._closing:
            self._find("VS309")

    def _judge_speech(self) -> None:
        rate_hz = self._plan.audio_format.rate_hz
        suspicion = speech_rate.suspect(self._echo.heard_pcm, rate_hz)
        if suspicion is not None and not any(code in self._findings for code in NO_SPEECH):
            self._find("VS113", sounds=suspicion.sounds, rate_hz=rate_hz, suspected=suspicion.suspected)

    def _find_all(self, found: list[Found]) -> None:
        for item in found:
            # In an echo the samples are the caller's own, and to a caller who says nothing silence is a fit answer.
            own = item.code in CONTENT and self._echo.is_verbatim
            if not own and (item.code != "VS110" or self._echo.anything_said):
                self._find(item.code, **item.numbers)
            if item.code in PACE:
                self._tell_gaps(self._gaps.pace_is_slow())

    def _closer(self, code: int) -> str:
        if self._closing:
            return "platform"
        return "network" if code == rfc6455.CLOSE_ABNORMAL else "server"

    def _seconds(self, at: int) -> float:
        return round((at - self._started_at) / SECOND, 3)

    def _find(self, code: str, **numbers: object) -> None:
        event = self._findings.add(code, at=self._now, frame=self._stats.incoming.frames, **numbers)
        if event is not None:
            self._emit(event)

    def _emit(self, event: Event) -> None:
        self.untold.append(event)
        if self._script is not None:
            self._script.observe(event)
