"""``vsock limits``, and the options that it shows."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from vonage_sock.cli import cli
from vonage_sock.cli.plan import Plan, ServeOptions
from vonage_sock.cli.serve import serve
from vonage_sock.errors import ExitCode
from vonage_sock.limits import DEFAULTS, Limits, catalogue


def run(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and all that was said."""
    result = CliRunner().invoke(cli, ["limits", *arguments], prog_name="vsock", env=environment)
    return result.exit_code, result.output


def test_the_table_shows_each_limit() -> None:
    """Its value and unit, its option, what it bounds and what happens beyond it."""
    code, output = run()
    text = " ".join(output.split())

    assert ExitCode.OK == code
    assert all(
        f"{name} " in text and f" {about.option} {about.help[:-1]}; beyond it, {about.beyond}." in text
        for name, about in catalogue().items()
    )
    assert "message_bytes 128 KiB --max-message-bytes" in text
    assert "first_message_s 10 s --first-message-within" in text


def test_a_narrow_terminal_gets_narrow_lines() -> None:
    """Nothing is left out, and only words that are longer than a line go beyond it; ``COLUMNS`` counts in a pipe too."""
    lines = run(COLUMNS="20")[1].splitlines()

    assert [] == [line for line in lines if len(line) > 20 and " " in line]
    assert ["calls", "64 calls", "--max-calls", "Calls at once, over"] == lines[2:6]


def test_json_is_a_line_for_each_limit() -> None:
    """With the numbers as they are."""
    lines = [json.loads(line) for line in run("--json")[1].splitlines()]

    assert {name: getattr(DEFAULTS, name) for name in catalogue()} == {line["name"]: line["value"] for line in lines}
    assert {
        "name": "body_s",
        "value": 10.0,
        "unit": "s",
        "default": 10.0,
        "option": "--body-within",
        "variable": "VSOCK_BODY_WITHIN",
        "group": "HTTP",
        "help": "Time in which a webhook's body has to come.",
        "beyond": "the webhook is answered with 408",
    } == next(line for line in lines if line["name"] == "body_s")


@pytest.mark.parametrize(
    ("name", "value"), [("calls", 7), ("body_s", 2.5), ("message_bytes", 1 << 20), ("json_depth", 5)]
)
def test_each_limit_is_an_option_and_a_variable(name: str, value: float) -> None:
    """Of the server commands and of ``vsock limits`` itself."""
    about = catalogue()[name]
    options = ServeOptions.of(serve.make_context("serve", [about.option, str(value)]).params)
    lines = [json.loads(line) for line in run("--json", **{about.variable: str(value)})[1].splitlines()]

    assert Limits(**{name: value}) == Plan(options).config.limits
    assert value == next(line["value"] for line in lines if line["name"] == name)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64K", 64 << 10),
        ("3m", 3 << 20),
        ("1.5M", 3 << 19),
        ("4096", 4096),
        ("4096B", 4096),
        ("64KiB", 64 << 10),
        ("64 kib", 64 << 10),
        ("2MiB", 2 << 20),
        ("64KB", 64_000),
        ("2MB", 2_000_000),
    ],
)
def test_a_size_may_end_in_its_unit(text: str, size: int) -> None:
    """As one writes it."""
    lines = [json.loads(line) for line in run("--max-body-bytes", text, "--json")[1].splitlines()]

    assert size == next(line["value"] for line in lines if line["name"] == "body_bytes")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-calls", "0"], "'--max-calls': 0 is less than 1, the least that it can be."),
        (["--max-calls", "1.5"], "'1.5' is not a whole number."),
        (["--max-calls", "nan"], "'nan' is not a whole number."),
        (["--max-calls", "5K"], "'5K' is not a whole number."),
        (["--body-within", "inf"], "inf is more than 3,600, the most that it can be."),
        (["--body-within", "soon"], "'soon' is not a number."),
        (["--max-body-bytes", "K"], "'K' is not a size: give bytes, or a unit, as in 500M, 64KiB or 2GB."),
        (["--max-body-bytes", "1.2.3K"], "is not a size"),
        (["--max-body-bytes", "2Ki"], "is not a size"),
        (["--max-body-bytes", "-1"], "is not a size"),
        (
            ["--max-recording-bytes", "20000"],
            "'--max-recording-bytes': 20,000 bytes is less than 64 KiB, the least that it can be.",
        ),
        (["--max-recording-bytes", "2PB"], "2,000,000,000,000,000 bytes is more than 1 PiB, the most that it can be."),
    ],
)
def test_what_a_limit_cannot_be_is_refused_in_a_sentence(arguments: list[str], said: str) -> None:
    """Exit code 2, and nothing is listened on."""
    code, output = run(*arguments)

    assert ExitCode.USAGE == code
    assert said in output
