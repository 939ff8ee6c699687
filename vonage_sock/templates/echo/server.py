"""Callers hear themselves."""

from __future__ import annotations

from vonage_sock import AsyncCall, Server

from program import run, settings, show, stopped


async def echo(call: AsyncCall) -> None:
    """Send each frame back: 20 ms of 16-bit PCM."""
    async for frame in call:
        await call.send(frame)


async def main() -> None:
    """Serve."""
    async with Server(echo, observers=[show], **settings()):
        await stopped()


if __name__ == "__main__":
    run(main())
