"""An NCCO as it came over the wire, read as the platform reads it: by itself from the answer URL, or for an event."""

from __future__ import annotations

from typing import Final

from vonage_sock.protocol import jsontext
from vonage_sock.protocol.ncco import Ncco, WebsocketEndpoint, read_ncco, websocket_endpoint

MAX_ACTIONS: Final = 100


def ncco_of(body: bytes) -> Ncco:
    """
    The NCCO in a body.

    Raises:
        ValueError: half a sentence that says why it can't be carried out, to stand behind "the NCCO".
    """
    try:
        value = jsontext.loads(body)
    except ValueError as error:
        raise ValueError(f"isn't JSON: {error if body.strip() else 'there is nothing in it'}") from error
    ncco = read_ncco(value)
    if len(ncco) > MAX_ACTIONS:
        raise ValueError(f"has {len(ncco)} actions; {MAX_ACTIONS} are carried out at most")
    return ncco


def first_endpoint(ncco: Ncco) -> WebsocketEndpoint | None:
    """The websocket that an NCCO leads to first; None where it leads to none."""
    for action in ncco:
        if action["action"] != "connect":
            continue
        try:
            endpoint = websocket_endpoint(action)
        except ValueError:
            continue
        if endpoint is not None:
            return endpoint
    return None
