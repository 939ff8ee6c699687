"""Events for the display's tests: one of each kind, with any text in every field that comes from outside."""

from __future__ import annotations

from vonage_sock.call import events as ev
from vonage_sock.clock import MS

UUID = "63f61863-4a51-4f6b-86e1-46edebcf9356"


def started(url: str = "http://127.0.0.1:8000") -> ev.ServerStarted:
    return ev.ServerStarted(
        at=0,
        host="127.0.0.1",
        port=8000,
        url=url,
        answer_url=f"{url}/webhooks/answer",
        event_url=f"{url}/webhooks/event",
        socket_url=f"{url.replace('http', 'ws', 1)}/socket",
        behaviours=("echo",),
    )


def connected(call: str = "c1", at: int = 0) -> ev.Connected:
    return ev.Connected(
        at=at,
        call=call,
        content_type="audio/l16;rate=16000",
        rate_hz=16000,
        headers={"uuid": UUID},
        remote="127.0.0.1:50022",
    )


def pressed(digit: str, at_ms: int, call: str = "c1") -> ev.DtmfPressed:
    return ev.DtmfPressed(at=at_ms * MS, call=call, digit=digit, duration_ms=120)


def finding(*, count: int = 1, level: str = "warning", call: str | None = "c1") -> ev.FindingRaised:
    return ev.FindingRaised(
        at=0, call=call, code="VS102", level=level, message="a message of 322 bytes", count=count, first_frame=4
    )


def stats(call: str = "c1", at: int = 0, *, peak_dbfs: float = -9.0) -> ev.StatsUpdated:
    return ev.StatsUpdated(
        at=at,
        call=call,
        duration_s=12.3,
        frames_in=615,
        frames_out=610,
        rate_in_hz=50.0,
        rate_out_hz=50.0,
        level_in_dbfs=-18.0,
        peak_in_dbfs=peak_dbfs,
        level_out_dbfs=-96.0,
        peak_out_dbfs=-96.0,
        jitter_ms=0.42,
        longest_gap_ms=31.0,
        depth_ms=180.0,
    )


def ended(
    call: str = "c1", *, code: int = 1000, by: str = "platform", keys: str = "", reason: str = "", at: int = 0
) -> ev.Ended:
    return ev.Ended(
        at=at,
        call=call,
        duration_s=12.3,
        frames_in=615,
        frames_out=610,
        dtmf=keys,
        close_code=code,
        close_reason=reason,
        closed_by=by,
    )


def one_of_each(text: str = "text", call: str = "c1") -> list[ev.Event]:
    """Every kind of event; ``text`` stands wherever a stranger, or the other side's configuration, can put it."""
    body = {text: text, "from": text, "to": text, "direction": text, "reason": text, "nested": [{text: [text]}]}
    endpoint = {"type": text, "uri": text, "content-type": text}
    return [
        ev.ServerStarted(
            at=0,
            host=text,
            port=1,
            url=text,
            answer_url=text,
            event_url=text,
            socket_url=text,
            behaviours=(text,),
        ),
        ev.Notice(at=0, level="info", message=text),
        ev.AnswerRequested(
            at=0, method=text, params=body, ncco=[{"action": text}, {"action": "connect", "endpoint": [endpoint]}]
        ),
        ev.EventPosted(at=0, status=text, uuid=text, conversation_uuid=text, body=body, verified=False),
        ev.ApiStarted(at=0, host=text, port=1, url=text, verifies=True),
        ev.ApiRequested(at=0, call=call, method=text, path=text, status=404, detail=text),
        ev.Connected(at=0, call=call, content_type=text, rate_hz=16000, headers=body, remote=text),
        ev.DtmfPressed(at=0, call=call, digit=text, duration_ms=None),
        ev.MessageReceived(at=0, call=call, message=body),
        ev.MessageReceived(at=0, call=call, message=text),
        ev.FindingRaised(at=0, call=call, code=text, level=text, message=text, count=2, first_frame=1),
        stats(call),
        ev.DrillStruck(at=0, call=call, drill=text, did=text),
        ev.PlaybackStarted(at=0, call=call, file=text, seconds=None, frames=None),
        ev.PlaybackFinished(at=0, call=call, file=text, seconds=1.0, frames=50),
        ev.PlaybackCleared(at=0, call=call, file=text, seconds=1.0, frames=50),
        ev.PlaybackFailed(at=0, call=call, file=text, error=text),
        ev.PlaybackStarted(at=0, call=call, file=text, seconds=None, frames=None),
        ev.RecordingStarted(at=0, call=call, path=text),
        ev.RecordingSaved(at=0, call=call, path=text, seconds=1.0, frames=50, bytes=32044),
        ev.RecordingFailed(at=0, call=call, path=text, error=text),
        ev.RecordingRepaired(at=0, path=text, part=text, seconds=1.0, bytes=1),
        ev.RecordingStarted(at=0, call=call, path=text),
        ev.CallReported(at=0, call=call, report={text: text}),
        ev.ScenarioStepped(at=0, call=call, number=1, step=text, state=text, reason=text),
        ev.ScenariosSummed(at=0, runs=1, passed=0, failed=1, exit_code=8, duration_s=1.0, failures=(text,)),
        ev.LoadStarted(at=0, target=text, calls=1, procs=1, ramp_s=1.0, duration_s=1.0, rate_hz=16000),
        load_progress(),
        ev.LoadTried(
            at=0,
            calls=1,
            met=False,
            missed=(text,),
            p99_ms=None,
            lost=None,
            own_lateness_p99_ms=None,
            read_late_p99_ms=None,
            generator_was_late=True,
            refusals={text: 1},
        ),
        ev.LoadReported(at=0, report={text: text}),
        ev.TunnelOpened(at=0, tunnel=text, url=text, previous=text),
        ev.TunnelChecked(
            at=0, url=text, answer_ms=80.0, answer_jitter_ms=3.0, socket_ms=None, socket_jitter_ms=None, faults=(text,)
        ),
        ev.TunnelClosed(at=0, tunnel=text, url=text, reason=text, calls=2),
        ev.ApplicationPointed(at=0, application=text, id=text, addresses={text: text}, previous={text: None}),
        ev.ApplicationRestored(
            at=0, application=text, id=text, addresses={text: None}, previous={text: text}, left={text: text}
        ),
        ev.DoctorChecked(at=0, about=text, check=text, result=text, message=text, cures=(text,)),
        ev.DoctorSummed(at=0, ok=1, faults=1, skipped=1, advised=0, exit_code=3, duration_s=1.0),
        ev.WorkerStarted(at=0, worker=1, pid=4242),
        ev.WorkerEnded(at=0, worker=1, pid=4242, reason=text, calls_lost=2),
        ended(call, reason=text, keys=text, by=text),
        ev.ServerStopped(at=0, calls=1),
    ]


def load_progress() -> ev.LoadProgress:
    """A second of a load test in which nothing came back."""
    return ev.LoadProgress(
        at=0,
        second=1,
        of_seconds=2,
        calls=1,
        open_calls=1,
        failed=0,
        dropped=0,
        sent=50,
        returned=0,
        late=0,
        lost=0,
        p50_ms=None,
        p99_ms=None,
        max_ms=None,
        own_lateness_p99_ms=None,
        read_late_p99_ms=None,
        server_cpu_percent=None,
        server_rss_mb=None,
        so_far={},
    )
