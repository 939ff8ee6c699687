"""Pages of tunnels, told from a server's own."""

from __future__ import annotations

import pytest

from vonage_sock.tunnels.pages import recognise

INTERSTITIAL = b"""<!DOCTYPE html><html class="h-full" lang="en-US" dir="ltr"><head>
<meta name="author" content="ngrok"><meta name="description" content="ngrok is the fastest way to put anything on the
internet with a single command."></head><body><div id="root"></div>
<script id="script" src="https://cdn.ngrok.com/static/js/error.js" data-payload="eyJjb2RlIjoiNjAyNCJ9"></script>
<noscript>You are about to visit x.ngrok-free.app (ERR_NGROK_6024)</noscript></body></html>"""
ARGO = b"""<!DOCTYPE html><html><head><title>Argo Tunnel error | x.trycloudflare.com | Cloudflare</title></head><body>
<h1><span class="cf-error-type">Error</span> <span class="cf-error-code">1033</span></h1></body></html>"""


@pytest.mark.parametrize(
    ("status", "headers", "body", "what", "cure"),
    [
        (200, {}, INTERSTITIAL, "warning page for browsers", "shown to browsers only"),
        (200, {"ngrok-error-code": "ERR_NGROK_6024"}, b"", "ERR_NGROK_6024", "paid ngrok account"),
        (
            404,
            {"ngrok-error-code": "ERR_NGROK_3200"},
            b"The endpoint x is offline.",
            "is offline",
            "start the tunnel again",
        ),
        (
            502,
            {},
            b"<html>ERR_NGROK_8012 dial tcp refused</html>",
            "can't reach the server behind it",
            "start the server",
        ),
        (503, {"ngrok-error-code": "ERR_NGROK_9999"}, b"", "(ERR_NGROK_9999)", "ngrok.com/docs/errors/err_ngrok_9999"),
        (530, {"server": "cloudflare"}, b"error code: 1033", "no cloudflared runs", "start the tunnel again"),
        (530, {}, ARGO, "no cloudflared runs", "start the tunnel again"),
        (530, {}, ARGO.replace(b"1033", b"1016"), "can't find what its name", "DNS record"),
        (530, {}, b"", "no cloudflared runs", "start the tunnel again"),
        (403, {"server": "cloudflare"}, b"error code: 1020", "firewall", "allow Vonage's addresses"),
        (409, {"server": "cloudflare"}, b"error code: 1099", "error 1099", "look it up"),
        (402, {"ngrok-error-code": "ERR_NGROK_725"}, b"", "month's traffic", "another tunnel"),
        (502, {"server": "cloudflare"}, b"", "can't reach the server behind it", "cloudflared tunnel --url"),
        (502, {"cf-ray": "1-FRA"}, b"", "can't reach the server behind it", "cloudflared tunnel --url"),
        (511, {}, b"bypass-tunnel-reminder", "reminder page", "use another tunnel"),
        (404, {"server": "localtunnel"}, b"404", "no tunnel of this name", "start the tunnel again"),
        (502, {"x-tunnel-service-error": "x"}, b"", "dev tunnel", "--allow-anonymous"),
    ],
)
def test_a_tunnel_s_page_is_known_by_its_marks(
    status: int, headers: dict[str, str], body: bytes, what: str, cure: str
) -> None:
    """Each with what it means and what to do."""
    page = recognise(status, headers, body)

    assert page is not None
    assert (True, True) == (what in page.what, cure in page.cure)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'[{"action":"talk","text":"ERR_NGROK_3200"}]'),
        (200, b"error code: 1033"),
        (404, b"<h1>Not Found</h1>"),
        (502, b"\xff\xfe<html>"),
        (500, b"error code: 1033"),
    ],
)
def test_a_server_s_own_answer_is_no_tunnel_s_page(status: int, body: bytes) -> None:
    """Also where it speaks of one."""
    assert recognise(status, {}, body) is None
