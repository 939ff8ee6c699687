"""
The scoreboard: what is promised of a vsock that strangers can reach, as numbers, judged from outside.

    python scripts/scoreboard                 all of it, in less than six minutes
    python scripts/scoreboard --quick         what fits into half a minute
    python scripts/scoreboard stop attacks    some checks
    python scripts/scoreboard --publish       all of it, kept for the README

The exit code is 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import json
import pkgutil
import platform
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import checks
import rows
from beside import made_beside
from rows import Result, Row
from running import Bench, CannotRunError, TimeUpError, at_most, bench

RESULTS: Final = Path(__file__).parent / "results"
LIMIT_S: Final = 60.0
LONGEST: Final = ("faults", "conformance", "injection", "secrets", "writes", "names", "tls", "long_call", "terminals")
"""What takes longest of those that are made beside each other: begun last, it would be waited for alone."""


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1], prog="python scripts/scoreboard")
    parser.add_argument("names", nargs="*", metavar="NAME", help="checks to make; all, when left out")
    parser.add_argument("--quick", action="store_true", help="only what is quick, and of that less")
    parser.add_argument("--json", action="store_true", help="one JSON object, in the end")
    parser.add_argument("--publish", action="store_true", help="keep the results for the README")
    parser.add_argument("--list", action="store_true", help="only say which checks there are")
    return parser.parse_args()


def found() -> dict[str, ModuleType]:
    """The checks by their names."""
    names = [item.name for item in pkgutil.iter_modules(checks.__path__) if not item.name.startswith("_")]
    modules = [importlib.import_module(f"checks.{name}") for name in sorted(names)]
    modules = [module for module in modules if hasattr(module, "NAME")]
    modules.sort(key=lambda module: (not module.ALONE, LONGEST.index(module.NAME) if module.NAME in LONGEST else 99))
    return {module.NAME: module for module in modules}


def chosen(asked: argparse.Namespace) -> list[ModuleType]:
    """The checks to make."""
    known = found()
    if unknown := [name for name in asked.names if name not in known]:
        sys.exit(f"Error: there is no check {unknown[0]}; there are {', '.join(known)}")
    if asked.names:
        return [known[name] for name in asked.names]
    return [module for module in known.values() if module.QUICK or not asked.quick]


def made(module: ModuleType, given: Bench, *, say: bool) -> Result:
    """Make one check; what goes wrong in it is a missed goal and ends no other."""
    began = time.monotonic()
    kept: list[Row] = []
    if say:
        print(rows.head(module.NAME, module.PROMISE), flush=True)

    def keep(found_rows: Iterable[Row]) -> None:
        for row in found_rows:
            kept.append(row)
            if say:
                print(rows.line(row), flush=True)

    try:
        with at_most(getattr(module, "LIMIT_S", LIMIT_S)):
            keep(module.run(given))
    except CannotRunError as error:
        keep([Row("cannot be made here", "made", str(error), ok=False)])
    except TimeUpError as error:
        keep([Row("time", "enough", str(error), ok=False)])
    except Exception as error:  # noqa: BLE001  (a check that fails is told, and the others go on)
        traceback.print_exc()
        keep([Row("the check failed", "a result", f"{type(error).__name__}: {error}", ok=False)])
    seconds = time.monotonic() - began
    if say:
        print(rows.foot(seconds), flush=True)
    return Result(check=module.NAME, promise=module.PROMISE, rows=kept, seconds=seconds)


def all_made(modules: Sequence[ModuleType], given: Bench, *, say: bool) -> list[Result]:
    """Those that need the machine to themselves one by one, then the others beside each other."""
    together = [module for module in modules if not module.ALONE]
    if len(together) < 2:
        return [made(module, given, say=say) for module in modules]
    results = [made(module, given, say=say) for module in modules if module.ALONE]
    for result in made_beside(together, given):
        results.append(result)
        if say:
            print(rows.whole(result), flush=True)
    order = [module.NAME for module in modules]
    return sorted(results, key=lambda result: order.index(result.check))


def machine() -> str:
    """One sentence about the machine; never its name or a path."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    release = ".".join(platform.release().split("-")[0].split(".")[:2])
    cores = sum(line.startswith("processor") for line in lines)
    return (
        f"{names[0] if names else platform.machine()}, {cores} cores, {platform.system()} {release}, "
        f"Python {platform.python_version()}"
    )


def report(results: list[Result], seconds: float) -> dict[str, Any]:
    """All that was found, for a program."""
    return {
        "date": f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}",
        "machine": machine(),
        "version": metadata.version("vonage-sock"),
        "seconds": round(seconds, 1),
        "ok": all(result.ok for result in results),
        "checks": [result.as_json() for result in results],
    }


def publish(told: dict[str, Any]) -> None:
    """Keep the results, and the table made of them."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "results.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    results = [Result.of_json(value) for value in told["checks"]]
    foot = f"Measured {told['date']}: {told['machine']}, vsock {told['version']}; {told['seconds']:.0f} s in all."
    (RESULTS / "table.md").write_text(rows.markdown(results, foot))


def main() -> int:
    """Make the checks; the exit code."""
    asked = options()
    if asked.list:
        for module in chosen(asked):
            print(rows.head(module.NAME, module.PROMISE))
        return 0
    # Ended from outside, it still ends its servers and removes what it wrote.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    with bench(quick=asked.quick) as given:
        results = all_made(chosen(asked), given, say=not asked.json)
    seconds = time.monotonic() - began
    told = report(results, seconds)
    if asked.json:
        print(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        print("\n" + rows.summary(results, seconds))
    if asked.publish:
        publish(told)
    return 0 if told["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
