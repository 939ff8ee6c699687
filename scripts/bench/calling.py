"""
How late the frames of `vsock call`'s machine leave, by its own timers and at a receiver that knows nothing of them.

Beside it stand a loop of four lines that sends such frames with websockets, and a bare timer that sends nothing.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from typing import Any, Final

import psutil
import uvloop
import websockets
from alone import FRAME
from figures import quantile

from vonage_sock.audio.frames import AudioFormat
from vonage_sock.clock import SECOND
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.vonage import VonageCall
from vonage_sock.testing import PcmSource

RECEIVER: Final = """
import asyncio, json, time, uvloop, websockets
async def listen(socket):
    times = [time.monotonic() * 1000 async for message in socket if isinstance(message, bytes)]
    print(json.dumps(times), flush=True)
async def main():
    async with websockets.serve(listen, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()
uvloop.run(main())
"""

BARE_TIMER: Final = """
import asyncio, json, sys, time, uvloop
async def main():
    started, late = time.monotonic(), []
    for number in range(1, round(float(sys.argv[1]) * 50)):
        due = started + number * 0.02
        await asyncio.sleep(due - time.monotonic())
        late.append((time.monotonic() - due) * 1000)
    print(json.dumps(late))
uvloop.run(main())
"""


def cpu_s(process: psutil.Process) -> float:
    """CPU that a process has used so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


async def bench_call(calls: int, seconds: float) -> None:
    """How late the frames of our calls leave, by their own timers and at a receiver that knows nothing of them."""
    piped = asyncio.subprocess.PIPE
    receiver = await asyncio.create_subprocess_exec(sys.executable, "-c", RECEIVER, stdout=piped, limit=1 << 20)
    assert receiver.stdout is not None
    port = int(await receiver.stdout.readline())
    before = cpu_s(psutil.Process())
    sent_late = await asyncio.gather(
        *(send_bare(f"ws://127.0.0.1:{port}", seconds, number / calls) for number in range(calls))
    )
    cpu_bare = (cpu_s(psutil.Process()) - before) * 1000 / (calls * seconds / 60)
    for _ in range(calls):
        await receiver.stdout.readline()
    bare = await asyncio.create_subprocess_exec(sys.executable, "-c", BARE_TIMER, str(seconds), stdout=piped)
    before = cpu_s(psutil.Process())
    try:
        reports = await asyncio.gather(
            *(one_call(f"ws://127.0.0.1:{port}", seconds, number / calls) for number in range(calls))
        )
        cpu = (cpu_s(psutil.Process()) - before) * 1000 / (calls * seconds / 60)
        arrivals = [json.loads(await receiver.stdout.readline()) for _ in range(calls)]
        late = json.loads((await bare.communicate())[0])
    finally:
        receiver.kill()
        await receiver.wait()
    at_receiver: list[float] = []
    for times in arrivals:
        start = min(at - number * 20.0 for number, at in enumerate(times))
        at_receiver += [at - start - number * 20.0 for number, at in enumerate(times)]
    own = [report["own_lateness_ms"] for report in reports]
    own_p99 = [item["p99"] for item in own]
    base = quantile(late, 99)
    bare_late = [value for values in sent_late for value in values]
    print(f"{calls} calls of vsock call, {seconds:g} s; CPU {cpu:.0f} ms per call-minute")
    print(
        f"  sending such frames with websockets alone, before: p50 {quantile(bare_late, 50):.2f} ms, "
        f"p99 {quantile(bare_late, 99):.2f} ms, max {max(bare_late):.2f} ms; CPU {cpu_bare:.0f} ms per call-minute"
    )
    print(
        f"  own timers: p99 {statistics.median(own_p99):.2f} ms (median of the calls), {max(own_p99):.2f} ms (the worst), "
        f"max {max(item['max'] for item in own):.2f} ms"
    )
    print(
        f"  at the receiver: p50 {quantile(at_receiver, 50):.2f} ms, p99 {quantile(at_receiver, 99):.2f} ms, "
        f"max {max(at_receiver):.2f} ms"
    )
    print(
        f"  a bare timer beside it: p50 {quantile(late, 50):.2f} ms, p99 {base:.2f} ms, max {max(late):.2f} ms; our timers' "
        f"p99 is {statistics.median(own_p99) / base:.2f} times that, the receiver's {quantile(at_receiver, 99) / base:.2f}"
    )


async def send_bare(url: str, seconds: float, phase: float) -> list[float]:
    """A loop of four lines in the place of a call: how late it was with each frame, in ms."""
    await asyncio.sleep(2.0 * phase)
    late: list[float] = []
    async with websockets.connect(url, compression=None, proxy=None) as socket:
        started = time.monotonic()
        for number in range(round(seconds * 50)):
            due = started + number * 0.02
            await asyncio.sleep(due - time.monotonic())
            late.append((time.monotonic() - due) * 1000)
            await socket.send(FRAME)
    return late


async def one_call(url: str, seconds: float, phase: float) -> dict[str, Any]:
    """A call that begins at its own time in the first two seconds, so that frames are due at all times."""
    await asyncio.sleep(2.0 * phase)
    plan = LegPlan(audio_format=AudioFormat(16000), duration_ns=round(seconds * SECOND))
    pcm = FRAME * round(seconds * 50)
    order = CallOrder(target=url, audio=lambda audio_format: PcmSource(pcm, audio_format), plan=plan)
    return await VonageCall(order).run()


def call(calls: list[int], seconds: float) -> None:
    """Each number of calls in turn."""
    for count in calls:
        uvloop.run(bench_call(count, seconds))
