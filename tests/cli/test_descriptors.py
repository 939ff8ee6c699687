"""How many files and sockets the system lets a program open."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from vonage_sock.cli.descriptors import make_room
from vonage_sock.limits import Limits
soft, hard, calls, for_each = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(make_room(Limits(calls=calls, connections=100), for_each))
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("limits", "calls", "for_each", "said", "soft"),
    [
        ((256, 512), 20, 1, "None", 256),
        ((256, 512), 200, 1, "None", 428),
        ((256, 512), 180, 2, "None", 512),
        ((256, 512), 1000, 2, "open 512 files, which is enough for about 192 calls and not for 1,000", 512),
    ],
    ids=["enough", "raised", "raised for recordings", "not to be had"],
)
def test_the_limit_is_raised_as_far_as_it_goes(
    limits: tuple[int, int], calls: int, for_each: int, said: str, soft: int
) -> None:
    """A thousand calls need more than a terminal gives; what the system doesn't give is said with what to do."""
    arguments = [str(value) for value in (*limits, calls, for_each)]
    output = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert said in output[0]
    assert str(soft) == output[1]
