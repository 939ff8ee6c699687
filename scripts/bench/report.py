"""Results as Markdown, as a picture, and as what the terminal shows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from chart import Bars, Panel, draw
from figures import DOUBTS, flags
from peers import PEERS

OURS: Final = "vsock"
RIVAL: Final = "ws"
DASH: Final = "-"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown; figures to the right of the first column stand on the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def figure(made: Mapping[str, Any] | None, name: str, form: str = "{:,.0f}") -> str:
    """One cell: the figure and the signs that say what is to be doubted of it."""
    return form.format(made[name]) + flags(made) if made and name in made else DASH


def markdown(results: Mapping[str, Any]) -> str:
    """All that was measured, as the README shows it."""
    parts = results["parts"]
    writers: dict[str, Callable[[Mapping[str, Any]], str]] = {"play": _play, "record": _record, "load": _load}
    texts = [_main(parts)] if parts.keys() & {"echo", "calls", "memory"} else []
    texts += [writer(parts[name]) for name, writer in writers.items() if parts.get(name)]
    body = "\n".join(texts)
    signs = [f" {sign} {meaning}." for sign, meaning in DOUBTS.values() if sign in body]
    return f"{body}\n{_foot(results)}{''.join(signs)}\n"


def loads_of(parts: Mapping[str, Any]) -> list[str]:
    """The loads at which echo was measured, from small to large."""
    return sorted({load for loads in parts.get("echo", {}).values() for load in loads}, key=int)


def _main(parts: Mapping[str, Any]) -> str:
    loads = loads_of(parts)
    head = ["echo server", "calls on one core"]
    if loads:
        head += [f"CPU at {' / '.join(loads)} calls", f"round trip p50 / p99 at {loads[0]} calls"]
    rows = []
    for name in ranked(parts):
        at = parts.get("echo", {}).get(name, {})
        row = [_name(name), figure(parts.get("calls", {}).get(name), "calls")]
        if loads:
            first = at.get(loads[0])
            trip = f"{first['p50']:.2f} / {figure(first, 'p99', '{:.2f}')} ms" if first else DASH
            row += [" / ".join(figure(at.get(load), "cpu") for load in loads), trip]
        rows.append([*row, figure(parts.get("memory", {}).get(name), "kb")])
    return table([*head, "kB a call"], rows)


def ranked(parts: Mapping[str, Any]) -> list[str]:
    """Who carries most comes first; without that figure, the order of the list of peers."""
    known = [name for name in PEERS if any(name in parts.get(part, {}) for part in ("calls", "echo", "memory"))]
    return sorted(known, key=lambda name: -parts.get("calls", {}).get(name, {}).get("calls", 0))


def _name(name: str) -> str:
    return f"**{PEERS[name].name}**" if name == OURS else PEERS[name].name


def _play(made: Mapping[str, Any]) -> str:
    rows = [
        [
            _name(name),
            figure(item, "cpu"),
            f"{item['spacing']:.3f} ms",
            f"{item['late_p99']:.2f} ms",
            str(item["gaps"]),
        ]
        for name, item in made.items()
    ]
    title = "playing a file, a message each 18.5 ms"
    return table([title, "CPU", "time between messages", "late, p99", "gaps"], rows)


def _record(made: Mapping[str, Any]) -> str:
    rows = [
        [_name(name), figure(item["echo"], "cpu"), figure(item["record"], "cpu"), f"{item['adds']:.0f}"]
        for name, item in made.items()
        if "adds" in item
    ]
    return table(["recording every call", "CPU of echo", "with recording", "recording adds"], rows)


def _load(made: Mapping[str, Any]) -> str:
    rows = []
    for load, item in made.items():
        late = (item["own_lateness_ms"] or {}).get("p99")
        rows.append([f"{load} calls", f"{item['cpu']:.0f}", DASH if late is None else f"{late:.2f} ms"])
    return table(["`vsock load` on one core", "CPU", "late, p99"], rows)


def _foot(results: Mapping[str, Any]) -> str:
    parts = results["parts"]
    lines = [f"Measured {results['date']}: {results['machine']}. CPU is in ms per call-minute."]
    versions = [f"{name} {version}" for name, version in results["versions"].items()]
    lines.append(f"Versions: {', '.join(versions)}.")
    echo = parts.get("echo", {})
    ratios = [
        f"{echo[OURS][load]['cpu'] / echo[RIVAL][load]['cpu']:.2f} at {load}"
        for load in loads_of(parts)
        if all(load in echo.get(name, {}) and not flags(echo[name][load]) for name in (OURS, RIVAL))
    ]
    if ratios:
        lines.append(f"CPU of vsock as a share of Node ws's: {', '.join(ratios)} calls.")
    spreads = [made["spread"] for loads in echo.values() for made in loads.values() if len(made["runs"]) > 1]
    if spreads:
        lines.append(f"Rounds of the same lie up to {max(spreads):.0%} apart.")
    return " ".join(lines)


def picture(results: Mapping[str, Any]) -> str:
    """Calls on a core, and CPU at each load, as bars."""
    parts = results["parts"]
    panels = []
    if parts.get("calls"):
        title = "Calls that one core echoes with a p99 round trip of at most 20 ms (more is better)"
        rows = [_bars(name, [parts["calls"].get(name)], "calls") for name in ranked(parts)]
        panels.append(Panel(title=title, legend=["calls"], rows=rows))
    if loads := loads_of(parts):
        title = f"CPU per call and minute of echo, in ms, at {', '.join(loads)} calls (less is better)"
        rows = [_bars(name, [parts["echo"].get(name, {}).get(load) for load in loads], "cpu") for name in ranked(parts)]
        panels.append(Panel(title=title, legend=[f"at {load}" for load in loads], rows=rows))
    return draw(panels, f"{results['date']} · {results['machine']} · 640-byte frames each 20 ms")


def _bars(name: str, found: Sequence[Mapping[str, Any] | None], figure_name: str) -> Bars:
    values = [made[figure_name] if made else None for made in found]
    return Bars(name=PEERS[name].name, values=values, signs=[flags(made or {}) for made in found], ours=name == OURS)
