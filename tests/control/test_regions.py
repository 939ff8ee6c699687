"""Where a token may be sent."""

from __future__ import annotations

import pytest

from vonage_sock.account import credentials
from vonage_sock.control.regions import ALL_HOSTS, REGIONS, trusted_host


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api-eu-3.vonage.com", "api-eu-3.vonage.com"),
        ("https://api-us-1.nexmo.com/", "api-us-1.nexmo.com"),
        ("https://api.nexmo.com:443", "api.nexmo.com"),
        ("http://api-eu-3.vonage.com", None),
        ("https://api-eu-3.vonage.com.evil.example", None),
        ("https://evil.example/api-eu-3.vonage.com", None),
        ("https://user:secret@api-eu-3.vonage.com", None),
        ("https://api-eu-3.vonage.com@evil.example", None),
        ("https://api-eu-3.vonage.com:8443", None),
        ("https://files.vonage.com", None),
        ("https://api-eu-3.vonage.com/v1?x=1", None),
        ("https://[", None),
        ("https://api-eu-3.vonage.com" + "x" * 300, None),
        (None, None),
        (["https://api-eu-3.vonage.com"], None),
    ],
)
def test_only_vonages_own_hosts_get_a_token(url: object, host: str | None) -> None:
    """Anybody can post a webhook; the address in it is followed only where it is Vonage's API."""
    assert host == trusted_host(url)


def test_a_named_api_stays_on_its_machine() -> None:
    """With --api-host only other ports of the same host are trusted, and Vonage's are not."""
    named = "127.0.0.1:8100"

    assert ["127.0.0.1:8101", None, None, None] == [
        trusted_host(url, named=named)
        for url in (
            "https://127.0.0.1:8101",
            "http://127.0.0.1:8101",
            "https://127.0.0.2:8101",
            "https://api-eu-3.vonage.com",
        )
    ]


def test_every_region_of_the_settings_has_a_host() -> None:
    """What --region takes is where calls are placed."""
    assert set(credentials.REGIONS) == set(REGIONS)
    assert set(REGIONS.values()) <= set(ALL_HOSTS)
