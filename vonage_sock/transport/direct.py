"""
The driver of one machine on a ``FrameSocket``: what ``Driver`` does, without a task, a queue or a timer for each call.

A message is a function call from the kernel's bytes to the machine and back; events, deadlines and what is to be sent are
looked at once after it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from vonage_sock.call.allowance import Allowance
from vonage_sock.call.events import Observer
from vonage_sock.call.machine import CLOSE_GOING_AWAY, Abort, Close, Machine, Outgoing
from vonage_sock.clock import SECOND
from vonage_sock.protocol.rfc6455 import Opcode, frame_of
from vonage_sock.transport.driver import Patience, tell
from vonage_sock.transport.framesocket import FrameSocket
from vonage_sock.transport.poller import Poller, Timer

WAITING_BYTES_PER_MESSAGE: Final = 1024
"""What a message that waits is reckoned with, where ``Patience`` counts messages."""


class DirectDriver:
    """
    Runs a machine on a connected socket until that is closed.

    Args:
        sock: the driver's from here on.
        head: what accepts the upgrade, sent before all else.
        early: what came behind the upgrade already.
        observer: is given each event, in order; what it raises is logged and goes no further.
        ended: called once, when the machine has been told of the end.
        parts: how many pings, pongs and fragments may come; any number, when left out.
        stalled: told about how many frames wait when a peer that doesn't read is about to be dropped.
    """

    __slots__ = (
        "_armed_for",
        "_done",
        "_ended",
        "_latest",
        "_machine",
        "_observer",
        "_patience",
        "_pinged_at",
        "_poller",
        "_socket",
        "_stalled",
        "_timer",
        "_watchman",
    )

    def __init__(
        self,
        machine: Machine,
        poller: Poller,
        sock: socket.socket,
        *,
        max_message_bytes: int,
        observer: Observer,
        ended: Callable[[], object],
        head: bytes = b"",
        early: bytes = b"",
        patience: Patience | None = None,
        stalled: Callable[[int], object] | None = None,
        parts: Allowance | None = None,
    ) -> None:
        self._machine = machine
        self._poller = poller
        self._observer = observer
        self._ended = ended
        self._patience = patience or Patience()
        self._stalled = stalled
        self._latest = self._pinged_at = poller.clock.now()
        self._armed_for: int | None = None
        self._timer: Timer | None = None
        self._watchman: Timer | None = None
        self._done = False
        self._socket = FrameSocket(
            poller,
            sock,
            self,
            client=False,
            max_message_bytes=max_message_bytes,
            early=early,
            close_wait_ns=round(self._patience.close_wait_s * SECOND),
            parts=parts,
        )
        self._socket.send_framed(head)

    def start(self) -> None:
        """Do what the machine wants done by itself; what comes in is given to it either way."""
        if not self._done:
            self._watch_again()
            self._settle()

    def act(self, action: Callable[[int], None]) -> None:
        """Do something to the machine from outside its messages and timers; ``action`` is given the time."""
        if not self._done:
            now = self._now()
            action(now)
            self._settle()

    def close(self, code: int = CLOSE_GOING_AWAY, reason: str = "") -> None:
        """End the call from this side."""
        self.act(lambda now: self._machine.close(code, now, reason=reason))

    def abort(self) -> None:
        """Drop the connection."""
        self._socket.abort()

    # For the socket.

    def binary(self, data: bytes, now: int) -> None:
        """A binary message came."""
        # The path of each frame: the machine is asked only for what it shows it has, and a frame of audio goes straight out.
        machine = self._machine
        machine.receive_bytes(data, max(now, self._latest))
        if machine.outbox:
            messages, sock = machine.messages_to_send(), self._socket
            if len(messages) == 1 and not sock.unsent and isinstance(message := messages[0], bytes):
                sock.send(message)
            else:
                self._send(messages)
        if machine.untold:
            self._tell_events()
        if machine.deadline_changed:
            self._look_at_deadline()

    def text(self, text: str, now: int) -> None:
        """A text message came."""
        now = max(now, self._latest)
        self._machine.receive_text(text, now)
        self._settle()

    def gone(self, code: int, reason: str, now: int) -> None:
        """The connection is over."""
        now = max(now, self._latest)
        self._done = True
        for timer in (self._timer, self._watchman):
            if timer is not None:
                timer.cancel()
        try:
            self._take_found(now)
            if self._socket.refused:
                self._machine.receive_violation(code, reason, now)
            self._machine.receive_close(code, reason, now)
            self._tell_events()
        finally:
            self._ended()

    # How it works inside.

    def _now(self) -> int:
        # A timer that woke early was handled at its deadline; from there time doesn't go back.
        self._latest = max(self._latest, self._poller.clock.now())
        return self._latest

    def _settle(self) -> None:
        """The duties after each step of the machine: send, tell, arm."""
        machine = self._machine
        if machine.outbox:
            self._send(machine.messages_to_send())
        if machine.untold:
            self._tell_events()
        self._look_at_deadline()

    def _look_at_deadline(self) -> None:
        deadline = self._machine.next_deadline()
        if deadline != self._armed_for:
            self._arm(deadline)

    def _send(self, messages: list[Outgoing]) -> None:
        sock = self._socket
        if len(messages) == 1 and not sock.unsent and isinstance(message := messages[0], bytes):
            sock.send(message)
            return
        if sock.unsent_bytes > self._patience.max_waiting * WAITING_BYTES_PER_MESSAGE:
            self._drop_stalled(sock)
            return
        framed: list[bytes] = []
        for message in messages:
            match message:
                case bytes():
                    framed.append(frame_of(Opcode.BINARY, message))
                case str():
                    framed.append(frame_of(Opcode.TEXT, message.encode()))
                case Close(code, reason):
                    sock.send_framed(b"".join(framed))
                    sock.close(code, reason)
                    return
                case Abort():
                    sock.abort()
                    return
        sock.send_framed(b"".join(framed))

    def _tell_events(self) -> None:
        while (event := self._machine.next_event()) is not None:
            tell(self._observer, event)

    def _arm(self, deadline: int | None) -> None:
        self._armed_for = deadline
        timer = self._timer
        if deadline is None or self._done:
            return
        if timer is not None:
            if timer.at <= deadline:
                return  # it looks again when it fires
            timer.cancel()
        self._timer = self._poller.call_at(deadline, self._deadline_passed)

    def _deadline_passed(self, now: int) -> None:
        self._timer = None
        deadline, self._armed_for = self._armed_for, None
        self._latest = now = max(now, self._latest)
        if deadline is not None and deadline <= now:
            try:
                self._machine.handle_deadline(now)
                self._settle()
            except Exception:
                # Without its deadlines a call would go on as if nothing were wrong.
                self.abort()
                raise
        elif deadline is not None:
            self._arm(deadline)

    def _watch_again(self) -> None:
        if self._done:
            return
        at = self._now() + round(self._patience.check_every_s * SECOND)
        self._watchman = self._poller.call_at(at, self._watch)

    def _watch(self, now: int) -> None:
        patience, sock = self._patience, self._socket
        if sock.unsent_bytes and now - sock.progress_at > patience.stalled_after_s * SECOND:
            self._drop_stalled(sock)
            return
        if sock.watch.awaits_pong and now - sock.heard_at > patience.gone_after_s * SECOND:
            sock.abort()
            return
        if now - self._pinged_at >= patience.ping_every_s * SECOND and not sock.unsent_bytes:
            self._pinged_at = now
            sock.ping()
        self.act(self._take_found)
        if not self._done:
            self._watch_again()

    def _take_found(self, now: int) -> None:
        for found in self._socket.watch.found(now):
            self._machine.receive_found(found, now)

    def _drop_stalled(self, sock: FrameSocket) -> None:
        stalled, self._stalled = self._stalled, None
        if stalled is not None:
            stalled(sock.unsent_bytes // WAITING_BYTES_PER_MESSAGE)
        sock.abort()
