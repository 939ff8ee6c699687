"""The server: many calls at once, and what it does where something is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import time

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from wire import BINARY, TEXT, Keeper, RawClient, Seen, connected_text, numbered_frames, request, serving, socket_url

from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.behaviour import Behaviour, Call
from vonage_sock.call.events import (
    Connected,
    Ended,
    Event,
    FindingRaised,
    Notice,
    ServerStopped,
    StatsUpdated,
)
from vonage_sock.errors import ListenError
from vonage_sock.limits import Limits
from vonage_sock.server.config import ServerConfig
from vonage_sock.server.listening import why_not_listening
from vonage_sock.transport import Patience

FLOODED = Limits(messages_burst=1_000_000)
"""Of tests whose caller sends more than anybody may."""


async def test_the_socket_without_an_upgrade_explains_itself() -> None:
    """A browser there gets 426 and one sentence."""
    async with serving(list) as server:
        status, fields, content = await request(server, "GET", "/socket")

    assert (426, "websocket") == (status, fields["upgrade"])
    assert b"This address takes WebSockets: give it to Vonage in an NCCO, or try it with vsock call.\n" == content


async def test_other_paths_and_methods_are_refused() -> None:
    """404 and 405."""
    async with serving(list) as server:
        statuses = [
            (await request(server, method, path))[0]
            for method, path in (("GET", "/"), ("GET", "/socket/x"), ("PUT", "/webhooks/answer"), ("POST", "/socket"))
        ]

    assert [404, 404, 405, 405] == statuses


async def test_bytes_that_are_not_http_disturb_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """They are answered with 400 or not at all, no traceback is logged, and the next request is served."""
    caplog.set_level(logging.WARNING)
    async with serving(list) as server:
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"\r\n" * 50, b"GET / HTTP/9.9\r\n\r\n"):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(garbage)
            await writer.drain()
            writer.close()
        status, _, _ = await request(server, "GET", "/health")

    assert 200 == status
    assert [] == [record for record in caplog.records if record.exc_info]


@pytest.mark.usefixtures("each_engine")
async def test_more_calls_than_allowed_are_refused_before_the_upgrade() -> None:
    """503 with the reason; when a call ends there is room again. A full server says so once, however often it is full."""
    seen = Seen()
    async with serving(lambda: [Echo()], seen, max_calls=1) as server:
        for _ in range(3):
            async with connect(socket_url(server)):
                with pytest.raises(InvalidStatus) as refused:
                    await connect(socket_url(server))
            await seen.next(Ended)
        async with connect(socket_url(server)) as again:
            await again.send(bytes(640))

    assert 503 == refused.value.response.status_code
    assert refused.value.response.body is not None
    assert refused.value.response.body.startswith(b"No more calls now: 1 call is open already")
    why = "a call was refused: 1 call is open already, and this server takes one at a time (--once or --max-calls 1)"
    assert [why, f"{why} (2 times in the last minutes)"] == [notice.message for notice in seen.all(Notice)]


async def test_ipv6_is_listened_on() -> None:
    """And the addresses are written as they must be; a machine without IPv6 is told so."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        with pytest.raises(ListenError, match="::1"):
            await serving(host="::1").start()
        return
    async with serving(host="::1") as server:
        async with connect(f"ws://[::1]:{server.port}/socket") as client:
            await client.send(connected_text())
            await client.send(bytes(640))
            echo = await client.recv()
        base = f"http://[::1]:{server.port}"

    assert bytes(640) == echo
    assert base == server.addresses.base_url


@pytest.mark.parametrize("host", ["localhost", "::"])
async def test_a_host_of_both_kinds_of_address_is_listened_on_at_one_port(host: str) -> None:
    """Whatever the system's table of hosts says, and also where the port is a free one."""
    families = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}
    here = set()
    for address, family in families.items():
        with contextlib.suppress(OSError):
            socket.create_server((address, 0), family=family).close()
            here.add(address)
    async with serving(host=host) as server:
        reached = set()
        for address in families:
            with contextlib.suppress(OSError):
                socket.create_connection((address, server.port)).close()
                reached.add(address)

    assert here == reached


@pytest.mark.usefixtures("each_engine")
async def test_a_peer_that_is_gone_is_told_with_how_long_it_was_silent() -> None:
    """Nobody wonders why a call with a cut cable ended."""
    seen = Seen()
    patience = Patience(check_every_s=0.05, ping_every_s=0.1, gone_after_s=0.3)
    async with serving(list, seen, patience=patience) as server:
        client = await RawClient.open(server)
        ended = await seen.next(Ended)
        await client.close()

    assert (1006, "network") == (ended.close_code, ended.closed_by)
    assert ["c1 is dropped: nothing came from its other side for 0 s, not even a pong"] == [
        notice.message for notice in seen.all(Notice)
    ]


@pytest.mark.usefixtures("each_engine")
async def test_a_peer_that_reads_nothing_is_dropped_although_the_kernel_takes_all() -> None:
    """The few frames of its echo are no flood, and would fit into the kernel's buffer for minutes."""
    seen = Seen()
    patience = Patience(stalled_after_s=0.3, check_every_s=0.1, ping_every_s=60)
    async with serving(lambda: [Echo()], seen, patience=patience) as server:
        deaf = await RawClient.open(server, receive_buffer=2048)
        deaf.send(TEXT, connected_text().encode())
        for frame in numbered_frames(200):
            deaf.send(BINARY, frame)
        ended = await seen.next(Ended)
        await deaf.close()

    assert (1006, "network") == (ended.close_code, ended.closed_by)
    assert ["c1 is dropped: its other side doesn't read"] == [notice.message for notice in seen.all(Notice)]


async def test_a_port_in_use_is_one_sentence() -> None:
    """With what to do about it."""
    async with serving() as server:
        with pytest.raises(ListenError) as caught:
            await serving(port=server.port).start()

    assert (
        f"port {server.port} is in use on 127.0.0.1; choose another port (0 picks a free one) or stop the other program"
    ) == str(caught.value)


@pytest.mark.parametrize(
    ("host", "part"),
    [
        ("192.0.2.1", "192.0.2.1 isn't an address of this machine; use 127.0.0.1, or 0.0.0.0 for all of them"),
        ("no.such.host.invalid", "'no.such.host.invalid' isn't an address or a known name"),
        ("a..b", "'a..b' isn't an address or a known name"),
        ("x" * 300, "isn't an address or a known name"),
    ],
)
async def test_an_address_that_is_not_ours_is_one_sentence(host: str, part: str) -> None:
    """Whether it is somebody else's or nobody's."""
    with pytest.raises(ListenError) as caught:
        await serving(host=host).start()

    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (OSError(errno.EACCES, "denied"), "ports below 1024 need rights"),
        (OSError(errno.EADDRNOTAVAIL, "no"), "isn't an address of this machine"),
        (OSError("could not bind on any address out of [('192.0.2.1', 80)]"), "isn't an address of this machine"),
        (OverflowError("port must be 0-65535."), "can't listen on 127.0.0.1:80: port must be 0-65535."),
    ],
)
def test_why_a_port_cannot_be_listened_on(error: Exception, part: str) -> None:
    """Each reason that a system gives has its sentence."""
    assert part in why_not_listening(ServerConfig(port=80), error)


class Fails(Behaviour):
    """Raises where it is told to."""

    def __init__(self, where: str) -> None:
        self._where = where

    def connected(self, call: Call) -> None:
        if self._where == "connected":
            raise RuntimeError("on purpose")

    def audio(self, call: Call, frame: bytes) -> None:
        if self._where == "audio":
            raise RuntimeError("on purpose")

    def due_at(self) -> int | None:
        return 1 if self._where == "due" else None

    def due(self, call: Call) -> None:
        raise RuntimeError("on purpose")


@pytest.mark.usefixtures("each_engine")
@pytest.mark.parametrize("where", ["making", "connected", "audio", "due"])
async def test_a_behaviour_that_fails_ends_its_own_call_only(where: str) -> None:
    """That call is closed with 1011 and told; the other goes on, and new ones are taken."""
    seen, made = Seen(), []

    def behaviours() -> list[Behaviour]:
        made.append(1)
        if len(made) != 2:
            return [Echo()]
        if where == "making":
            raise RuntimeError("on purpose")
        return [Fails(where)]

    async with serving(behaviours, seen) as server, connect(socket_url(server)) as good:
        await good.send(connected_text())
        async with connect(socket_url(server)) as bad:
            try:
                await bad.send(connected_text())
                await bad.send(bytes(640))
                async with asyncio.timeout(10):
                    await bad.recv()
            except ConnectionClosed:
                pass
        ended = await seen.next(Ended)
        await good.send(bytes(640))
        echo = await good.recv()
        async with connect(socket_url(server)) as third:
            await third.send(connected_text())
            await third.send(bytes(640))
            assert bytes(640) == await third.recv()

    assert (1011, "internal error") == (bad.close_code, bad.close_reason)
    assert ("server", 1011) == (ended.closed_by, ended.close_code)
    assert ["VS307"] == [finding.code for finding in seen.all(FindingRaised)]
    assert "RuntimeError: on purpose" in seen.all(FindingRaised)[0].message
    assert bytes(640) == echo


@pytest.mark.usefixtures("each_engine")
async def test_an_observer_that_fails_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; the call and the other observers go on."""
    seen = Seen()

    def broken(event: Event) -> None:
        raise RuntimeError("on purpose")

    async with serving(lambda: [Echo()], broken, seen) as server, connect(socket_url(server)) as client:
        await client.send(connected_text())
        await client.send(bytes(640))
        echo = await client.recv()

    assert bytes(640) == echo
    assert ["server.started", "call.connected", "call.ended", "server.stopped"] == [e.name for e in seen.events]
    assert "an observer failed on call.connected" in caplog.text


@pytest.mark.usefixtures("each_engine")
async def test_a_peer_that_never_reads_is_dropped_and_disturbs_nobody() -> None:
    """What waits for it is bounded; another call goes on; the reason is told before the end."""
    seen, frames = Seen(), numbered_frames(100)
    patience = Patience(stalled_after_s=0.3, check_every_s=0.1, max_waiting=500)
    async with serving(lambda: [Echo()], seen, patience=patience, limits=FLOODED) as server:
        deaf = await RawClient.open(server, receive_buffer=2048)
        deaf.send(TEXT, connected_text().encode())
        before = psutil.Process().memory_info().rss
        flood = asyncio.create_task(_flood(deaf))
        async with connect(socket_url(server)) as good:
            await good.send(connected_text())
            echoed = []
            for frame in frames:
                await good.send(frame)
                echoed.append(await good.recv())
            ended = await seen.next(Ended)
        grown = psutil.Process().memory_info().rss - before
        flood.cancel()
        await asyncio.gather(flood, return_exceptions=True)
        await deaf.close()

    assert frames == echoed
    assert (1006, "network") == (ended.close_code, ended.closed_by)
    assert ended.call == (notice := seen.all(Notice)[0]).call
    assert notice.message.startswith(f"{ended.call} is dropped: its other side doesn't read")
    assert grown < 50_000_000


async def _flood(client: RawClient) -> None:
    while True:
        client.send(BINARY, bytes(640))
        await client.drain()
        await asyncio.sleep(0)


@pytest.mark.usefixtures("each_engine")
async def test_a_long_burst_to_a_peer_that_reads_is_no_stall() -> None:
    """A behaviour may send minutes of audio at once: nobody is dropped for it."""

    class Burst(Behaviour):
        """Sends 10,000 frames as soon as the call begins."""

        def connected(self, call: Call) -> None:
            call.send_audio(bytes(640 * 10_000))

    received = 0
    async with serving(lambda: [Burst()]) as server, connect(socket_url(server)) as client:
        await client.send(connected_text())
        async with asyncio.timeout(20):
            while received < 10_000:
                received += len(await client.recv()) // 640

    assert 10_000 == received


@pytest.mark.usefixtures("each_engine")
async def test_stopping_takes_no_longer_than_promised() -> None:
    """Nine callers that read get 1001 and the reason; a tenth that never reads can't hold the server up."""
    seen = Seen()
    server = serving(
        lambda: [Echo()], seen, patience=Patience(max_waiting=100_000, hurried_waiting=100_000), limits=FLOODED
    )
    await server.start()
    deaf = await RawClient.open(server, receive_buffer=2048)
    deaf.send(TEXT, connected_text().encode())
    for _ in range(15_000):
        deaf.send(BINARY, bytes(640))
        await deaf.drain()
    readers = []
    for _ in range(9):
        readers.append(await connect(socket_url(server)))
        await readers[-1].send(connected_text())
    await seen.next(Connected, 10)
    started_at = time.monotonic()
    await server.stop()
    took_s = time.monotonic() - started_at
    for reader in readers:
        await reader.wait_closed()
    await deaf.close()

    assert [(1001, "server stopping")] * 9 == [(reader.close_code, reader.close_reason) for reader in readers]
    assert {"server"} == {event.closed_by for event in seen.all(Ended)}
    assert (10, 0) == (server.calls_ended, server.live_calls)
    assert took_s < 3


@pytest.mark.usefixtures("each_engine")
async def test_a_stopping_server_takes_no_more_calls() -> None:
    """A socket that comes while the others are being closed is refused, and so is a webhook afterwards."""
    seen = Seen()
    server = serving(lambda: [Echo()], seen)
    await server.start()
    stubborn = await RawClient.open(server)
    stubborn.send(TEXT, connected_text().encode())
    await seen.next(Connected)
    stopping = asyncio.create_task(server.stop())
    await stubborn.receive_close()
    with pytest.raises(InvalidStatus) as refused:
        await connect(socket_url(server))
    await stubborn.close()
    await stopping
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)

    assert (503, b"No more calls now: the server is stopping.\n") == (
        refused.value.response.status_code,
        refused.value.response.body,
    )


@pytest.mark.usefixtures("each_engine")
async def test_two_hundred_calls_leave_nothing_behind() -> None:
    """No task, no descriptor, no entry; call ids are never used twice."""
    seen = Seen()
    async with serving(lambda: [Echo(), Keeper()], seen) as server:
        for number in range(1, 201):
            async with connect(socket_url(server)) as client:
                await client.send(connected_text())
                await client.send(bytes(640))
                await client.recv()
            await seen.next(Ended, number)
            if number == 10:
                tasks, files = len(asyncio.all_tasks()), psutil.Process().num_fds()
        left = len(asyncio.all_tasks()), psutil.Process().num_fds(), server.live_calls

    assert (tasks, files, 0) == left
    assert 200 == len({event.call for event in seen.all(Ended)})
    assert [ServerStopped(at=seen.events[-1].at, calls=200)] == seen.all(ServerStopped)


@pytest.mark.usefixtures("each_engine")
async def test_statistics_are_told_for_each_open_call() -> None:
    """When they are asked for."""
    seen = Seen()
    async with serving(lambda: [Echo()], seen) as server:
        server.tell_stats("c1")
        async with connect(socket_url(server)) as client:
            await client.send(connected_text())
            await client.send(bytes(640))
            await client.recv()
            for call_id in server.calls:
                server.tell_stats(call_id)

    assert [("c1", 1, 1)] == [(e.call, e.frames_in, e.frames_out) for e in seen.all(StatsUpdated)]


@pytest.mark.usefixtures("each_engine")
async def test_errors_are_counted_for_the_exit_code() -> None:
    """Once for each code that is an error, not for warnings."""
    seen = Seen()
    async with serving(lambda: [Fails("connected")], seen) as server:
        client = await RawClient.open(server)
        client.send(TEXT, b"not json")
        client.send(TEXT, connected_text().encode())
        await client.receive_close()
        await client.close()
        await seen.next(Ended)

    assert 1 == server.error_findings
