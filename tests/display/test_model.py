from __future__ import annotations

from dataclasses import replace

import display_events as make
import pytest

from vonage_sock.call import events as ev
from vonage_sock.clock import MS
from vonage_sock.display.model import MAX_CALLS, Kind, Line, Screen


def texts(lines: list[Line]) -> list[str]:
    return [f"{line.title} {line.text}" for line in lines]


def said(*events: ev.Event, screen: Screen | None = None) -> list[str]:
    screen = screen or Screen()
    return texts([line for event in events for line in screen.apply(event)])


def test_keys_pressed_in_a_row_stand_in_one_line() -> None:
    """A number is one line, told when something else happens in the call."""
    screen = Screen()
    lines = [line for at, key in ((0, "1"), (1400, "2"), (2900, "#")) for line in screen.apply(make.pressed(key, at))]

    assert ([], ["keys 12#", "VS102 a message of 322 bytes"]) == (lines, texts(screen.apply(make.finding())))


def test_keys_are_told_when_nothing_follows_for_a_while() -> None:
    """1.5 s after the last key the line comes by itself, and only once."""
    screen = Screen()
    screen.apply(make.pressed("1", 0))
    told = [texts(screen.tick(at_ms * MS)) for at_ms in (1499, 1500, 1600)]

    assert [[], ["keys 1"], []] == told


def test_a_pause_between_keys_makes_two_lines() -> None:
    """What comes later than 1.5 s is another number."""
    screen = Screen()
    screen.apply(make.pressed("1", 0))

    assert ["keys 1"] == texts(screen.apply(make.pressed("2", 1501)))


def test_keys_of_two_calls_stay_apart() -> None:
    """Each call has its own number."""
    screen = Screen()
    for at_ms, call in enumerate(("a", "b", "a")):
        screen.apply(make.pressed(call.upper(), at_ms, call))

    assert [("a", "AA"), ("b", "B")] == [(line.call, line.text) for line in screen.tick(9000 * MS)]


def test_figures_and_our_own_notifies_do_not_split_a_number() -> None:
    """Only what is shown ends a number."""
    screen = Screen()
    notified = {"event": "websocket:notify", "payload": {"vsock_played": 1}}
    lines = said(
        make.connected(),
        make.pressed("1", 0),
        make.stats(),
        ev.MessageReceived(at=1, call="c1", message=notified),
        make.pressed("2", 100),
        make.ended(),
        screen=screen,
    )

    assert "keys 12" == lines[1]


def test_keys_show_in_the_status_while_they_are_typed() -> None:
    """The status block doesn't wait for the line."""
    screen = Screen()
    said(make.connected(), make.pressed("1", 0), make.pressed("2", 1), screen=screen)

    assert "12" == screen.status(0).calls[0].keys


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            make.ended(keys="12#"),
            "caller or platform hung up (1000 normal) after 12.3 s · 615 frames in, 610 out · keys 12#",
        ),
        (make.ended(code=1001, by="server"), "we closed it (1001 going away) after 12.3 s · 615 frames in, 610 out"),
        (
            make.ended(code=1006, by="network", reason="the tunnel closed (ngrok was killed by SIGKILL)"),
            "connection lost: the tunnel closed (ngrok was killed by SIGKILL) after 12.3 s · 615 frames in, 610 out",
        ),
        (
            make.ended(code=1006, by="network"),
            "connection lost without a close frame (1006) after 12.3 s · 615 frames in, 610 out",
        ),
        (
            make.ended(code=4321, reason="bye"),
            "caller or platform hung up (4321 unknown code: bye) after 12.3 s · 615 frames in, 610 out",
        ),
    ],
    ids=["platform", "server", "tunnel", "network", "reason"],
)
def test_the_closing_line_tells_who_ended_the_call_and_how(event: ev.Ended, text: str) -> None:
    """Who, with which code, after how long, and what went over the socket."""
    assert [f"ended {text}"] == said(event)


def test_at_the_platforms_end_a_close_by_the_platform_is_ours() -> None:
    """In ``vsock call`` we are the platform."""
    assert said(make.ended(), screen=Screen(simulated=True))[0].startswith("ended we closed it (1000 normal)")


def test_at_the_platforms_end_the_server_is_the_other_side() -> None:
    """In ``vsock call`` a close by the server isn't ours."""
    assert said(make.ended(by="server"), screen=Screen(simulated=True))[0].startswith("ended the server closed it")


def test_an_answer_tells_who_calls_and_what_we_said() -> None:
    """The numbers, the actions of the NCCO and the socket that the call is connected to."""
    endpoint = {"type": "websocket", "uri": "wss://x.example/socket", "content-type": "audio/l16;rate=16000"}
    event = ev.AnswerRequested(
        at=0,
        method="GET",
        params={"from": "447700900001", "to": "442079460000"},
        ncco=[{"action": "talk"}, {"action": "connect", "endpoint": [endpoint]}],
    )
    expected = "GET from 447700900001 to 442079460000 → NCCO: talk, connect 16 kHz wss://x.example/socket"

    assert [f"answer {expected}"] == said(event)


def test_a_webhook_tells_its_state_and_leg() -> None:
    """The state, the leg's short id and direction, the numbers."""
    event = ev.EventPosted(
        at=0,
        status="ringing",
        uuid=make.UUID,
        conversation_uuid=None,
        body={"direction": "inbound", "from": "447700900001", "to": "442079460000"},
    )

    assert ["event ringing 63f61863 inbound · from 447700900001 to 442079460000"] == said(event)


def test_a_webhook_that_is_not_signed_right_is_a_warning() -> None:
    """A wrong signature is seen at once."""
    event = ev.EventPosted(at=0, status="x", uuid=None, conversation_uuid=None, body={}, verified=False)

    assert [Kind.WARNING] == [line.kind for line in Screen().apply(event)]


def test_a_finding_seen_often_tells_how_often_and_since_when() -> None:
    """The count and the first frame stand behind the message."""
    assert ["VS102 a message of 322 bytes (×1,200) · first at frame 4"] == said(make.finding(count=1200))


def test_a_connection_tells_format_address_and_headers() -> None:
    """A usual content type needn't be spelled out, and ids are short."""
    assert ["connect 16 kHz · from 127.0.0.1:50022 · uuid=63f61863"] == said(make.connected())


def test_messages_of_our_own_commands_give_no_line() -> None:
    """``cleared`` and our own ``notify`` are for the program, not for people."""
    cleared = ev.MessageReceived(at=0, call="c1", message={"event": "websocket:cleared"})

    assert [] == said(cleared)


@pytest.mark.parametrize(("message", "shown"), [(None, "null"), (False, "false"), (5, "5"), ("null", "null")])
@pytest.mark.parametrize("verbose", [False, True])
def test_a_message_that_is_no_object_is_shown_as_json_has_it(message: object, shown: str, verbose: bool) -> None:
    """Not as Python's words for it."""
    event = ev.MessageReceived(at=0, call="c1", message=message)

    assert [f"message {shown}"] == said(event, screen=Screen(verbose=verbose))


def test_verbose_shows_them_too() -> None:
    """With -v every message is shown."""
    cleared = ev.MessageReceived(at=0, call="c1", message={"event": "websocket:cleared"})

    assert ['message {"event":"websocket:cleared"}'] == said(cleared, screen=Screen(verbose=True))


def test_verbose_shows_whole_bodies() -> None:
    """With -v a webhook's body follows its line."""
    event = ev.EventPosted(at=0, status="x", uuid=None, conversation_uuid=None, body={"a": 1})

    assert ["event x", ' {"a":1}'] == said(event, screen=Screen(verbose=True))


@pytest.mark.parametrize("event", make.one_of_each(), ids=lambda event: event.name)
def test_every_event_but_figures_and_keys_has_a_line(event: ev.Event) -> None:
    """Nothing is unseen; figures go to the status block, keys wait for more, notices tell of all about the way to us."""
    figures = ev.StatsUpdated | ev.DtmfPressed | ev.CallReported | ev.ScenariosSummed
    noticed = ev.WorkerStarted | ev.WorkerEnded | ev.TunnelOpened | ev.TunnelChecked | ev.TunnelClosed
    applied = ev.ApplicationPointed | ev.ApplicationRestored
    expected = not isinstance(event, figures | noticed | applied)

    assert expected == bool(Screen().apply(event))


def test_figures_reach_the_live_call() -> None:
    """The status block shows what the last figures said."""
    screen = Screen()
    said(make.connected(), make.stats(), screen=screen)
    (view,) = screen.status(0).calls

    assert (615, 610, -9.0, 180.0) == (view.frames_in, view.frames_out, view.peak_in_dbfs, view.depth_ms)


def test_a_call_that_ended_is_not_live() -> None:
    """The block is empty again."""
    screen = Screen()
    said(make.connected(), make.ended(), screen=screen)

    assert () == screen.status(0).calls


def test_files_show_while_they_are_played_and_recorded() -> None:
    """What plays and what is written stand in the block until they end."""
    screen = Screen()
    said(make.connected(), screen=screen)
    screen.apply(ev.PlaybackStarted(at=0, call="c1", file="a.wav", seconds=1.0, frames=50))
    screen.apply(ev.RecordingStarted(at=0, call="c1", path="b.wav"))
    during = (screen.calls["c1"].playing, screen.calls["c1"].recording)
    screen.apply(ev.PlaybackFinished(at=0, call="c1", file="a.wav", seconds=1.0, frames=50))
    screen.apply(ev.RecordingSaved(at=0, call="c1", path="b.wav", seconds=1.0, frames=50, bytes=1))

    assert (("a.wav", "b.wav"), ("", "")) == (during, (screen.calls["c1"].playing, screen.calls["c1"].recording))


def test_memory_is_bounded_however_many_calls_there_are() -> None:
    """Beyond 200 live calls only their number is kept."""
    screen = Screen()
    said(*(make.connected(f"c{n}") for n in range(MAX_CALLS + 50)), screen=screen)
    status = screen.status(0)

    assert (MAX_CALLS, 50) == (len(status.calls), status.hidden)


def test_a_call_without_a_place_gets_one_when_another_ends() -> None:
    """Its next figures bring it into the block."""
    screen = Screen()
    said(
        *(make.connected(f"c{n}") for n in range(MAX_CALLS + 1)),
        make.ended("c0"),
        make.stats(f"c{MAX_CALLS}"),
        screen=screen,
    )
    status = screen.status(0)

    assert (f"c{MAX_CALLS}", 0) == (status.calls[-1].id, status.hidden)


def test_the_summary_counts_calls_findings_and_recordings() -> None:
    """A finding told again with its count isn't a second one."""
    screen = Screen()
    saved = ev.RecordingSaved(at=0, call="c1", path="a.wav", seconds=1.0, frames=50, bytes=1)
    said(make.connected(), make.finding(), make.finding(count=9), saved, make.ended(), screen=screen)

    assert ["stopped 1 call · 1 finding · 1 recording saved"] == said(ev.ServerStopped(at=0, calls=1), screen=screen)


def test_the_steps_of_a_scenario_are_lines() -> None:
    """One that failed is an error, with the reason."""
    begun = ev.ScenarioStepped(at=0, call="call", number=2, step="press 12#", state="begun")
    failed = ev.ScenarioStepped(at=0, call="call", number=2, step="press 12#", state="failed", reason="no socket")
    lines = [Screen().apply(event)[0] for event in (begun, failed)]

    assert [(Kind.NOTE, "2: press 12#"), (Kind.ERROR, "2: press 12#: no socket")] == [(x.kind, x.text) for x in lines]


def test_a_drill_is_told_as_it_strikes() -> None:
    """With what was done."""
    struck = ev.DrillStruck(at=0, call="call", drill="reset-after", did="TCP was reset")

    assert ["drill reset-after: TCP was reset"] == said(struck)


def test_what_the_rest_api_is_asked_is_a_line() -> None:
    """With short ids; what was refused is a warning."""
    screen = Screen(simulated=True)
    path = "/v1/calls/63f61863-4a51-4f6b-86e1-46edebcf9356/talk"
    started = ev.ApiStarted(at=0, host="127.0.0.1", port=8100, url="http://127.0.0.1:8100", verifies=True)
    asked = [
        ev.ApiRequested(at=0, call="call", method="PUT", path=path, status=status, detail=detail)
        for status, detail in ((200, "Talk started"), (404, "not found"))
    ]
    lines = [line for event in (started, *asked) for line in screen.apply(event)]

    assert [
        (Kind.SERVER, "http://127.0.0.1:8100/v1/calls"),
        (Kind.WEBHOOK, "PUT /v1/calls/63f61863/talk \u2192 200 \u00b7 Talk started"),
        (Kind.WARNING, "PUT /v1/calls/63f61863/talk \u2192 404 \u00b7 not found"),
    ] == [(line.kind, line.text) for line in lines]


@pytest.mark.parametrize(("code", "expected"), [("VS101", " (frame of a wrong size)"), ("VS102", "")])
def test_a_platform_that_drops_the_connection_says_why(code: str, expected: str) -> None:
    """It closed nothing, and a code of 1006 was never sent."""
    screen = Screen(simulated=True)
    said(replace(make.finding(), code=code), screen=screen)
    (text,) = said(make.ended(code=1006, by="platform"), screen=screen)

    assert text.startswith(f"ended the platform dropped the connection{expected} after 12.3 s")
