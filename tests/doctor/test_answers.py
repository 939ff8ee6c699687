"""What a webhook's answer says of its server."""

from __future__ import annotations

import json

import pytest

from vonage_sock.clock import SECOND
from vonage_sock.doctor.answers import (
    judge_answer,
    judge_clock,
    judge_event,
    judge_ncco,
    judge_no_ncco,
    judge_page,
    judge_time,
)
from vonage_sock.doctor.checks import Check, Result
from vonage_sock.protocol.ncco_lint import lint_text
from vonage_sock.simulator.webhooks.web import Answer

URL = "https://a.example/answer"
WALL = 1_770_112_842 * SECOND
"""03 Feb 2026 10:00:42 GMT."""


def answer(
    status: int = 200, kind: str = "application/json", took_ms: int = 5, body: bytes = b"", **headers: str
) -> Answer:
    """An answer."""
    return Answer(status, kind, body, took_ms, headers)


def told(checks: list[Check]) -> str:
    """The last of them, which is the fault where there is one."""
    check = checks[-1]
    return " | ".join([check.name, check.result.value, check.message, *check.cures])


def asked(found: Answer, *, assumed: bool = False) -> str:
    """What is said last of an answer to GET."""
    return told(judge_answer(found, url=URL, method="GET", assumed=assumed))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            answer(401),
            "HTTP | fault | GET gives 401 in place of 200 | it wants something: where it checks signatures give",
        ),
        (answer(404), "HTTP | fault | GET gives 404 in place of 200 | name the answer URL with its whole path"),
        (answer(405), "or ask by the other with --method"),
        (answer(421), "vsock serve with --url"),
        (answer(500), "traceback in the server's log"),
        (answer(502), "the proxy is there and the server behind it isn't"),
        (answer(418), "let it answer 200 with an NCCO"),
        (answer(301, Location=f"{URL}/"), "redirects | fault | HTTP 301 to https://a.example/answer/"),
        (answer(308, Location="/answer/"), "the address that it leads to: https://a.example/answer/"),
        (answer(302, Location="https://a.example/login?next=/"), "it leads to a login"),
        (answer(302, Location="http://[bad"), "answer 200 at the address itself"),
        (answer(302), "HTTP 302 to nowhere"),
        (answer(404, body=b"<p>ERR_NGROK_3200"), "tunnel page | fault | the ngrok tunnel of this name is offline"),
        (answer(took_ms=5001), "answer time | fault | 5001 ms; Vonage waits 5 s | answer at once"),
        (answer(took_ms=1001), "answer time | ok | 1001 ms; Vonage waits 5 s | over 1 s: the caller hears nothing"),
        (answer(took_ms=1000), "answer time | ok | 1000 ms; Vonage waits 5 s"),
    ],
)
def test_each_fault_of_an_answer_has_its_cure(found: Answer, expected: str) -> None:
    """Its status, where it leads, who really answered, and how soon."""
    assert expected in asked(found)


def test_a_path_that_was_only_assumed_is_told_as_that() -> None:
    """Nobody named it."""
    assert "only a base address was given, and its usual path tried" in asked(answer(404), assumed=True)


def test_a_good_answer_is_four_good_checks_and_another_type_is_advice() -> None:
    """It is an NCCO all the same."""
    checks = judge_answer(answer(kind="text/html"), url=URL, method="POST", assumed=False)

    assert ["tunnel page", "redirects", "HTTP", "answer time"] == [check.name for check in checks]
    assert "POST gives 200, as text/html" == checks[2].message
    assert "VS403" in checks[2].cures[0]
    assert Result.OK is judge_page(answer()).result


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Tue, 03 Feb 2026 10:00:42 GMT", "ok | within 1 s of that of a.example"),
        ("Tue, 03 Feb 2026 10:01:00 GMT", "ok | within 18 s of that"),
        ("Tue, 03 Feb 2026 10:01:20 GMT", "fault | this machine's is 38 s behind that of a.example | set the clock"),
        ("Tue, 03 Feb 2026 09:00:42 GMT", "fault | this machine's is 60 min ahead of that"),
        ("Sun, 01 Feb 2026 10:00:42 GMT", "is 48 h ahead of"),
        ("Tue, 03 Feb 2026 10:00:42 -0000", "ok | within 1 s"),
        ("Tue, 99 Feb 2026 10:00:42 GMT", "skipped | a.example doesn't tell the time"),
        ("\x1b[31m", "skipped | a.example doesn't tell the time"),
        (None, "skipped | a.example doesn't tell the time"),
    ],
)
def test_a_clock_that_is_wrong_is_seen_in_the_date_of_an_answer(date: str | None, expected: str) -> None:
    """Signatures and tokens are refused with it."""
    assert expected in told([judge_clock(date, whose="a.example", wall_ns=WALL)])


def linted(value: object) -> list[Check]:
    """What is said of an NCCO."""
    body = json.dumps(value)
    return judge_ncco(json.loads(body), lint_text(body))


def test_an_ncco_s_errors_are_faults_and_its_warnings_advice() -> None:
    """With the catalogue's cures; notes are left out, and so is what is judged elsewhere."""
    endpoint = {"type": "websocket", "uri": "ws://127.0.0.1/s", "content-type": "audio/l16;rate=16000"}
    good = [{"action": "connect", "endpoint": [endpoint]}]
    warned = [{"action": "talk", "text": "a", "bargin": True}]
    wrong = [{"action": "connect", "eventUrl": "https://a.example", "endpoint": [{**endpoint, "content-type": "mp3"}]}]

    assert "NCCO | ok | connect; no error in it" == told(linted(good))
    assert "NCCO | ok | talk; no error in it | VS418 action 1 (talk): the field 'bargin'" in told(linted(warned))
    assert ["VS416", "VS415"] == [check.message[:5] for check in linted(wrong)]
    assert "Put [ ] around it." in linted(wrong)[0].cures
    assert "and 2 more; no error" in told(linted(warned * 12))


def test_what_is_no_ncco_is_a_fault_whatever_it_is() -> None:
    """Also where only its length is wrong."""
    assert "NCCO | fault | VS402 NCCO: the NCCO isn't JSON" in told(judge_no_ncco(lint_text("<html>"), "isn't JSON"))
    assert "NCCO | fault | the NCCO has 101 actions" in told(judge_no_ncco([], "has 101 actions"))


@pytest.mark.parametrize(
    ("found", "synchronous", "expected"),
    [
        (answer(204), False, "event URL | ok | POST gives 204 to completed in 5 ms; Vonage waits 10 s"),
        (answer(204, took_ms=3001), False, "ok | POST gives 204 to completed in 3001 ms; Vonage waits 10 s | over 3 s"),
        (answer(204, took_ms=10_001), False, "event URL | fault"),
        (answer(404), False, "fault | POST gives 404 to completed; 200 to 205 is expected | name the event URL"),
        (answer(500), False, "traceback"),
        (answer(302, Location="/x"), False, "redirects | fault"),
        (answer(404, body=b"<p>ERR_NGROK_3200"), False, "tunnel page | fault"),
        (
            answer(200, body=b'[{"action":"talk","text":"a"}]'),
            False,
            "ok | POST gives 200 to completed in 5 ms; Vonage waits 10 s | VS422",
        ),
        (answer(200, body=b"OK"), False, "Vonage waits 10 s"),
    ],
)
def test_an_event_is_taken_or_it_is_said_why_not(found: Answer, *, synchronous: bool, expected: str) -> None:
    """Its status, how soon it came, and what its body would do."""
    checks = judge_event(found, url=URL, method="POST", status="completed", synchronous=synchronous)

    assert expected in told(checks)


def test_a_time_is_judged_by_what_the_platform_waits() -> None:
    """To the millisecond."""
    marks = [judge_time("t", ms, good_ms=1, limit_s=1).result for ms in (1, 1000, 1001)]

    assert [Result.OK, Result.OK, Result.FAULT] == marks
