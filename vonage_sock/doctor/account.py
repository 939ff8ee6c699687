"""
What an account says of itself: the credentials, and an application's voice, addresses, numbers, region and signing.

Values in, checks out; what the API answered is a stranger's and may have any form.

Source: Vonage Application API v2 (``capabilities.voice``) and Numbers API (``/account/numbers``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vonage_sock.account.applications import ADDRESSES, voice_addresses, voice_of
from vonage_sock.account.credentials import REGIONS, Credentials, masked, where
from vonage_sock.doctor.addresses import WEB, Target, base_of, is_address, place_of, same_address
from vonage_sock.doctor.checks import Check, fault, fine, skipped
from vonage_sock.errors import VsockError

JsonObject = dict[str, Any]

CREDENTIALS: Final = "credentials"
APPLICATION: Final = "application"
PRIVATE_KEY: Final = "private key"
NUMBER: Final = "number"
REGION: Final = "region"
SIGNED: Final = "signed webhooks"
NAMES: Final = dict(zip(ADDRESSES, ("answer address", "event address", "fallback address"), strict=True))

HOW_TO_GIVE: Final = (
    "give VONAGE_API_KEY and VONAGE_API_SECRET, or --api-key and --api-secret; vsock config shows what is used"
)
DASHBOARD: Final = "the dashboard (Applications, Edit)"
POINT: Final = f"point the application where the server is: vsock dev for as long as it runs, {DASHBOARD} for good"
SHOWN: Final = 3


def judge_credentials(found: Credentials) -> Check:
    """Key and secret are there; whether the API takes them is for the API to say."""
    key, secret = found.api_key, found.api_secret
    if key is not None and secret is not None:
        return fine(
            CREDENTIALS, f"API key {masked('api_key', key.value)} of {key.source}, its secret of {secret.source}"
        )
    lacking = "api_key" if key is None else "api_secret"
    if key is None and secret is None and not found.lacks.keys() & {"api_key", "api_secret"}:
        return skipped(CREDENTIALS, "none: the application isn't looked at", HOW_TO_GIVE)
    why = found.lacks.get(lacking)
    if why is not None:
        return refused(CREDENTIALS, VsockError(why))
    return fault(CREDENTIALS, f"there is no {lacking.replace('_', ' ').replace('api', 'API')}", where(lacking))


def refused(name: str, error: VsockError) -> Check:
    """A fault that is told in one sentence, what is wrong and what to do."""
    what, _, cure = str(error).rpartition("; ")
    return fault(name, what, cure) if what else fault(name, cure, "look at the credentials with: vsock config")


def judge_choice(listed: Sequence[JsonObject]) -> Check:
    """No application was named, and the account has none or several with voice."""
    if not listed:
        return fault(
            APPLICATION, "the account has none with voice", f"make one in {DASHBOARD.replace('Edit', 'Create')}"
        )
    shown = ", ".join(f"{item.get('id')} ({item.get('name')})" for item in listed[:SHOWN])
    more = len(listed) - SHOWN
    said = f"none is named, and {len(listed)} have voice: {shown}{f' and {more} more' if more > 0 else ''}"
    return skipped(APPLICATION, said, where("application_id"))


def judge_voice(value: Mapping[str, Any]) -> Check:
    """The application can have calls."""
    name = str(value.get("name", ""))[:60]
    if voice_of(value) is None:
        return fault(APPLICATION, f"{name!r} has no voice", f"switch Voice on in {DASHBOARD}")
    return fine(APPLICATION, f"{name!r} has voice")


def judge_key(value: Mapping[str, Any], pem: str | None) -> Check:
    """The private key is that of the application; ``pem`` is None where none was found."""
    if pem is None:
        return skipped(PRIVATE_KEY, "none: only calls that we place or change need it")
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key  # noqa: PLC0415

    keys = value.get("keys")
    theirs = keys.get("public_key") if isinstance(keys, dict) else None
    try:
        ours = load_pem_private_key(pem.encode(), password=None).public_key()
    except Exception:  # noqa: BLE001  (the library raises whatever its parts do)
        return fault(PRIVATE_KEY, "it is broken, or of a kind that isn't known", f"make a new pair in {DASHBOARD}")
    try:
        fits = load_pem_public_key(str(theirs).encode()) == ours
    except Exception:  # noqa: BLE001
        return skipped(PRIVATE_KEY, "the application shows no public key to compare it with")
    if not fits:
        return fault(
            PRIVATE_KEY,
            "it isn't the application's: tokens that are signed with it are refused",
            f"use the file that was made with the application, or make a new pair in {DASHBOARD}",
        )
    return fine(PRIVATE_KEY, "it fits the application's public key")


def judge_address(value: Mapping[str, Any], kind: str, target: Target | None) -> Check:
    """
    One of the three webhooks' addresses, by itself.

    Args:
        kind: of ``ADDRESSES``.
        target: what is examined, where it was named; calls must come there.
    """
    name, address = NAMES[kind], voice_addresses(value)[kind]
    if address is None:
        return _no_address(kind)
    if not is_address(address, WEB):
        return fault(name, f"{address[:200]!r} is no web address", f"correct it in {DASHBOARD}")
    place = place_of(address)
    if place.is_local:
        return fault(
            name, f"{address}: Vonage can't come to {place.host}", "use a tunnel; vsock dev points it there for a while"
        )
    if target is not None and kind == "answer_url" and not leads_to(address, target):
        return fault(
            name,
            f"calls go to {address}, and not to {target.url}",
            POINT,
        )
    through = "" if place.tunnel is None else f", a tunnel ({place.tunnel})"
    plain = () if place.secure else ("anybody between reads what is said there: use https",)
    return fine(name, f"{address}{through}", *plain)


def leads_to(address: str, target: Target) -> bool:
    """Whether calls come to what is examined, as far as that can be told: a tunnel to this machine may have any name."""
    if target.is_socket or target.place.is_local:
        return True
    return base_of(address) == base_of(target.url) if target.assumed else same_address(address, target.url)


def _no_address(kind: str) -> Check:
    name = NAMES[kind]
    if kind == "answer_url":
        return fault(name, "none is set: calls get no answer", f"set it in {DASHBOARD}, or let vsock dev do it")
    if kind == "event_url":
        return fine(name, "none is set", "without one nobody is told of calls that fail; set it beside the answer URL")
    return skipped(name, "none is set; it would be asked where the answer URL fails")


def judge_numbers(numbers: object, application_id: str) -> Check:
    """A number leads to the application; ``numbers`` is what the API has under that name."""
    linked = [item for item in numbers if isinstance(item, dict)] if isinstance(numbers, list) else []
    if not linked:
        return fault(
            NUMBER,
            "none is linked: nobody can call the application",
            "link one in the dashboard (Applications, Link numbers), or rent one first",
        )
    shown = ", ".join(str(item.get("msisdn"))[:20] for item in linked[:SHOWN])
    shown += f" and {len(linked) - SHOWN} more" if len(linked) > SHOWN else ""
    elsewhere = [item for item in linked if _is_forwarded(item, application_id)]
    if len(elsewhere) == len(linked):
        kind = str(elsewhere[0].get("voiceCallbackType"))[:20]
        return fault(
            NUMBER, f"{shown}: its calls are forwarded ({kind}) and don't reach the application", "take that away"
        )
    voiceless = not any(_has_voice(item) for item in linked)
    if voiceless:
        return fault(NUMBER, f"{shown} can't have calls", "link a number with the feature VOICE")
    return fine(NUMBER, f"{shown} linked")


def _is_forwarded(item: JsonObject, application_id: str) -> bool:
    kind = item.get("voiceCallbackType")
    return kind in {"tel", "sip", "vxml"} or (kind == "app" and item.get("voiceCallbackValue") != application_id)


def _has_voice(item: JsonObject) -> bool:
    features = item.get("features")
    return not isinstance(features, list) or "VOICE" in features


def judge_region(value: Mapping[str, Any], wanted: str | None) -> Check:
    """The application's region, and that which was asked for here, if any."""
    theirs = (voice_of(value) or {}).get("region")
    if not isinstance(theirs, str) or not theirs:
        said = "none is set: calls are where they come in; their region_url says where to change them"
        return fine(REGION, said if wanted is None else f"{said} ({wanted} is wanted here)")
    if wanted is not None and wanted != theirs:
        return fault(
            REGION,
            f"the application is in {theirs}, and {wanted} is wanted here: the API answers 404 to live calls there",
            f"give --region {theirs}" if theirs in REGIONS else "leave --region away, and use a call's region_url",
        )
    return fine(REGION, theirs)


def judge_signing(value: Mapping[str, Any], *, has_secret: bool) -> Check:
    """The webhooks are signed, and can be checked here; a fault only where a secret makes us refuse what isn't signed."""
    if (voice_of(value) or {}).get("signed_callbacks") is not True:
        cure = f"switch on 'Use signed webhooks' in {DASHBOARD}"
        if has_secret:
            said = "off: webhooks come unsigned, and are refused where a signature secret is set, as here"
            return fault(SIGNED, said, f"{cure}, or take the signature secret away")
        return fine(SIGNED, "off", f"whoever finds the address can say to be Vonage: {cure}")
    if not has_secret:
        return fine(SIGNED, "on", f"nothing here can check them; {where('signature_secret')}")
    return fine(SIGNED, "on, and the secret to check them is here")
