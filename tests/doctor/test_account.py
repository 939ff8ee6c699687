"""What an account says of itself: each fault with its cure, whatever form the API's answer has."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.account.fakes import APP_ID, application
from vonage_sock.account.credentials import Credentials, Setting
from vonage_sock.doctor.account import (
    judge_address,
    judge_choice,
    judge_credentials,
    judge_key,
    judge_numbers,
    judge_region,
    judge_signing,
    judge_voice,
    refused,
)
from vonage_sock.doctor.addresses import Target, read_target
from vonage_sock.doctor.checks import Check
from vonage_sock.errors import VsockError

HERE = read_target("http://127.0.0.1:8000")
OLD = read_target("https://old.example.com/answer")
KEY, SECRET = Setting("a1b2c3d4", "--api-key"), Setting("s3cr3tOf", "VONAGE_API_SECRET")


def told(check: Check) -> str:
    """Its result, and all its text."""
    return " | ".join([check.result.value, check.message, *check.cures])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            Credentials(api_key=KEY, api_secret=SECRET),
            "ok | API key a1b2… of --api-key, its secret of VONAGE_API_SECRET",
        ),
        (Credentials(), "skipped | none: the application isn't looked at | give VONAGE_API_KEY and VONAGE_API_SECRET"),
        (Credentials(api_key=KEY), "fault | there is no API secret | give --api-secret, or set VONAGE_API_SECRET"),
        (Credentials(api_secret=SECRET), "fault | there is no API key | give --api-key"),
        (
            Credentials(lacks={"api_key": "./.vonagerc can't be used; mend it"}),
            "fault | ./.vonagerc can't be used | mend it",
        ),
    ],
)
def test_credentials_are_there_or_it_is_said_what_lacks(found: Credentials, expected: str) -> None:
    """None at all is no fault: anybody's server can be examined without."""
    text = told(judge_credentials(found))

    assert text.startswith(expected)
    assert "s3cr3t" not in text


def test_a_sentence_is_parted_into_what_is_wrong_and_what_to_do() -> None:
    """Where it says nothing to do, the credentials are worth a look."""
    assert "fault | a: b; c | d" == told(refused("x", VsockError("a: b; c; d")))
    assert "fault | a | look at the credentials with: vsock config" == told(refused("x", VsockError("a")))


def test_without_a_named_application_those_with_voice_are_told() -> None:
    """To choose from; none is a fault."""
    several = [{"id": f"id{number}", "name": f"n{number}"} for number in range(5)]

    assert "skipped | none is named, and 5 have voice: id0 (n0), id1 (n1), id2 (n2) and 2 more | give --app" in told(
        judge_choice(several)
    )
    assert "fault | the account has none with voice | make one" in told(judge_choice([]))


@pytest.mark.parametrize("value", [{}, {"capabilities": []}, {"capabilities": {"voice": 7}}, {"name": "a"}])
def test_an_application_without_voice_can_have_no_calls(value: dict[str, Any]) -> None:
    """Also where the API says something of another form."""
    assert "has no voice | switch Voice on in the dashboard" in told(judge_voice(value))


def test_an_application_with_voice() -> None:
    """Is told by its name."""
    assert "ok | 'My phone line' has voice" == told(judge_voice(application()))


def pem_of(key: rsa.RSAPrivateKey) -> tuple[str, str]:
    """A private key and its public one."""
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def test_a_private_key_is_the_application_s_or_another_s() -> None:
    """Tokens of another's are refused; none is needed to be called."""
    private, public = pem_of(rsa.generate_private_key(65537, 1024))
    other, _ = pem_of(rsa.generate_private_key(65537, 1024))
    value = {"keys": {"public_key": public}}

    assert "ok | it fits" in told(judge_key(value, private))
    assert "fault | it isn't the application's" in told(judge_key(value, other))
    assert "fault | it is broken" in told(judge_key(value, "-----BEGIN PRIVATE KEY-----"))
    assert "skipped | the application shows no public key" in told(judge_key({"keys": 7}, private))
    assert "skipped | none" in told(judge_key(value, None))


@pytest.mark.parametrize(
    ("address", "target", "expected"),
    [
        ("https://old.example.com/answer", None, "ok | https://old.example.com/answer"),
        ("https://old.example.com/answer", OLD, "ok | https://old.example.com/answer"),
        ("https://old.example.com/other", read_target("https://old.example.com"), "ok | https://old.example.com/other"),
        ("https://old.example.com/other", OLD, "fault | calls go to https://old.example.com/other, and not to"),
        (
            "https://x.ngrok.app/answer",
            OLD,
            "point the application where the server is: vsock dev for as long as it runs",
        ),
        ("https://x.ngrok.app/answer", HERE, "ok | https://x.ngrok.app/answer, a tunnel (ngrok)"),
        ("https://x.ngrok.app/answer", Target("wss://a.example/s"), "ok | https://x.ngrok.app/answer, a tunnel"),
        ("http://a.example/answer", None, "ok | http://a.example/answer | anybody between reads"),
        ("http://localhost:8000/answer", None, "fault | http://localhost:8000/answer: Vonage can't come to localhost"),
        ("ws://a.example", None, "fault | 'ws://a.example' is no web address"),
        (None, None, "fault | none is set: calls get no answer"),
    ],
)
def test_where_an_application_s_calls_go(address: str | None, target: Target | None, expected: str) -> None:
    """To what is examined, and to where Vonage can come."""
    webhooks = {} if address is None else {"answer_url": {"address": address}}
    value = {"capabilities": {"voice": {"webhooks": webhooks}}}

    assert expected in told(judge_address(value, "answer_url", target))


def test_other_addresses_may_lack() -> None:
    """Events are worth an advice; a fallback is told as not there."""
    value = {"capabilities": {"voice": {"webhooks": {"event_url": 7}}}}

    assert "ok | none is set | without one nobody is told" in told(judge_address(value, "event_url", None))
    assert "skipped | none is set" in told(judge_address(value, "fallback_answer_url", None))


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([], "fault | none is linked: nobody can call the application | link one"),
        (None, "fault | none is linked"),
        ([7, "x"], "fault | none is linked"),
        ([{"msisdn": "441", "features": ["SMS", "VOICE"]}], "ok | 441 linked"),
        ([{"msisdn": str(n)} for n in range(5)], "ok | 0, 1, 2 and 2 more linked"),
        (
            [{"msisdn": "441", "features": ["SMS"]}],
            "fault | 441 can't have calls | link a number with the feature VOICE",
        ),
        ([{"msisdn": "441", "voiceCallbackType": "tel"}], "fault | 441: its calls are forwarded (tel)"),
        ([{"msisdn": "441", "voiceCallbackType": "app", "voiceCallbackValue": APP_ID}], "ok | 441 linked"),
        ([{"msisdn": "441", "voiceCallbackType": "app", "voiceCallbackValue": "other"}], "fault | 441: its calls"),
    ],
)
def test_a_number_leads_to_the_application(numbers: object, expected: str) -> None:
    """It can have calls, and they aren't forwarded elsewhere."""
    assert told(judge_numbers(numbers, APP_ID)).startswith(expected)


@pytest.mark.parametrize(
    ("region", "wanted", "expected"),
    [
        ("eu-west", None, "ok | eu-west"),
        ("eu-west", "eu-west", "ok | eu-west"),
        (
            "eu-west",
            "na-east",
            "fault | the application is in eu-west, and na-east is wanted here: the API answers 404",
        ),
        (None, None, "ok | none is set"),
        (
            7,
            "na-east",
            "ok | none is set: calls are where they come in; their region_url says where to change them (na",
        ),
    ],
)
def test_the_region(region: object, wanted: str | None, expected: str) -> None:
    """Of the application, and that which is wanted here."""
    assert told(judge_region(application(region=region), wanted)).startswith(expected)


@pytest.mark.parametrize(
    ("signed", "has_secret", "expected"),
    [
        (True, True, "ok | on, and the secret to check them is here"),
        (True, False, "ok | on | nothing here can check them; give --signature-secret"),
        (False, False, "ok | off | whoever finds the address can say to be Vonage: switch on 'Use signed webhooks' in"),
        (
            None,
            True,
            "fault | off: webhooks come unsigned, and are refused where a signature secret is set, as here | s",
        ),
    ],
)
def test_signed_webhooks(signed: object, *, has_secret: bool, expected: str) -> None:
    """On, and checked here; off is advice, and a fault where a secret is set that refuses what isn't signed."""
    assert told(judge_signing(application(signed_callbacks=signed), has_secret=has_secret)).startswith(expected)
