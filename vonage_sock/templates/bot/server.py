"""Listens, answers when a phrase is over, and falls silent when the caller speaks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from vonage_sock import AsyncCall, AudioFormat, Cut, PhraseDetector, Server, rms_dbfs

from answer import RATE_HZ, answer
from program import run, settings, show, stopped

HANGOVER_MS = 400
"""How long it must be quiet until a phrase is over: shorter answers sooner, longer interrupts less."""

MAX_PHRASE_S = 30
"""Of a longer phrase, its end is answered."""


class Bot:
    """One bot for all calls; its ``listen`` takes each."""

    def __init__(self, answer: Callable[[bytes], bytes] = answer) -> None:
        self._answer = answer

    async def listen(self, call: AsyncCall) -> None:
        """Cut the caller's audio into phrases; a new one cuts off the answer to the last."""
        phrases = PhraseDetector[bytes](hangover_ms=HANGOVER_MS)
        phrase: deque[bytes] = deque(maxlen=MAX_PHRASE_S * 50)  # frames of 20 ms
        answering: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as tasks:
            async for frame in call:
                decision = phrases.push(rms_dbfs(frame), frame)
                phrase += decision.items
                if decision.cut is Cut.BEGIN and answering is not None and not answering.done():
                    answering.cancel()
                    await call.clear()
                elif decision.cut is Cut.END:
                    answering = tasks.create_task(self._reply(call, b"".join(phrase)))
                    phrase.clear()
            if answering is not None:
                answering.cancel()

    async def _reply(self, call: AsyncCall, phrase: bytes) -> None:
        await call.play(await asyncio.to_thread(self._answer, phrase))


async def main() -> None:
    """Serve."""
    async with Server(Bot().listen, audio_format=AudioFormat(RATE_HZ), observers=[show], **settings()):
        await stopped()


if __name__ == "__main__":
    run(main())
