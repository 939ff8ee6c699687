"""Programs as tunnels' are: what they print, how they end, and a way in from outside that goes through TLS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

NGROK_URL = "https://ab12-203-0-113-7.ngrok-free.example"
OTHER_URL = "https://cd34-203-0-113-7.ngrok-free.example"
CLOUDFLARE_URL = "https://four-random-small-words.trycloudflare.com"


def line(level: str, message: str, **more: object) -> str:
    """One of the agent's, in its order of members."""
    return json.dumps({**more, "lvl": level, "msg": message, "t": "2026-02-03T10:00:42.123456789Z"}, sort_keys=True)


NGROK_BEGINS = (
    line("info", "no configuration paths supplied"),
    line("info", "using configuration at default config path", path="/home/u/.config/ngrok/ngrok.yml"),
    line("info", "open config file", err=None, path="/home/u/.config/ngrok/ngrok.yml"),
    line("info", "starting web service", addr="127.0.0.1:4040", allow_hosts=[], obj="web"),
    line("info", "client session established", obj="tunnels.session"),
    line("info", "tunnel session started", obj="tunnels.session"),
)


def ngrok_started(url: str = NGROK_URL) -> str:
    """The line that has the address."""
    return line("info", "started tunnel", addr="http://localhost:8000", name="command_line", obj="tunnels", url=url)


def ngrok_failed(error: str) -> tuple[str, ...]:
    """How it ends when it may not."""
    return (
        *NGROK_BEGINS[:4],
        line("eror", "failed to reconnect session", err=error, obj="tunnels.session"),
        line("eror", "session closing", err=error, obj="tunnels.session"),
        line("eror", "terminating with error", err=error, obj="app"),
        line("crit", "command failed", err=error),
        *f"ERROR:  {error}".splitlines(),
    )


NO_TOKEN = (
    "authentication failed: Usage of ngrok requires a verified account and authtoken.\n\nSign up for an account: "
    "https://dashboard.ngrok.com/signup\nInstall your authtoken: https://dashboard.ngrok.com/get-started/your-authtoken"
    "\r\n\r\nERR_NGROK_4018\r\n"
)
TWO_AGENTS = (
    "authentication failed: Your account is limited to 1 simultaneous ngrok agent sessions.\nActive ngrok agent sessions "
    "in region 'us':\n  - ts_2aAbC (203.0.113.7)\r\n\r\nERR_NGROK_108\r\n"
)
IN_USE = (
    "failed to start tunnel: The endpoint 'https://mine.ngrok-free.example' is already online. Either\n1. stop your "
    "existing endpoint first, or\n2. start both endpoints with `--pooling-enabled` to load balance between them."
    "\r\n\r\nERR_NGROK_334\r\n"
)

_STAMP = "2026-02-03T10:00:42Z"
CLOUDFLARED_BEGINS = (
    (
        f"{_STAMP} INF Thank you for trying Cloudflare Tunnel. Doing so, without a Cloudflare account, is a quick way to "
        "experiment and try it out. If you intend to use Tunnels in production you should use a pre-created named tunnel by "
        "following: https://developers.cloudflare.com/cloudflare-one/connections/connect-apps"
    ),
    f"{_STAMP} INF Requesting new quick Tunnel on trycloudflare.com...",
)
CLOUDFLARED_URL = (
    f"{_STAMP} INF +{'-' * 92}+",
    f"{_STAMP} INF |  Your quick Tunnel has been created! Visit it at (it may take some time to be reachable):  |",
    f"{_STAMP} INF |  {CLOUDFLARE_URL}                                             |",
    f"{_STAMP} INF +{'-' * 92}+",
    f"{_STAMP} INF Cannot determine default configuration path. No file [config.yml config.yaml] in [~/.cloudflared]",
    f"{_STAMP} INF Version 2026.1.0 (Checksum 0123abcd)",
    f"{_STAMP} INF Initial protocol quic",
)
CLOUDFLARED_REGISTERED = (
    f"{_STAMP} INF Registered tunnel connection connIndex=0 connection=9e3a4c86-ed8e-449e-9fdf-e44aeaa5c10a event=0 "
    "ip=198.51.100.7 location=lhr01 protocol=quic"
)
CLOUDFLARED_LOST = (
    f'{_STAMP} ERR Serve tunnel error error="timeout: no recent network activity" connIndex=0 event=0 ip=198.51.100.7'
)
CLOUDFLARED_BUSY = (
    *CLOUDFLARED_BEGINS,
    (
        f"{_STAMP} ERR Error unmarshaling QuickTunnel response: error code: 1015 "
        'error="invalid character \'e\' looking for beginning of value" status_code="429 Too Many Requests"'
    ),
    "failed to unmarshal quick Tunnel: invalid character 'e' looking for beginning of value",
)


def write_program(folder: Path, name: str, *lines: str, then: str = "exec sleep 60", to: int = 1) -> Path:
    """A shell script that prints these lines and does ``then``."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.out").write_text("".join(f"{text}\n" for text in lines))
    program = folder / name
    program.write_text(f"#!/bin/sh\ncat '{folder / name}.out' >&{to}\n{then}\n")
    program.chmod(0o755)
    return program


@contextlib.asynccontextmanager
async def tls_edge(cert: Path, port: int) -> AsyncIterator[str]:
    """A public address: it takes TLS off and passes all on to a port of this machine."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert)
    writers: set[asyncio.StreamWriter] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_us, from_us = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        writers.update((writer, from_us))
        await asyncio.gather(pump(reader, from_us), pump(to_us, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()
