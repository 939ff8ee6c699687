"""The official client, off the event loop, and its errors as sentences."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.account.fakes import APP_ID, FakeApi
from vonage_sock.account import sdk as module
from vonage_sock.account.applications import read_application
from vonage_sock.account.credentials import Credentials, Setting
from vonage_sock.account.sdk import ApiError, Sdk
from vonage_sock.errors import ConnectError, ExitCode, UsageError, VsockError


@pytest.mark.parametrize(
    ("fault", "said", "code"),
    [
        (401, "HTTP 401: the API key of VONAGE_API_KEY with the secret of ./.vonagerc was refused", ExitCode.USAGE),
        (403, "isn't allowed to do that (Fault: as wanted)", ExitCode.USAGE),
        (404, "there is no such thing in this account", ExitCode.USAGE),
        (429, "too many requests; try again in a moment", ExitCode.ERROR),
        (500, "a fault of the API's own; try again later", ExitCode.ERROR),
        (503, "a fault of the API's own; try again later", ExitCode.ERROR),
        ("drop", "it closed the connection without an answer", ExitCode.CONNECT),
        (web.Response(status=502, text="\x1b[2J" * 999), "HTTP 502: a fault of the API's own", ExitCode.ERROR),
        (web.Response(text="<html>"), "something that isn't an application", ExitCode.ERROR),
    ],
)
async def test_each_fault_of_the_api_is_one_sentence_and_an_exit_code(
    api: FakeApi, sdk: Sdk, capfd: pytest.CaptureFixture[str], fault: Any, said: str, code: ExitCode
) -> None:
    """It is asked once, whatever it answers, and the client's own log says nothing."""
    api.faults["GET"] = [fault]
    with pytest.raises(VsockError) as raised:
        await read_application(sdk, APP_ID)

    assert said in str(raised.value)
    assert (code, 1, ("", "")) == (raised.value.exit_code, len(api.asked), tuple(capfd.readouterr()))


async def test_a_call_that_costs_money_is_never_sent_twice(api: FakeApi, sdk: Sdk) -> None:
    """The client by itself would post it up to ten times when the connection is closed without an answer."""
    api.faults["POST"] = ["drop"] * 20
    with pytest.raises(ConnectError):
        await sdk.call(lambda client: client.http_client.post(api.host, "/v2/applications/x", {}, "basic"))

    assert ["POST"] == [asked.method for asked in api.asked]


async def test_who_hangs_is_left_alone(api: FakeApi, sdk: Sdk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, and the next call isn't held up by it."""
    monkeypatch.setattr(module, "WHOLE_S", 0.2)
    api.faults["GET"] = ["hang"]
    with pytest.raises(ConnectError, match="took too long over reading application"):
        await read_application(sdk, APP_ID)
    monkeypatch.setattr(module, "WHOLE_S", 10)

    assert APP_ID == (await read_application(sdk, APP_ID))["id"]


async def test_only_a_trusted_api_is_told_the_secret(api: FakeApi, sdk: Sdk) -> None:
    """Without --ca a certificate of one's own isn't believed, and nothing is sent."""
    with pytest.raises(ConnectError, match=r"TLS fails .* with --ca FILE"):
        await read_application(Sdk(sdk.credentials, api_host=api.host), APP_ID)

    assert [] == api.asked


async def test_an_api_that_isnt_there_is_named(sdk: Sdk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its host, and why; a port that takes connections and says nothing is told as that."""
    monkeypatch.setattr(module, "STEP_S", 1)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ConnectError, match=r"doesn't speak TLS within 1 s; look at the network"),
    ):
        await read_application(Sdk(sdk.credentials, api_host=f"127.0.0.1:{silent.getsockname()[1]}"), APP_ID)
    with pytest.raises(ConnectError, match=r"localhost:9 can't be reached .* \(connection refused\)"):
        await read_application(Sdk(sdk.credentials, api_host="localhost:9"), APP_ID)


@pytest.mark.parametrize("host", ["https://api.nexmo.com", "a b", "api.nexmo.com/v2", "user@host", ""])
def test_a_host_is_a_host(host: str) -> None:
    """An address, a path or a user's name is refused."""
    if not host:
        assert "api.nexmo.com" == Sdk(Credentials(), api_host=None).api_host
        return
    with pytest.raises(UsageError, match="isn't of the form HOST or HOST:PORT"):
        Sdk(Credentials(), api_host=host)


async def test_a_token_that_is_refused_names_the_application_and_its_key(api: FakeApi, sdk: Sdk) -> None:
    """A key in the older form is taken too, as the client doesn't."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    found = replace(
        sdk.credentials,
        application_id=Setting(APP_ID, "--app"),
        private_key=Setting(key.decode(), "VONAGE_PRIVATE_KEY"),
    )
    api.faults["GET"] = [401]
    with pytest.raises(
        ApiError, match=f"the token of application {APP_ID} .--app., signed with the private key of VONAGE"
    ):
        await (
            Sdk(found, ca=sdk.ca).at(api.host).call(lambda client: client.http_client.get(api.host, "/v1/calls", None))
        )

    assert 2 == len({sdk.api_host, "api.nexmo.com"})


async def test_a_broken_private_key_is_named(sdk: Sdk) -> None:
    """By where it was found."""
    broken = Setting("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", "./.vonagerc")
    found = replace(sdk.credentials, application_id=Setting(APP_ID, "--app"), private_key=broken)
    with pytest.raises(UsageError, match=r"./.vonagerc: the private key is broken"):
        await read_application(Sdk(found), APP_ID)


async def test_what_a_call_raises_itself_is_told_harmlessly(sdk: Sdk) -> None:
    """One line, without control characters."""
    with pytest.raises(VsockError, match="the request failed in the Vonage client: KeyError") as raised:
        await sdk.call(lambda _: {}["\x1b[31m"])

    assert str(raised.value).isprintable()


async def test_calls_come_one_after_the_other(api: FakeApi, sdk: Sdk) -> None:
    """The client isn't made for several at once."""
    running: list[int] = []
    most: list[int] = []

    def work(_: object) -> None:
        running.append(1)
        most.append(len(running))
        logging.getLogger("vonage").error("not shown")
        running.pop()

    await asyncio.gather(*(sdk.call(work) for _ in range(5)))

    assert [1] * 5 == most
