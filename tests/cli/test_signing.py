"""Signed calls from one program to another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from vonage_sock.cli import cli

SECRET = "a signature secret of more than 32 bytes"
WAIT_S = 30


@contextmanager
def serving(*options: str) -> Iterator[tuple[str, list[str]]]:
    """A server with the secret in its environment: its answer URL, and what it printed once it has ended."""
    lines: list[str] = []
    command = [sys.executable, "-m", "vonage_sock", "serve", "--echo", "--port", "0", "--json", *options]
    environment = os.environ | {"VONAGE_SIGNATURE_SECRET": SECRET}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        lines.append(process.stdout.readline())
        port = json.loads(lines[0])["port"]
        yield f"http://127.0.0.1:{port}/webhooks/answer", lines
        process.terminate()
        lines += process.communicate(timeout=WAIT_S)[0].splitlines()


def call(target: str, secret: str | None) -> tuple[int, str]:
    """Exit code and output of a call that is as short as can be."""
    signing = [] if secret is None else ["--signature-secret", secret]
    result = CliRunner().invoke(cli, ["call", target, "--duration", "0.04", "--json", *signing], prog_name="vsock")
    return result.exit_code, result.output


def test_only_who_knows_the_secret_gets_through() -> None:
    """With the right one as with Vonage; with none or another one there is a sentence; it is printed nowhere."""
    with serving("--url", "https://calls.example", "--tunnel", "none", "--workers", "2") as (url, lines):
        socket_url = url.replace("http", "ws").replace("/webhooks/answer", "/socket")
        results = [call(*one) for one in ((socket_url, SECRET), (socket_url, None), (url, SECRET[::-1]), (url, None))]
    told = [json.loads(line) for line in lines]

    assert [0, 7, 7, 7] == [code for code, _ in results]
    assert "it wants an Authorization header" in results[1][1]
    assert all("it may want signed webhooks, with the right --signature-secret" in said for _, said in results[2:])
    assert {"VS440", "VS441"} == {line["code"] for line in told if line["event"] == "call.finding"}
    assert SECRET not in "".join(lines) + "".join(said for _, said in results)


@pytest.mark.parametrize("command", ["serve", "call", "load"])
@pytest.mark.parametrize("secret", ["", "-----BEGIN PUBLIC KEY-----\nhush\n-----END PUBLIC KEY-----\n"])
def test_what_cannot_be_a_secret_is_a_mistake_that_is_told(command: str, secret: str) -> None:
    """Before anything begins, and without repeating it."""
    target = [] if command == "serve" else ["ws://127.0.0.1:1/"]
    result = CliRunner().invoke(cli, [command, *target, "--signature-secret", secret], prog_name="vsock")

    assert (2, True) == (result.exit_code, "the signature secret" in str(result.output) + str(result.exception))
    assert "hush" not in result.output


def test_an_origin_that_is_none_is_a_mistake_that_is_told() -> None:
    """With an example."""
    result = CliRunner().invoke(cli, ["serve", "--allow-origin", "example.com"], prog_name="vsock")

    assert 2 == result.exit_code
    assert "give it as https://example.com" in result.output
