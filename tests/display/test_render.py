from __future__ import annotations

import io
import unicodedata
from dataclasses import replace

import display_events as make
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from vonage_sock.call.events import ServerStarted
from vonage_sock.clock import SECOND
from vonage_sock.display.model import CallView, Kind, Line, Screen, Status
from vonage_sock.display.render import (
    _SIGNS,
    is_public,
    line_text,
    local_time,
    plain_ascii,
    plain_line,
    start_hints,
    start_panel,
    summary,
    wrap,
)
from vonage_sock.display.status import SHOWN_CALLS, duration_text, meter, status_block

LONG = Line(
    0, "c1", Kind.WARNING, "VS102", "a binary message of 322 bytes where a frame has 640 bytes: it was re-framed"
)
VIEW = CallView("c1", 0, 16000, "", 615, 610, -18.0, -9.0, -30.0, -22.0, 0.4, 180.0, "12#", "greeting.wav", "c1.wav")


def noon(_at: int) -> str:
    return "12:00:00.000"


def test_a_line_stands_in_columns_and_goes_on_under_itself() -> None:
    """Time, call, sign, title, text; what doesn't fit goes on below the text."""
    expected = [
        "12:00:00.000 c1     ▲ VS102   a binary message of 322 bytes where a frame has",
        "                              640 bytes: it was re-framed",
    ]

    assert expected == line_text(LONG, noon, 80).plain.split("\n")


def test_a_line_without_a_call_keeps_the_columns() -> None:
    """The text begins at the same place."""
    line = Line(0, None, Kind.WEBHOOK, "event", "ringing")

    assert "12:00:00.000        » event   ringing" == line_text(line, noon, 80).plain


@pytest.mark.parametrize("width", [1, 5, 20, 40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Narrow terminals lose columns, and nothing breaks."""
    parts = line_text(LONG, noon, width).plain.split("\n")

    assert max(map(cell_len, parts)) <= max(width, 4)


def test_an_ascii_terminal_gets_ascii() -> None:
    """Signs, dots, arrows and letters have a likeness or an escape."""
    line = Line(0, "c1", Kind.END, "ended", "a · b → c… (×2) é")

    assert "12:00:00.000 c1     = ended   a - b -> c... (x2) \\xe9" == line_text(line, noon, 80, ascii_only=True).plain


def test_a_plain_line_is_one_line_whatever_its_length() -> None:
    """Files are searched by line; the level is said in words."""
    line = Line(0, None, Kind.ERROR, "record", "no space left")

    assert "12:00:00.000 -      record  error: no space left" == plain_line(line, noon)


@pytest.mark.parametrize("sign", [sign for signs in _SIGNS.values() for sign in signs[:2]])
def test_signs_are_one_cell_wide_everywhere(sign: str) -> None:
    """Neither wide nor an emoji, which some terminals make wide."""
    assert (1, False) == (cell_len(sign), unicodedata.east_asian_width(sign) in "WF")


@given(st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" ")), st.integers(2, 50))
def test_wrapping_keeps_the_text_and_the_width(text: str, width: int) -> None:
    """No part is too wide, and nothing but spaces is lost."""
    parts = wrap(text, width)

    assert (text.replace(" ", ""), True) == (
        "".join(parts).replace(" ", ""),
        all(cell_len(part) <= width for part in parts),
    )


def test_local_time_shows_milliseconds() -> None:
    """Hours to milliseconds, whatever the zone."""
    assert ":42.007" == local_time(1_700_000_022 * SECOND + 7_000_000)[5:]


def drawn(renderable: object, width: int) -> str:
    file = io.StringIO()
    Console(file=file, force_terminal=True, color_system=None, width=width).print(renderable)
    return file.getvalue()


def test_the_start_panel_of_a_local_server_says_how_to_become_public() -> None:
    """Platform and ngrok: the addresses and what to do next."""
    text = drawn(start_panel(make.started(), 80), 80)
    wanted = (
        "http://127.0.0.1:8000/webhooks/answer",
        "ws://127.0.0.1:8000/socket",
        "ngrok http 8000",
        "vsock call http",
    )

    assert [] == [part for part in wanted if part not in text]


def test_what_is_shown_to_try_it_with_can_be_copied_and_names_no_secret() -> None:
    """A signed server says where the caller takes the secret from; a file's name is one word to a shell."""
    event = replace(
        make.started(), signed=True, try_with=("--ca", "my cert.pem", "https://localhost:1/webhooks/answer")
    )
    text = drawn(start_panel(event, 120), 120)

    assert "Try it now, without an account, with the server's secret in VONAGE_SIGNATURE_SECRET:" in text
    assert "  vsock call --ca 'my cert.pem' https://localhost:1/webhooks/answer" in text


def test_the_start_panel_of_a_public_server_does_not_speak_of_ngrok() -> None:
    """Who is public needs no hint how to become it."""
    assert "ngrok http" not in drawn(start_panel(make.started("https://x.example.com"), 80), 80)


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_the_start_panel_fits_the_terminal(width: int) -> None:
    """No line is wider than the terminal."""
    lines = drawn(start_panel(make.started("https://a-long-name.example.com"), width), width).split("\n")

    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://x.ngrok.app", True),
        ("https://8.8.8.8", True),
        ("http://x.ngrok.app", False),
        ("https://localhost:8000", False),
        ("https://192.168.1.2", False),
        ("https://[::1]", False),
        ("https://[", False),
        ("https://box.local", False),
    ],
)
def test_an_address_is_public_when_the_platform_can_reach_it(url: str, *, public: bool) -> None:
    """https, and neither this machine nor this network."""
    assert public == is_public(url)


@pytest.mark.parametrize("width", [1, 20, 40, 80, 120, 200])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_status_block_fits_the_terminal(width: int, *, ascii_only: bool) -> None:
    """Whatever the width, no row is wider."""
    block = status_block(Status(0, (VIEW,) * 3), width, ascii_only=ascii_only).plain

    assert max(map(cell_len, block.split("\n"))) <= width


def test_the_status_block_shows_a_call_in_two_rows_at_80_columns() -> None:
    """Who, how long, how loud both ways, how many frames; jitter, depth, keys and files."""
    expected = [
        "── 1 call up ───────────────────────────────────────────────────────────────────",
        "c1       00:12  in ████████▍·▏·  -9   out ██████·▏···· -22   frames 615/610",
        "       jitter 0.4 ms  ahead 180 ms   # 12#  ♪ greeting.wav  ◉ c1.wav",
    ]

    assert expected == status_block(Status(12 * SECOND, (VIEW,)), 80).plain.split("\n")


def test_a_wide_terminal_shows_a_call_in_one_row() -> None:
    """The same in one row where there is room."""
    assert 2 == len(status_block(Status(0, (VIEW,)), 140).plain.split("\n"))


def test_an_ascii_status_block_is_ascii() -> None:
    """Also with letters in a file's name."""
    view = CallView("c1", 0, level_in_dbfs=-18.0, peak_in_dbfs=-9.0, playing="é.wav")

    assert status_block(Status(0, (view,)), 80, ascii_only=True).plain.isascii()


def test_many_calls_are_counted_not_shown() -> None:
    """Six calls have rows; the others are a number."""
    block = status_block(Status(0, (VIEW,) * 20, hidden=5), 80).plain.split("\n")

    assert (1 + 2 * SHOWN_CALLS + 1, "… and 19 more") == (len(block), block[-1])


def test_a_low_terminal_gets_fewer_rows() -> None:
    """The block never fills the screen."""
    assert 4 == len(status_block(Status(0, (VIEW,) * 20), 80, max_rows=5).plain.split("\n"))


def test_without_calls_there_is_no_block() -> None:
    """Nothing to show is nothing."""
    assert "" == status_block(Status(0), 80).plain


@pytest.mark.parametrize(
    ("level", "peak", "shown"),
    [
        (None, None, "············   -"),
        (-96.0, -96.0, "············   -"),
        (-60.0, -58.0, "▏··········· -58"),
        (-30.0, -10.0, "██████····▏· -10"),
        (0.0, 0.0, "████████████   0"),
        (3.0, 3.0, "████████████   3"),
    ],
)
def test_a_meter_shows_level_and_peak(level: float | None, peak: float | None, shown: str) -> None:
    """-60 dBFS is empty, 0 dBFS is full, a mark for the peak, and its figure."""
    assert shown == meter(level, peak).plain


def test_a_meter_is_red_where_it_clips() -> None:
    """From green over yellow to red, as on a mixing desk."""
    styles = [str(span.style) for span in meter(0.0, 0.0).spans]

    assert ("green", "red", "bold red") == (styles[0], styles[11], styles[12])


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-1, "00:00"), (0, "00:00"), (61, "01:01"), (3600, "1:00:00"), (36061, "10:01:01")]
)
def test_durations_are_clock_times(seconds: int, shown: str) -> None:
    """Minutes and seconds; hours where there are any."""
    assert shown == duration_text(seconds * SECOND)


def test_the_summary_is_the_models() -> None:
    """One sentence, for the end."""
    assert "0 calls · no findings" == summary(Screen()).plain


def test_plain_ascii_leaves_ascii_alone() -> None:
    """The fast path changes nothing."""
    assert "a - b" == plain_ascii("a - b")


def test_who_has_pointed_an_application_here_needs_no_dashboard() -> None:
    """The start panel names it, and says what is left to do."""
    started = ServerStarted(
        at=0,
        host="127.0.0.1",
        port=8000,
        url="https://line.example.com",
        answer_url="https://line.example.com/webhooks/answer",
        event_url="https://line.example.com/webhooks/event",
        socket_url="wss://line.example.com/socket",
        behaviours=(),
        application="My phone line",
    )
    text = "".join(part for hint in start_hints(started) for part, _ in hint)

    assert "the application 'My phone line' points here.\nCall a number that is linked to it." in text
    assert "dashboard" not in text
