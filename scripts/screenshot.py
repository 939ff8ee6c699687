"""
Draws docs/screen.svg: what ``vsock serve`` shows in a terminal, from events with fixed times.

    python scripts/screenshot.py            write it
    python scripts/screenshot.py --check    exit 1 when it isn't what would be written
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Final

from rich.console import Console

from vonage_sock.call import events as ev
from vonage_sock.clock import MS, SECOND
from vonage_sock.display.model import Screen
from vonage_sock.display.render import line_text, start_panel
from vonage_sock.display.status import status_block

TARGET: Final = Path(__file__).parent.parent / "docs" / "screen.svg"
WIDTH: Final = 100
URL: Final = "https://3f1c-203-0-113-7.ngrok.app"
UUID: Final = "63f61863-4a51-4f6b-86e1-46edebcf9356"
CALLER: Final = "447700900001"
NUMBER: Final = "442079460000"
SPACE: Final = "&#160;"
CELL_WIDTH: Final = 12.2
LEADING_SPACES: Final = re.compile(
    rf'<text([^>]*) x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)"([^>]*)>((?:{SPACE})+)(?!</text>|&)'
)
DAY_STARTS_NS: Final = 14 * 3600 * SECOND + 3 * 60 * SECOND


def time_text(at: int) -> str:
    """Three minutes past two and ``at``; the machine's time zone plays no part."""
    ms = (DAY_STARTS_NS + at) // MS
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def start() -> ev.ServerStarted:
    """The server, behind a tunnel."""
    return ev.ServerStarted(
        at=0,
        host="127.0.0.1",
        port=8000,
        url=URL,
        answer_url=f"{URL}/webhooks/answer",
        event_url=f"{URL}/webhooks/event",
        socket_url=f"{URL.replace('https', 'wss', 1)}/socket",
        behaviours=("play greeting.wav", "echo", "record"),
    )


def first_call() -> list[ev.Event]:
    """A call from its webhook to its end."""
    connect = {
        "action": "connect",
        "endpoint": [
            {
                "type": "websocket",
                "uri": f"{URL.replace('https', 'wss', 1)}/socket",
                "content-type": "audio/l16;rate=16000",
            }
        ],
    }
    people = {"from": CALLER, "to": NUMBER, "direction": "inbound"}
    wav = "calls/c1.wav"
    first, again = (
        ev.FindingRaised(
            at=at,
            call="c1",
            code="VS102",
            level="warning",
            message="a binary message of 322 bytes where a frame has 640: re-framed",
            count=count,
            first_frame=283,
        )
        for at, count in ((8213 * MS, 1), (14402 * MS, 12))
    )
    return [
        ev.AnswerRequested(at=1204 * MS, method="GET", params=people, ncco=[connect]),
        _posted(1391, "ringing", people),
        _posted(2018, "answered", people),
        ev.Connected(
            at=2203 * MS,
            call="c1",
            content_type="audio/l16;rate=16000",
            rate_hz=16000,
            headers={"uuid": UUID, "from": CALLER},
            remote="203.0.113.7",
        ),
        ev.RecordingStarted(at=2204 * MS, call="c1", path=wav),
        ev.PlaybackStarted(at=2205 * MS, call="c1", file="greeting.wav", seconds=4.2, frames=210),
        ev.PlaybackFinished(at=6431 * MS, call="c1", file="greeting.wav", seconds=4.2, frames=210),
        *(
            ev.DtmfPressed(at=at * MS, call="c1", digit=digit, duration_ms=160)
            for at, digit in ((7120, "1"), (7580, "2"), (8010, "#"))
        ),
        first,
        ev.RecordingSaved(at=14401 * MS, call="c1", path=wav, seconds=12.2, frames=610, bytes=390444),
        again,
        ev.Ended(
            at=14403 * MS,
            call="c1",
            duration_s=12.2,
            frames_in=610,
            frames_out=608,
            dtmf="12#",
            close_code=1000,
            close_reason="",
            closed_by="platform",
        ),
    ]


def _posted(at_ms: int, status: str, body: dict[str, str]) -> ev.EventPosted:
    return ev.EventPosted(at=at_ms * MS, status=status, uuid=UUID, conversation_uuid="CON-1", body=body)


def second_call() -> list[ev.Event]:
    """A call that is still up."""
    return [
        ev.Connected(
            at=16002 * MS,
            call="c2",
            content_type="audio/l16;rate=16000",
            rate_hz=16000,
            headers={"from": "447700900002"},
            remote="203.0.113.7",
        ),
        ev.RecordingStarted(at=16003 * MS, call="c2", path="calls/c2.wav"),
        ev.PlaybackStarted(at=16004 * MS, call="c2", file="greeting.wav", seconds=4.2, frames=210),
        ev.DtmfPressed(at=18900 * MS, call="c2", digit="4", duration_ms=160),
        ev.StatsUpdated(
            at=19100 * MS,
            call="c2",
            duration_s=3.1,
            frames_in=155,
            frames_out=164,
            rate_in_hz=50.0,
            rate_out_hz=50.0,
            level_in_dbfs=-17.2,
            peak_in_dbfs=-6.1,
            level_out_dbfs=-24.0,
            peak_out_dbfs=-12.3,
            jitter_ms=0.4,
            longest_gap_ms=24.0,
            depth_ms=180.0,
        ),
    ]


def draw() -> str:
    """The picture."""
    console = Console(
        record=True,
        width=WIDTH,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        _environ={},
    )
    screen = Screen()
    console.print(start_panel(start(), WIDTH))
    for event in [*first_call(), *second_call()]:
        for line in screen.apply(event):
            console.print(line_text(line, time_text, WIDTH))
    console.print(status_block(screen.status(19100 * MS), WIDTH))
    picture = console.export_svg(
        title="vsock serve --play greeting.wav --echo --record calls/{call}.wav", unique_id="vsock"
    )
    return LEADING_SPACES.sub(_moved, picture)


def _moved(run: re.Match[str]) -> str:
    """A run of text, moved right by the spaces it begins with: some viewers leave those out."""
    attributes, x, y, length, rest, spaces = run.groups()
    span = len(spaces) // len(SPACE) * CELL_WIDTH
    x_text, length_text = (f"{value:.1f}".removesuffix(".0") for value in (float(x) + span, float(length) - span))
    return f'<text{attributes} x="{x_text}" y="{y}" textLength="{length_text}"{rest}>'


def main() -> int:
    """Write the picture, or compare it."""
    picture = draw()
    if "--check" in sys.argv[1:]:
        if TARGET.exists() and TARGET.read_text(encoding="utf-8") == picture:
            return 0
        print(f"{TARGET} is stale; run python {Path(__file__).name}", file=sys.stderr)
        return 1
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(picture, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
