"""
Small projects to begin with: what ``vsock init`` writes.

A project is the files of ``common`` and of its kind, which comes first where both have one; ``dot-`` at the head of a name
stands for a dot. They are copied as they are, but for the two words of ``project.WORDS``. Rule: they use the public
interface only, as they are somebody else's code from then on.
"""

from __future__ import annotations

KINDS = {
    "echo": "Callers hear themselves: the shortest server there is.",
    "recorder": "Say that the call is recorded, beep, and record it to a directory.",
    "ivr": "A menu: keys choose prompts and cut them off, with a fallback.",
    "bot": "Answer when a phrase is over; fall silent when the caller speaks.",
    "browser": "A web page that plays live calls and speaks into them.",
}
"""Each kind of project in one line."""
