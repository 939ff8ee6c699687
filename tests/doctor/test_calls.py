"""What the opening of a socket and a short call on it say of a server."""

from __future__ import annotations

from typing import Any, cast

import pytest

from vonage_sock.call.events import Ended
from vonage_sock.doctor.addresses import Place
from vonage_sock.doctor.calls import judge_call, judge_socket_address, judge_upgrade
from vonage_sock.doctor.checks import Check
from vonage_sock.doctor.trying import Opening, Tried
from vonage_sock.simulator.socket import ClientSocket

PUBLIC = Place("a.example", 443, secure=True)
PLAIN = Place("a.example", 80, secure=False)
HERE = Place("127.0.0.1", 8000, secure=False)
TUNNEL = Place("x.ngrok.app", 443, secure=True)
OPEN = cast("ClientSocket", object())


def told(check: Check) -> str:
    """Its result, and all its text."""
    return " | ".join([check.result.value, check.message, *check.cures])


@pytest.mark.parametrize(
    ("place", "asked", "expected"),
    [
        (PUBLIC, PUBLIC, "ok | wss://x"),
        (HERE, HERE, "ok | wss://x"),
        (TUNNEL, HERE, "ok | wss://x"),
        (HERE, None, "ok | wss://x"),
        (
            HERE,
            PUBLIC,
            "fault | wss://x is on this machine or network, where Vonage can't come | build it from X-Forwarded",
        ),
        (PLAIN, PUBLIC, "ok | wss://x | ws:// is read by anybody between"),
    ],
)
def test_an_address_that_vonage_cannot_come_to_is_a_fault_of_a_public_server(
    place: Place, asked: Place | None, expected: str
) -> None:
    """Of a server on this machine it is what one expects."""
    assert told(judge_socket_address("wss://x", place, asked=asked)).startswith(expected)


@pytest.mark.parametrize(
    ("found", "place", "expected"),
    [
        (Opening(took_ms=7, socket=OPEN), PUBLIC, "ok | open in 7 ms"),
        (Opening(took_ms=7, socket=OPEN), TUNNEL, "ok | open through ngrok in 7 ms"),
        (Opening(took_ms=2500, socket=OPEN), PUBLIC, "ok | open in 2500 ms | the caller hears nothing meanwhile"),
        (
            Opening(took_ms=7, status=401),
            PUBLIC,
            "fault | HTTP 401 in place of 101 | the NCCO must have an authorization",
        ),
        (Opening(took_ms=7, status=403), PUBLIC, "many frameworks say 403 for a wrong path"),
        (
            Opening(took_ms=7, status=404),
            TUNNEL,
            "fault | HTTP 404 in place of 101 through ngrok | there is nothing at",
        ),
        (Opening(took_ms=7, status=404, body=b"<p>ERR_NGROK_3200"), TUNNEL, "fault | HTTP 404: the ngrok tunnel of"),
        (Opening(took_ms=7, status=301, headers={"location": "https://b"}), PUBLIC, "fault | HTTP 301 to https://b"),
        (Opening(took_ms=7, status=200), PUBLIC, "this path answers as a page"),
        (Opening(took_ms=7, status=426), PUBLIC, "let the proxy or tunnel pass Upgrade and Connection"),
        (Opening(took_ms=7, status=418), PUBLIC, "let the server answer the upgrade with 101"),
        (
            Opening(took_ms=7, unoffered="the subprotocol x"),
            PUBLIC,
            "fault | the answer takes what wasn't offered: the sub",
        ),
        (Opening(took_ms=7, late=True, error="x"), PUBLIC, "fault | not answered within 10 s"),
        (Opening(took_ms=7, error="it closed"), PUBLIC, "fault | it closed | look at the server's log"),
    ],
)
def test_an_upgrade_that_fails_says_how_and_what_to_do(found: Opening, place: Place, expected: str) -> None:
    """By its status, by the tunnel that answers in the server's place, or by what came instead."""
    assert expected in told(judge_upgrade(found, place))


def tried(*findings: dict[str, Any], end: tuple[int, str] | None = (1000, "platform"), **report: Any) -> Tried:
    """A call; ``end`` is its code and who closed, None where nobody did."""
    figures = {
        "duration_s": 2.0,
        "frames_received": 0,
        "first_audio_ms": None,
        "echo": None,
        "dtmf_sent": "5",
        **report,
    }
    ended = None
    if end is not None:
        ended = Ended(
            at=0,
            duration_s=2.0,
            frames_in=figures["frames_received"],
            frames_out=1,
            dtmf="5",
            close_code=end[0],
            close_reason="why",
            closed_by=end[1],
        )
    return Tried(report={**figures, "findings": list(findings)}, ended=ended)


def finding(code: str, level: str) -> dict[str, Any]:
    """One of the leg's."""
    return {"code": code, "level": level, "message": "what was seen", "count": 1}


HEARD = {"frames_received": 90, "first_audio_ms": 12.3}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (tried(), ["ok | it takes silence, the key 5 and sound; it sent no audio"]),
        (tried(**HEARD), ["ok | it takes silence, the key 5 and sound; its first audio came after 12 ms"]),
        (tried(**HEARD, echo={"delay_ms": {"p50": 3.2}}), ["an echo after 3 ms"]),
        (tried(finding("VS101", "error")), ["fault | VS101 what was seen | "]),
        (tried(finding("VS109", "warning"), **HEARD), ["12 ms | VS109 what was seen. "]),
        (tried(finding("VS201", "warning"), **HEARD), ["first audio came after 12 ms"]),
        (tried(end=None), ["fault | the server doesn't answer the end of the call"]),
        (tried(end=(1006, "network")), ["fault | the connection was lost after 2.0 s", "traceback"]),
        (
            tried(end=(1011, "server")),
            ["fault | the server closed the socket after 2.0 s, with 1011 (why)", "traceback"],
        ),
        (tried(end=(1000, "server")), ["fault | ", "stay in the handler until the caller hangs up"]),
        (tried(end=(1000, "server"), **HEARD), ["ok | ", "when it had said what it has to say (90 frames)"]),
    ],
)
def test_a_call_is_judged_by_how_it_ended_and_by_what_was_sent(found: Tried, expected: list[str]) -> None:
    """A caller that was hung up on, or sent what isn't audio, is a fault; how steady it is needs a longer call."""
    (text,) = [told(check) for check in judge_call(found)]

    assert [] == [part for part in expected if part not in text]
    assert "VS201" not in text


def test_what_was_found_and_how_it_ended_are_both_told() -> None:
    """The first may be why of the second."""
    checks = judge_call(tried(finding("VS101", "error"), finding("VS308", "error"), end=(1006, "network")))

    assert ["VS101", "the c"] == [check.message[:5] for check in checks]
