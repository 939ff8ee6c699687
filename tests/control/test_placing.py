"""One call, which leaves nobody's phone off the hook behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.control.fakes import CALL, Region, sdk_at
from vonage_sock.control.calls import Calls
from vonage_sock.control.orders import DialOrder
from vonage_sock.control.placing import PlacedCall
from vonage_sock.errors import ConnectError, VsockError

ORDER = DialOrder(to="447700900001", answer_url="https://x.example/a")
HANG_UP = ("PUT", f"/{CALL}", {"action": "hangup"})


def call_at(region: Region, key: str) -> PlacedCall:
    """To be placed there."""
    return PlacedCall(Calls(sdk_at(region, key).at, api_host=region.host), ORDER)


async def test_a_call_is_placed_and_hung_up_once(two: list[Region], key: str) -> None:
    """After its end nothing is sent any more."""
    call = call_at(two[0], key)
    before = call.may_be_live
    await call.place()
    during = call.may_be_live
    await call.hang_up()
    await call.hang_up()

    assert (False, True, False) == (before, during, call.may_be_live)
    assert [HANG_UP] == two[0].done[1:]
    assert call.hang_up_at_once(0)


async def test_a_refused_order_leaves_nothing_to_hang_up(two: list[Region], key: str) -> None:
    """The API said no, so nobody is called."""
    two[0].faults.append((400, {"detail": "no such number of yours"}))
    call = call_at(two[0], key)

    with pytest.raises(VsockError, match="no such number of yours"):
        await call.place()
    assert not call.may_be_live


async def test_an_order_without_an_answer_may_be_live(two: list[Region], key: str) -> None:
    """The connection is gone, and somebody may be called: that is said."""
    two[0].faults.append("drop")
    call = call_at(two[0], key)

    with pytest.raises(ConnectError, match="if somebody is called all the same, vsock calls shows it"):
        await call.place()
    assert call.may_be_live


async def test_hanging_up_is_tried_again(two: list[Region], key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault on the way doesn't leave a call live; a call that is over already is as good."""
    monkeypatch.setattr("vonage_sock.control.placing.BETWEEN_TRIES_S", 0.0)
    call = call_at(two[0], key)
    await call.place()
    two[0].faults += ["drop", (500, {}), (404, {"title": "Not Found"})]
    await call.hang_up()

    assert (3, False) == (len(two[0].done[1:]), call.may_be_live)


async def test_a_call_that_cannot_be_hung_up_is_known_to_be_live(
    two: list[Region], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three tries the error says why."""
    monkeypatch.setattr("vonage_sock.control.placing.BETWEEN_TRIES_S", 0.0)
    call = call_at(two[0], key)
    await call.place()
    two[0].faults += [(500, {})] * 3

    with pytest.raises(VsockError, match="a fault of the API's own"):
        await call.hang_up()
    assert call.may_be_live


class SlowSdk:
    """
    An SDK at a host whose order is answered when it is let; hanging up is noted at once.

    It leaves out the network.
    """

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.let = threading.Event()
        self.hung_up = threading.Event()

    async def call(self, fn: Callable[[Any], Any], *, doing: str) -> Any:
        """In a thread, as the SDK is."""
        return await asyncio.to_thread(fn, self)

    @property
    def voice(self) -> SlowSdk:
        """The SDK's part for calls."""
        return self

    @property
    def http_client(self) -> SlowSdk:
        """The SDK's part for requests."""
        return self

    api_host = "api.nexmo.com"

    def hangup(self, uuid: str) -> None:
        """End it."""
        assert CALL == uuid
        self.hung_up.set()

    def post(self, *_order: object) -> dict[str, str]:
        """Place it."""
        self.asked.set()
        self.let.wait(10)
        return {"uuid": CALL, "conversation_uuid": "CON-1"}


def test_an_order_under_way_is_hung_up_as_soon_as_it_is_answered() -> None:
    """A second Ctrl-C comes while the order is on its way: the call that comes of it is ended."""
    sdk = SlowSdk()
    call = PlacedCall(Calls(lambda _host: sdk), ORDER)
    placing = threading.Thread(target=_run, args=(call,))
    placing.start()
    sdk.asked.wait(10)
    threading.Timer(0.05, sdk.let.set).start()
    ended = call.hang_up_at_once(10)
    placing.join(10)

    assert (True, True) == (ended, sdk.hung_up.is_set())


def test_an_order_that_nobody_waits_for_any_more_ends_itself() -> None:
    """The API took too long, and then it did call somebody: the thread that learns it hangs up."""
    sdk = SlowSdk()
    call = PlacedCall(Calls(lambda _host: sdk), ORDER)
    call.give_up()
    sdk.let.set()
    _run(call)

    assert sdk.hung_up.wait(10)


def _run(call: PlacedCall) -> None:
    asyncio.run(call.place())
