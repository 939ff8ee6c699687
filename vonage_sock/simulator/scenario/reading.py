"""From a scenario's file to its model. Whatever is wrong is one sentence with file, line and column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from vonage_sock.call.findings import CATALOGUE
from vonage_sock.clock import MS, SECOND
from vonage_sock.errors import UsageError
from vonage_sock.protocol import jsontext
from vonage_sock.protocol.ncco import check_headers
from vonage_sock.simulator.leg.dtmf import FIRST_DIGIT_NS, KeyPress, parse_dtmf
from vonage_sock.simulator.leg.turns import GIVE_WAY_WITHIN_NS
from vonage_sock.simulator.scenario import model, schema, yamltext
from vonage_sock.simulator.scenario.yamltext import Document

MAX_TEXT: Final = 60

_DURATION = re.compile(r"\s*(\d{1,7}(?:\.\d{1,6})?)\s*(ms|s|min)\s*", re.ASCII)
_UNITS_NS: Final = {"ms": MS, "s": SECOND, "min": 60 * SECOND}
_TIMED: Final = frozenset(
    {
        "first_audio_within",
        "heard_at_least",
        "heard_at_most",
        "lasts_at_least",
        "lasts_at_most",
        "stops_within",
        "answers_within",
        "echo_delay_p50",
        "echo_delay_p99",
    }
)

At = yamltext.Path


def load(path: Path) -> model.Scenario:
    """
    Read a file.

    Raises:
        UsageError: it can't be read, or isn't a scenario.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(yamltext.MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise UsageError(f"{path}: there is no such file; vsock scenario init writes an example") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}; vsock scenario init writes an example") from error
    except ValueError as error:
        raise UsageError(f"{str(path)!r}: {error}") from error
    return read(raw, path)


def read(raw: bytes, path: Path) -> model.Scenario:
    """
    Read a file's content.

    Args:
        path: where it stands; the files that it plays are looked for beside it.

    Raises:
        UsageError: it isn't a scenario.
    """
    document = yamltext.read_yaml(raw, str(path))
    schema.check(document)
    return _Reader(document, path).scenario()


class _Reader:
    """Takes apart a document that fits the schema."""

    def __init__(self, document: Document, path: Path) -> None:
        self._document = document
        self._path = path

    def scenario(self) -> model.Scenario:
        value = self._document.value
        name = self._text(("name",)) if "name" in value else self._path.stem
        steps = tuple(self._step(number, step) for number, step in enumerate(value.get("steps", ())))
        limit_ns = self._limit()
        self._check_order(steps)
        self._check_waits(steps, limit_ns)
        return model.Scenario(
            name=" ".join(name.split()) or self._path.stem,
            path=self._path,
            steps=steps,
            expectations=tuple(self._expectations(value.get("expect", []))),
            caller=self._caller(value.get("caller") or {}),
            limit_ns=limit_ns,
        )

    def _check_order(self, steps: Sequence[model.Step]) -> None:
        """After the caller has left there is nothing but webhooks, and the socket's end, to wait for."""
        left = None
        for step in steps:
            afterwards = isinstance(step.action, model.WaitFor) and isinstance(
                step.action.condition, model.WebhookPosted | model.SocketClosed | model.MessageCame
            )
            if left is not None and not afterwards:
                self._document.refuse(
                    ("steps", step.number - 1),
                    f"the caller is gone after {left.text} (step {left.number}); leave this step out, or put it before",
                )
            if isinstance(step.action, model.HangUp | model.Drop):
                left = step

    def _check_waits(self, steps: Sequence[model.Step], limit_ns: int) -> None:
        for step in steps:
            action = step.action
            name = "wait_for" if isinstance(action, model.WaitFor) else "interrupt"
            at: At = ("steps", step.number - 1, name, "within")
            given = isinstance(action, model.WaitFor | model.Interrupt) and at in self._document.texts
            if given and self._duration(at) > limit_ns:
                self._document.refuse(
                    at,
                    f"the call lasts no longer than its limit of {limit_ns / SECOND:g} s; give less, or raise the limit",
                )

    def _limit(self) -> int:
        limit_ns = self._duration(("limit",), model.DEFAULT_LIMIT_NS)
        if not 0 < limit_ns <= model.MAX_LIMIT_NS:
            self._document.refuse(("limit",), "a call lasts more than nothing and at most 60min")
        return limit_ns

    def _caller(self, value: dict[str, Any]) -> model.CallerSettings:
        at: At = ("caller",)
        headers = value.get("headers")
        try:
            check_headers(headers or {})
        except UsageError as error:
            self._document.refuse((*at, "headers"), str(error))
        return model.CallerSettings(
            from_number=self._text((*at, "from")) if "from" in value else None,
            to_number=self._text((*at, "to")) if "to" in value else None,
            rate_hz=value.get("rate"),
            headers=headers,
            dtmf=self._keys((*at, "dtmf"), first_ns=0) if "dtmf" in value else (),
            speech=tuple(self._text((*at, "speech", number)) for number in range(len(value.get("speech", ())))),
        )

    # Steps.

    def _step(self, index: int, value: str | dict[str, Any]) -> model.Step:
        at: At = ("steps", index)
        name, inner = (value, None) if isinstance(value, str) else next(iter(value.items()))
        text = name if inner is None else f"{name} {_shown(inner)}"
        action = self._action(name, inner, (*at, name))
        return model.Step(index + 1, self._document.line(at), _cut(" ".join(text.split())), action)

    def _action(self, name: str, value: Any, at: At) -> model.Action:
        match name:
            case "say" | "play" | "press":
                return self._doing(name, value, at)
            case "silence":
                return model.Silence(self._some_time(at))
            case "wait_for":
                return self._wait_for(value, at)
            case "interrupt":
                kind, inner = next(iter(value["with"].items()))
                return model.Interrupt(
                    self._doing(kind, inner, (*at, "with", kind)),
                    self._duration((*at, "after"), model.DEFAULT_AFTER_NS),
                    self._duration((*at, "within"), model.DEFAULT_WITHIN_NS),
                )
        return model.HangUp() if name == "hang_up" else model.Drop()

    def _doing(self, name: str, value: Any, at: At) -> model.Say | model.Play | model.Press:
        if name == "press":
            return model.Press(self._keys(at, first_ns=FIRST_DIGIT_NS))
        inner = isinstance(value, dict)
        if name == "say":
            text_at: At = (*at, "text") if inner else at
            text = self._text(text_at)
            if not text.strip():
                self._document.refuse(text_at, "there is nothing to say; give a text in quotes")
            return model.Say(text, value.get("voice") if inner else None)
        for_ns = self._some_time((*at, "for")) if inner and "for" in value else None
        return model.Play(value["audio"] if inner else value, for_ns)

    def _wait_for(self, value: Any, at: At) -> model.WaitFor:
        if isinstance(value, str):
            return model.WaitFor(model.AudioHeard() if value == "audio" else model.SocketClosed())
        within_ns = self._duration((*at, "within"), model.DEFAULT_WITHIN_NS)
        return model.WaitFor(self._condition(value, at), within_ns)

    def _condition(self, value: dict[str, Any], at: At) -> model.Condition:
        if "audio" in value:
            return model.AudioHeard()
        if "close" in value:
            return model.SocketClosed()
        if "silence" in value:
            return model.Quiet(self._some_time((*at, "silence")))
        if "event" in value:
            return model.MessageCame(value["event"])
        return model.WebhookPosted(value["webhook"])

    # Expectations.

    def _expectations(self, values: list[Any] | dict[str, Any]) -> list[model.Expectation]:
        if isinstance(values, dict):
            return [self._expectation(name, value, ("expect", name)) for name, value in values.items()]
        found = []
        for index, item in enumerate(values):
            name, value = (item, True) if isinstance(item, str) else next(iter(item.items()))
            at: At = ("expect", index) if isinstance(item, str) else ("expect", index, name)
            found.append(self._expectation(name, value, at))
        return found

    def _expectation(self, name: str, value: Any, at: At) -> model.Expectation:
        text = name if value is True else f"{name}: {_shown(value)}"
        if name in _TIMED:
            value = self._duration(at)
            if name == "stops_within" and value > GIVE_WAY_WITHIN_NS:
                self._document.refuse(
                    at,
                    f"nothing is timed for longer than {GIVE_WAY_WITHIN_NS / SECOND:g} s after a barge-in: whoever is heard "
                    "on by then didn't stop; give 5s or less",
                )
        elif name in ("finding", "no_finding") and value not in CATALOGUE:
            self._document.refuse(at, f"{schema.no_such('finding', value, sorted(CATALOGUE))}")
        return model.Expectation(name, value, self._document.line(at), " ".join(text.split()))

    # Values.

    def _text(self, at: At) -> str:
        """As it is written, whatever YAML would make of it: ``press: 012`` is no number."""
        return self._document.texts[at]

    def _duration(self, at: At, default_ns: int = 0) -> int:
        match = _DURATION.fullmatch(self._document.texts.get(at, ""))
        return default_ns if match is None else int(Decimal(match[1]) * _UNITS_NS[match[2]])

    def _some_time(self, at: At) -> int:
        span_ns = self._duration(at)
        if not span_ns:
            self._document.refuse(at, "this lasts no time at all; give a duration, such as 500ms, or leave it out")
        return span_ns

    def _keys(self, at: At, *, first_ns: int) -> tuple[KeyPress, ...]:
        """Keys as ``--dtmf`` takes them; the first comes ``first_ns`` earlier than there."""
        try:
            presses = parse_dtmf(self._text(at))
        except UsageError as error:
            self._document.refuse(at, str(error))
        if not presses:
            self._document.refuse(at, 'there is no key to press; give keys in quotes, such as "12#"')
        return tuple(KeyPress(key.after_ns - first_ns, key.digit, key.duration_ms) for key in presses)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def _shown(value: object) -> str:
    """A value in few words: ``silence 600ms, within 10s``."""
    if isinstance(value, dict) and not any(isinstance(item, dict | list) for item in value.values()):
        named = ((key, item) for key, item in value.items() if key not in ("text", "audio") or item is True)
        first = [str(value[key]) for key in ("text", "audio") if value.get(key, True) is not True]
        return ", ".join([*first, *(key if item is True else f"{key} {item}" for key, item in named)])
    return value if isinstance(value, str) else jsontext.dumps(value).replace('"', "")
