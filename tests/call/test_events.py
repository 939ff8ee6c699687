"""Events."""

from __future__ import annotations

import dataclasses
import inspect

from vonage_sock.call import events
from vonage_sock.call.events import Event

KINDS = [
    kind for _, kind in inspect.getmembers(events, inspect.isclass) if issubclass(kind, Event) and kind is not Event
]


def test_every_event_has_a_name_of_its_own() -> None:
    """Who reads JSON lines tells events apart by their names."""
    names = [kind.name for kind in KINDS]

    assert sorted(set(names)) == sorted(names)


def test_the_names_of_the_contract_are_there() -> None:
    """Scripts rely on them."""
    contract = {
        "server.started",
        "webhook.answer",
        "webhook.event",
        "call.connected",
        "call.dtmf",
        "call.message",
        "call.finding",
        "call.stats",
        "playback.started",
        "playback.finished",
        "playback.cleared",
        "recording.started",
        "recording.saved",
        "recording.failed",
        "call.ended",
        "server.stopped",
        "call.report",
    }

    assert contract <= {kind.name for kind in KINDS}


def test_the_fields_of_an_ended_call_are_those_of_the_contract() -> None:
    """Each field is part of the JSON under its own name."""
    fields = [field.name for field in dataclasses.fields(events.Ended)][2:]

    assert [
        "duration_s",
        "frames_in",
        "frames_out",
        "dtmf",
        "close_code",
        "close_reason",
        "closed_by",
    ] == fields
