"""
Pages that a tunnel shows in a server's place, known by their marks, each with its cure.

Pure. Which marks there are is what ngrok, Cloudflare, localtunnel and Microsoft's dev tunnels send today; what isn't known
is left to its HTTP status.

Source: ngrok documentation, "Errors"; Cloudflare documentation, "Cloudflare 1xxx errors" and "Cloudflare Tunnel, common
errors".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LOOKED_AT: Final = 64 * 1024
"""So much of a body is searched for marks."""

_NGROK_CODE = re.compile(r"ERR_NGROK_\d{1,6}", re.ASCII)
_CLOUDFLARE_CODE = re.compile(r"(?:error code: |cf-error-code\">|Error )(1\d{3})\b", re.ASCII)


@dataclass(frozen=True, slots=True)
class Page:
    """What came in the server's place, and what to do."""

    what: str
    cure: str


_START: Final = (
    "start the tunnel again; if its address has changed, let the application point at the new one (vsock dev does both)"
)
_NEXT_MONTH: Final = "wait for the next month, or use another tunnel"
_NGROK: Final = {
    "ERR_NGROK_3200": Page("the ngrok tunnel of this name is offline (ERR_NGROK_3200)", _START),
    "ERR_NGROK_3004": Page(
        "ngrok got what isn't HTTP from the server behind it (ERR_NGROK_3004)",
        "the server speaks TLS and the tunnel doesn't: start it with ngrok http https://localhost:PORT, or serve plain http",
    ),
    "ERR_NGROK_6022": Page(
        "ngrok shows no HTML without an account (ERR_NGROK_6022)",
        "the server answered a page: let it answer JSON, and log in with ngrok config add-authtoken",
    ),
    "ERR_NGROK_6024": Page(
        "ngrok's warning page for browsers stands in the server's place (ERR_NGROK_6024)",
        "it is shown to browsers only; should Vonage get it too, use a domain of a paid ngrok account, or cloudflared",
    ),
    "ERR_NGROK_8012": Page(
        "the ngrok tunnel stands, and its agent can't reach the server behind it (ERR_NGROK_8012)",
        "start the server, or let the tunnel lead to its port: ngrok http PORT",
    ),
    "ERR_NGROK_725": Page("this ngrok account has used up its month's traffic (ERR_NGROK_725)", _NEXT_MONTH),
    "ERR_NGROK_727": Page("this ngrok account has used up its month's requests (ERR_NGROK_727)", _NEXT_MONTH),
    "ERR_NGROK_734": Page(
        "there are more requests a minute than this ngrok account may have (ERR_NGROK_734)",
        "wait for a minute; a paid plan takes more",
    ),
}
_CLOUDFLARE: Final = {
    "1033": Page("Cloudflare knows the name, and no cloudflared runs for it (error 1033)", _START),
    "1016": Page(
        "Cloudflare can't find what its name leads to (error 1016)",
        "look at the DNS record; it must lead to a tunnel that runs",
    ),
    "1015": Page(
        "Cloudflare lets no more requests through for now (error 1015)", "wait, or loosen the zone's rate limiting"
    ),
    "1020": Page(
        "Cloudflare's firewall refuses the request (error 1020)",
        "allow Vonage's addresses, and clients that are no browsers, in the zone's firewall",
    ),
}


_NO_ORIGIN: Final = frozenset({502, 521, 522, 523})


def recognise(status: int, headers: Mapping[str, str], body: bytes) -> Page | None:
    """The page of a tunnel's that this answer is; None when it is a server's own, or nobody's that is known."""
    text = body[:LOOKED_AT].decode("utf-8", "replace")
    return _ngrok(status, headers, text) or _cloudflare(status, headers, text) or _others(status, headers, text)


def _ngrok(status: int, headers: Mapping[str, str], text: str) -> Page | None:
    # Our own server may speak of ngrok; only a page, or the header that ngrok itself sets, is a page of ngrok's.
    told = _NGROK_CODE.fullmatch(_header(headers, "ngrok-error-code"))
    found = told or (_NGROK_CODE.search(text) if "<" in text[:200] or status >= 400 else None)
    if found is None:
        return None
    code = found[0]
    return _NGROK.get(code) or Page(
        f"ngrok answers in the server's place ({code})", f"look it up: https://ngrok.com/docs/errors/{code.lower()}"
    )


def _cloudflare(status: int, headers: Mapping[str, str], text: str) -> Page | None:
    if status < 400:
        return None
    by_cloudflare = bool(_header(headers, "cf-ray")) or "cloudflare" in _header(headers, "server").lower()
    found = _CLOUDFLARE_CODE.search(text)
    if found is not None and (by_cloudflare or "cloudflare" in text.lower()):
        known = _CLOUDFLARE.get(found[1])
        code = found[1]
        return known or Page(
            f"Cloudflare answers in the server's place (error {code})",
            f"look it up: https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-1xxx-errors/error-{code}/",
        )
    if status == 530:
        return _CLOUDFLARE["1033"]
    if "Unable to reach the origin service" in text or (status in _NO_ORIGIN and by_cloudflare):
        return Page(
            f"Cloudflare can't reach the server behind it (HTTP {status})",
            "start the server, or let the tunnel lead to its port: cloudflared tunnel --url http://localhost:PORT",
        )
    return None


def _others(status: int, headers: Mapping[str, str], text: str) -> Page | None:
    if status == 511 or "loca.lt" in text or "localtunnel" in _header(headers, "server").lower():
        return _localtunnel(status, text)
    if "devtunnels" in text or _header(headers, "x-tunnel-service-error"):
        return Page(
            "Microsoft's dev tunnel answers in the server's place",
            "let everybody in (devtunnel host --allow-anonymous), and see that it runs",
        )
    return None


def _localtunnel(status: int, text: str) -> Page | None:
    if status == 511 or "bypass-tunnel-reminder" in text:
        return Page(
            "localtunnel's reminder page stands in the server's place",
            "use another tunnel: it is shown to whoever doesn't send bypass-tunnel-reminder",
        )
    return Page("localtunnel has no tunnel of this name", _START) if status in {404, 503} else None


def _header(headers: Mapping[str, str], name: str) -> str:
    return headers.get(name, "")[:200]
