"""
What happens, as values. The screen, the JSON lines, the statistics and users' own observers are given the same events.

Every field but ``at`` (nanoseconds, monotonic) is part of the JSON contract under its own name. What came from outside
stands in the fields as it came: whoever shows it makes it harmless first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened at ``at``, in the call with this id or in none."""

    name: ClassVar[str]

    at: int
    call: str | None = None


Observer = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStarted(Event):
    """
    The server listens; ``application`` is the name of the one that points at it, where we have pointed it there.

    ``signed`` says whether webhooks and sockets have to be; ``try_with`` are the words behind ``vsock call`` that reach it
    from this machine, but for the secret.
    """

    name: ClassVar[str] = "server.started"

    host: str
    port: int
    url: str
    answer_url: str
    event_url: str
    socket_url: str
    behaviours: tuple[str, ...]
    application: str | None = None
    signed: bool = False
    try_with: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStopped(Event):
    """The server is gone; ``calls`` is how many it had."""

    name: ClassVar[str] = "server.stopped"

    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """A sentence for the person who runs the program; ``level`` is info or warning."""

    name: ClassVar[str] = "server.notice"

    level: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelOpened(Event):
    """A tunnel leads ``url`` to us, at first or again; ``previous`` is its address before, where that was another."""

    name: ClassVar[str] = "tunnel.opened"

    tunnel: str
    url: str
    previous: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelChecked(Event):
    """
    The public address was tried, from outside, with our own answer URL and our own socket.

    The milliseconds are there and back, and how much one try differs from the next; None where nothing came back. ``faults``
    are half sentences, none of them where calls can come.
    """

    name: ClassVar[str] = "tunnel.checked"

    url: str
    answer_ms: float | None
    answer_jitter_ms: float | None
    socket_ms: float | None
    socket_jitter_ms: float | None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelClosed(Event):
    """The public address leads to us no more, for a ``reason``; so many ``calls`` were open then."""

    name: ClassVar[str] = "tunnel.closed"

    tunnel: str
    url: str
    reason: str
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationPointed(Event):
    """The application's ``addresses`` of voice lead to us; ``previous`` are those before, null for one that there wasn't."""

    name: ClassVar[str] = "application.pointed"

    application: str
    id: str
    addresses: dict[str, str]
    previous: dict[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationRestored(Event):
    """
    The application's ``addresses`` are again what they were; ``previous`` are ours, and ``left`` what others changed.

    Null stands for an address that there isn't. Those that others have changed meanwhile stay as they are.
    """

    name: ClassVar[str] = "application.restored"

    application: str
    id: str
    addresses: dict[str, str | None]
    previous: dict[str, str]
    left: dict[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequested(Event):
    """
    The platform fetched the NCCO. ``verified`` is None where no signature was asked for.

    ``hash_matches`` says whether the signature's ``payload_hash`` is that of the body, or of a GET's parameters, where it
    decides nothing; None where it has none.
    """

    name: ClassVar[str] = "webhook.answer"

    method: str
    params: JsonObject
    ncco: list[JsonObject]
    verified: bool | None = None
    hash_matches: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPosted(Event):
    """The platform posted a call event. ``reply_status`` is the HTTP status that it was told, None on the other side."""

    name: ClassVar[str] = "webhook.event"

    status: str
    uuid: str | None
    conversation_uuid: str | None
    body: JsonObject
    verified: bool | None = None
    reply_status: int | None = None
    hash_matches: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiStarted(Event):
    """The simulated REST API listens. ``verifies`` says whether the signatures of tokens are checked."""

    name: ClassVar[str] = "api.started"

    host: str
    port: int
    url: str
    verifies: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequested(Event):
    """The application asked the simulated REST API for something. ``detail`` is what was done, or why it wasn't."""

    name: ClassVar[str] = "api.request"

    method: str
    path: str
    status: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected(Event):
    """The socket is open and its audio format known."""

    name: ClassVar[str] = "call.connected"

    content_type: str
    rate_hz: int
    headers: JsonObject
    remote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DtmfPressed(Event):
    """A key was pressed."""

    name: ClassVar[str] = "call.dtmf"

    digit: str
    duration_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived(Event):
    """Any other text message, whole: JSON as its value, other text as it came."""

    name: ClassVar[str] = "call.message"

    message: object


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRaised(Event):
    """Something is wrong; told when first seen, and once more at the end when it was seen again."""

    name: ClassVar[str] = "call.finding"

    code: str
    level: str
    message: str
    count: int
    first_frame: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsUpdated(Event):
    """Where a call stands: levels of the last 100 ms, arrival jitter, and how far the platform is behind us."""

    name: ClassVar[str] = "call.stats"

    duration_s: float
    frames_in: int
    frames_out: int
    rate_in_hz: float
    rate_out_hz: float
    level_in_dbfs: float
    peak_in_dbfs: float
    level_out_dbfs: float
    peak_out_dbfs: float
    jitter_ms: float
    longest_gap_ms: float
    depth_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackStarted(Event):
    """A file's first frame is on its way; ``seconds`` and ``frames`` are None where the length isn't known."""

    name: ClassVar[str] = "playback.started"

    file: str
    seconds: float | None
    frames: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackFinished(Event):
    """The platform has played a file to its end (or should have, where it doesn't answer ``notify``)."""

    name: ClassVar[str] = "playback.finished"

    file: str
    seconds: float
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackCleared(Event):
    """A file was cut off; ``frames`` of it had been sent."""

    name: ClassVar[str] = "playback.cleared"

    file: str
    seconds: float
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackFailed(Event):
    """A file can't be read any further."""

    name: ClassVar[str] = "playback.failed"

    file: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStarted(Event):
    """A file was made for this call's audio."""

    name: ClassVar[str] = "recording.started"

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSaved(Event):
    """A recording is complete."""

    name: ClassVar[str] = "recording.saved"

    path: str
    seconds: float
    frames: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFailed(Event):
    """A recording could not go on; what was written before stays."""

    name: ClassVar[str] = "recording.failed"

    path: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRepaired(Event):
    """A recording that an earlier run had left as ``part`` was completed; ``seconds`` is null for bare PCM."""

    name: ClassVar[str] = "recording.repaired"

    path: str
    part: str
    seconds: float | None
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillStruck(Event):
    """A fault drill struck: ``drill`` is its option without the dashes, ``did`` what was done."""

    name: ClassVar[str] = "call.drill"

    drill: str
    did: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Event):
    """The socket is closed. ``closed_by`` is platform, server, or network (no close frame)."""

    name: ClassVar[str] = "call.ended"

    duration_s: float
    frames_in: int
    frames_out: int
    dtmf: str
    close_code: int
    close_reason: str
    closed_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReported(Event):
    """What the platform's side measured in one call; ``simulator.report`` says what each figure means."""

    name: ClassVar[str] = "call.report"

    report: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioStepped(Event):
    """A step of a scenario begins, or failed for a ``reason``. ``state`` is begun or failed; ``number`` counts from 1."""

    name: ClassVar[str] = "scenario.step"

    number: int
    step: str
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenariosSummed(Event):
    """
    All runs of all scenarios are over; ``failures`` are a sentence for each thing that went wrong.

    ``first_heard_ms`` has the p50 and p95 of when the server was first heard, and ``own_lateness_ms``, how late our own
    timer was in the worst of these calls (p99); None where it was heard in none.
    """

    name: ClassVar[str] = "scenario.summary"

    runs: int
    passed: int
    failed: int
    exit_code: int
    duration_s: float
    first_heard_ms: JsonObject | None = None
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStarted(Event):
    """A worker of ``--workers`` takes calls, at first or again after one died; ``worker`` counts from 1."""

    name: ClassVar[str] = "worker.started"

    worker: int
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnded(Event):
    """A worker of ``--workers`` died, for a ``reason`` in words; each of the calls that it took with it is told as ended."""

    name: ClassVar[str] = "worker.ended"

    worker: int
    pid: int
    reason: str
    calls_lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadStarted(Event):
    """A load test begins."""

    name: ClassVar[str] = "load.started"

    target: str
    calls: int
    procs: int
    ramp_s: float
    duration_s: float
    rate_hz: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadProgress(Event):
    """
    One second of a load test, with what was measured in it; ``so_far`` is what was in all seconds until then.

    ``failed``, ``dropped`` and ``lost`` count from the start. What isn't known is None: nothing came back yet, or there is
    no ``--pid``.
    """

    name: ClassVar[str] = "load.progress"

    second: int
    of_seconds: int
    calls: int
    open_calls: int
    failed: int
    dropped: int
    sent: int
    returned: int
    late: int
    lost: int
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    own_lateness_p99_ms: float | None
    read_late_p99_ms: float | None
    server_cpu_percent: float | None
    server_rss_mb: float | None
    so_far: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTried(Event):
    """One try of ``--find-max`` is over; ``missed`` says which thresholds weren't kept, ``refusals`` why calls failed."""

    name: ClassVar[str] = "load.try"

    calls: int
    met: bool
    missed: tuple[str, ...]
    p99_ms: float | None
    lost: int | None
    own_lateness_p99_ms: float | None
    read_late_p99_ms: float | None
    generator_was_late: bool
    refusals: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReported(Event):
    """What a load test measured; ``simulator.load.report`` says what each figure means."""

    name: ClassVar[str] = "load.report"

    report: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorChecked(Event):
    """
    ``vsock doctor`` has looked at one thing; ``about`` is the address that it belongs to, ``account`` or ``this vsock``.

    ``result`` is ok, fault or skipped; ``cures`` are what to do, and where it is ok, what could be better.
    """

    name: ClassVar[str] = "doctor.check"

    about: str
    check: str
    result: str
    message: str
    cures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorSummed(Event):
    """``vsock doctor`` is done; ``advised`` is how many of what is ok could be better."""

    name: ClassVar[str] = "doctor.summary"

    ok: int
    faults: int
    skipped: int
    advised: int
    exit_code: int
    duration_s: float
