"""
What is read of an account, by the official client: one application, its numbers, and the API's time.

Rule: nothing is changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vonage_sock.account.applications import list_applications, read_application, voice_of
from vonage_sock.account.sdk import Sdk
from vonage_sock.clock import Clock
from vonage_sock.errors import VsockError

if TYPE_CHECKING:
    from vonage import Vonage

NUMBERS: Final = "/account/numbers"
JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRead:
    """
    What was read.

    Args:
        application: whole; None where none was named, or it can't be read, which ``error`` tells.
        listed: those with voice, where none was named.
        date: the API's ``Date``, which came at ``wall_ns`` (Unix nanoseconds).
    """

    application: JsonObject | None = None
    listed: tuple[JsonObject, ...] = ()
    error: VsockError | None = None
    date: str | None = None
    wall_ns: int = 0


async def read_account(sdk: Sdk, application_id: str | None, clock: Clock) -> AccountRead:
    """The application of this id, or the only one that has voice; never raises for what the API does."""
    application: JsonObject | None = None
    listed: tuple[JsonObject, ...] = ()
    error: VsockError | None = None
    try:
        if application_id is not None:
            application = await read_application(sdk, application_id)
        else:
            listed = tuple(item for item in await list_applications(sdk) if voice_of(item) is not None)
            application = listed[0] if len(listed) == 1 else None
    except VsockError as raised:
        error = raised
    wall_ns = clock.wall_ns()
    return AccountRead(application=application, listed=listed, error=error, date=await _date_of(sdk), wall_ns=wall_ns)


async def read_numbers(sdk: Sdk, application_id: str) -> object:
    """
    What the API has as the numbers that lead to an application.

    Raises:
        VsockError: they couldn't be read.
    """
    wanted = {"application_id": application_id, "size": 100}

    def ask(client: Vonage) -> Any:
        return client.http_client.get(client.http_client.rest_host, NUMBERS, wanted, "basic")

    answer = await sdk.call(ask, doing="listing the application's numbers")
    return answer.get("numbers", []) if isinstance(answer, dict) else None


async def _date_of(sdk: Sdk) -> str | None:
    """When the API made its last answer; None where it made none, or doesn't say."""

    def look(client: Vonage) -> str | None:
        response = client.http_client.last_response
        return None if response is None else response.headers.get("Date")

    try:
        return await sdk.call(look, doing="reading the API's time")
    except VsockError:
        return None
