"""
What a simulated call tells at its end.

``call.report`` holds ``target``, the leg's own figures (``VonageLeg.report``), ``connect_ms`` (how long the socket took to
open), ``close_code``, ``close_reason`` and ``closed_by`` (platform is us, server is the other side, network is nobody),
``ended_by_request`` where the REST API did it, and ``findings`` of the webhooks and the leg.
Where no socket was opened ``no_socket`` says why in place of the leg's figures. With fault drills, ``drills`` holds for
each its name (``drill``), ``at_s`` (seconds after the socket opened, or the call began where it acts on webhooks; None when
it had no chance), ``did`` (what was done) and ``took`` (how the server took it).
Times are in milliseconds or seconds as their names say; ``own_lateness_ms`` is how late our own timer was, in the whole
call or in what was measured, and everything else has to be read beside it. ``simulator.leg.turns`` says what ``turns``,
``barge_in`` and ``clear_stops`` are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

JsonObject = dict[str, Any]


def summary_lines(report: JsonObject) -> list[str]:
    """The report in a few lines for a person; they hold text from the other side, as it came."""
    if "frames_sent" not in report:
        no_socket = ": ".join(filter(None, ("no socket was opened", report.get("no_socket"))))
        return [no_socket, *_drills(report)]
    lines = [_frames(report), _audio(report), *_conversation(report), _trouble(report)]
    if report["dtmf_sent"]:
        lines.append(f"keys pressed: {report['dtmf_sent']}")
    reason = f" ({report['close_reason']})" if report["close_reason"] else ""
    who = "the REST API ended it" if report.get("ended_by_request") else _WHO[report["closed_by"]]
    return [*lines, f"{who}, code {report['close_code']}{reason}", *_drills(report), _findings(report)]


_WHO = {
    "platform": "the caller hung up",
    "server": "the server closed the socket",
    "network": "the connection was lost",
}


def _frames(report: JsonObject) -> str:
    return (
        f"{report['frames_sent']} frames sent, {report['frames_received']} received, {report['frames_heard']} heard "
        f"in {report['duration_s']:.1f} s at {report['rate_hz'] // 1000} kHz"
    )


def _audio(report: JsonObject) -> str:
    if report["first_audio_ms"] is None:
        return "the server sent no audio"
    return f"first audio after {report['first_audio_ms']:.0f} ms; {_echo(report['echo'])}"


def _echo(echo: JsonObject | None) -> str:
    if echo is None:
        return "none of it an echo"
    delay = echo["delay_ms"]
    if echo["method"] == "frames":
        return f"echo after {delay['p50']:.1f} ms p50, {delay['p99']:.1f} ms p99, over {echo['frames']} frames"
    return f"echo after {delay['p50']:.0f} ms (changed on the way; correlation {echo['correlation']:.2f})"


def _conversation(report: JsonObject) -> Iterator[str]:
    turns, barge_in = report["turns"], report["barge_in"]
    if turns["count"]:
        after = _spread(turns["latency_ms"], turns["count"])
        yield f"{_counted(turns['count'], 'turn')}, answered after {after}{_own(turns)}"
    if barge_in["count"]:
        stopped = barge_in["count"] - barge_in["unstopped"]
        said = [f"silence after {_spread(barge_in['stop_ms'], stopped)}{_own(barge_in)}"] if stopped else []
        said += [f"{barge_in['unstopped']} not stopped"] if barge_in["unstopped"] else []
        yield f"{_counted(barge_in['count'], 'barge-in')}, {', '.join(said)}"


def _spread(spread: JsonObject, count: int) -> str:
    return f"{spread['max']:.0f} ms" if count == 1 else f"{spread['p50']:.0f} ms p50, {spread['p95']:.0f} ms p95"


def _own(measured: JsonObject) -> str:
    return f" (own timer late by {measured['own_lateness_ms']:.1f} ms at most)"


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _trouble(report: JsonObject) -> str:
    return (
        f"underruns {report['underruns']} ({report['underrun_ms']:.0f} ms of gaps), "
        f"overflow {report['overflow_frames']} frames, own timer late by {report['own_lateness_ms']['p99']:.1f} ms p99"
    )


def _drills(report: JsonObject) -> list[str]:
    return [
        f"drill {drill['drill']}: {drill['did']}" + (f"; {drill['took']}" if drill["took"] else "")
        for drill in report.get("drills", ())
    ]


def _findings(report: JsonObject) -> str:
    found = [f"{finding['code']} (\u00d7{finding['count']})" for finding in report["findings"]]
    return f"findings: {', '.join(found)}" if found else "no findings"
