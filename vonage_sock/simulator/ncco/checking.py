"""
What ``vsock lint`` says of an NCCO, as a call says it that is made with this NCCO.

What can only be known of a whole NCCO before a call is left out: what is about reachability or style, since the call itself
shows whether a socket can be reached and in which order actions are done; and what the call tells where it happens.
"""

from __future__ import annotations

from typing import Any, Final

from vonage_sock.protocol.ncco import Ncco
from vonage_sock.protocol.ncco_lint import Problem, lint_ncco

LEFT_OUT: Final = frozenset({"VS402", "VS406", "VS409", "VS413", "VS417", "VS502"})

WHY_NOT: Final = frozenset({"VS412", "VS415", "VS416", "VS419", "VS420", "VS421"})
"""With these an action may not be carried out."""


def problems_of(ncco: Ncco) -> list[Problem]:
    """What the call tells of an NCCO before it carries it out."""
    return [problem for problem in lint_ncco(ncco) if problem.code not in LEFT_OUT]


def is_told(action: dict[str, Any]) -> bool:
    """Whether that says already why this action can't be carried out."""
    return any(problem.code in WHY_NOT for problem in lint_ncco([action]))
