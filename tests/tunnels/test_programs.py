"""What the lines of ngrok and cloudflared say."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import (
    CLOUDFLARE_URL,
    CLOUDFLARED_BEGINS,
    CLOUDFLARED_BUSY,
    CLOUDFLARED_LOST,
    CLOUDFLARED_REGISTERED,
    CLOUDFLARED_URL,
    IN_USE,
    NGROK_BEGINS,
    NGROK_URL,
    NO_TOKEN,
    OTHER_URL,
    TWO_AGENTS,
    line,
    ngrok_failed,
    ngrok_started,
)
from hypothesis import given
from hypothesis import strategies as st

from vonage_sock.tunnels.programs import CloudflaredLog, Dialect, Failed, Lost, NgrokLog, Ready, Said


def heard(dialect: Dialect, *lines: str) -> list[Said]:
    """What these lines say, in order."""
    return [what for text in lines if (what := dialect.read(text)) is not None]


def test_ngrok_is_ready_with_its_address() -> None:
    """What it says before is nothing to us, nor is a plain http address."""
    plain = ngrok_started("http://ab12.ngrok-free.example")

    assert [Ready(NGROK_URL)] == heard(NgrokLog(), *NGROK_BEGINS, plain, ngrok_started())


def test_ngrok_s_way_is_lost_and_found() -> None:
    """A session that is lost and comes back has the address that it had, or says another."""
    lost = line("eror", "session closed, starting reconnect loop", err="read EOF from remote peer", obj="csess")
    back = line("info", "client session established", obj="tunnels.session")

    said = heard(NgrokLog(), ngrok_started(), lost, back, back, lost, ngrok_started(OTHER_URL))

    assert [*[Ready(NGROK_URL), Lost("read EOF from remote peer")] * 2, Ready(OTHER_URL)] == said


@pytest.mark.parametrize(
    ("error", "part"),
    [
        pytest.param(
            NO_TOKEN, "ngrok config add-authtoken YOUR_TOKEN, or set NGROK_AUTHTOKEN (ERR_NGROK_4018)", id="4018"
        ),
        pytest.param(
            TWO_AGENTS, "one agent at a time; stop the other one, or use its tunnel (ERR_NGROK_108)", id="108"
        ),
        pytest.param(IN_USE, "in use by another agent; stop that one, or use its tunnel (ERR_NGROK_334)", id="334"),
        pytest.param("dial tcp: lookup connect.ngrok-agent.com: no such host", "no such host", id="no name"),
        pytest.param("odd thing.\r\n\r\nERR_NGROK_99999\r\n", "odd thing; ERR_NGROK_99999", id="unknown number"),
    ],
)
def test_ngrok_s_errors_are_said_with_their_cure(error: str, part: str) -> None:
    """By their numbers; an unknown one is said as it came, on one line."""
    first = heard(NgrokLog(), *ngrok_failed(error))[0]

    assert isinstance(first, Failed)
    assert first.reason.endswith(part)


def test_ngrok_s_last_words_without_json_are_understood() -> None:
    """An agent that can't even read its configuration prints no JSON."""
    said = heard(NgrokLog(), "ERROR:  authentication failed", "ERROR:  ERR_NGROK_105")

    assert ["the authtoken isn't one; copy it anew: ngrok config add-authtoken YOUR_TOKEN (ERR_NGROK_105)"] == [
        what.reason for what in said if isinstance(what, Failed)
    ]


def test_cloudflared_is_ready_when_its_connection_is() -> None:
    """The address alone leads nowhere yet; and it is no other of Cloudflare's addresses."""
    log = CloudflaredLog()

    assert [] == heard(log, *CLOUDFLARED_BEGINS, *CLOUDFLARED_URL)
    assert [Ready(CLOUDFLARE_URL)] == heard(log, CLOUDFLARED_REGISTERED)


def test_cloudflared_s_connection_is_lost_and_found() -> None:
    """It keeps its address; that the loss is said in several lines is one loss."""
    ended = CLOUDFLARED_LOST.replace("Serve tunnel error", "Connection terminated")
    log = CloudflaredLog()

    said = heard(log, *CLOUDFLARED_URL, CLOUDFLARED_REGISTERED, CLOUDFLARED_LOST, ended, CLOUDFLARED_REGISTERED)

    assert [Ready(CLOUDFLARE_URL), Lost("timeout: no recent network activity"), Ready(CLOUDFLARE_URL)] == said


def test_cloudflared_s_rate_limit_is_named() -> None:
    """What it prints of it is a parser's complaint."""
    (said,) = heard(CloudflaredLog(), *CLOUDFLARED_BUSY)

    assert (
        Failed("Cloudflare lets nobody here make more quick tunnels for now (429 Too Many Requests); wait some minutes")
        == said
    )


def test_cloudflared_without_a_network_is_said() -> None:
    """As it came, since it says it well."""
    error = 'failed to request quick Tunnel: Post "https://api.trycloudflare.com/tunnel": dial tcp: no such host'

    assert [Failed(error)] == heard(CloudflaredLog(), *CLOUDFLARED_BEGINS, error)


@pytest.mark.parametrize("dialect", [NgrokLog, CloudflaredLog])
@given(text=st.text(max_size=300) | st.builds(line, st.text(), st.text(), err=st.text(), url=st.text(), obj=st.text()))
def test_any_line_is_taken(dialect: type[NgrokLog | CloudflaredLog], text: str) -> None:
    """Whatever a program prints, nothing is raised, and what is said of it is printable."""
    said = dialect().read(text)

    assert said is None or (said.url if isinstance(said, Ready) else said.reason).isprintable()


def test_an_upstream_with_tls_is_named_so() -> None:
    """Each program is told to speak what our port speaks; cloudflared, not to read its configuration file."""
    commands = [
        dialect.command(Path("/bin/x"), port=8443, tls=tls)
        for dialect in (NgrokLog(), CloudflaredLog())
        for tls in (False, True)
    ]

    assert ["8443", "https://localhost:8443"] == [command[2] for command in commands[:2]]
    assert ["http://localhost:8443", "https://localhost:8443"] == [command[6] for command in commands[2:]]
    assert [False, True] == ["--no-tls-verify" in command for command in commands[2:]]
    assert all("/dev/null" in command for command in commands[2:])
