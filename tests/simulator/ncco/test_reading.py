"""An NCCO as it came over the wire."""

from __future__ import annotations

import json

import pytest

from vonage_sock.simulator.ncco.reading import MAX_ACTIONS, first_endpoint, ncco_of

TALK = {"action": "talk", "text": "hi"}


def connect(**endpoint: object) -> dict[str, object]:
    return {"action": "connect", "endpoint": [endpoint]}


def test_an_ncco_is_read() -> None:
    """As many actions as are carried out."""
    assert [TALK] * MAX_ACTIONS == ncco_of(json.dumps([TALK] * MAX_ACTIONS).encode())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"OK", "isn't JSON: Expecting"),
        (b" ", "isn't JSON: there is nothing in it"),
        (b"{}", "is an object and must be an array"),
        (json.dumps([TALK] * (MAX_ACTIONS + 1)).encode(), "has 101 actions; 100 are carried out at most"),
    ],
)
def test_what_is_no_ncco_is_told_why(body: bytes, reason: str) -> None:
    """In half a sentence."""
    with pytest.raises(ValueError, match=reason):
        ncco_of(body)


def test_the_first_websocket_is_found() -> None:
    """Behind what is none, and what can't be used."""
    ncco = [TALK, connect(type="phone"), connect(type="websocket"), connect(type="websocket", uri="wss://a.example/")]
    endpoint = first_endpoint(ncco)

    assert endpoint is not None
    assert "wss://a.example/" == endpoint.uri
    assert first_endpoint(ncco[:3]) is None
