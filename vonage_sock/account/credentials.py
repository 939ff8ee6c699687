"""
Who we are to Vonage: each setting with the place it was found in, and a clear word about what lacks.

An account is a key and its secret, an application its id and its private key. Rule: the two halves of a pair are never put
together from places that speak of two different accounts or applications, because the answer would be a 401 that nobody
understands. No value of a secret stands in a ``repr`` or in a message.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from vonage_sock.account.places import FILES, NAMES, Place, environment, files, read_text, variable
from vonage_sock.errors import UsageError
from vonage_sock.protocol.redaction import keep_secret

REGIONS: Final = ("na-east", "na-west", "eu-west", "eu-east", "apac-sng", "apac-australia")
SECRETS: Final = frozenset({"api_secret", "private_key", "signature_secret"})
OPTIONS: Final = {name: f"--{name.replace('_', '-')}" for name in NAMES} | {"application_id": "--app"}
TITLES: Final = {
    "api_key": "API key",
    "api_secret": "API secret",
    "application_id": "application",
    "private_key": "private key",
    "signature_secret": "signature secret",
    "region": "region",
}
_PAIRS: Final = {"api_secret": "api_key", "private_key": "application_id"}
"""A setting that is worth nothing with another's partner."""

_HIDDEN: Final = "***"
_SHOWN_OF_KEY: Final = 4


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, and where it was found: ``--api-key``, ``VONAGE_API_KEY``, ``./.vonagerc`` and so on."""

    value: str = field(repr=False)
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """
    What was found, and in ``lacks`` why something wasn't, by the setting's name: a region only where it is none of Vonage's.

    ``private_key`` is PEM text, ``application_id`` a UUID in lower case, ``region`` one of ``REGIONS``.
    """

    api_key: Setting | None = None
    api_secret: Setting | None = None
    application_id: Setting | None = None
    private_key: Setting | None = None
    signature_secret: Setting | None = None
    region: Setting | None = None
    lacks: Mapping[str, str] = field(default_factory=dict)

    def require_account(self) -> tuple[Setting, Setting]:
        """
        Key and secret, as the Applications API wants them.

        Raises:
            UsageError: one of them lacks.
        """
        key = self.require("api_key", "the account's applications can't be read without it")
        return key, self.require("api_secret", "the account's applications can't be read without it")

    def require_application(self) -> tuple[Setting, Setting]:
        """
        The application's id and private key, as the Voice API wants them.

        Raises:
            UsageError: one of them lacks.
        """
        application = self.require("application_id", "calls can't be made or changed without it")
        return application, self.require("private_key", "calls can't be made or changed without it")

    def wanted_region(self) -> str | None:
        """
        The region that was named, if any.

        Raises:
            UsageError: there is no such region.
        """
        if "region" in self.lacks:
            raise UsageError(self.lacks["region"])
        return None if self.region is None else self.region.value

    def require(self, name: str, purpose: str) -> Setting:
        """
        One setting, by its name.

        Args:
            purpose: what can't be done without it, as a part of a sentence.

        Raises:
            UsageError: it lacks.
        """
        found: Setting | None = getattr(self, name)
        if found is None:
            self._refuse(name, purpose)
        return found

    def _refuse(self, name: str, purpose: str) -> NoReturn:
        why = self.lacks.get(name)
        if why is not None:
            raise UsageError(why)
        raise UsageError(f"no {TITLES[name]} was found, and {purpose}; {where(name)}")


def where(name: str) -> str:
    """Where a setting may stand, as an advice."""
    return f"give {OPTIONS[name]}, or set {variable(name)}, or put {NAMES[name][0]!r} into {', '.join(FILES)}"


def masked(name: str, value: str) -> str:
    """A setting as it may be shown: of a key its beginning, of a secret nothing."""
    if name in SECRETS:
        return _HIDDEN
    return value[:_SHOWN_OF_KEY] + "…" if name == "api_key" and len(value) > _SHOWN_OF_KEY else value


def find_credentials(
    options: Mapping[str, str | None],
    *,
    environ: Mapping[str, str],
    cwd: Path,
    home: Path,
    sources: Mapping[str, str] | None = None,
) -> Credentials:
    """
    What there is, each setting from the first place that has it.

    The order: options, environment, ``./.vonagerc``, ``~/.vonage/config.json``, ``[tool.vsock]`` in ``./pyproject.toml``.
    Raises nothing for what lacks or can't be read; whoever needs it asks with ``require_account`` and the like.

    Args:
        options: by a setting's name (``api_key`` …), None where it wasn't given.
        sources: how an option is called where that isn't ``--`` and its name, such as a variable that it was read from.
    """
    called = OPTIONS | dict(sources or {})
    given = {name: value for name, value in options.items() if value}
    places = [Place("the options", cwd, given, called), environment(environ, cwd), *files(cwd=cwd, home=home)]
    found: dict[str, Setting] = {}
    lacks: dict[str, str] = {}
    for name in NAMES:
        try:
            setting = _find(name, places, found)
        except UsageError as error:
            # A file that can't be read keeps nobody from doing without a region.
            if name != "region" or all(place.fault != str(error) for place in places):
                lacks[name] = str(error)
            continue
        if setting is not None:
            found[name] = setting
            if name in SECRETS or name == "api_key":
                keep_secret(setting.value)
    return Credentials(**found, lacks=lacks)


def _find(name: str, places: Sequence[Place], found: Mapping[str, Setting]) -> Setting | None:
    """
    The setting from the first place that has it and fits.

    Raises:
        UsageError: a place that comes first can't be read, its value can't be used, or it belongs to another account.
    """
    partner = _PAIRS.get(name)
    strangers: list[str] = []
    for place in places:
        if place.fault is not None:
            raise UsageError(place.fault)
        value = place.values.get(name)
        if value is None:
            continue
        source = place.called(name)
        if partner is not None and not _fits(place, partner, found):
            strangers.append(source)
            continue
        return Setting(_READERS.get(name, _plain)(value, source, place.folder), source)
    if strangers and partner is not None:
        raise UsageError(
            f"no {TITLES[name]} was found for the {TITLES[partner]} that {found[partner].source} names: "
            f"that of {strangers[0]} belongs to another {TITLES[partner]}; {where(name)}"
        )
    return None


def _fits(place: Place, partner: str, found: Mapping[str, Setting]) -> bool:
    """Whether a place speaks of the account or application that was chosen."""
    theirs, ours = place.values.get(partner), found.get(partner)
    return theirs is None or ours is None or theirs.strip().lower() == ours.value.lower()


def _plain(value: str, source: str, _folder: Path) -> str:
    if not value.isprintable():
        raise UsageError(f"{source} holds characters that no key has, such as a line's end")
    return value.strip()


def _application(value: str, source: str, _folder: Path) -> str:
    try:
        return str(uuid.UUID(value.strip()))
    except ValueError:
        raise UsageError(
            f"{source} {value[:60]!r} isn't an application's id, which is of the form 78d335fa-323d-0114-9c3d-d6f0d48968cf"
        ) from None


def _region(value: str, source: str, _folder: Path) -> str:
    region = value.strip().lower()
    if region not in REGIONS:
        raise UsageError(f"{source} {value[:60]!r} isn't a region of Vonage's; there are {', '.join(REGIONS)}")
    return region


def _private_key(value: str, source: str, folder: Path) -> str:
    r"""A key as text, where an environment may have ``\n`` for its lines' ends, or as the path of its file."""
    text = value.replace("\\n", "\n").strip()
    if "-----BEGIN" not in text:
        path = folder / Path(text).expanduser()
        source = f"{source} names {path}, which"
        text = _read_key(path, source)
    if "-----BEGIN ENCRYPTED" in text or "Proc-Type: 4,ENCRYPTED" in text:
        raise UsageError(f"{source} is an encrypted key; decrypt it: openssl pkey -in … -out private.key")
    if "PRIVATE KEY-----" not in text:
        raise UsageError(f"{source} isn't a private key in PEM form, which begins with -----BEGIN PRIVATE KEY-----")
    return text + "\n"


def _read_key(path: Path, source: str) -> str:
    try:
        return read_text(path).strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{source} can't be read ({reason})") from error


_READERS: Final = {"application_id": _application, "private_key": _private_key, "region": _region}
