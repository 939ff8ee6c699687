"""
A scenario's file against the schema that comes with the package, and what is wrong with it in one sentence.

The schema is the one place that says what a file may hold; editors use it too. Its ``x-wanted`` are the words in which a
person is told what should stand there.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any, Final

import jsonschema

from vonage_sock.simulator.scenario.yamltext import Document

MAX_SHOWN: Final = 40

_TYPES: Final = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}


@cache
def schema_text() -> str:
    """The schema as it is shipped."""
    return (resources.files("vonage_sock") / "data" / "scenario.schema.json").read_text()


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(schema_text()))


def check(document: Document) -> None:
    """
    Compare a file with the schema.

    Raises:
        UsageError: the first thing in the file that doesn't fit.
    """
    errors = [(document.places.get(tuple(error.absolute_path), (0, 0)), error) for error in _errors(document)]
    if not errors:
        return
    # Of what begins at the same place, the innermost says most.
    _, error = min(errors, key=lambda item: (item[0], -len(item[1].absolute_path), item[1].validator != "type"))
    _refuse(document, error)


def _errors(document: Document) -> Iterable[jsonschema.ValidationError]:
    return _validator().iter_errors(document.value)


def _refuse(document: Document, error: jsonschema.ValidationError) -> None:
    path = tuple(error.absolute_path)
    schema: Any = error.schema
    value: Any = error.instance
    rule: Any = error.validator_value
    what = schema.get("x-what", schema.get("title", "setting"))
    match error.validator:
        case "additionalProperties":
            known = list(schema["properties"])
            unknown = next(key for key in value if key not in known)
            document.refuse((*path, unknown), f"{no_such(what, unknown, known)}", key=True)
        case "required":
            missing = next(name for name in rule if name not in value)
            document.refuse(path, f"{missing!r} is missing here")
        case "oneOf":
            names = [option["required"][0] for option in rule]
            given = [name for name in names if name in value]
            problem = f"{' and '.join(given)} can't stand together" if given else "it isn't said what to wait for"
            document.refuse(path, f"{problem}; give one of {', '.join(names)}")
        case "anyOf":
            document.refuse(path, "there is nothing to do here: give steps, expect, or both")
        case "maxProperties":
            names = [name if name in schema.get("properties", ()) else repr(name[:MAX_SHOWN]) for name in value]
            both = " and ".join(names[:3])
            document.refuse(path, f"{both} stand in one {what}; begin each with '- ' on a line of its own")
        case "minItems":
            document.refuse(path, "there is nothing in this list; put something in, or leave it out")
        case "minProperties" if isinstance(value, dict):
            document.refuse(path, f"this {what} is empty")
        case "enum" if isinstance(value, str) and isinstance(rule[0], str):
            document.refuse(path, no_such(_kind(path), value, rule, also=_keys_of(path)))
        case "maxItems":
            document.refuse(path, f"these are {len(value):,}; at most {rule:,} are allowed")
        case _:
            document.refuse(path, _unfit(value, document.texts.get(path), schema.get("x-wanted", "something else")))


def _unfit(value: object, text: str | None, wanted: str) -> str:
    if value is None:
        return f"there is nothing here (# begins a comment); give {wanted}"
    if type(value) in (int, float) and "unit" in wanted:
        return f"{text} has no unit; give {wanted}"
    shown = f"{text[:MAX_SHOWN]!r}" if text is not None else _TYPES.get(type(value), "this")
    return f"{shown} doesn't fit here; give {wanted}"


def no_such(what: str, name: str, known: Iterable[str], *, also: Iterable[str] = ()) -> str:
    """
    That a name isn't known, and the nearest that is, or all of them.

    Args:
        also: names that are known, but need a value.
    """
    names = [str(item) for item in known]
    with_value = [item for item in also if item not in names]
    shown = repr(name[:MAX_SHOWN])
    if name in with_value:
        return f"{name} needs a value: {name}: …"
    near = difflib.get_close_matches(name, names + with_value, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join([*names, *with_value])}"
    return f"{shown} is no {what}; {hint}"


def _kind(path: tuple[str | int, ...]) -> str:
    if path[-1] == "wait_for":
        return "thing to wait for"
    kinds = {"steps": "step", "expect": "expectation"} if len(path) == 2 else {}
    return kinds.get(str(path[0]), f"value of {path[-1]}")


def _keys_of(path: tuple[str | int, ...]) -> list[str]:
    """The names that may stand there as keys."""
    definitions = json.loads(schema_text())["$defs"]
    step = definitions["step"]["else"]["properties"]
    if path[-1] == "wait_for":
        return [name for name in step["wait_for"]["else"]["properties"] if name != "within"]
    if len(path) == 2:
        return list({"steps": step, "expect": definitions["expectations"]["properties"]}.get(str(path[0]), ()))
    return []
