"""
A leg that suffers: a ``Machine`` around ``VonageLeg``, between it and the driver.

What leaves is held back, damaged or left out by ``Outway``; when a drill wants the connection itself hurt, the ``Wire`` is
told. What the server does from then on is counted by a ``Watch`` for each drill, and put in a sentence of ``sentences``.

Rule: nothing lasts for ever. A connection that was hurt is watched for a bounded time, and then dropped.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sized
from typing import Final, Protocol

from vonage_sock.call.events import DrillStruck, Event
from vonage_sock.call.inspect import Found
from vonage_sock.call.machine import Abort, Close, Outgoing
from vonage_sock.clock import SECOND
from vonage_sock.protocol.rfc6455 import CLOSE_ABNORMAL
from vonage_sock.simulator.drills.outway import Outway
from vonage_sock.simulator.drills.plan import ECHOED, ON_WEBHOOKS, Drills, Stall, drill_of, excused_by
from vonage_sock.simulator.drills.sentences import (
    Ending,
    JsonObject,
    Watch,
    how,
    row,
    seconds,
    span,
    took,
    took_drop,
    took_half_open,
)
from vonage_sock.simulator.leg.machine import VonageLeg

DROP_WATCH_NS: Final = 3 * SECOND
HALF_OPEN_WATCH_NS: Final = 90 * SECOND
"""Who pings each 20 s and gives the answer 20 s, as is usual, or a minute, as is patient, notices within this."""

NOT_READ_BYTES: Final = 16_000
PERHAPS: Final = ("something",)

ECHO_FRAMES: Final = 250
ECHO_BYTES: Final = 64
ECHO_KINDS: Final = 8
"""How many different bytes a part of the audio has at least that is found again; silence and plain tones have fewer."""


class Wire(Protocol):
    """What a drill can do to a connection, and see of it."""

    def drop(self) -> None:
        """Close TCP without a close frame."""
        ...

    def reset(self) -> None:
        """Reset TCP."""
        ...

    def vanish(self) -> None:
        """Send and answer nothing any more."""
        ...

    def stop_reading(self) -> None:
        """Leave what comes in the kernel."""
        ...

    def read_again(self) -> None:
        """Take it."""
        ...

    def had_closed(self) -> tuple[int, str] | None:
        """Code and reason of a close frame by which the server ended the call on its own."""
        ...

    def unsent_bytes(self) -> int:
        """How much of ours the other side's machine hasn't taken."""
        ...

    def pings(self) -> int:
        """How many pings came."""
        ...


class DrilledLeg:
    """
    A ``Machine``.

    Args:
        wire: the connection that the leg runs on.
        chance: what the drills are drawn from.
        duration_ns: when the caller hangs up, from ``now`` on; None for no fixed time.
    """

    def __init__(
        self,
        leg: VonageLeg,
        drills: Drills,
        wire: Wire,
        *,
        call_id: str,
        chance: random.Random,
        now: int,
        duration_ns: int | None = None,
    ) -> None:
        self._leg = leg
        self._drills = drills
        self._wire = wire
        self._id = call_id
        self._started_at = now
        self._now = now
        self._ends_at = None if duration_ns is None else now + duration_ns
        self._outway = Outway(drills, chance, now=now)
        self._stalls = _numbered(drills.stalls)
        self._strikes = deque(sorted(self._planned(drills, now)))
        self._said = deque[bytes](maxlen=ECHO_FRAMES)
        self._echoes = False
        self._watches: dict[str, Watch] = {}
        self._frames = 0
        self._gone = False
        self._broken_at = now
        self._watch_until: int | None = None
        self._outbox: list[Outgoing] = []
        self._events: deque[Event] = deque()
        self._ended_by_us = False
        self._not_reading = False
        self._violated = False
        self._waited_bytes = 0
        self._ending: Ending | None = None
        self._unsent_bytes = 0

    @property
    def killed(self) -> bool:
        """Whether the connection was hurt so that the call is over."""
        return self._gone

    # What the driver calls.

    @property
    def outbox(self) -> Sized:
        """What leaves is only known when it is asked for."""
        return PERHAPS

    @property
    def untold(self) -> Sized:
        """What the drills have to tell, or the leg."""
        return self._events or self._leg.untold

    @property
    def deadline_changed(self) -> bool:
        """It may have with each step."""
        return True

    def receive_text(self, text: str, now: int) -> None:
        """A command from the server."""
        self._now = now
        if not self._gone:
            self._leg.receive_text(text, now)

    def receive_bytes(self, data: bytes, now: int) -> None:
        """Audio from the server."""
        self._now = now
        self._frames += 1
        for watch in self._watches.values():
            watch.audio(now)
        if self._not_reading:
            # It came when nobody read, and its time says nothing.
            self._waited_bytes += len(data)
        elif not self._gone:
            self._look_for_echo(data)
            self._leg.receive_bytes(data, now)

    def receive_violation(self, code: int, reason: str, now: int) -> None:
        """The server broke the rules of WebSocket."""
        self._now = now
        if self._gone:
            # Some servers answer a connection that broke with HTTP.
            self._violated = True
        else:
            self._leg.receive_violation(code, reason, now)

    def receive_found(self, found: Found, now: int) -> None:
        """The socket saw something wrong."""
        self._now = now
        if not self._gone:
            self._leg.receive_found(found, now)

    def receive_close(self, code: int, reason: str, now: int) -> None:
        """The socket is gone."""
        self._now = now
        if self._violated:
            code, reason = CLOSE_ABNORMAL, ""
        self._ending = Ending(now, code, reason, self._ended_by_us)
        self._leg.receive_close(code, reason, now)

    def messages_to_send(self) -> list[Outgoing]:
        """What leaves now."""
        for message in self._leg.messages_to_send():
            if not self._gone:
                self._pass_on(message)
        self._tell_strikes()
        taken = [] if self._gone else self._outway.take(self._now)
        if self._drills.bad_frames and not self._echoes:
            self._said.extend(message for message in taken if isinstance(message, bytes))
        outbox, self._outbox = [*taken, *self._outbox], []
        return outbox

    def next_deadline(self) -> int | None:
        """The leg's, a drill's, or the end of a watch."""
        if self._gone:
            return self._watch_until
        wanted = [self._leg.next_deadline(), self._outway.next_at, self._strikes[0][0] if self._strikes else None]
        return min((at for at in wanted if at is not None), default=None)

    def handle_deadline(self, now: int) -> None:
        """Do what is due."""
        self._now = now
        if self._gone:
            if self._watch_until is not None and now >= self._watch_until:
                self._tell_unnoticed()
                self._give_up()
            return
        while self._strikes and self._strikes[0][0] <= now and not self._gone:
            self._strike(self._strikes.popleft()[1])
        if not self._gone:
            self._leg.handle_deadline(now)

    def next_event(self) -> Event | None:
        """The oldest event that was not given yet."""
        return self._events.popleft() if self._events else self._leg.next_event()

    def close(self, code: int, now: int, *, reason: str = "") -> None:
        """Hang up."""
        self._now = now
        if self._gone:
            self._give_up()
        else:
            self._leg.close(code, now, reason=reason)

    # What was seen.

    def rows(self) -> list[JsonObject]:
        """What each drill did and how the server took it, in the order of the drills' options."""
        rows: list[JsonObject] = []
        for name in self._drills.names:
            for drill in self._stalls if name == "stalls" else (drill_of(name),):
                watch = self._watches.get(drill)
                if watch is not None:
                    rows.append(row(drill, watch.at - self._started_at, self._did(watch), self._took(watch)))
                elif name not in ON_WEBHOOKS:
                    rows.append(row(drill, None, "nothing: the call ended before", ""))
        return rows

    # How it works inside.

    def _planned(self, drills: Drills, now: int) -> list[tuple[int, str]]:
        planned = {
            "drop-after": drills.drop_after_s,
            "reset-after": drills.reset_after_s,
            "half-open-after": drills.half_open_after_s,
            "stop-reading-after": drills.stop_reading_after_s,
        }
        strikes = [(now + round(at_s * SECOND), drill) for drill, at_s in planned.items() if at_s is not None]
        return strikes + [(now + round(stall.at_s * SECOND), name) for name, stall in self._stalls.items()]

    def _strike(self, drill: str) -> None:
        match drill:
            case "drop-after":
                self._leave(DROP_WATCH_NS)
                self._struck(drill, "TCP was closed without a close frame")
                self._wire.drop()
            case "reset-after":
                self._leave(DROP_WATCH_NS)
                self._struck(drill, "TCP was reset")
                self._wire.reset()
            case "half-open-after":
                self._leave(HALF_OPEN_WATCH_NS)
                self._struck(drill, "nothing was sent or answered any more, and nothing closed")
                self._wire.vanish()
            case "stop-reading-after":
                self._not_reading = True
                self._struck(drill, "nothing was read any more, while audio was still sent")
                self._wire.stop_reading()
            case name:
                stall = self._stalls[name]
                self._struck(name, f"nothing left for {stall.length_s:g} s, and then what was held back at once")
                self._watches[name].until = self._started_at + round((stall.at_s + stall.length_s) * SECOND)

    def _leave(self, watch_ns: int) -> None:
        self._gone = True
        self._broken_at = self._now
        if self._not_reading:
            self._wire.read_again()
        self._watch_until = self._now + watch_ns
        if self._ends_at is not None:
            self._watch_until = max(self._now, min(self._watch_until, self._ends_at))

    def _tell_unnoticed(self) -> None:
        watch = self._watches.get("half-open-after")
        if watch is not None and self._now - watch.at >= HALF_OPEN_WATCH_NS:
            self._leg.receive_found(Found("VS317", {"seconds": HALF_OPEN_WATCH_NS // SECOND}), self._now)

    def _give_up(self) -> None:
        if not self._ended_by_us:
            self._ended_by_us = True
            self._watch_until = None
            self._outbox.append(Abort())

    def _pass_on(self, message: Outgoing) -> None:
        if isinstance(message, Close | Abort):
            self._ended_by_us = True
            if self._not_reading:
                self._unsent_bytes = self._wire.unsent_bytes()
                self._wire.read_again()
        self._outway.push(message, self._now)

    def _tell_strikes(self) -> None:
        for drill, did in self._outway.struck.items():
            watch = self._watches.get(drill)
            if watch is None or (drill == "late-connected" and did != watch.did):
                self._struck(drill, did)

    def _struck(self, drill: str, did: str) -> None:
        watch = self._watches.setdefault(drill, Watch(drill, self._now, did, self._frames))
        watch.did = did
        field_name = next(name for name in self._drills.names if drill.startswith(drill_of(name)))
        self._leg.findings.excuse(excused_by(field_name))
        self._excuse_echo()
        self._events.append(DrillStruck(at=self._now, call=self._id, drill=drill, did=did))

    def _look_for_echo(self, data: bytes) -> None:
        """Whether what comes is what was said, in whatever pieces; told by a part of it that doesn't repeat itself."""
        if not self._said or self._echoes:
            return
        middle = len(data) // 2
        part = data[max(0, middle - ECHO_BYTES // 2) : middle + ECHO_BYTES // 2]
        self._echoes = len(set(part)) > ECHO_KINDS and part in b"".join(self._said)
        self._excuse_echo()

    def _excuse_echo(self) -> None:
        if self._echoes and "bad-frames" in self._watches:
            self._leg.findings.excuse(ECHOED)

    def _did(self, watch: Watch) -> str:
        ended_at = self._now if self._ending is None else self._ending.at
        if watch.until is not None and ended_at < watch.until:
            return f"nothing left for {seconds(ended_at - watch.at)} s, until the call ended"
        return self._outway.struck.get(watch.drill, watch.did)

    def _took(self, watch: Watch) -> str:
        ending = self._ending or Ending(self._now, CLOSE_ABNORMAL, "", by_us=True)
        match watch.drill:
            case "drop-after":
                return took_drop(watch, ending)
            case "reset-after":
                return "the connection is gone at once"
            case "half-open-after":
                return took_half_open(watch, ending, self._wire.pings())
            case "stop-reading-after":
                return self._took_no_reading(watch, ending)
        return took(watch, ending)

    def _took_no_reading(self, watch: Watch, ending: Ending) -> str:
        came = f"{self._waited_bytes / 1000:.0f} kB of its own came when we read again"
        had_closed = self._wire.had_closed()
        if self._gone:
            return f"it stayed until the connection was broken after {span(self._broken_at - watch.at)}; {came}"
        if not ending.by_us:
            return f"{how(ending)} after {span(ending.at - watch.at)}"
        if had_closed is not None:
            code, reason = had_closed
            return f"it had closed with {code}{f' ({reason})' if reason else ''} meanwhile; {came}"
        if self._unsent_bytes >= NOT_READ_BYTES:
            return f"it stopped reading ours, {self._unsent_bytes / 1000:.0f} kB of which wait; {came}"
        unanswered = ", and our close frame was not answered" if ending.code == CLOSE_ABNORMAL else ""
        return f"it kept reading ours; {came}{unanswered}"


def _numbered(stalls: tuple[Stall, ...]) -> dict[str, Stall]:
    """In the order of their times, with a number where there are several."""
    if len(stalls) == 1:
        return {"stall": stalls[0]}
    return {f"stall {n}": stall for n, stall in enumerate(sorted(stalls, key=lambda stall: stall.at_s), 1)}
