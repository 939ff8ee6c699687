"""The sockets that several processes listen with."""

from __future__ import annotations

import contextlib
import select
import socket

import pytest

from vonage_sock.errors import ListenError
from vonage_sock.server.config import ServerConfig
from vonage_sock.server.listening import LINUX, Listeners, bind


def connect_to(listeners: Listeners, count: int) -> contextlib.ExitStack:
    """So many clients; closed with what is returned."""
    clients = contextlib.ExitStack()
    for _ in range(count):
        clients.enter_context(socket.create_connection((listeners.host, listeners.port)))
    return clients


def accepted(listeners: Listeners, slot: int) -> int:
    """How many connections wait for a process; they are taken and closed."""
    count = 0
    for listener in listeners.of(slot):
        while select.select([listener], [], [], 0)[0]:
            listener.accept()[0].close()
            count += 1
    return count


async def test_a_free_port_is_picked_once_for_all_processes() -> None:
    """Each gets its share of the connections; all of them arrive."""
    listeners = await bind(ServerConfig(port=0), 2, shared=not LINUX)
    with connect_to(listeners, 100):
        spread = [accepted(listeners, slot) for slot in (0, 1)]
    listeners.close()

    assert 100 == sum(spread)
    assert not LINUX or min(spread) > 20


async def test_where_sockets_can_not_share_a_port_processes_share_a_socket() -> None:
    """As on macOS; whoever is free takes the next connection."""
    listeners = await bind(ServerConfig(port=0), 3, shared=True)
    listeners.give_up(1)
    with connect_to(listeners, 10):
        taken = accepted(listeners, 1)
    same = len({one.fileno() for slot in range(3) for one in listeners.of(slot)})
    listeners.close()

    assert (10, 1) == (taken, same)


async def test_what_would_come_to_a_process_that_is_away_comes_to_the_others() -> None:
    """And to it again when it is back."""
    listeners = await bind(ServerConfig(port=0), 2, shared=False)
    listeners.give_up(0)
    with connect_to(listeners, 20):
        others = accepted(listeners, 1)
    listeners.of(0)
    with connect_to(listeners, 100):
        spread = [accepted(listeners, slot) for slot in (0, 1)]
    listeners.close()

    assert (20, 100) == (others, sum(spread))
    assert min(spread) > 0


async def test_the_last_socket_is_kept_so_that_nobody_else_gets_the_port() -> None:
    """Connections wait there for whichever process comes back."""
    listeners = await bind(ServerConfig(port=0), 2, shared=False)
    for slot in (0, 1):
        listeners.give_up(slot)
    with connect_to(listeners, 3):
        waiting = accepted(listeners, 1)
    listeners.close()

    assert 3 == waiting


@pytest.mark.parametrize("count", [1, 2])
async def test_a_port_of_another_server_is_in_use_also_when_it_shares_it_among_its_own_processes(count: int) -> None:
    """Two servers that took turns in answering would be hard to understand."""
    first = await bind(ServerConfig(port=0), 2)
    with pytest.raises(ListenError, match=f"port {first.port} is in use on 127.0.0.1; choose another port"):
        await bind(ServerConfig(port=first.port), count)
    first.close()


@pytest.mark.parametrize(
    ("host", "part"),
    [("192.0.2.1", "isn't an address of this machine"), ("no such host", "isn't an address or a known name")],
)
async def test_an_address_that_can_not_be_had_is_the_sentence_that_one_process_says(host: str, part: str) -> None:
    """Whoever binds the sockets."""
    with pytest.raises(ListenError, match=part):
        await bind(ServerConfig(host=host, port=0), 2)


async def test_a_name_with_several_addresses_is_listened_on_at_each_with_one_port() -> None:
    """Those that this machine hasn't got are left out."""
    listeners = await bind(ServerConfig(host="localhost", port=0), 2)
    ports = {one.getsockname()[1] for slot in (0, 1) for one in listeners.of(slot)}
    port = listeners.port
    listeners.close()

    assert {port} == ports
