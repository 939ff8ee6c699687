"""What the bot says. Replace ``answer``; the rest of the project needn't know how."""

from __future__ import annotations

RATE_HZ = 16000
"""Of what comes and of what goes. 8000 and 24000 are possible too."""


def answer(pcm: bytes) -> bytes:
    """
    Answer a phrase.

    It runs in a thread of its own, so it may take its time: recognise speech, ask a model, synthesise what it says. What it
    raises ends this call, and no other.

    Args:
        pcm: the phrase, 16-bit mono PCM at ``RATE_HZ``, with a little of the quiet around it.

    Returns:
        What the caller is to hear, in the same format and of any length.
    """
    return pcm
