"""Whether a peer takes what it is sent, as the kernel sees it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from vonage_sock.clock import SECOND
from vonage_sock.transport.delivery import Delivery


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Our end of a connection, and one with a small buffer."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(listener.getsockname())
        ours, _ = listener.accept()
        with ours:
            ours.settimeout(0)
            yield ours, peer


def test_a_peer_that_takes_nothing_is_seen_although_the_kernel_takes_all(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """From the first look on; when it reads again, that is seen too."""
    ours, peer = ends
    delivery = Delivery(ours)
    quiet = delivery.unread_for_ns(SECOND)
    sent = ours.send(bytes(100_000))
    delivery.unread_for_ns(2 * SECOND)
    stalled = [delivery.unread_for_ns(seconds * SECOND) for seconds in (3, 12)]
    taken = 0
    while taken < sent:
        taken += len(peer.recv(1 << 16))
    read = delivery.unread_for_ns(13 * SECOND)

    assert 0 == quiet
    assert [SECOND, 10 * SECOND] == stalled
    assert 0 == read


def test_where_the_system_does_not_tell_all_is_taken(ends: tuple[socket.socket, socket.socket]) -> None:
    """A connection that is closed, or none at all."""
    ours, _ = ends
    closed, none = Delivery(ours), Delivery(None)
    with contextlib.closing(ours):
        pass

    assert [0, 0] == [closed.unread_for_ns(SECOND), closed.unread_for_ns(9 * SECOND)]
    assert [0, 0] == [none.unread_for_ns(SECOND), none.unread_for_ns(9 * SECOND)]
