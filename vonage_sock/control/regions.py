"""
Where the Voice API is: its hosts, and which of them a token of ours may be sent to.

A live call is known in the region that it was set up in, and nowhere else. Rule: an address that came with a webhook is a
stranger's text; it is asked only when it is Vonage's, or the machine that the user named.

Source: Voice API, "Regions"; webhook reference, ``region_url``.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

DEFAULT_HOST: Final = "api.nexmo.com"
REGIONS: Final = {
    "na-east": "api-us-3.vonage.com",
    "na-west": "api-us-4.vonage.com",
    "eu-west": "api-eu-3.vonage.com",
    "eu-east": "api-eu-4.vonage.com",
    "apac-sng": "api-ap-3.vonage.com",
    "apac-australia": "api-ap-4.vonage.com",
}
"""By the name that an application's settings call them by."""

OLDER_HOSTS: Final = tuple(f"api-{name}.nexmo.com" for name in ("us-1", "us-2", "eu-1", "eu-2", "sg-1"))
ALL_HOSTS: Final = (DEFAULT_HOST, *REGIONS.values(), *OLDER_HOSTS)

MAX_URL: Final = 200

_VONAGE = re.compile(r"api(?:-[a-z]{2}-\d{1,2})?\.(?:nexmo|vonage)\.com", re.ASCII)


def trusted_host(region_url: object, *, named: str | None = None) -> str | None:
    """
    The host (and port) in a webhook's ``region_url``, if a token of ours may be sent there; None if not.

    Args:
        named: the API's host that the user gave in place of Vonage's; other ports of it are trusted as well.
    """
    if not isinstance(region_url, str) or len(region_url) > MAX_URL:
        return None
    try:
        parts = urlsplit(region_url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme != "https" or parts.username is not None or parts.path.strip("/") or parts.query:
        return None
    if named is not None:
        return parts.netloc if host == urlsplit(f"//{named}").hostname else None
    return host if _VONAGE.fullmatch(host) and port in (None, 443) else None
