"""Live calls, told what to do through Vonage's SDK in the region that knows them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.control.fakes import APPLICATION, CALL, CONVERSATION, OTHER_CALL, Region, all_kept, leg, sdk_at
from vonage_sock.account.credentials import Credentials, Setting
from vonage_sock.account.sdk import ApiError, Sdk
from vonage_sock.control.calls import Calls, NoSuchCallError, RefusedError
from vonage_sock.control.known import KnownRegions
from vonage_sock.control.opening import open_calls
from vonage_sock.control.orders import DialOrder, Placed
from vonage_sock.errors import ConnectError, ExitCode, UsageError, VsockError

NCCO = [{"action": "wait", "timeout": 0.5}, {"action": "talk", "text": "hi", "bargeIn": True}]


def calls_at(region: Region, key: str, *others: Region, said: list[str] | None = None, **more: Any) -> Calls:
    """Those of the application; ``others`` are the regions that may know a call instead."""
    return Calls(
        sdk_at(region, key).at,
        others=[other.host for other in others],
        api_host=region.host,
        say=None if said is None else said.append,
        **more,
    )


async def test_each_verb_is_what_the_api_documents(two: list[Region], key: str) -> None:
    """Method, path and body of every one, with the application's own token."""
    region = two[0]
    region.live.append(CALL)
    calls = calls_at(region, key)
    await calls.transfer(CALL, ncco=NCCO)
    await calls.transfer(CALL, url="https://example.com/answer")
    await calls.talk(CALL, "hello", language="en-GB", style=2, premium=True, loop=0, level=-0.5)
    await calls.stream(CALL, "https://example.com/x.mp3", loop=3)
    await calls.mute(CALL)
    await calls.unmute(CALL)
    await calls.earmuff(CALL)
    await calls.unearmuff(CALL)
    await calls.hangup(CALL)
    path = f"/{CALL}"

    assert [
        ("PUT", path, {"action": "transfer", "destination": {"type": "ncco", "ncco": NCCO}}),
        ("PUT", path, {"action": "transfer", "destination": {"type": "ncco", "url": ["https://example.com/answer"]}}),
        (
            "PUT",
            f"{path}/talk",
            {"text": "hello", "language": "en-GB", "style": 2, "premium": True, "loop": 0, "level": -0.5},
        ),
        ("PUT", f"{path}/stream", {"stream_url": ["https://example.com/x.mp3"], "loop": 3}),
        ("PUT", path, {"action": "mute"}),
        ("PUT", path, {"action": "unmute"}),
        ("PUT", path, {"action": "earmuff"}),
        ("PUT", path, {"action": "unearmuff"}),
        ("PUT", path, {"action": "hangup"}),
    ] == region.done
    claims = jwt.decode(region.tokens[0].removeprefix("Bearer "), options={"verify_signature": False})
    assert APPLICATION == claims["application_id"]


async def test_a_wrong_region_is_said_and_the_right_one_tried(two: list[Region], key: str) -> None:
    """And which one knew the call is remembered."""
    wrong, right = two
    right.live.append(CALL)
    said: list[str] = []
    calls = calls_at(wrong, key, right, said=said)
    await calls.mute(CALL)
    await calls.unmute(CALL)

    assert [f"{wrong.host} doesn't know this call (404), as all regions but its own; asking {right.host}"] == said
    assert (1, 2) == (len(wrong.asked), len(right.asked))


async def test_the_region_of_the_answer_webhook_is_asked_first(two: list[Region], key: str) -> None:
    """No other is asked at all, and nothing is said."""
    wrong, right = two
    right.live.append(CALL)
    said: list[str] = []
    calls = calls_at(wrong, key, said=said)

    assert calls.remember(CALL, f"https://{right.host}")
    await calls.hangup(CALL)
    assert ([], 0, 1) == (said, len(wrong.asked), len(right.asked))


async def test_what_one_program_was_told_the_next_one_knows(two: list[Region], key: str, tmp_path: Path) -> None:
    """``vsock hangup`` asks where ``serve`` was told, by a uuid's first letters, too; a wrong hint hinders nothing."""
    wrong, right = two
    right.live.append(CALL)
    kept = tmp_path / "regions.json"
    calls_at(wrong, key, regions=KnownRegions(kept)).remember(CALL, f"https://{right.host}")
    await asyncio.to_thread(all_kept)
    said: list[str] = []
    next_one = calls_at(wrong, key, said=said, regions=KnownRegions(kept))
    await next_one.mute(await next_one.find(CALL[:8]))

    assert ([], ["GET"], 1) == (said, [method for method, _, _ in wrong.asked], len(right.asked))

    kept.write_text(kept.read_text().replace(right.host, "127.0.0.1:9"))
    await calls_at(wrong, key, right, regions=KnownRegions(kept)).mute(CALL)
    assert 2 == len(right.asked)


async def test_a_strangers_region_gets_no_token(two: list[Region], key: str) -> None:
    """Whoever posts a webhook with an address of his own is passed over."""
    calls = calls_at(two[0], key)

    assert not calls.remember(CALL, "https://evil.example")
    with pytest.raises(NoSuchCallError):
        await calls.hangup(CALL)


async def test_a_call_that_nobody_knows(two: list[Region], key: str) -> None:
    """One sentence, after each region was asked once; one that can't be reached keeps nobody from the next."""
    gone = Region(host="127.0.0.1:9")
    calls = calls_at(two[0], key, gone, two[1])

    with pytest.raises(NoSuchCallError, match=f"no live call {CALL} is known at {two[0].host} and 1 more: it is over"):
        await calls.hangup(CALL)
    assert [1, 1] == [len(region.asked) for region in two]


async def test_no_uuid_leads_out_of_its_path(two: list[Region], key: str) -> None:
    """What is no uuid is never asked for."""
    with pytest.raises(UsageError):
        await calls_at(two[0], key).hangup("../../v2/applications")
    assert [] == two[0].asked


@pytest.mark.parametrize(
    ("fault", "sentence", "code"),
    [
        (
            (400, {"title": "Bad Request", "detail": "Invalid", "invalid_parameters": [{"name": "text", "reason": "long"}]}),
            r"starting the talk failed: .* answers 400: Invalid \(text: long\)$",
            ExitCode.USAGE,
        ),
        ((400, {"error_title": "No text"}), "answers 400: No text$", ExitCode.USAGE),
        ((400, "odd"), "answers 400: no reason is given$", ExitCode.USAGE),
        ((403, {}), "answers 403: the application may not do that", ExitCode.ERROR),
        ((401, {}), "the token of application .* signed with the private key of --private-key, was refused", ExitCode.USAGE),
        ((429, {}), "too many requests; try again in a moment", ExitCode.ERROR),
        ((500, {}), "a fault of the API's own", ExitCode.ERROR),
        ("drop", "closed the connection without an answer", ExitCode.CONNECT),
    ],
)  # fmt: skip
async def test_refusals(two: list[Region], key: str, fault: Any, sentence: str, code: ExitCode) -> None:
    """One sentence each, with the API's own detail, and no other region is bothered."""
    two[0].faults.append(fault)
    two[0].live.append(CALL)

    with pytest.raises(VsockError, match=sentence) as raised:
        await calls_at(two[0], key, two[1]).talk(CALL, "hello")
    assert (code, 1, 0) == (raised.value.exit_code, len(two[0].asked), len(two[1].asked))
    assert isinstance(raised.value, RefusedError | ApiError | ConnectError)


async def test_dialling(two: list[Region], key: str) -> None:
    """The order goes to the first host, and the call is known there from then on."""
    noted: list[str] = []
    calls = calls_at(two[0], key, two[1])
    placed = await calls.dial(DialOrder(to="447700900001", answer_url="https://x.example/a"), placed=noted.append)
    await calls.hangup(placed.uuid)

    assert (Placed(CALL, CONVERSATION), [CALL]) == (placed, noted)
    assert [("POST", ""), ("PUT", f"/{CALL}")] == [(method, path) for method, path, _ in two[0].done]


async def test_an_order_without_an_answer_is_never_sent_twice(two: list[Region], key: str) -> None:
    """By itself the SDK would place up to ten calls when the connection is closed before the answer."""
    two[0].faults += ["drop"] * 12

    with pytest.raises(ConnectError):
        await calls_at(two[0], key, two[1]).dial(DialOrder(to="447700900001", answer_url="https://x.example/a"))
    assert (1, 0) == (len(two[0].asked), len(two[1].asked))


async def test_an_answer_without_a_uuid(two: list[Region], key: str) -> None:
    """Whether somebody is called isn't known, and that is said."""
    two[0].faults.append((201, {"status": "started"}))

    with pytest.raises(VsockError, match="look with vsock calls"):
        await calls_at(two[0], key).dial(DialOrder(to="447700900001", answer_url="https://x.example/a"))


async def test_listing_takes_what_the_sdks_models_refuse(two: list[Region], key: str) -> None:
    """An app's leg, one without a link, and one that is nothing; page after page."""
    region = two[0]
    region.legs += [leg(CALL, to={"type": "app", "user": "al"}), {"uuid": "x"}, leg(OTHER_CALL)] + [leg(CALL)] * 120
    listed = await calls_at(region, key).list_calls(most=110)

    assert ("al", "x", OTHER_CALL, 110, 2) == (
        listed[0].to,
        listed[1].uuid,
        listed[2].uuid,
        len(listed),
        len(region.asked),
    )


async def test_the_first_letters_of_a_live_call_are_enough(two: list[Region], key: str) -> None:
    """As the screen shows them; where they fit none or several, that is said."""
    two[0].legs += [leg(CALL), leg(OTHER_CALL), leg("63f61863-0000-4f6b-86e1-46edebcf9356", status="completed")]
    calls = calls_at(two[0], key)

    assert (CALL, CALL) == (await calls.find("63F61863"), await calls.find(CALL))
    with pytest.raises(UsageError, match="no live call begins with 'abcd'"):
        await calls.find("abcd")
    two[0].legs.append(leg("63f61863-1111-4f6b-86e1-46edebcf9356"))
    with pytest.raises(UsageError, match="2 live calls begin with '63f61863'; give more of it"):
        await calls.find("63f61863")


async def test_many_at_once_take_turns(two: list[Region], key: str) -> None:
    """The SDK isn't made for several threads."""
    two[0].live += [CALL, OTHER_CALL]
    calls = calls_at(two[0], key)
    await asyncio.gather(*(calls.mute(uuid) for uuid in (CALL, OTHER_CALL, CALL)))

    assert 3 == len(two[0].asked)


def test_calls_need_an_application() -> None:
    """Without its id or key one sentence says what lacks, before anybody is asked."""
    with pytest.raises(UsageError, match="no application was found"):
        open_calls(Sdk(Credentials()))


def test_the_region_of_the_settings_places_calls(key: str) -> None:
    """Where there is one; an API in place of Vonage's goes before it."""
    credentials = Credentials(
        application_id=Setting(APPLICATION, "--app"),
        private_key=Setting(key, "--private-key"),
        region=Setting("eu-west", "--region"),
    )
    sdk = Sdk(credentials)

    assert ("api-eu-3.vonage.com", "127.0.0.1:8100") == (
        open_calls(sdk).host,
        open_calls(sdk, api_host="127.0.0.1:8100").host,
    )
