"""What a call says of its NCCO before it is carried out."""

from __future__ import annotations

from vonage_sock.simulator.ncco.checking import is_told, problems_of

LOCAL = {"type": "websocket", "uri": "ws://127.0.0.1/", "content-type": "audio/l16;rate=8000"}


def test_reachability_and_style_are_left_to_lint() -> None:
    """A correct server on this machine gives nothing."""
    assert [] == problems_of([{"action": "connect", "endpoint": [LOCAL]}, {"action": "talk", "text": "bye"}])


def test_a_fault_has_its_own_code() -> None:
    """And it is known that it was told."""
    action = {"action": "talk"}

    assert ["VS419"] == [problem.code for problem in problems_of([action])]
    assert (True, False) == (is_told(action), is_told({"action": "talk", "text": "x", "txt": 1}))
