"""What is said of an application: what will be changed in it, and what was put back; names and addresses made harmless."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from vonage_sock.account.journal import Entry
from vonage_sock.account.pointing import IN_DOUBT_S, Change, PutBack
from vonage_sock.display.safe import clean

MAX_ADDRESS: Final = 300
MAX_NAME: Final = 60


def named(name: object, application_id: str) -> str:
    """An application, by its name and its id."""
    return f"application {clean(name, MAX_NAME)!r} ({application_id})"


def change_lines(changes: Iterable[Change]) -> list[str]:
    """What is, and what shall be."""
    lines = []
    for change in changes:
        lines += [f"  {change.name}", f"    - {_address(change.now)}", f"    + {_address(change.then)}"]
    return lines


def change_values(changes: Iterable[Change]) -> dict[str, Any]:
    """The same for programs."""
    return {change.name: {"now": _plain(change.now), "then": _plain(change.then)} for change in changes}


def put_back_lines(result: PutBack) -> list[tuple[str, str]]:
    """What became of it, each with its level."""
    which = named(result.entry.name, result.entry.application)
    if result.gone:
        return [("warning", f"{which} isn't in the account any more, so there is nothing to put back")]
    lines = [
        (
            "warning",
            f"{which}: its {name} was changed meanwhile to {_address(address)}, and is left so",
        )
        for name, address in result.left.items()
    ]
    if result.back:
        lines.append(("info", f"{which} is put back: {', '.join(result.back)}"))
    if result.in_doubt:
        lines.append(("warning", _in_doubt(result.entry)))
    elif not result.back and not result.left:
        lines.append(("info", f"{which} has none of our addresses, so there was nothing to put back"))
    return lines


def _in_doubt(entry: Entry) -> str:
    which = named(entry.name, entry.application)
    return (
        f"{which} doesn't point at {_ours(entry)} now, but a write that the API never answered may still arrive and change "
        f"that, within {IN_DOUBT_S // 60} minutes; the next vsock that serves looks at it again, and so does: vsock restore"
    )


def still_points(entry: Entry, why: str) -> str:
    """That it couldn't be put back, and what to do."""
    which = named(entry.name, entry.application)
    return f"{which} may still point at {_ours(entry)}, as it couldn't be put back ({why}); put it back with: vsock restore"


def kept(entry: Entry) -> str:
    """That it stays as it is."""
    which = named(entry.name, entry.application)
    return f"{which} still points at {_ours(entry)} (--keep); put it back with: vsock restore"


def _ours(entry: Entry) -> str:
    latest = [addresses[-1] for addresses in entry.ours.values() if addresses]
    return _address(latest[0].split("/webhooks/")[0] if latest else None)


def _address(address: str | None) -> str:
    return "(none)" if address is None else clean(address, MAX_ADDRESS)


def _plain(address: str | None) -> str | None:
    return None if address is None else clean(address, MAX_ADDRESS)
