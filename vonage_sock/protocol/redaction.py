"""
What is a secret in what is shown, and what stands in its place.

A secret is known in three ways: by the name of the field it stands in (``authorization``, ``token``, ``api_secret`` …), by
its form (a JSON web token, ``Bearer …``, a password in an address, a private key), or because somebody said so
(``keep_secret``), as the command line does with its own. Rule: what is told to programs in this process keeps its values;
what leaves it as text for a screen, a log or a file goes through here.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

HIDDEN: Final = "***"
LEAST_SECRET: Final = 4
"""Fewer characters than these occur everywhere by chance, and hiding them would garble what is said."""

_NAME = (
    r"(?:[\w.-]*(?:token|secret|passwd|password|passphrase|api[_-]?key|access[_-]?key|private[_-]?key)"
    r"|(?:proxy-)?authorization|auth|bearer|jwt|pwd|sig|signature|credentials?|(?:set-)?cookie)"
)
_NAMED = re.compile(_NAME, re.IGNORECASE)
_KEPT: dict[str, None] = {}
_FORMS: Final = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,4}"), HIDDEN),
    (re.compile(r"\b([Bb]earer|Basic) (?=\S*[\d+/=]|\S{20})[\w.~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?<=://)[^\s/@?#\"'<>]+@"), f"{HIDDEN}@"),
    (re.compile(rf"(?<![\w.-])({_NAME})=(?!\*\*\*)[^\s&#;,\"'<>)\]}}]+", re.IGNORECASE), rf"\1={HIDDEN}"),
    (re.compile(r"(?<=[?&])(key)=(?!\*\*\*)[^\s&#;,\"'<>)\]}]+", re.IGNORECASE), rf"\1={HIDDEN}"),
    (
        re.compile(rf"([\"']{_NAME}[\"']\s*:\s*)([\"'])(?!\*\*\*)(?:\\.|(?!\2).)*(?:\2|\Z)", re.IGNORECASE),
        rf"\1\2{HIDDEN}\2",
    ),
)


def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is a secret: ``authorization``, ``api_secret``, ``x-auth-token``."""
    return _NAMED.fullmatch(name) is not None


def keep_secret(value: str | None) -> None:
    """Show this nowhere from now on; what is shorter than four characters can't be told from other text."""
    if value is not None and len(value) >= LEAST_SECRET:
        for form in (value, quote(value, safe="")):
            _KEPT[form] = None


def redact_text(text: str) -> str:
    """The same with ``***`` for each secret in it; addresses and names stay."""
    for secret in _KEPT:
        text = text.replace(secret, HIDDEN)
    if not any(mark in text for mark in ("=", ":", " ", "eyJ")):
        return text
    for form, instead in _FORMS:
        text = form.sub(instead, text)
    return text


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
