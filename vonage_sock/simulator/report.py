"""
What a simulated call tells at its end.

``call.report`` holds ``target``, the leg's own figures (``VonageLeg.report``), ``close_code``, ``close_reason`` and
``closed_by`` (platform is us, server is the other side, network is nobody), ``ended_by_request`` where the REST API did it,
and ``findings`` of the webhooks and the leg. Times are in milliseconds or seconds as their names say; ``own_lateness_ms`` is
how late our own timer was, and everything else has to be read beside it.
"""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]


def summary_lines(report: JsonObject) -> list[str]:
    """The report in a few lines for a person; they hold text from the other side, as it came."""
    if "frames_sent" not in report:
        return ["no socket was opened"]
    lines = [_frames(report), _audio(report), _trouble(report)]
    if report["dtmf_sent"]:
        lines.append(f"keys pressed: {report['dtmf_sent']}")
    reason = f" ({report['close_reason']})" if report["close_reason"] else ""
    who = "the REST API ended it" if report.get("ended_by_request") else _WHO[report["closed_by"]]
    return [*lines, f"{who}, code {report['close_code']}{reason}", _findings(report)]


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


def _trouble(report: JsonObject) -> str:
    return (
        f"underruns {report['underruns']} ({report['underrun_ms']:.0f} ms of gaps), "
        f"overflow {report['overflow_frames']} frames, own timer late by {report['own_lateness_ms']['p99']:.1f} ms p99"
    )


def _findings(report: JsonObject) -> str:
    found = [f"{finding['code']} (\u00d7{finding['count']})" for finding in report["findings"]]
    return f"findings: {', '.join(found)}" if found else "no findings"
