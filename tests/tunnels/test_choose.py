"""Which tunnel is taken."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from fakes import (
    CLOUDFLARE_URL,
    CLOUDFLARED_REGISTERED,
    CLOUDFLARED_URL,
    NGROK_URL,
    ngrok_started,
    write_program,
)

from vonage_sock.errors import UsageError
from vonage_sock.protocol.redaction import redact_text
from vonage_sock.tunnels import choose
from vonage_sock.tunnels.base import NoTunnelError, TunnelError
from vonage_sock.tunnels.choose import OpenTunnel, TunnelKind, closed_quietly, open_tunnel

NOBODY = "http://127.0.0.1:9"
WAIT_S = 10


async def chosen(
    path: Path, kind: TunnelKind, *, url: str | None = None, start: bool = False, **env: str
) -> OpenTunnel:
    """What is opened where ``PATH`` is this, and no agent runs."""
    environ = {"PATH": f"{path}:/usr/bin:/bin", **env}
    async with asyncio.timeout(WAIT_S):
        return await open_tunnel(8000, kind=kind, environ=environ, url=url, start=start, ngrok_api=NOBODY)


@pytest.fixture(autouse=True)
def no_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """It isn't installed, unless a test says so."""
    monkeypatch.setattr(choose, "installed", lambda: False)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Both are installed; each writes down its environment."""
    then = f"env > {tmp_path}/env; exec sleep 60"
    write_program(tmp_path, "ngrok", ngrok_started(), then=then)
    write_program(tmp_path, "cloudflared", *CLOUDFLARED_URL, CLOUDFLARED_REGISTERED, then=then)
    return tmp_path


async def test_what_is_given_is_taken(programs: Path) -> None:
    """And nothing is started."""
    async with await chosen(programs, TunnelKind.AUTO, url="https://calls.example", start=True) as tunnel:
        assert ("https://calls.example", "--url", True, False) == (
            tunnel.url,
            tunnel.name,
            tunnel.given,
            tunnel.started,
        )


@pytest.mark.parametrize("kind", [TunnelKind.AUTO, TunnelKind.NONE])
async def test_nothing_is_started_that_was_not_asked_for(programs: Path, kind: TunnelKind) -> None:
    """Though both programs are there."""
    with pytest.raises(NoTunnelError):
        await chosen(programs, kind)

    assert not (programs / "env").exists()


@pytest.mark.parametrize(
    ("kind", "name", "url"),
    [
        (TunnelKind.AUTO, "ngrok", NGROK_URL),
        (TunnelKind.NGROK, "ngrok", NGROK_URL),
        (TunnelKind.CLOUDFLARED, "cloudflared", CLOUDFLARE_URL),
    ],
)
async def test_a_program_is_started(programs: Path, kind: TunnelKind, name: str, url: str) -> None:
    """That which was named, or the first."""
    async with await chosen(programs, kind, start=True) as tunnel:
        assert (name, url, True) == (tunnel.name, tunnel.url, tunnel.started)


async def test_the_other_program_will_do(programs: Path) -> None:
    """Where nothing was named."""
    (programs / "ngrok").unlink()
    async with await chosen(programs, TunnelKind.AUTO, start=True) as tunnel:
        assert "cloudflared" == tunnel.name


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        (TunnelKind.AUTO, "neither ngrok nor cloudflared is on PATH, and vsock downloads nothing"),
        (
            TunnelKind.NGROK,
            "ngrok isn't on PATH, and vsock downloads nothing (ngrok: install it from ngrok.com/download",
        ),
        (TunnelKind.CLOUDFLARED, "cloudflared isn't on PATH"),
    ],
)
async def test_what_is_not_installed_is_said(tmp_path: Path, kind: TunnelKind, part: str) -> None:
    """With where to get it."""
    with pytest.raises(UsageError, match=r"or give --url$") as error:
        await chosen(tmp_path, kind, start=True)

    assert part in str(error.value)


async def test_a_program_is_given_none_of_the_account_s_secrets(programs: Path) -> None:
    """It is given its own; which is shown nowhere from then on."""
    tunnel = await chosen(
        programs, TunnelKind.NGROK, NGROK_AUTHTOKEN="2aTokenOfMine_77", VONAGE_API_SECRET="s3cr3t-s3cr3t", VSOCK_X="y"
    )
    async with tunnel, asyncio.timeout(WAIT_S):
        while not (text := (programs / "env").read_text() if (programs / "env").exists() else "").endswith("\n"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    assert "NGROK_AUTHTOKEN=2aTokenOfMine_77" in text
    assert "VONAGE_" not in text
    assert "VSOCK_" not in text
    assert "as *** says" == redact_text("as 2aTokenOfMine_77 says")


async def test_the_sdk_comes_before_the_programs(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is installed and has a token; here it can't reach its service."""
    monkeypatch.setattr(choose, "installed", lambda: True)
    env = dict(os.environ) | {"NGROK_AUTHTOKEN": "2aTokenOfMine_77", "NGROK_SERVER_ADDR": "127.0.0.1:9"}
    with pytest.raises(TunnelError) as error:
        await chosen(programs, TunnelKind.NGROK, **{key: value for key, value in env.items() if key != "PATH"})

    assert "ngrok SDK can't open a tunnel: failed to connect session; failed to establish tcp connection" == str(
        error.value
    )


async def test_no_tunnel_is_closed_quietly() -> None:
    """There was none."""
    assert None is await closed_quietly(None)  # type: ignore[func-returns-value]
