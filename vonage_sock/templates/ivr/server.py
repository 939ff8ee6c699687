"""A menu: keys choose what is said, and cut off what is being said."""

from __future__ import annotations

import asyncio
from pathlib import Path

from vonage_sock import AsyncCall, Server

import prompts
from program import run, settings, show, stopped

CHOICES = {"1": "hours", "2": "way"}
END_KEY = "9"
PATIENCE_S = 5.0
"""How long a key is waited for after a prompt."""

MISSES = 3
"""So many times in a row without a key that leads somewhere end the call."""

FALLBACK = [{"action": "talk", "text": "If we were cut off, please call again."}]
"""
What Vonage does when the socket can't be opened, or is closed, which it takes for lost: said after "goodbye", too, so it has
to fit both.
"""


class Ivr:
    """The menu, with the prompts in this directory; its ``answer`` takes each call."""

    def __init__(self, directory: Path = prompts.PROMPTS, *, patience_s: float = PATIENCE_S) -> None:
        self._directory = directory
        self._patience_s = patience_s

    async def answer(self, call: AsyncCall) -> None:
        """Ask and say, until the caller has enough or hangs up."""
        misses, prompt = 0, "menu"
        while not call.ended and misses < MISSES:
            key = await self._ask(call, prompt)
            if key == END_KEY:
                break
            misses = 0 if key in CHOICES else misses + 1
            prompt = "menu" if key is None else CHOICES.get(key, "unknown")
        await self._say(call, "goodbye")

    async def _ask(self, call: AsyncCall, prompt: str) -> str | None:
        """Say something, and what there is to choose; a key cuts that off. None when none came."""
        pressed = asyncio.create_task(call.next_digit())
        try:
            for name in dict.fromkeys((prompt, "menu")):
                saying = asyncio.create_task(self._say(call, name))
                await asyncio.wait((saying, pressed), return_when=asyncio.FIRST_COMPLETED)
                if pressed.done():
                    await call.clear()
                await saying
                if pressed.done():
                    return pressed.result()
            await asyncio.wait((pressed,), timeout=self._patience_s)
            return pressed.result() if pressed.done() else None
        finally:
            pressed.cancel()

    async def _say(self, call: AsyncCall, name: str) -> None:
        await call.play(self._directory / f"{name}.wav")


async def main() -> None:
    """Serve."""
    prompts.make()
    async with Server(Ivr().answer, observers=[show], fallback=FALLBACK, **settings()):
        await stopped()


if __name__ == "__main__":
    run(main())
