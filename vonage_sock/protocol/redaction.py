"""
What is a secret in what is shown, and what stands in its place.

A secret is known in three ways: by the name of the field it stands in (``authorization``, ``token``, ``api_secret`` …), by
its form (a JSON web token, ``Bearer …``, a password in an address, a private key), or because somebody said so
(``keep_secret``), as the command line does with its own. Rule: what is told to programs in this process keeps its values;
what leaves it as text for a screen, a log or a file goes through here.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import quote, quote_plus

HIDDEN: Final = "***"
LEAST_SECRET: Final = 4
"""Fewer characters than these occur everywhere by chance, and hiding them would garble what is said."""

_NAME = (
    r"(?:[\w.-]*(?:token|secret|passwd|password|passphrase|api[_-]?key|access[_-]?key|private[_-]?key)"
    r"|(?:proxy-)?authorization|auth|bearer|jwt|pwd|sig|signature|credentials?|(?:set-)?cookie)"
)
_NAMED = re.compile(_NAME, re.IGNORECASE)
_KEPT: dict[str, None] = {}
_NAME_LETTERS: Final = 64
"""So many at a name's end are looked at."""

_SHOWN_VALUE = r"(?!\*\*\*)[^\s&#;,\"'<>)\]}]++"
# Each part is matched in one way only: a stranger's text must not cost more than its length.
_PAIR = re.compile(rf"(?<![\w.-])([\w.-]++)={_SHOWN_VALUE}")
_MEMBER = re.compile(r"([\"']([\w.-]++)[\"']\s*+:\s*+)([\"'])(?!\*\*\*)(?:\\.|(?!\3)[^\\])*+(?:\3|\\?\Z)", re.DOTALL)
_HEADER = re.compile(r"(?<![\w.-])([\w.-]++):[ \t]*+")
_SCHEME = r"(?:(?:Bearer|Basic|Digest|Token|Key|ApiKey|Negotiate)[ \t]++)?+"
_FIELD = re.compile(rf"({_SCHEME})(?!//|\*\*\*)([^\s,;\"'<>)\]}}]++)(?P<alone>[ \t\r]*+(?:\n|\Z))?+", re.IGNORECASE)
_COOKIES = re.compile(r"()(?!\*\*\*)([^\n\"'<>]++)")
_LIKE_A_SECRET = re.compile(r"(?=\S*[\d+/=]|\S{20})\S{6}")
_FORMS: Final = (
    (
        ("-----BEGIN ",),
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        HIDDEN,
    ),
    (("eyJ",), re.compile(r"\beyJ[\w-]{8,}+(?:\.[\w-]*+){0,4}"), HIDDEN),
    (("earer ", "Basic "), re.compile(r"\b([Bb]earer|Basic) (?=\S*[\d+/=]|\S{20})[\w.~+/=-]{6,}+"), rf"\1 {HIDDEN}"),
    (("@",), re.compile(r"(?<=://)[^\s/@?#\"'<>]++@"), f"{HIDDEN}@"),
    (("key=",), re.compile(rf"(?<=[?&])(key)={_SHOWN_VALUE}"), rf"\1={HIDDEN}"),
)
"""What makes a text worth looking at, by its form, and what stands in the secret's place."""


def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is a secret: ``authorization``, ``api_secret``, ``x-auth-token``."""
    return _NAMED.fullmatch(name) is not None


def keep_secret(value: str | None) -> None:
    """Show this nowhere from now on; what is shorter than four characters can't be told from other text."""
    if value is not None and len(value) >= LEAST_SECRET:
        for form in (value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]):
            _KEPT[form] = None


def redact_text(text: str) -> str:
    """The same with ``***`` for each secret in it; addresses and names stay."""
    for secret in _KEPT:
        text = text.replace(secret, HIDDEN)
    for marks, form, instead in _FORMS:
        if any(mark in text for mark in marks):
            text = form.sub(instead, text)
    if "=" in text:
        text = _PAIR.sub(_without_value, text)
    if ":" in text:
        text = _without_fields(_MEMBER.sub(_without_string, text))
    return text


def _without_value(pair: re.Match[str]) -> str:
    return f"{pair[1]}={HIDDEN}" if is_secret_name(pair[1][-_NAME_LETTERS:]) else pair[0]


def _without_fields(text: str) -> str:
    """Fields as headers have them, ``x-api-key: …``; behind a plain word of prose it has to be like a secret."""
    parts, told, at = list[str](), 0, 0
    while (header := _HEADER.search(text, at)) is not None:
        at, name = header.end(), header[1][-_NAME_LETTERS:]
        if not is_secret_name(name):
            continue
        field = (_COOKIES if name.lower().endswith("cookie") else _FIELD).match(text, at)
        if field is not None and _is_field(name, field):
            parts += text[told : field.end(1)], HIDDEN
            told = at = field.end(2)
    return "".join([*parts, text[told:]])


def _is_field(name: str, field: re.Match[str]) -> bool:
    if not (name.islower() and name.isalpha()) or field[1]:
        return True
    return _LIKE_A_SECRET.match(field[2]) is not None or field.groupdict().get("alone") is not None


def _without_string(member: re.Match[str]) -> str:
    return f"{member[1]}{member[3]}{HIDDEN}{member[3]}" if is_secret_name(member[2][-_NAME_LETTERS:]) else member[0]


def redact(value: Any) -> Any:
    """A copy of a JSON value with ``***`` for each secret in it: under a name that says so, or in any text, keys too."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {
            redact(key): _hidden(item) if isinstance(key, str) and is_secret_name(key) else redact(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value


def _hidden(value: Any) -> Any:
    """All that is said under a secret's name but how it is built: an NCCO's ``authorization`` says its ``type``."""
    if isinstance(value, dict):
        return {redact(key): redact(item) if key == "type" else _hidden(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(item) for item in value]
    return value if value is None or isinstance(value, bool) or value == "" else HIDDEN
