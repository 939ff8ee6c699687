"""
What tunnels' programs are called with, and what their lines say.

Pure: text in, values out. A line that isn't understood says nothing.

Source: ngrok's agent (``--log-format json``), versions 2 and 3; cloudflared's ``tunnel --url``, 2021 to 2026.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from vonage_sock.tunnels.agent import public_base
from vonage_sock.tunnels.base import said

_ERROR_CODE = re.compile(r"ERR_NGROK_\d{1,6}")
_BLANKS = re.compile(r"\s*[\r\n]+\s*")
_CLOUDFLARE_URL = re.compile(r"https://(?!api\.)[a-z0-9-]{1,63}\.trycloudflare\.com(?=[\s|]|$)")
_CLOUDFLARE_LINE = re.compile(r"\S+ (?P<level>DBG|INF|WRN|ERR|FTL|PNC) (?P<text>.*)")
_CLOUDFLARE_ERROR = re.compile(r'error="((?:\\.|[^"\\])*)"')
_CLOUDFLARE_LOST: Final = (
    "Unregistered tunnel connection",
    "Connection terminated",
    "Lost connection with the edge",
    "Serve tunnel error",
    "Failed to serve tunnel connection",
)

NGROK_CURES: Final = {
    "ERR_NGROK_105": "the authtoken isn't one; copy it anew: ngrok config add-authtoken YOUR_TOKEN",
    "ERR_NGROK_107": "the authtoken was revoked or reset; copy the new one: ngrok config add-authtoken YOUR_TOKEN",
    "ERR_NGROK_108": "the account's plan allows one agent at a time; stop the other one, or use its tunnel",
    "ERR_NGROK_121": "this ngrok is too old for the account; update it: ngrok update",
    "ERR_NGROK_334": "the account's address is in use by another agent; stop that one, or use its tunnel",
    "ERR_NGROK_4018": "ngrok needs an account's authtoken: ngrok config add-authtoken YOUR_TOKEN, or set NGROK_AUTHTOKEN",
    "ERR_NGROK_8012": "ngrok can't reach this server",
}
"""What to do about the likely ones. Source: ngrok documentation, "Errors"."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The tunnel leads to us at this public base address."""

    url: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The way to the tunnel's service is lost; the program tries to have it back."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Something went wrong, and the program will likely end; of several the first is the cause."""

    reason: str


Said = Ready | Lost | Failed


class Dialect(Protocol):
    """One program, during one run."""

    @property
    def name(self) -> str:
        """What it is called, on ``PATH`` too."""
        ...

    def command(self, program: Path, *, port: int, tls: bool) -> list[str]:
        """How it is run, so that its public address leads to this port of ours."""
        ...

    def read(self, line: str) -> Said | None:
        """What a line of its output says; None where that is nothing to us."""
        ...


class NgrokLog:
    """Ngrok's agent; our SDK program prints the same."""

    name = "ngrok"

    def __init__(self) -> None:
        self._url: str | None = None
        self._lost = False

    def command(self, program: Path, *, port: int, tls: bool) -> list[str]:
        """Its authtoken stands in its own configuration or in the environment, and never in a list of processes."""
        upstream = f"https://localhost:{port}" if tls else str(port)
        return [str(program), "http", upstream, "--log", "stdout", "--log-format", "json", "--log-level", "info"]

    def read(self, line: str) -> Said | None:
        """A line of JSON; others, which it prints when it fails, as far as they have an error's number."""
        entry = _object(line)
        if entry is None:
            return self._read_text(line)
        message, error = entry.get("msg"), entry.get("err")
        url = public_base(entry.get("url"))
        if message == "started tunnel" and url is not None:
            self._url, self._lost = url, False
            return Ready(url)
        if message in ("client session established", "tunnel session started") and self._lost and self._url is not None:
            self._lost = False
            return Ready(self._url)
        if entry.get("lvl") not in ("eror", "error", "crit") or not isinstance(error, str) or error in ("", "<nil>"):
            return None
        if self._url is not None and message != "command failed" and not _ERROR_CODE.search(error):
            self._lost = True
            return Lost(said(error))
        return Failed(ngrok_reason(error))

    def _read_text(self, line: str) -> Said | None:
        return Failed(ngrok_reason(line.removeprefix("ERROR:"))) if _ERROR_CODE.search(line) else None


class CloudflaredLog:
    """Cloudflare's program, with a quick tunnel: one that needs no account."""

    name = "cloudflared"

    def __init__(self) -> None:
        self._url: str | None = None
        self._registered = False
        self._was_ready = False
        self._error = ""

    def command(self, program: Path, *, port: int, tls: bool) -> list[str]:
        """
        Its own configuration file, where there is one, would have the tunnel lead elsewhere.

        It asks our certificate for ``localhost``'s name, and knows none of those that sign for development.
        """
        upstream = f"https://localhost:{port}" if tls else f"http://localhost:{port}"
        command = [str(program), "tunnel", "--config", "/dev/null", "--no-autoupdate", "--url", upstream]
        return [*command, "--no-tls-verify"] if tls else command

    def read(self, line: str) -> Said | None:
        """A line for people, with its time and level; the very last ones of a run that fails have neither."""
        if (url := _CLOUDFLARE_URL.search(line)) is not None and self._url is None:
            self._url = url[0]
            return self._ready()
        match = _CLOUDFLARE_LINE.match(line)
        if match is None:
            return Failed(self._reason(line)) if line.startswith(("failed to ", "error ", "Error ")) else None
        text = match["text"]
        if text.startswith("Registered tunnel connection") or re.match(r"Connection \S+ registered", text):
            self._registered = True
            return self._ready()
        if self._registered and text.startswith(_CLOUDFLARE_LOST):
            self._registered = False
            return Lost(_cloudflare_error(text))
        if match["level"] in ("ERR", "FTL"):
            self._error = _cloudflare_error(text)
        return None

    def _ready(self) -> Said | None:
        return Ready(self._url) if self._url is not None and self._registered else None

    def _reason(self, line: str) -> str:
        if "1015" in self._error or "429" in self._error:
            return (
                "Cloudflare lets nobody here make more quick tunnels for now (429 Too Many Requests); wait some minutes"
            )
        return said(line if not self._error else f"{line} ({self._error})")


def ngrok_reason(error: str) -> str:
    """An error of ngrok's in one half sentence, with its number, and with a cure where there is one."""
    code = _ERROR_CODE.search(error)
    if code is not None and code[0] in NGROK_CURES:
        return f"{NGROK_CURES[code[0]]} ({code[0]})"
    return said(_BLANKS.sub("; ", error.strip()).replace(".;", ";"))


def _cloudflare_error(text: str) -> str:
    error = _CLOUDFLARE_ERROR.search(text)
    status = re.search(r'status_code="([^"]{1,60})"', text)
    words = said(error[1].replace('\\"', '"') if error else text.split(" connIndex=", 1)[0])
    return f"{words} ({said(status[1])})" if status else words


def _object(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
