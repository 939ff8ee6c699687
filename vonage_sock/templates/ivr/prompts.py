"""
Makes the prompts: spoken by espeak-ng where that is installed, else as a beep, so that everything runs without it.

    python prompts.py            make those that aren't there
    python prompts.py --anew     make all of them again, after a text was changed

Put recordings of your own in their place under the same names; any WAV will do.
"""

from __future__ import annotations

import array
import math
import shutil
import subprocess
import sys
import wave
from pathlib import Path

PROMPTS = Path(__file__).parent / "prompts"

TEXTS = {
    "menu": "Welcome. Press 1 for our opening hours, 2 for the way to us, or 9 to end the call.",
    "hours": "We are open from nine to five, Monday to Friday.",
    "way": "Take the number 7 bus to the market square. We are the green door on the corner.",
    "unknown": "Sorry, that key leads nowhere.",
    "goodbye": "Thank you for calling. Goodbye.",
}
"""What is said, by the prompt's name."""

PITCHES_HZ = {"menu": 440, "hours": 550, "way": 660, "unknown": 330, "goodbye": 880}
"""How each sounds without a voice."""

RATE_HZ = 16000
BEEP_S, FADE_S = 1.5, 0.01


def make(directory: Path = PROMPTS, *, speak: bool | None = None, anew: bool = False) -> None:
    """
    Write each prompt that isn't there.

    Args:
        speak: with espeak-ng; None looks whether it is installed.
    """
    espeak = shutil.which("espeak-ng") if speak in (None, True) else None
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in TEXTS.items():
        path = directory / f"{name}.wav"
        if anew or not path.exists():
            part = path.with_suffix(".part")
            if espeak:
                subprocess.run([espeak, "-s", "150", "-w", str(part), text], check=True)
            else:
                _beep(part, PITCHES_HZ[name])
            part.replace(path)


def _beep(path: Path, pitch_hz: int) -> None:
    samples = array.array("h")
    count = int(BEEP_S * RATE_HZ)
    for at in range(count):
        # A tone that begins or ends all at once clicks.
        loud = min(1, min(at, count - at) / (FADE_S * RATE_HZ))
        samples.append(round(8000 * loud * math.sin(2 * math.pi * pitch_hz * at / RATE_HZ)))
    if sys.byteorder == "big":
        samples.byteswap()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())


if __name__ == "__main__":
    make(anew="--anew" in sys.argv)
