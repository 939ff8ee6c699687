"""
What the behaviours of a call take part in, looked at once: nobody is asked for each frame whether it wants it.

Which methods a behaviour overrides says most of it, its flags the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vonage_sock.call.behaviour import Behaviour, Call

Listener = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Roles:
    """Who of them does what, each in the call's order."""

    hearing: tuple[Behaviour, ...]
    """Given each frame of the caller."""

    sent_hooks: tuple[Callable[[Call, bytes], None], ...]
    """Told of each frame that is sent."""

    timed: tuple[Behaviour, ...]
    """Asked when they want to be called."""

    moved_by_audio: bool
    """After a frame of the caller, when that is may be another time: what is heard may be sent, by whomever."""

    foreteller: Behaviour | None
    """Who may say in advance what goes out: nobody else has to do with it."""

    @classmethod
    def of(cls, behaviours: Sequence[Behaviour]) -> Roles:
        """Their roles in a call that has these."""
        hearing = tuple(b for b in behaviours if type(b).audio is not Behaviour.audio)
        sent_hooks = tuple(b.sent for b in behaviours if b.wants_sent and type(b).sent is not Behaviour.sent)
        timed = tuple(b for b in behaviours if b.timed and type(b).due_at is not Behaviour.due_at)
        return cls(
            hearing=hearing,
            sent_hooks=sent_hooks,
            timed=timed,
            moved_by_audio=any(
                (b in hearing and b.audio_moves_due) or type(b).sent is not Behaviour.sent for b in timed
            ),
            foreteller=timed[0] if len(timed) == 1 and not sent_hooks and _foretells(timed[0]) else None,
        )

    def listeners(self) -> tuple[Listener, ...] | None:
        """Who hears the frames that one behaviour does nothing but return; None where more is done with them."""
        others = [b for b in self.hearing if not b.returns_audio]
        listeners = tuple(b.listener for b in others if b.listener is not None)
        free = len(self.hearing) - 1 == len(others) == len(listeners) and not (self.timed or self.sent_hooks)
        return listeners if free else None


def _foretells(behaviour: Behaviour) -> bool:
    """Whether what it foretells is its last word: nobody has overridden what is not called then."""
    mro = type(behaviour).__mro__
    foretold_by, *others = (
        next(place for place, of in enumerate(mro) if name in vars(of)) for name in ("foretell", "due", "due_at")
    )
    return type(behaviour).foretell is not Behaviour.foretell and foretold_by <= min(others)
