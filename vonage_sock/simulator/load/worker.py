"""
A process that generates load: takes its orders from standard input and tells its tallies on standard output.

A process of its own, so that neither the screen nor a second share of calls makes a frame late. Orders and tallies are JSON,
a line each: the plan first, ``start_at`` when all processes are ready, ``stop`` or the end of the input to hang up.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from typing import Any, Final

from vonage_sock.clock import Clock, SystemClock
from vonage_sock.errors import VsockError
from vonage_sock.simulator.caller import open_audio
from vonage_sock.simulator.load.generator import Generator, Share
from vonage_sock.simulator.load.plan import LoadPlan
from vonage_sock.simulator.load.tally import Tally
from vonage_sock.transport.descriptors import allow_files
from vonage_sock.transport.loops import loop_factory

MAX_ORDER_BYTES: Final = 1 << 20

JsonObject = dict[str, Any]


def say(message: JsonObject) -> None:
    """One line to whoever started us."""
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()


async def work(orders: asyncio.StreamReader, clock: Clock) -> None:
    """Carry the orders out."""
    order = json.loads(await orders.readline())
    plan = LoadPlan(**order["plan"])
    share = Share(*order["share"])

    def report(second: int, tally: Tally) -> None:
        say({"second": second, "tally": tally.to_json()})
        if tally.opened:
            # Calls stay until nearly all are over; to look through them again and again would hold up the frames.
            gc.freeze()

    try:
        generator = Generator(plan, share, open_audio(order["audio"]), clock=clock, report=report)
        await generator.prepare()
    except VsockError as error:
        say({"error": str(error), "exit_code": int(error.exit_code)})
        return
    # What is there by now stays; looking through it again and again would hold up the frames.
    gc.collect()
    gc.freeze()
    say({"ready": True})
    line = await orders.readline()
    if not line or "start_at" not in (start := json.loads(line)):
        # Whoever started us has gone, or was stopped before it began.
        say({"over": True, "failed_recordings": 0})
        return
    stopping = asyncio.create_task(_stop_when_told(orders, generator))
    failed = await generator.run(start["start_at"])
    stopping.cancel()
    say({"over": True, "failed_recordings": failed})


async def _stop_when_told(orders: asyncio.StreamReader, generator: Generator) -> None:
    await orders.readline()
    generator.stop()


async def main() -> None:
    """Read from standard input."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader(limit=MAX_ORDER_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    await work(orders, SystemClock())


def run() -> None:
    """On uvloop where it is installed, with as many sockets as the system gives."""
    allow_files()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())


if __name__ == "__main__":
    run()
