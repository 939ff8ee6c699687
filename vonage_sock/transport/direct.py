"""
The driver of one machine on a ``FrameSocket``: what ``Driver`` does, without a task, a queue or a timer for each call.

A message is a function call from the kernel's bytes to the machine and back; events, deadlines and what is to be sent are
looked at once after it. What a machine foretold goes from its timer to the kernel without the machine: see ``Lane``.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Final

from vonage_sock import native
from vonage_sock.call.allowance import Allowance
from vonage_sock.call.events import Observer
from vonage_sock.call.inspect import Found
from vonage_sock.call.machine import Abort, Close, Foreteller, Machine, Outgoing
from vonage_sock.call.mirror import Mirror
from vonage_sock.clock import SECOND
from vonage_sock.protocol.rfc6455 import CLOSE_GOING_AWAY, Opcode, frame_of
from vonage_sock.transport.driver import Patience, tell
from vonage_sock.transport.framesocket import FrameSocket
from vonage_sock.transport.poller import TIMER_GRID_NS, Poller, Timer
from vonage_sock.transport.steady import Steady

WAITING_BYTES_PER_MESSAGE: Final = 1024
"""What a message that waits is reckoned with, where ``Patience`` counts messages."""


class Lane(Timer):
    """
    A driver's timer, which sends a machine's passage frame by frame and is its own next timer; all else is the driver's.

    With hundreds of calls that play, nothing that one of them touches for a frame is still in the processor's cache at its
    next: what is touched here is all that there is to pay for.
    """

    __slots__ = ("_driver", "_poller", "_steady", "end", "frames", "left", "step_ns", "times")

    def __init__(self, at: int, driver: DirectDriver, steady: Steady, poller: Poller) -> None:
        super().__init__(at, self.fire)
        self._driver = driver
        self._steady = steady
        self._poller = poller
        self.frames: Sequence[bytes] = ()
        self.end = self.left = self.step_ns = 0
        self.times: list[int] = []

    def fire(self, now: int) -> None:
        """The time has come, and that of the next frame may have come too."""
        # Sending may be what ends the call, and cancels us.
        left, at, step_ns, driver = self.left, self.at, self.step_ns, self._driver
        if left and now - at < step_ns and self._steady.send_plain(self.frames[self.end - left]):
            self.left = left - 1
            self.times.append(now)
            driver.latest = now
            self._poller.call_again(self, at + step_ns)
        else:
            driver.deadline_passed(now)

    def stop(self) -> None:
        """The driver is asked next time."""
        self.left = 0

    def cancel(self) -> None:
        """Don't do it; it may stand in the poller's list for long yet, and nobody is held meanwhile."""
        if self.action is not None:
            super().cancel()
            del self._driver


def lane_of(at: int, driver: DirectDriver, steady: Steady, poller: Poller) -> Lane:
    """The quickest that there is for such a socket."""
    if native.frames is None or not isinstance(steady, native.frames.Steady):
        return Lane(at, driver, steady, poller)
    lane: Lane = native.frames.Lane(at, driver, steady, poller, poller.due, TIMER_GRID_NS)
    return lane


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
        vanished: told for how many seconds a peer was silent that is about to be dropped for that.
        mirror: the machine's, where it has one: frames that it takes go straight back.
    """

    __slots__ = (
        "_armed_for",
        "_done",
        "_ended",
        "_foretell",
        "_machine",
        "_mirror",
        "_observer",
        "_patience",
        "_pinged_at",
        "_poller",
        "_settle_machine",
        "_socket",
        "_stalled",
        "_timer",
        "_vanished",
        "_watchman",
        "latest",
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
        vanished: Callable[[int], object] | None = None,
        mirror: Mirror | None = None,
    ) -> None:
        self._machine = machine
        self._poller = poller
        self._observer = observer
        self._ended = ended
        self._patience = patience or Patience()
        self._stalled = stalled
        self._vanished = vanished
        self._foretell = machine.foretell if isinstance(machine, Foreteller) else None
        self.latest = self._pinged_at = poller.clock.now()
        """As of when the machine was moved last."""

        self._armed_for: int | None = None
        self._timer: Lane | None = None
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
        self._mirror = mirror
        if mirror is not None:
            self._settle_machine, mirror.settle = mirror.settle, self._reflected
            self._socket.steady.mirror = mirror
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
            self._socket.settle_mirror(now)
            if self._timer is not None:
                self._timer.stop()
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
        machine.receive_bytes(data, max(now, self.latest))
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
        now = max(now, self.latest)
        self._machine.receive_text(text, now)
        self._settle()

    def gone(self, code: int, reason: str, now: int) -> None:
        """The connection is over."""
        now = max(now, self.latest)
        self._done = True
        for timer in (self._timer, self._watchman):
            if timer is not None:
                timer.cancel()
        try:
            self._report(self._socket.watch.found(now), now)
            if self._socket.refused:
                self._machine.receive_violation(code, reason, now)
            self._machine.receive_close(code, reason, now)
            self._tell_events()
        finally:
            self._let_go()
            self._ended()

    # How it works inside.

    def _let_go(self) -> None:
        """Hold nobody any more who holds us, as ``FrameSocket`` does."""
        self._timer = self._watchman = None
        if self._mirror is not None:
            self._mirror.settle = self._settle_machine

    def _now(self) -> int:
        # A timer that woke early was handled at its deadline; from there time doesn't go back.
        self.latest = max(self.latest, self._poller.clock.now())
        return self.latest

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

    def _reflected(self, now: int) -> None:
        """Frames went straight back."""
        self._settle_machine(max(now, self.latest))
        self._settle()

    def _send(self, messages: list[Outgoing]) -> None:
        sock = self._socket
        if len(messages) == 1 and not sock.unsent and isinstance(message := messages[0], bytes):
            sock.send(message)
            return
        if sock.unsent and self._waits_too_long(sock):
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

    def _waits_too_long(self, sock: FrameSocket) -> bool:
        patience, waiting = self._patience, sock.unsent_bytes // WAITING_BYTES_PER_MESSAGE
        takes_nothing = self.latest - sock.progress_at > patience.hurried_after_s * SECOND
        return waiting > (patience.hurried_waiting if takes_nothing else patience.max_waiting)

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
        self._timer = timer = lane_of(deadline, self, self._socket.steady, self._poller)
        self._poller.call_again(timer, deadline)

    def deadline_passed(self, now: int) -> None:
        """For the timer."""
        if self._mirror is not None:
            self._mirror.not_before = now
            self._socket.settle_mirror(now)
        timer, self._timer = self._timer, None
        deadline, self._armed_for = self._armed_for, None
        if now < self.latest:
            now = self.latest
        self.latest = now
        if deadline is None:
            return
        if deadline <= now:
            try:
                deadline = self._meet_deadline(now)
            except Exception:
                # Without its deadlines a call would go on as if nothing were wrong.
                self.abort()
                raise
        if timer is not None and deadline is not None:
            if self._foretell is not None:
                self._foretell(timer)
            self._armed_for, self._timer = deadline, timer
            self._poller.call_again(timer, deadline)

    def _meet_deadline(self, now: int) -> int | None:
        """What is due is done, sent and told; the next deadline, where no timer is armed for it yet."""
        machine = self._machine
        machine.handle_deadline(now)
        if machine.outbox:
            self._send(machine.messages_to_send())
        if machine.untold:
            self._tell_events()
        deadline = machine.next_deadline()
        if self._timer is None and not self._done:
            return deadline
        # An observer did something to the call.
        self._arm(deadline)
        return None

    def _watch_again(self) -> None:
        if self._done:
            return
        at = self._now() + round(self._patience.check_every_s * SECOND)
        self._watchman = self._poller.call_at(at, self._watch)

    def _watch(self, now: int) -> None:
        patience, sock = self._patience, self._socket
        stalled_ns = max(now - sock.progress_at if sock.unsent else 0, sock.delivery.unread_for_ns(now))
        if stalled_ns > patience.stalled_after_s * SECOND:
            self._drop_stalled(sock)
            return
        if sock.watch.awaits_pong and now - sock.heard_at > patience.gone_after_s * SECOND:
            self._drop_vanished(sock, now)
            return
        if now - self._pinged_at >= patience.ping_every_s * SECOND and not sock.unsent_bytes:
            self._pinged_at = now
            sock.ping()
        found = sock.watch.found(now)
        # Who acts on a call takes back what it foretold: not for nothing.
        if found or self._machine.outbox or self._machine.untold:
            self.act(lambda at: self._report(found, at))
        if not self._done:
            self._watch_again()

    def _report(self, all_found: list[Found], now: int) -> None:
        for found in all_found:
            self._machine.receive_found(found, now)

    def _drop_vanished(self, sock: FrameSocket, now: int) -> None:
        vanished, self._vanished = self._vanished, None
        if vanished is not None:
            vanished((now - sock.heard_at) // SECOND)
        sock.abort()

    def _drop_stalled(self, sock: FrameSocket) -> None:
        stalled, self._stalled = self._stalled, None
        if stalled is not None:
            stalled(sock.unsent_bytes // WAITING_BYTES_PER_MESSAGE)
        sock.abort()
