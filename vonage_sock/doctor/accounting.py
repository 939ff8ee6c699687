"""An account, looked at: who we are to the API, its clock, and the application with its addresses and numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vonage_sock.account.applications import ADDRESSES, JsonObject, voice_addresses
from vonage_sock.account.sdk import Sdk
from vonage_sock.clock import Clock
from vonage_sock.doctor import account
from vonage_sock.doctor.addresses import WEB, Place, is_address, place_of
from vonage_sock.doctor.answers import judge_clock, judge_page
from vonage_sock.doctor.checks import Check, fault, is_broken
from vonage_sock.doctor.order import Order
from vonage_sock.doctor.reading import AccountRead, read_account, read_numbers
from vonage_sock.doctor.travelling import Doing, Traveller
from vonage_sock.errors import ConnectError, VsockError
from vonage_sock.simulator.webhooks.web import Webhooks

REFUSED: Final = frozenset({401, 403})


class AccountExamination:
    """
    The account's part of an examination.

    Args:
        sdk: reads the account; it isn't asked without a key and its secret.
        params: of a call, for an answer URL of the application's that isn't examined otherwise.
    """

    def __init__(
        self,
        order: Order,
        sdk: Sdk,
        *,
        clock: Clock,
        tell: Callable[[Check], object],
        doing: Doing,
        params: dict[str, str],
    ) -> None:
        self._order = order
        self._sdk = sdk
        self._clock = clock
        self._tell = tell
        self._doing = doing
        self._params = params
        self._faults: dict[Place, Check | None] = {}
        self.told_clock = False

    async def look(self, traveller: Traveller, web: Webhooks) -> JsonObject | None:
        """The application; None where there are no credentials, or nothing can be read with them."""
        credentials = self._order.credentials
        check = account.judge_credentials(credentials)
        if check.cures:
            self._tell(check)
            return None
        self._doing("reading the application")
        chosen = credentials.application_id
        read = await read_account(self._sdk, None if chosen is None else chosen.value, self._clock)
        for item in self._judge(check, read):
            self._tell(item)
        if read.application is not None:
            await self._look_at(read.application, traveller, web)
        return read.application

    def _judge(self, credentials: Check, read: AccountRead) -> list[Check]:
        refused = read.error is not None and getattr(read.error, "status", None) in REFUSED
        first = account.refused(account.CREDENTIALS, read.error) if refused and read.error is not None else credentials
        checks = [first]
        if read.date is not None:
            checks.append(judge_clock(read.date, whose=self._sdk.api_host, wall_ns=read.wall_ns))
            self.told_clock = True
        if read.error is not None and not refused:
            checks.append(account.refused(account.APPLICATION, read.error))
        elif read.error is None and read.application is None:
            checks.append(account.judge_choice(read.listed))
        return checks

    async def _look_at(self, value: JsonObject, traveller: Traveller, web: Webhooks) -> None:
        voice = account.judge_voice(value)
        self._tell(voice)
        pem = self._order.credentials.private_key
        self._tell(account.judge_key(value, None if pem is None else pem.value))
        if is_broken([voice]):
            return
        for kind in ADDRESSES:
            self._tell(await self._judge_address(value, kind, traveller, web))
        self._tell(await self._judge_numbers(str(value.get("id"))))
        wanted = self._order.credentials.region
        self._tell(account.judge_region(value, None if wanted is None else wanted.value))
        self._tell(account.judge_signing(value, has_secret=self._order.signature_secret is not None))

    async def _judge_numbers(self, application_id: str) -> Check:
        self._doing("listing the application's numbers")
        try:
            return account.judge_numbers(await read_numbers(self._sdk, application_id), application_id)
        except VsockError as error:
            return account.refused(account.NUMBER, error)

    async def _judge_address(self, value: JsonObject, kind: str, traveller: Traveller, web: Webhooks) -> Check:
        """One of the application's addresses; what isn't examined later is looked for on the network now."""
        check = account.judge_address(value, kind, self._order.target)
        address = voice_addresses(value)[kind]
        if address is None or not is_address(address, WEB) or self._is_examined(place_of(address), value):
            return check
        dead = await self._why_dead(address, kind, traveller, web)
        if dead is None:
            return check
        cures = check.cures if is_broken([check]) else (account.POINT,)
        return fault(check.name, f"{check.message}; {dead.name}: {dead.message}", *cures, *dead.cures)

    def _is_examined(self, place: Place, value: JsonObject) -> bool:
        examined = voice_addresses(value)["answer_url"]
        if self._order.target is not None:
            examined = self._order.target.url
        return place.is_local or (examined is not None and is_address(examined, WEB) and place_of(examined) == place)

    async def _why_dead(self, address: str, kind: str, traveller: Traveller, web: Webhooks) -> Check | None:
        """What keeps calls from an address; None where somebody is there."""
        place = place_of(address)
        if place not in self._faults:
            steps: list[Check] = []
            there = await traveller.go(place, steps.append)
            page = await self._page_at(address, web) if there and kind == "answer_url" else None
            self._faults[place] = page or next((check for check in steps if is_broken([check])), None)
        return self._faults[place]

    async def _page_at(self, address: str, web: Webhooks) -> Check | None:
        """A tunnel's page in the server's place, or nothing at all."""
        self._doing(f"asking {address}")
        try:
            check = judge_page(await web.post_event(address, self._params, method="GET"))
        except ConnectError as error:
            return fault("HTTP", str(error), "start the server")
        return check if is_broken([check]) else None
