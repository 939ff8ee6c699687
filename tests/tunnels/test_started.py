"""Tunnels by programs of the user's: opened, watched, and gone when they are to be."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from fakes import (
    CLOUDFLARE_URL,
    CLOUDFLARED_BEGINS,
    CLOUDFLARED_LOST,
    CLOUDFLARED_REGISTERED,
    CLOUDFLARED_URL,
    NGROK_BEGINS,
    NGROK_URL,
    NO_TOKEN,
    OTHER_URL,
    ngrok_failed,
    ngrok_started,
    write_program,
)

from vonage_sock.tunnels.base import Closed, Opened, TunnelError
from vonage_sock.tunnels.programs import CloudflaredLog, Dialect, NgrokLog
from vonage_sock.tunnels.started import StartedTunnel

WAIT_S = 30


def tunnel_by(program: Path, dialect: Dialect | None = None, *, wait_s: float = WAIT_S) -> StartedTunnel:
    """The tunnel that this program makes."""
    dialect = dialect or NgrokLog()
    command = dialect.command(program, port=8000, tls=False)
    return StartedTunnel(dialect, command, os.environ, name=dialect.name, wait_s=wait_s)


async def why_not(tunnel: StartedTunnel) -> str:
    """Why it can't be opened."""
    with pytest.raises(TunnelError) as error:
        await tunnel.open(8000, tls=False)
    return str(error.value)


async def test_ngrok_opens_moves_and_dies(tmp_path: Path) -> None:
    """Its address, its next one, and how it ended are told in this order."""
    then = f"read _ < {tmp_path}/go; cat {tmp_path}/more; read _ < {tmp_path}/go; kill -KILL $$"
    os.mkfifo(tmp_path / "go")
    # Open both ways it never waits for the other end, which may be gone.
    go = os.open(tmp_path / "go", os.O_RDWR)
    (tmp_path / "more").write_text(f"{ngrok_started(OTHER_URL)}\n")
    tunnel = tunnel_by(write_program(tmp_path, "ngrok", *NGROK_BEGINS, ngrok_started(), then=then))

    async with asyncio.timeout(WAIT_S):
        opened = await tunnel.open(8000, tls=False)
        news = []
        for _ in range(2):
            os.write(go, b"\n")
            news.append(await tunnel.news())
        why = await tunnel.why_closed()
        await tunnel.close()
    os.close(go)

    assert NGROK_URL == opened
    assert [Opened(OTHER_URL), Closed("ngrok was killed by SIGKILL", for_good=True)] == news
    assert "ngrok was killed by SIGKILL" == why


async def test_cloudflared_opens_and_loses_its_way(tmp_path: Path) -> None:
    """It prints to its standard error; while it has lost its way, that is why calls end."""
    lines = (*CLOUDFLARED_BEGINS, *CLOUDFLARED_URL, CLOUDFLARED_REGISTERED, CLOUDFLARED_LOST, CLOUDFLARED_REGISTERED)
    tunnel = tunnel_by(write_program(tmp_path, "cloudflared", *lines, to=2), CloudflaredLog())

    async with asyncio.timeout(WAIT_S):
        opened = await tunnel.open(8000, tls=False)
        news = [await tunnel.news()]
        why = await tunnel.why_closed()
        news.append(await tunnel.news())
        then = await tunnel.why_closed()
        await tunnel.close()

    lost = "cloudflared lost its way to its service: timeout: no recent network activity"
    assert CLOUDFLARE_URL == opened
    assert [Closed(lost), Opened(CLOUDFLARE_URL)] == news
    assert [lost, None] == [why, then]


async def test_an_error_is_told_before_the_program_ends(tmp_path: Path) -> None:
    """One that tries for ever is not waited for; it is ended."""
    reason = await why_not(tunnel_by(write_program(tmp_path, "ngrok", *ngrok_failed(NO_TOKEN))))

    assert reason.startswith("ngrok can't open a tunnel: ngrok needs an account's authtoken")


async def test_a_program_that_dies_is_told_with_its_last_line(tmp_path: Path) -> None:
    """Whatever that is."""
    program = write_program(tmp_path, "ngrok", "ngrok: \x1b[31mnot for this machine", then="exit 126")
    reason = await why_not(tunnel_by(program))

    assert reason == (
        "ngrok can't open a tunnel: it ended with exit code 126; its last line is: ngrok: \\x1b[31mnot for this machine"
    )


async def test_a_program_that_prints_nothing_is_left(tmp_path: Path) -> None:
    """After a while, which is said."""
    reason = await why_not(tunnel_by(write_program(tmp_path, "ngrok"), wait_s=0.3))

    assert "ngrok has made no public address within 0.3 s, and it printed nothing" == reason


async def test_a_program_that_hangs_is_ended_when_we_are_told_to_stop(tmp_path: Path) -> None:
    """Who cancels the opening leaves nothing behind."""
    os.mkfifo(tmp_path / "pid")
    program = write_program(tmp_path, "ngrok", then=f"echo $$ > {tmp_path}/pid; exec sleep 60")
    tunnel = tunnel_by(program)
    opening = asyncio.create_task(tunnel.open(8000, tls=False))
    async with asyncio.timeout(WAIT_S):
        pid = int(await asyncio.to_thread((tmp_path / "pid").read_text))
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)

    assert opening.cancelled()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
