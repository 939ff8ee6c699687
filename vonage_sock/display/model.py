"""
What there is to see: events in, lines out, and where each live call stands.

Pure: no console, no clock, no colour. Rule: everything that the screen remembers is in ``Screen``, and is bounded; what
came from outside is harmless (``clean``) from here on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import chain, islice
from typing import Final

from vonage_sock.behaviours.play import PAYLOAD_KEY
from vonage_sock.call import events as ev
from vonage_sock.clock import SECOND
from vonage_sock.display import wording
from vonage_sock.display.keys import MAX_KEYS, KeyCollector, Typed
from vonage_sock.display.safe import clean
from vonage_sock.protocol import jsontext, messages

MAX_CALLS: Final = 200


class Kind(Enum):
    """What a line is about; decides its sign and its colour."""

    SERVER = "server"
    WEBHOOK = "webhook"
    CALL = "call"
    KEY = "key"
    AUDIO = "audio"
    RECORDING = "recording"
    WARNING = "warning"
    ERROR = "error"
    END = "end"
    NOTE = "note"


URGENT: Final = frozenset({Kind.WARNING, Kind.ERROR, Kind.END})
"""What is shown even to those who want it quiet."""

_SAID_ELSEWHERE: Final = (
    ev.CallReported,
    ev.ScenariosSummed,
    ev.WorkerStarted,
    ev.WorkerEnded,
    ev.TunnelOpened,
    ev.TunnelChecked,
    ev.TunnelClosed,
    ev.ApplicationPointed,
    ev.ApplicationRestored,
)
"""Tables of figures stand below the lines, and of workers, tunnels and applications notices say more."""

_LEVEL_KINDS: Final = {"error": Kind.ERROR, "warning": Kind.WARNING}


@dataclass(frozen=True, slots=True)
class Line:
    """Something that happened at ``at`` (monotonic nanoseconds), in words; ``title`` is one short word."""

    at: int
    call: str | None
    kind: Kind
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class CallView:
    """Where a live call stands. Levels are in dBFS, None before the first; ``keys`` are the last ones pressed."""

    id: str
    connected_at: int
    rate_hz: int = 0
    headers: str = ""
    frames_in: int = 0
    frames_out: int = 0
    level_in_dbfs: float | None = None
    peak_in_dbfs: float | None = None
    level_out_dbfs: float | None = None
    peak_out_dbfs: float | None = None
    jitter_ms: float = 0.0
    depth_ms: float = 0.0
    keys: str = ""
    playing: str = ""
    recording: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """The live calls at ``now``, oldest first, and how many there are beyond those that are kept."""

    now: int
    calls: tuple[CallView, ...] = ()
    hidden: int = 0


@dataclass(slots=True)
class Totals:
    """What there was since the start."""

    calls: int = 0
    findings: int = 0
    recordings: int = 0
    failures: int = 0


@dataclass(slots=True)
class Screen:
    """
    The view model: give it every event, show the lines it returns.

    Args:
        verbose: whole messages, headers and webhook bodies too.
        simulated: we are the platform's end of the calls.
    """

    verbose: bool = False
    simulated: bool = False
    calls: dict[str, CallView] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    _hidden: dict[str, None] = field(default_factory=dict)
    _keys: KeyCollector = field(default_factory=KeyCollector)
    _findings: set[tuple[str | None, str]] = field(default_factory=set)

    def apply(self, event: ev.Event) -> list[Line]:
        """Take an event; the lines to show for it, together with keys that waited for it."""
        match event:
            case ev.StatsUpdated():
                self._note_stats(event)
                return []
            case ev.DtmfPressed():
                if (view := self.calls.get(event.call or "")) is not None:
                    self._update(event.call, keys=(view.keys + clean(event.digit, 8))[-MAX_KEYS:])
                return [_keys_line(typed) for typed in self._keys.press(event)]
        said = self._say(event)
        if event.call is None:
            waiting = self._keys.take_all() if isinstance(event, ev.ServerStopped) else []
        else:
            # An event that isn't shown must not split a number in two.
            waiting = self._keys.take(event.call) if said else []
        return [*map(_keys_line, waiting), *said]

    def tick(self, now: int) -> list[Line]:
        """The keys that nothing followed for a while."""
        return [_keys_line(typed) for typed in self._keys.take_ripe(now)]

    def status(self, now: int) -> Status:
        """The live calls, as a value that another thread may keep."""
        return Status(now, tuple(self.calls.values()), len(self._hidden))

    def first_calls(self, count: int) -> tuple[str, ...]:
        """The ids of the oldest live calls; those that aren't kept follow, as there is room once older ones have ended."""
        return tuple(islice(chain(self.calls, self._hidden), count))

    # One kind of event each.

    def _say(self, event: ev.Event) -> list[Line]:
        if isinstance(event, _SAID_ELSEWHERE):
            return []
        match event:
            case (
                ev.ServerStarted()
                | ev.ServerStopped()
                | ev.Notice()
                | ev.DrillStruck()
                | ev.ApiStarted()
                | ev.ApiRequested()
            ):
                return self._say_server(event)
            case ev.AnswerRequested() | ev.EventPosted():
                return self._say_webhook(event)
            case ev.Connected():
                return self._say_connected(event)
            case ev.MessageReceived():
                return self._say_message(event)
            case ev.FindingRaised():
                return self._say_finding(event)
            case ev.Ended():
                return self._say_ended(event)
            case ev.PlaybackStarted() | ev.PlaybackFinished() | ev.PlaybackCleared() | ev.PlaybackFailed():
                return [self._say_playback(event)]
            case ev.RecordingStarted() | ev.RecordingSaved() | ev.RecordingFailed() | ev.RecordingRepaired():
                return [self._say_recording(event)]
        return [_say_other(event)]

    def _say_server(
        self,
        event: ev.ServerStarted | ev.ServerStopped | ev.Notice | ev.DrillStruck | ev.ApiStarted | ev.ApiRequested,
    ) -> list[Line]:
        match event:
            case ev.ApiStarted():
                return [_line(event, Kind.SERVER, "api", clean(f"{event.url}/v1/calls", 400))]
            case ev.ApiRequested():
                kind = Kind.WEBHOOK if event.status < 400 else Kind.WARNING
                return [_line(event, kind, "api", wording.api_text(event))]
            case ev.ServerStarted():
                return [_line(event, Kind.SERVER, title, text) for title, text in started_lines(event)]
            case ev.ServerStopped():
                return [_line(event, Kind.SERVER, "stopped", self.summary())]
            case ev.DrillStruck():
                return [_line(event, Kind.NOTE, "drill", f"{clean(event.drill, 40)}: {clean(event.did, 600)}")]
            case ev.Notice():
                kind = _LEVEL_KINDS.get(event.level, Kind.SERVER)
                return [_line(event, kind, "notice", clean(event.message, 600))]

    def _say_webhook(self, event: ev.AnswerRequested | ev.EventPosted) -> list[Line]:
        kind = Kind.WARNING if event.verified is False else Kind.WEBHOOK
        if isinstance(event, ev.AnswerRequested):
            said = [_line(event, kind, "answer", wording.answer_text(event))]
            details: list[object] = [event.params, event.ncco]
        else:
            said = [_line(event, kind, "event", wording.event_text(event))]
            details = [event.body]
        return said + self._details(event, *details)

    def _say_connected(self, event: ev.Connected) -> list[Line]:
        self.totals.calls += 1
        if event.call is not None:
            if len(self.calls) < MAX_CALLS:
                headers = clean(event.headers) if event.headers else ""
                self.calls[event.call] = CallView(clean(event.call, 60), event.at, event.rate_hz, headers)
            else:
                self._hidden[event.call] = None
        said = [_line(event, Kind.CALL, "connect", wording.connected_text(event))]
        return said + (self._details(event, event.headers) if event.headers else [])

    def _say_message(self, event: ev.MessageReceived) -> list[Line]:
        # As JSON has it, and not as Python does.
        said = jsontext.dumps(event.message) if isinstance(event.message, bool | None) else event.message
        if self.verbose:
            return [_line(event, Kind.NOTE, "message", clean(said, wording.WHOLE))]
        return [] if _is_internal(event.message) else [_line(event, Kind.NOTE, "message", clean(said))]

    def _say_finding(self, event: ev.FindingRaised) -> list[Line]:
        # A finding seen again is told once more at the call's end, with its count.
        if event.count <= 1 or (event.call, event.code) not in self._findings:
            self.totals.findings += 1
        if event.call is not None and len(self._findings) < MAX_CALLS * 20:
            self._findings.add((event.call, event.code))
        kind = _LEVEL_KINDS.get(event.level, Kind.NOTE)
        return [_line(event, kind, event.code, wording.finding_text(event))]

    def _say_ended(self, event: ev.Ended) -> list[Line]:
        wrong_size = (event.call, "VS101") in self._findings
        if event.call is not None:
            self.calls.pop(event.call, None)
            self._hidden.pop(event.call, None)
            self._findings = {(call, code) for call, code in self._findings if call != event.call}
        text = wording.ended_text(event, simulated=self.simulated, wrong_size=wrong_size)
        return [_line(event, Kind.END, "ended", text)]

    def _say_playback(
        self, event: ev.PlaybackStarted | ev.PlaybackFinished | ev.PlaybackCleared | ev.PlaybackFailed
    ) -> Line:
        file = clean(event.file)
        match event:
            case ev.PlaybackStarted():
                self._update(event.call, playing=file)
                return _line(event, Kind.AUDIO, "play", wording.file_text(event.file, event.seconds))
        if (view := self.calls.get(event.call or "")) is not None and view.playing == file:
            self._update(event.call, playing="")
        match event:
            case ev.PlaybackFinished():
                return _line(event, Kind.AUDIO, "played", wording.file_text(event.file, event.seconds, "to its end"))
            case ev.PlaybackCleared():
                text = wording.file_text(event.file, None, f"cut off after {wording.span_text(event.seconds)}")
                return _line(event, Kind.AUDIO, "cleared", text)
            case ev.PlaybackFailed():
                return _line(event, Kind.ERROR, "play", wording.file_text(event.file, None, clean(event.error, 400)))

    def _say_recording(
        self, event: ev.RecordingStarted | ev.RecordingSaved | ev.RecordingFailed | ev.RecordingRepaired
    ) -> Line:
        match event:
            case ev.RecordingStarted():
                self._update(event.call, recording=clean(event.path))
                return _line(event, Kind.RECORDING, "record", clean(event.path))
            case ev.RecordingSaved():
                self._update(event.call, recording="")
                self.totals.recordings += 1
                text = wording.file_text(event.path, event.seconds, wording.size_text(event.bytes))
                return _line(event, Kind.RECORDING, "saved", text)
            case ev.RecordingRepaired():
                text = wording.file_text(event.path, event.seconds, "left behind by an earlier run, now complete")
                return _line(event, Kind.RECORDING, "repair", text)
            case ev.RecordingFailed():
                self._update(event.call, recording="")
                self.totals.failures += 1
                return _line(event, Kind.ERROR, "record", wording.file_text(event.path, None, clean(event.error, 400)))

    def summary(self) -> str:
        """What there was since the start, in one sentence without a verb."""
        totals = self.totals
        return wording.joined(
            [
                wording.counted(totals.calls, "call"),
                wording.counted(totals.findings, "finding") if totals.findings else "no findings",
                f"{wording.counted(totals.recordings, 'recording')} saved" if totals.recordings else "",
                f"{wording.counted(totals.failures, 'recording')} failed" if totals.failures else "",
            ]
        )

    def _details(self, event: ev.Event, *values: object) -> list[Line]:
        if not self.verbose:
            return []
        return [_line(event, Kind.NOTE, "", clean(value, wording.WHOLE)) for value in values]

    def _note_stats(self, event: ev.StatsUpdated) -> None:
        if event.call is not None and event.call in self._hidden and len(self.calls) < MAX_CALLS:
            self._hidden.pop(event.call)
            self.calls[event.call] = CallView(clean(event.call, 60), event.at - round(event.duration_s * SECOND))
        self._update(
            event.call,
            frames_in=event.frames_in,
            frames_out=event.frames_out,
            level_in_dbfs=event.level_in_dbfs,
            peak_in_dbfs=event.peak_in_dbfs,
            level_out_dbfs=event.level_out_dbfs,
            peak_out_dbfs=event.peak_out_dbfs,
            jitter_ms=event.jitter_ms,
            depth_ms=event.depth_ms,
        )

    def _update(self, call: str | None, **changes: object) -> None:
        if call is not None and (view := self.calls.get(call)) is not None:
            self.calls[call] = replace(view, **changes)  # type: ignore[arg-type]  # mypy can't see replace()'s fields


def started_lines(event: ev.ServerStarted) -> list[tuple[str, str]]:
    """The addresses to give to the platform, and what is done in each call."""
    behaviours = ", ".join(clean(behaviour, 60) for behaviour in event.behaviours) or "listen only"
    return [
        ("answer", clean(event.answer_url, 400)),
        ("event", clean(event.event_url, 400)),
        ("socket", clean(event.socket_url, 400)),
        ("calls", behaviours),
    ]


def _say_other(event: ev.Event) -> Line:
    if isinstance(event, ev.ScenarioStepped):
        return _line(event, Kind.ERROR if event.reason else Kind.NOTE, "step", wording.step_text(event))
    return _line(event, Kind.NOTE, "event", clean(event.name))


def _line(event: ev.Event, kind: Kind, title: str, text: str) -> Line:
    call = None if event.call is None else clean(event.call, 60)
    return Line(event.at, call, kind, clean(title, 12), clean(text, wording.WHOLE))


def _keys_line(typed: Typed) -> Line:
    return Line(typed.first_at, clean(typed.call) or None, Kind.KEY, "keys", typed.digits)


def _is_internal(message: object) -> bool:
    """Answers to our own commands: ``cleared``, and the ``notify`` that tells that a file was played."""
    if not isinstance(message, dict):
        return False
    payload = message.get("payload")
    return message.get("event") == messages.CLEARED or (isinstance(payload, dict) and PAYLOAD_KEY in payload)
