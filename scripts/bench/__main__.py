"""
What calls cost, side by side with other servers in the same run; prints, never judges.

    python scripts/bench echo --calls 300,900 --peers vsock,ws     one part
    python scripts/bench publish                                   what the README shows, anew

Each server runs alone on one core, fresh for each run; the generator, in C, has another core. Runs are interleaved over
the servers and medians taken. A run in which others used the machine is made again; where the generator was late or its
core full the figure carries a mark. See README.md in this folder.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import signal
import sys
from pathlib import Path
from typing import Any, Final

import beside
from beside import Order
from machine import machine, version
from peers import PEERS
from report import markdown, picture
from running import HERE, CannotRunError, Tools, tools

BESIDE: Final = {
    "echo": beside.echo,
    "calls": beside.calls,
    "memory": beside.memory,
    "record": beside.record,
    "play": beside.play,
    "load": beside.load,
    "start": beside.start,
}
PUBLISHED: Final = ("echo", "calls", "memory", "record", "play")
DEFAULTS: Final = {
    "echo": ([300, 600, 900], 4.0),
    "calls": ([0], 3.0),
    "memory": ([300], 2.0),
    "record": ([200], 4.0),
    "play": ([500], 6.0),
    "load": ([800], 10.0),
    "start": ([0], 0.0),
    "call": ([1, 50, 200], 10.0),
}
SLOW: Final = ("tornado", "flask")
"""Known to carry so few calls that only the search for the most says something of them."""


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1], prog="python scripts/bench")
    parser.add_argument("part", choices=["publish", "draw", *BESIDE, "frame", "call"])
    parser.add_argument("--calls", type=numbers, help="calls at once, as 300,900")
    parser.add_argument("--seconds", type=float, help="how long each run is measured")
    parser.add_argument("--rounds", type=int, help="runs of each server at each load (3; publish: 2)")
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {', '.join(PEERS)}")
    parser.add_argument("--parts", default=",".join(PUBLISHED), help="what publish measures")
    parser.add_argument("--patience", type=int, default=2, help="how often a run that others disturbed is made again")
    parser.add_argument("--out", type=Path, help="folder for results.json, table.md and chart.svg")
    parser.add_argument("--vsock", help="the vsock to measure (the one beside this Python)")
    parser.add_argument("--node", default="node", help="the node to run ws with")
    parser.add_argument("--lock", type=Path, help="a file to lock during each run, so that benchmarks take turns")
    return parser.parse_args()


def numbers(text: str) -> list[int]:
    """Numbers between commas."""
    return [int(word) for word in text.split(",")]


def order_of(part: str, asked: argparse.Namespace, names: list[str], known: dict[str, int]) -> Order:
    """What one part is to measure."""
    calls, seconds = DEFAULTS[part]
    single = part in asked.part
    kept = [name for name in names if not (asked.part == "publish" and name in SLOW and part != "calls")]
    return Order(
        peers=kept,
        calls=asked.calls if single and asked.calls else calls,
        seconds=asked.seconds if single and asked.seconds else seconds,
        rounds=asked.rounds or (2 if asked.part == "publish" else 3),
        patience=asked.patience,
        known=known,
    )


def measure(given: Tools, parts: list[str], asked: argparse.Namespace) -> None:
    """The parts in turn; each is kept as soon as it is there."""
    names = beside.able(given, [name for name in PEERS if name in asked.peers.split(",")], print)
    results = kept_results(asked.out)
    known = {name: found["calls"] for name, found in results["parts"].get("calls", {}).items()}
    for part in parts:
        print(f"{part}:", flush=True)
        found = BESIDE[part](given, order_of(part, asked, names, known))
        # What is published is of one run; a part alone may add a server to what is there.
        earlier = {} if asked.part == "publish" else results["parts"].get(part, {})
        results["parts"][part] = earlier | found
        results |= {"date": f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}", "machine": machine(given)}
        versions = {PEERS[name].package.removeprefix("npm:"): version(given, PEERS[name]) for name in names}
        results["versions"] |= {name: told for name, told in versions.items() if told}
        if asked.out:
            write(asked.out, results)
    print("\n" + markdown(results))


def kept_results(folder: Path | None) -> dict[str, Any]:
    """What an earlier run left there."""
    path = folder / "results.json" if folder else None
    if path is None or not path.exists():
        return {"versions": {}, "parts": {}}
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def write(folder: Path, results: dict[str, Any]) -> None:
    """The results, and the table and the picture made of them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "table.md").write_text(markdown(results))
    (folder / "chart.svg").write_text(picture(results))


def main() -> int:
    """Run what was asked for; the exit code."""
    asked = options()
    if asked.part in ("publish", "draw"):
        asked.out = asked.out or HERE / "results"
    if asked.part == "draw":
        write(asked.out, kept_results(asked.out))
        return 0
    if asked.part == "frame":
        from alone import frame  # noqa: PLC0415  (the other parts need no vsock in this Python)

        frame()
        return 0
    if asked.part == "call":
        from calling import call  # noqa: PLC0415

        call(asked.calls or DEFAULTS["call"][0], asked.seconds or DEFAULTS["call"][1])
        return 0
    # Ended from outside, it still ends its servers and removes what it wrote.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    where = {"node": asked.node, "lock": asked.lock} | ({"vsock": asked.vsock} if asked.vsock else {})
    try:
        with tools(**where) as given:
            measure(given, asked.parts.split(",") if asked.part == "publish" else [asked.part], asked)
    except CannotRunError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
