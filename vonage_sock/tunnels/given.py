"""An address that the user names: who leads it to us is not for us to know."""

from __future__ import annotations

from vonage_sock.tunnels.base import News, nothing


class GivenTunnel:
    """
    A public address that was given.

    Args:
        url: its base, without a last slash.
    """

    name = "--url"

    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self, port: int, *, tls: bool) -> str:
        """It is open already, one hopes: a check through it will tell."""
        return self._url

    async def news(self) -> News:
        """None comes."""
        return await nothing()

    async def why_closed(self) -> str | None:
        """That can't be known from here."""
        return None

    async def close(self) -> None:
        """Nothing was taken."""
