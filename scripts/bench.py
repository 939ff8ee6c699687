"""
What a frame, a call and a start cost; prints, never judges.

    python scripts/bench.py                     all of it, about five minutes
    python scripts/bench.py echo --calls 50     one part

Each figure stands beside something measured in the same run: the echo beside a ten-line server on websockets and one on
aiohttp, the start-up beside ``import click``. Servers run in a process of their own; the load comes from this one, over
loopback, on an absolute schedule of 20 ms, for a bounded time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import psutil
import uvloop
import websockets

from vonage_sock.audio.frames import FRAME_NS, AudioFormat
from vonage_sock.behaviours.echo import Echo
from vonage_sock.call.session import CallSession
from vonage_sock.clock import SECOND, ManualClock
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.simulator.order import CallOrder
from vonage_sock.simulator.vonage import VonageCall
from vonage_sock.testing import PcmSource, run_call

FRAME: Final = bytes(range(128)) * 5
CONNECTED: Final = '{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}'

WEBSOCKETS_ECHO: Final = """
import asyncio, sys, websockets
async def echo(socket):
    async for message in socket:
        if isinstance(message, bytes):
            await socket.send(message)
async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""

AIOHTTP_ECHO: Final = """
import asyncio
from aiohttp import WSMsgType, web
async def echo(request):
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket
async def main():
    app = web.Application()
    app.router.add_get("/socket", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""

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

VSOCK: Final = [sys.executable, "-m", "vonage_sock", "serve", "--port", "0", "--url", "http://127.0.0.1", "--json"]
SERVERS: Final = {
    "vsock serve --echo": [*VSOCK, "--echo"],
    "ten lines of websockets": [sys.executable, "-c", WEBSOCKETS_ECHO],
    "ten lines of aiohttp": [sys.executable, "-c", AIOHTTP_ECHO],
}


@asynccontextmanager
async def running(command: list[str]) -> AsyncIterator[tuple[int, psutil.Process]]:
    """A server that prints its port, alone or in a JSON line, as its first line."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, limit=1 << 20)
    assert process.stdout is not None
    first = json.loads(await process.stdout.readline())
    drain = asyncio.create_task(process.stdout.read())
    try:
        yield first["port"] if isinstance(first, dict) else first, psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()
        drain.cancel()


def cpu_s(process: psutil.Process) -> float:
    """CPU that a process has used so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


async def load(port: int, calls: int, seconds: float, server: psutil.Process) -> tuple[float, list[float]]:
    """Echo load: the server's CPU in ms per call-minute, and the round trips in ms."""
    sockets = [await websockets.connect(f"ws://127.0.0.1:{port}/socket", compression=None) for _ in range(calls)]
    round_trips: list[float] = []
    for socket in sockets:
        await socket.send(CONNECTED)
    started = time.monotonic()

    async def call(number: int, socket: websockets.ClientConnection) -> None:
        phase = number / calls * 0.02
        for frame in range(round(seconds * 50)):
            due = started + phase + frame * 0.02
            await asyncio.sleep(due - time.monotonic())
            sent = time.monotonic()
            await socket.send(FRAME)
            await socket.recv()
            round_trips.append((time.monotonic() - sent) * 1000)

    before = cpu_s(server)
    await asyncio.gather(*(call(number, socket) for number, socket in enumerate(sockets)))
    used = cpu_s(server) - before
    minutes = calls * (time.monotonic() - started) / 60
    await asyncio.gather(*(socket.close() for socket in sockets))
    return used * 1000 / minutes, round_trips


async def bench_echo(calls: int, seconds: float, rounds: int) -> None:
    """CPU per call-minute of echo, interleaved over all servers."""
    figures: dict[str, list[float]] = {name: [] for name in SERVERS}
    tails: dict[str, list[float]] = {name: [] for name in SERVERS}
    for _ in range(rounds):
        for name, command in SERVERS.items():
            async with running(command) as (port, process):
                await load(port, min(calls, 20), 1.0, process)
                cpu, round_trips = await load(port, calls, seconds, process)
            figures[name].append(cpu)
            tails[name].append(statistics.quantiles(round_trips, n=100)[98])
    ours = statistics.median(figures["vsock serve --echo"])
    print(f"\necho, {calls} calls, {seconds:g} s, {rounds} interleaved runs: CPU ms per call-minute, round trip p99")
    for name in SERVERS:
        cpu, tail = statistics.median(figures[name]), statistics.median(tails[name])
        print(f"  {name:26} {cpu:7.0f} ms   p99 {tail:5.1f} ms   we take {ours / cpu:.2f} times that")


async def bench_play(calls: int, seconds: float) -> None:
    """How late the frames of ``play`` leave, judged at the receiver against the absolute schedule."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "long.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(os.urandom(32000 * round(seconds + 5)))
        command = [*VSOCK, "--play", str(path), "--lead", "200"]
        async with running(command) as (port, process):
            arrivals, late = await asyncio.gather(
                asyncio.gather(*(listen(port, seconds) for _ in range(calls))), own_lateness(seconds)
            )
            cpu = cpu_s(process) * 1000 / (calls * seconds / 60)
    lateness: list[float] = []
    steps: list[float] = []
    for times in arrivals:
        # With a lead of 200 ms the burst is the lead, and frame n is due at (n - 9) * 20 ms.
        start = min(at - max(0, n - 9) * 20.0 for n, at in enumerate(times))
        lateness += [at - start - max(0, n - 9) * 20.0 for n, at in enumerate(times)]
        steps.append((times[-1] - times[10]) / (len(times) - 11))
    print(
        f"\nplay to {calls} calls, {seconds:g} s: send lateness p50 {quantile(lateness, 50):.2f} ms, "
        f"p99 {quantile(lateness, 99):.2f} ms, max {max(lateness):.2f} ms (at the receiver)"
    )
    print(f"  our receiver's own timer: p50 {quantile(late, 50):.2f} ms, p99 {quantile(late, 99):.2f} ms")
    print(
        f"  mean time between frames {statistics.mean(steps):.4f} ms; CPU {cpu:.0f} ms per call-minute, start included"
    )


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
    print(f"\n{calls} calls of vsock call, {seconds:g} s; CPU {cpu:.0f} ms per call-minute")
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


async def listen(port: int, seconds: float) -> list[float]:
    """When frames arrive in one call, in ms."""
    times: list[float] = []
    async with websockets.connect(f"ws://127.0.0.1:{port}/socket", compression=None) as socket:
        await socket.send(CONNECTED)
        while len(times) < seconds * 50:
            if isinstance(await socket.recv(), bytes):
                times.append(time.monotonic() * 1000)
    return times


async def own_lateness(seconds: float) -> list[float]:
    """How late this process's own timers are meanwhile, in ms."""
    started = time.monotonic()
    late: list[float] = []
    for number in range(1, round(seconds * 50)):
        due = started + number * 0.02
        await asyncio.sleep(due - time.monotonic())
        late.append((time.monotonic() - due) * 1000)
    return late


def quantile(values: list[float], percent: int) -> float:
    """A percentile."""
    return statistics.quantiles(values, n=100)[percent - 1]


def bench_start(runs: int) -> None:
    """``vsock --help`` beside a bare ``import click``."""
    commands = {
        "vsock --help": [str(Path(sys.executable).with_name("vsock")), "--help"],
        "python -c 'import click'": [sys.executable, "-c", "import click"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            started = time.monotonic()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            times[name].append((time.monotonic() - started) * 1000)
    ours, bare = (statistics.median(times[name]) for name in commands)
    print(f"\nstart: vsock --help {ours:.0f} ms, import click {bare:.0f} ms, ratio {ours / bare:.2f} (of {runs} runs)")


def bench_frame() -> None:
    """The machine alone: CPU per frame of echo, without a socket; and an hour of call under the manual clock."""
    audio_format = AudioFormat(16000)
    session = CallSession("c1", [Echo()], assumed_format=audio_format, now=0)
    session.receive_text(CONNECTED, 0)
    count = 100_000

    def one(now: int) -> None:
        session.receive_bytes(FRAME, now)
        session.messages_to_send()
        session.next_event()
        session.next_deadline()

    print(f"\nmachine: {cost_us(one, count):.2f} us per echoed frame ({count:,} frames)")
    clock = ManualClock()
    pcm = os.urandom(640 * 50 * 60) * 60
    leg = VonageLeg("p", LegPlan(audio_format=audio_format), PcmSource(pcm, audio_format), now=0)
    hour = CallSession("c1", [Echo()], assumed_format=audio_format, now=0)
    started = time.process_time()
    run_call(leg, hour, clock=clock, keep_messages=False)
    print(f"whole call: an hour of two-way audio in {time.process_time() - started:.1f} s of CPU")


def cost_us(one: Callable[[int], None], count: int) -> float:
    """CPU per call of ``one``, in microseconds."""
    started = time.process_time_ns()
    for number in range(count):
        one(number * FRAME_NS)
    return (time.process_time_ns() - started) / count / 1000


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("part", nargs="?", choices=["all", "echo", "play", "call", "start", "frame"], default="all")
    parser.add_argument("--calls", type=int, help="calls at once (echo: 50 and 200; play: 50; call: 1, 50, 200)")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    wanted = ["frame", "start", "echo", "play", "call"] if options.part == "all" else [options.part]
    if "frame" in wanted:
        bench_frame()
    if "start" in wanted:
        bench_start(15)
    if "echo" in wanted:
        for calls in [options.calls] if options.calls else [50, 200]:
            uvloop.run(bench_echo(calls, options.seconds, options.rounds))
    if "play" in wanted:
        uvloop.run(bench_play(options.calls or 50, options.seconds))
    if "call" in wanted:
        for calls in [options.calls] if options.calls else [1, 50, 200]:
            uvloop.run(bench_call(calls, options.seconds))


if __name__ == "__main__":
    main()
