"""``vsock lint``."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner, Result

from vonage_sock.call.findings import CATALOGUE
from vonage_sock.cli import cli
from vonage_sock.errors import ExitCode

GOOD = json.dumps(
    [
        {
            "action": "connect",
            "endpoint": [
                {"type": "websocket", "uri": "wss://example.com/socket", "content-type": "audio/l16;rate=16000"}
            ],
        }
    ]
)
WARNED = GOOD.replace("wss:", "ws:")
WRONG = GOOD.replace("wss:", "https:")


def lint(*arguments: str, stdin: str | bytes | None = None) -> Result:
    """Run ``vsock lint``."""
    return CliRunner().invoke(cli, ["lint", *arguments], input=stdin, prog_name="vsock")


@pytest.mark.parametrize(
    ("text", "code", "lines"),
    [
        (GOOD, ExitCode.OK, ["nothing is wrong with this NCCO"]),
        (
            WARNED,
            ExitCode.OK,
            [
                f"VS413  warning  action 1 (connect), endpoint: {CATALOGUE['VS413'].message}",
            ],
        ),
        (
            WRONG,
            ExitCode.PROTOCOL,
            [
                "VS412  error    action 1 (connect), endpoint: the uri has https:// as its scheme and must begin with wss://"
            ],
        ),
        (
            "{}",
            ExitCode.PROTOCOL,
            ["VS402  error    NCCO: the NCCO is an object and must be an array; put [ ] around it"],
        ),
    ],
    ids=["good", "a warning", "an error", "no NCCO"],
)
def test_each_problem_is_a_line(text: str, code: ExitCode, lines: list[str], tmp_path: Path) -> None:
    """From a file as from standard input; only errors fail."""
    path = tmp_path / "ncco.json"
    path.write_text(text)
    results = [lint(str(path)), lint("-", stdin=text)]

    assert [(code, lines)] * 2 == [(result.exit_code, result.stdout.splitlines()) for result in results]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (GOOD, ExitCode.OK),
        (WARNED, ExitCode.PROTOCOL),
        (WRONG, ExitCode.PROTOCOL),
        (json.dumps([{"action": "hangup"}]), ExitCode.PROTOCOL),
        (json.dumps([{"action": "talk", "text": "a"}]), ExitCode.OK),
    ],
    ids=["good", "a warning", "an error", "an unknown action", "a note"],
)
def test_strictly_a_warning_fails_too(text: str, code: ExitCode) -> None:
    """A note doesn't."""
    assert code == lint("-", "--strict", stdin=text).exit_code


def test_an_endpoint_without_its_array_is_looked_at_all_the_same() -> None:
    """What else is wrong with it isn't found one run later."""
    ncco = json.loads(WRONG)
    ncco[0]["endpoint"] = ncco[0]["endpoint"][0]

    assert ["VS420", "VS412"] == [line.split()[0] for line in lint("-", stdin=json.dumps(ncco)).stdout.splitlines()]


@pytest.mark.parametrize("source", ["ftp://x", "ws://127.0.0.1/socket"])
def test_an_address_that_is_none_of_the_web_is_one_sentence(source: str) -> None:
    """It isn't taken for a file."""
    result = lint(source)

    assert (ExitCode.USAGE, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert f"Error: '{source}' isn't a web address; give an answer URL" in result.stderr


def test_json_is_one_object_a_line() -> None:
    """And nothing else."""
    result = lint("-", "--json", stdin=WRONG)

    assert {
        "code": "VS412",
        "level": "error",
        "where": "action 1 (connect), endpoint",
        "message": "the uri has https:// as its scheme and must begin with wss://",
    } == json.loads(result.stdout)
    assert not lint("-", "--json", stdin=GOOD).stdout


def test_what_can_t_be_read_is_a_usage_error(tmp_path: Path) -> None:
    """One sentence on stderr."""
    result = lint(str(tmp_path / "nothing.json"))

    assert (ExitCode.USAGE, "") == (result.exit_code, result.stdout)
    assert (
        "nothing.json can't be read: No such file or directory; give a file that holds an NCCO, an answer URL"
        in result.stderr
    )


def test_text_of_an_ncco_is_made_harmless() -> None:
    """Names of actions come from outside."""
    result = lint("-", stdin=json.dumps([{"action": "a\x1b[31m"}]))

    assert "\x1b" not in result.stdout


class Answers(HTTPServer):
    """An answer URL that gives what it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer = (200, "application/json", GOOD)
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}/answer?x=1"


class _Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_GET(self) -> None:
        """Answer."""
        self.server.asked.append(self.path)
        status, content_type, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def answers() -> Iterator[Answers]:
    """A running answer URL."""
    with Answers() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_an_answer_url_is_asked_as_for_a_call(answers: Answers) -> None:
    """By GET, with a call's parameters beside its own."""
    result = lint(answers.url)

    assert (0, "nothing is wrong with this NCCO\n") == (result.exit_code, result.stdout)
    assert {"x", "to", "from", "uuid", "conversation_uuid"} <= parse_qs(urlsplit(answers.asked[0]).query).keys()


@pytest.mark.parametrize(
    ("answer", "code", "found"),
    [
        ((404, "text/html", "no"), ExitCode.PROTOCOL, ["VS401"]),
        ((200, "text/html", GOOD), ExitCode.OK, ["VS403"]),
        ((200, "text/html", WRONG), ExitCode.PROTOCOL, ["VS403", "VS412"]),
    ],
)
def test_the_answer_itself_is_checked(
    answer: tuple[int, str, str], code: ExitCode, found: list[str], answers: Answers
) -> None:
    """Status and content type beside the NCCO."""
    answers.answer = answer
    result = lint(answers.url)

    assert (code, found) == (result.exit_code, [line.split()[0] for line in result.stdout.splitlines()])


def test_an_answer_url_that_can_t_be_reached_is_a_finding_too() -> None:
    """With the exit code of a failed connection."""
    result = lint("http://127.0.0.1:9/answer", "--json")

    assert (ExitCode.CONNECT, "VS501") == (result.exit_code, json.loads(result.stdout)["code"])
