"""
The parts that measure servers beside each other, each in rounds: every server once, then every server again.

A run that others on this machine disturbed is made again, so often as patience allows; what stays in doubt is marked.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from figures import disturbed, limited, most_calls, summary
from peers import PEERS, Peer
from running import GENERATOR_CORE, CannotRunError, Tools, generate, on_core, server

MOST_ROUND_TRIP_MS: Final = 20.0
ROOM: Final = 1.25
"""Loads beyond what a server is known to carry by more than this are left out: they measure nothing but its collapse."""

PLAY_PACE_US: Final = 18500
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is wanted: of whom, how long, how often."""

    peers: Sequence[str]
    calls: Sequence[int]
    seconds: float
    rounds: int
    patience: int = 2
    tell: Tell = print
    known: dict[str, int] | None = None
    """How many calls each peer carried the last time."""

    def carries(self, name: str) -> int:
        """How many calls this peer is thought to carry."""
        return (self.known or {}).get(name) or PEERS[name].expected_calls


def run_once(given: Tools, words: Sequence[str], places: dict[str, str], **options: object) -> dict[str, Any]:
    """A server that has had a few calls already, then the load."""
    with given.alone(), server(given, words, **places) as (port, pid):
        generate(given, port, calls=20, seconds=0.4, warm=0, ramp=0.1, grace=0.2)
        return generate(given, port, pid=pid, **options)


def run(given: Tools, order: Order, name: str, words: Sequence[str], /, **options: object) -> dict[str, Any]:
    """The run, or the least disturbed of so many as patience allows."""
    places = options.pop("places", {})
    runs: list[dict[str, Any]] = []
    while not runs or (disturbed(runs[-1]) and len(runs) <= order.patience):
        with tempfile.TemporaryDirectory(dir=given.scratch) as out:
            runs.append(run_once(given, words, {"out": out, **places}, **options))  # type: ignore[dict-item]
    best = min(runs, key=lambda made: made.get("others_cpu_share", 0.0))
    trip = best["round_trip_ms"]
    order.tell(
        f"  {PEERS[name].name:34} {best['calls']:5} calls  {best['cpu_ms_per_call_minute']:7.1f} ms per call-minute"
        + (f"  p99 {trip['p99']:8.2f} ms" if trip else "")
        + f"  generator {best['own_busy_share']:4.0%} busy"
        + ("  (generator the limit)" if limited(best) else "")
        + ("  (others were busy)" if disturbed(best) else "")
    )
    return best


def interleaved(
    order: Order, jobs: Sequence[tuple[str, str]], one: Callable[[str, str], dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """
    Each job (peer, variant) once in each round; a peer that can't run is told and left out.

    Returns peer -> variant -> summary.
    """
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    broken: set[str] = set()
    for _ in range(order.rounds):
        for name, variant in jobs:
            if name in broken:
                continue
            try:
                runs.setdefault((name, variant), []).append(one(name, variant))
            except CannotRunError as error:
                broken.add(name)
                order.tell(f"  {PEERS[name].name}: left out, {error}")
    made: dict[str, dict[str, Any]] = {}
    for (name, variant), found in runs.items():
        if found:
            made.setdefault(name, {})[variant] = summary(found)
    return made


def echo(given: Tools, order: Order) -> dict[str, Any]:
    """CPU and round trip at each load."""
    jobs = [(name, str(n)) for n in order.calls for name in order.peers if n <= ROOM * order.carries(name)]

    def one(name: str, variant: str) -> dict[str, Any]:
        # Calls last for minutes: what a server does in the first seconds of each says little.
        return run(given, order, name, PEERS[name].command, calls=int(variant), seconds=order.seconds, warm=4.5)

    return interleaved(order, jobs, one)


def calls(given: Tools, order: Order) -> dict[str, Any]:
    """The most calls with a p99 round trip of at most 20 ms and nothing lost, to 5 %."""
    made: dict[str, Any] = {}
    for name in order.peers:
        by_generator: dict[int, bool] = {}

        def passes(count: int, name: str = name, by_generator: dict[int, bool] = by_generator) -> bool:
            options = {"calls": count, "seconds": order.seconds, "warm": 0.4, "ramp": 0.6}
            # A hiccup of the machine fails a run as overload does; overload fails the next one as well.
            found = run(given, order, name, PEERS[name].command, **options)
            if not fine(found) and nearly(found):
                found = run(given, order, name, PEERS[name].command, **options)
            by_generator[count] = limited(found)
            return fine(found)

        try:
            most = most_calls(passes, guess=order.carries(name))
        except CannotRunError as error:
            order.tell(f"  {PEERS[name].name}: left out, {error}")
            continue
        made[name] = {"calls": most, "limited": any(was for count, was in by_generator.items() if count >= most)}
        order.tell(f"  {PEERS[name].name}: {most} calls")
    return made


def fine(found: dict[str, Any]) -> bool:
    """Whether a run meets the bound."""
    trip = found["round_trip_ms"]
    return not (found["lost"] or found["lost_sockets"]) and trip is not None and trip["p99"] <= MOST_ROUND_TRIP_MS


def nearly(found: dict[str, Any]) -> bool:
    """Whether a run failed by so little that the machine may have been at fault."""
    trip = found["round_trip_ms"]
    return not found["lost_sockets"] and trip is not None and trip["p50"] <= MOST_ROUND_TRIP_MS


def memory(given: Tools, order: Order) -> dict[str, Any]:
    """How resident memory grows with calls."""

    def one(name: str, variant: str) -> dict[str, Any]:
        return run(given, order, name, PEERS[name].command, calls=int(variant), seconds=order.seconds, warm=0.2)

    jobs = [(name, str(min(order.calls[0], order.carries(name) // 2))) for name in order.peers]
    found = interleaved(order, jobs, one)
    return {name: next(iter(variants.values())) for name, variants in found.items()}


def record(given: Tools, order: Order) -> dict[str, Any]:
    """What recording of every call adds to echo."""

    def one(name: str, variant: str) -> dict[str, Any]:
        words = PEERS[name].record if variant == "record" else PEERS[name].command
        return run(given, order, name, words, calls=order.calls[0], seconds=order.seconds, warm=0.5)

    names = [name for name in order.peers if PEERS[name].record]
    found = interleaved(order, [(name, variant) for name in names for variant in ("echo", "record")], one)
    for variants in found.values():
        if "record" in variants:
            variants["adds"] = variants["record"]["cpu"] - variants["echo"]["cpu"]
    return found


def play(given: Tools, order: Order) -> dict[str, Any]:
    """Playing a file to all calls: CPU, mean time between messages, and how late they are."""
    seen: dict[str, list[dict[str, Any]]] = {}

    def one(name: str, variant: str) -> dict[str, Any]:
        options = {"mode": "listen", "pace_us": PLAY_PACE_US, "calls": int(variant), "warm": 2.5}
        found = run(given, order, name, PEERS[name].play, seconds=order.seconds, places=files, **options)
        seen.setdefault(name, []).append(found)
        return found

    with tempfile.TemporaryDirectory(dir=given.scratch) as folder:
        files = audio(Path(folder), order.seconds + 10)
        names = [name for name in order.peers if PEERS[name].play]
        made = interleaved(order, [(name, str(order.calls[0])) for name in names], one)
    found = {name: next(iter(variants.values())) for name, variants in made.items()}
    for name, figures in found.items():
        runs = seen[name]
        figures["spacing"] = statistics.median(item.get("spacing_ms", 0.0) for item in runs)
        figures["late_p99"] = statistics.median((item["message_lateness_ms"] or {}).get("p99", 0.0) for item in runs)
        figures["gaps"] = sum(item["gaps"] for item in runs)
        figures["silent"] = sum(item["silent_calls"] for item in runs)
    return found


def audio(folder: Path, seconds: float) -> dict[str, str]:
    """The same noise as a WAV file and as bare samples."""
    pcm = os.urandom(640 * round(seconds * 55))
    (folder / "play.raw").write_bytes(pcm)
    with wave.open(str(folder / "play.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(pcm)
    return {"raw": str(folder / "play.raw"), "wav": str(folder / "play.wav")}


def load(given: Tools, order: Order) -> dict[str, Any]:
    """`vsock load` at the floor: its own CPU and lateness, with the C generator beside it."""
    made: dict[str, Any] = {}
    for count in order.calls:
        with given.alone(), server(given, PEERS["floor"].command) as (port, _pid):
            generator = generate(given, port, calls=count, seconds=order.seconds)
            # What starting and opening cost is in both runs, and not in their difference.
            short_s, _ = load_once(given, port, count, 1.0)
            long_s, told = load_once(given, port, count, 1.0 + order.seconds)
        made[str(count)] = {
            "cpu": (long_s - short_s) * 60_000 / (count * order.seconds),
            "cpu_share": (long_s - short_s) / order.seconds,
            **{name: find(told, name) for name in ("own_lateness_ms", "round_trip_ms", "frames_lost")},
            "generator": {name: generator[name] for name in ("own_lateness_ms", "round_trip_ms", "own_busy_share")},
        }
        order.tell(f"  {count} calls: {json.dumps(made[str(count)])}")
    return made


def load_once(given: Tools, port: int, count: int, seconds: float) -> tuple[float, Any]:
    """The CPU in seconds of a whole run of `vsock load`, and its report."""
    words = ("{vsock}", "load", f"ws://127.0.0.1:{port}/socket", "--json", "-n", str(count), "--ramp", "2")
    command = [*given.command(words), "--duration", str(seconds)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with on_core(GENERATOR_CORE):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not done.stdout.strip():
        raise CannotRunError(f"vsock load said nothing: {done.stderr.strip()[-200:]}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, json.loads(done.stdout.strip().splitlines()[-1])


def start(given: Tools, order: Order) -> dict[str, Any]:
    """How long `vsock --help` takes beside a bare `import click`, and a server until it listens; milliseconds."""
    commands = {"vsock --help": [given.vsock, "--help"], "import click": [given.python, "-c", "import click"]}
    times: dict[str, list[float]] = {}
    broken: set[str] = set()
    with given.alone():
        for _ in range(5 * order.rounds):
            for name, command in commands.items():
                began = time.monotonic()
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                times.setdefault(name, []).append((time.monotonic() - began) * 1000)
            for name in order.peers:
                if name in broken:
                    continue
                began = time.monotonic()
                try:
                    with server(given, PEERS[name].command):
                        times.setdefault(f"{PEERS[name].name} listens", []).append((time.monotonic() - began) * 1000)
                except CannotRunError as error:
                    broken.add(name)
                    order.tell(f"  {PEERS[name].name}: left out, {error}")
    made = {name: statistics.median(values) for name, values in times.items()}
    for name, value in made.items():
        order.tell(f"  {name:45} {value:7.0f} ms")
    return made


def find(told: Any, name: str) -> Any:
    """The first value of that name, however deep."""
    if isinstance(told, dict):
        if name in told:
            return told[name]
        told = list(told.values())
    if isinstance(told, list):
        return next((found for item in told if (found := find(item, name)) is not None), None)
    return None


def able(given: Tools, names: Sequence[str], tell: Tell) -> list[str]:
    """Those whose commands know the options that they need."""
    made = []
    for name in names:
        peer: Peer = PEERS[name]
        if peer.asks:
            shown = subprocess.run(
                [*given.command(peer.command)[:2], "--help"], capture_output=True, text=True, check=False, timeout=30
            )
            if peer.asks not in shown.stdout:
                tell(f"  {peer.name}: left out, its command knows no {peer.asks}")
                continue
        made.append(name)
    return made
