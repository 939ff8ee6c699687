"""The way to a place is gone once."""

from __future__ import annotations

import pytest

from tests.doctor.fakes import Fake, serving
from vonage_sock.clock import SystemClock
from vonage_sock.doctor import reaching, travelling
from vonage_sock.doctor.addresses import Place, place_of
from vonage_sock.doctor.checks import Check
from vonage_sock.doctor.reaching import Lookup
from vonage_sock.doctor.travelling import Traveller


def traveller() -> Traveller:
    """One who tells nobody what is tried."""
    return Traveller(SystemClock(), trust=None, own_authority=False, doing=bool)


async def test_a_way_is_told_the_first_time_and_remembered() -> None:
    """Whether it leads there or not."""
    async with serving(Fake()) as fake:
        here, nowhere = place_of(fake.base), Place("127.0.0.1", 9, secure=False)
        told: list[Check] = []
        away = traveller()
        went = [await away.go(place, told.append) for place in (here, here, nowhere, nowhere)]

    assert [True, True, False, False] == went
    assert ["DNS", "connection", "TLS", "DNS", "connection"] == [check.name for check in told]


async def test_a_strangers_name_that_leads_here_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A public name may lead to anything in this network."""

    async def look_up(_place: Place) -> Lookup:
        return Lookup(("127.0.0.1",))

    monkeypatch.setattr(travelling, "look_up", look_up)
    told: list[Check] = []
    away, place = traveller(), Place("rebound.example", 9, secure=False)

    assert not await away.go(place, told.append, near=False)
    assert (["DNS"], True) == ([check.name for check in told], away.is_near(place))
    assert look_up is not reaching.look_up
