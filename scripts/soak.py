"""
Play for long, to many, from a server that stalls, into platforms whose clocks drift; prints, and fails on a gap or a loss.

    python scripts/soak.py real --calls 100 --minutes 10     a server in a process of its own, over loopback
    python scripts/soak.py simulated --hours 10              both ends under a manual clock, a minute for each hour at most

Half of the platforms' clocks are slower than ours by ``--ppm``, half faster. Each stands behind the playout model, which
counts what its caller would miss. The server's event loop is held up for 300 ms each minute. How late messages are is judged
at the receiver, against the earliest of the same ten seconds, and stands beside how late the receiver's own timers are.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path
from typing import Any, Final

import psutil
import uvloop

from vonage_sock.audio.frames import FRAME_NS, FRAMES_PER_SECOND, AudioFormat
from vonage_sock.audio.playout import PlayoutBuffer
from vonage_sock.audio.source import FramesSource
from vonage_sock.behaviours.play import Play
from vonage_sock.call.events import Event
from vonage_sock.call.inspect import Found
from vonage_sock.call.machine import Machine, Outgoing
from vonage_sock.call.session import CallSession
from vonage_sock.cli import main as vsock
from vonage_sock.clock import MS, SECOND, ManualClock
from vonage_sock.simulator.leg.machine import VonageLeg
from vonage_sock.simulator.leg.plan import LegPlan
from vonage_sock.testing import run_call

FORMAT: Final = AudioFormat(16000)
CONNECTED: Final = b'{"event":"websocket:connected","content-type":"audio/l16;rate=16000"}'
STALL_S: Final = 0.3
STALL_EACH_S: Final = 60.0
SETTLE_S: Final = 25.0
WINDOW_FRAMES: Final = 500
BINS_PER_MS: Final = 20


def serve() -> None:
    """``vsock`` in this process, with its event loop held up now and then."""

    def stall(*_: object) -> None:
        time.sleep(STALL_S)

    # A signal's handler runs in the main thread, as does the loop: nothing else of the program need know.
    signal.signal(signal.SIGALRM, stall)
    signal.setitimer(signal.ITIMER_REAL, STALL_EACH_S, STALL_EACH_S)
    vsock()


class Bins:
    """Times by the twentieth of a millisecond."""

    def __init__(self) -> None:
        self._counts = [0] * (1000 * BINS_PER_MS)

    def add(self, late_ns: int) -> None:
        """One more; what is beyond a second is a second."""
        self._counts[min(max(late_ns, 0) * BINS_PER_MS // MS, len(self._counts) - 1)] += 1

    def __str__(self) -> str:
        return ", ".join(f"p{share:g} {self._quantile_ms(share):.2f}" for share in (50, 90, 99, 99.9, 100))

    def _quantile_ms(self, share: float) -> float:
        wanted, seen = sum(self._counts) * share / 100, 0
        for number, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return (number + 1) / BINS_PER_MS
        return 0.0


class Platform(asyncio.Protocol):
    """One call as the platform has it: audio by its own clock, and the buffer that it plays from."""

    def __init__(self, ppm: int, lateness: Bins, own_lateness: Bins) -> None:
        self.playout: PlayoutBuffer[None] = PlayoutBuffer()
        self.frames_in = 0
        self.deepest_frames = 0
        self.shallowest_frames = 10**9
        self.lost = False
        self._ppm = ppm
        self._lateness = lateness
        self._own_lateness = own_lateness
        self._window: list[int] = []
        self._read = bytearray()
        self._upgraded = False
        self._began_at = 0
        self._frames_out = 0
        self._transport: Any = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Audio, or the answer to the request."""
        self._read += data
        if not self._upgraded:
            head, found, rest = bytes(self._read).partition(b"\r\n\r\n")
            if not found:
                return
            assert b" 101 " in head, head
            self._upgraded = True
            self._read = bytearray(rest)
            self._write(0x81, CONNECTED)
            self._began_at = time.monotonic_ns()
            self._speak()
        self._take_frames()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server is gone."""
        self._transport = None

    def hang_up(self) -> None:
        """Enough; a call that isn't there any more is lost."""
        self.lost = self._transport is None
        if self._transport is not None:
            self._transport.abort()

    def _take_frames(self) -> None:
        read, at = self._read, 0
        while len(read) >= at + 4:
            size, head = read[at + 1], 2
            if size == 126:
                size, head = struct.unpack_from("!H", read, at + 2)[0], 4
            if len(read) < at + head + size:
                break
            if read[at] == 0x82:
                self._hear(time.monotonic_ns())
            at += head + size
        del read[:at]

    def _hear(self, now: int) -> None:
        platform_now = now - (now - self._began_at) * self._ppm // 1_000_000
        self.playout.advance(platform_now)
        if now - self._began_at > SETTLE_S * SECOND:
            self.shallowest_frames = min(self.shallowest_frames, self.playout.depth_frames)
            self._judge(platform_now - self.frames_in * FRAME_NS)
        self.playout.push(None, platform_now, continues=True)
        self.deepest_frames = max(self.deepest_frames, self.playout.depth_frames)
        self.frames_in += 1

    def _judge(self, offset: int) -> None:
        self._window.append(offset)
        if len(self._window) == WINDOW_FRAMES:
            earliest = min(self._window)
            for value in self._window:
                self._lateness.add(value - earliest)
            self._window.clear()

    def _speak(self) -> None:
        now = time.monotonic_ns()
        self._own_lateness.add(now - self._due_at())
        while self._transport is not None and self._due_at() <= now:
            self._write(0x82, FORMAT.silence)
            self._frames_out += 1
        if self._transport is not None:
            self._loop.call_later((self._due_at() - now) / SECOND, self._speak)

    def _due_at(self) -> int:
        return self._began_at + self._frames_out * FRAME_NS * 1_000_000 // (1_000_000 - self._ppm)

    def _write(self, first: int, payload: bytes) -> None:
        size = len(payload)
        head = struct.pack("!BB", first, 0x80 | size) if size < 126 else struct.pack("!BBH", first, 0xFE, size)
        # A mask of zeros leaves the payload as it is.
        self._transport.write(head + bytes(4) + payload)


async def real(calls: int, minutes: float, ppm: int) -> bool:
    """Calls over loopback, in real time."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "long.wav"
        write_noise(path, minutes * 60 + 60)
        command = [sys.executable, __file__, "serve", "--play", str(path), "--port", "0", "--json"]
        command += [
            "--url",
            "http://127.0.0.1",
            "--tunnel",
            "none",
            "--no-auth",
            "--max-calls",
            str(calls),
            "--max-silent",
            str(calls),
        ]
        server = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, limit=1 << 20)
        assert server.stdout is not None
        port = json.loads(await server.stdout.readline())["port"]
        drain = asyncio.create_task(drop_lines(server.stdout))
        try:
            lateness, own_lateness = Bins(), Bins()
            loop = asyncio.get_running_loop()
            started = time.monotonic()
            platforms: list[Platform] = []
            for number in range(calls):
                platform = Platform(ppm if number % 2 else -ppm, lateness, own_lateness)
                await loop.create_connection(lambda platform=platform: platform, "127.0.0.1", port)
                platforms.append(platform)
            process = psutil.Process(server.pid)
            before = sum(process.cpu_times()[:2])
            await asyncio.sleep(minutes * 60 - (time.monotonic() - started))
            cpu_s = sum(process.cpu_times()[:2]) - before
            for platform in platforms:
                platform.hang_up()
        finally:
            server.terminate()
            await server.wait()
            drain.cancel()
    print(
        f"{calls} calls, {minutes:g} minutes, +-{ppm} ppm: CPU {cpu_s * 1000 / (calls * minutes):.0f} ms per call-minute"
    )
    print(f"  late at the receiver, in ms: {lateness}\n  the receiver's own timers:   {own_lateness}")
    return judge_real(platforms)


def judge_real(platforms: list[Platform]) -> bool:
    """Print what the platforms counted; whether nothing was missed."""
    underruns = sum(platform.playout.underruns for platform in platforms)
    overflows = sum(platform.playout.frames_overflowed for platform in platforms)
    lost = sum(platform.lost for platform in platforms)
    print(
        f"  {sum(platform.frames_in for platform in platforms):,} frames, {underruns} underruns, {overflows} frames "
        f"overflowed, {lost} calls lost; once settled between {min(p.shallowest_frames for p in platforms)} and "
        f"{max(p.deepest_frames for p in platforms)} frames waited"
    )
    return not underruns and not overflows and not lost


async def drop_lines(stream: asyncio.StreamReader) -> None:
    """Nobody reads these."""
    while await stream.read(1 << 16):
        pass


def write_noise(path: Path, seconds: float) -> None:
    """A file of noise at the call's rate."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(FORMAT.rate_hz)
        for _ in range(int(seconds)):
            file.writeframes(os.urandom(FORMAT.frame_bytes * FRAMES_PER_SECOND))


class Drifting:
    """A machine whose clock is slower than ours by so many ppm."""

    def __init__(self, machine: Machine, ppm: int) -> None:
        self._machine = machine
        self._ppm = ppm

    def receive_text(self, text: str, now: int) -> None:
        """At its own time."""
        self._machine.receive_text(text, self._time(now))

    def receive_bytes(self, data: bytes, now: int) -> None:
        """At its own time."""
        self._machine.receive_bytes(data, self._time(now))

    def receive_violation(self, code: int, reason: str, now: int) -> None:
        """At its own time."""
        self._machine.receive_violation(code, reason, self._time(now))

    def receive_found(self, found: Found, now: int) -> None:
        """At its own time."""
        self._machine.receive_found(found, self._time(now))

    def receive_close(self, code: int, reason: str, now: int) -> None:
        """At its own time."""
        self._machine.receive_close(code, reason, self._time(now))

    def messages_to_send(self) -> list[Outgoing]:
        """As they are."""
        return self._machine.messages_to_send()

    def next_deadline(self) -> int | None:
        """At our time, and not too early."""
        deadline = self._machine.next_deadline()
        return None if deadline is None else deadline * 1_000_000 // (1_000_000 - self._ppm) + 1

    def handle_deadline(self, now: int) -> None:
        """At its own time."""
        self._machine.handle_deadline(self._time(now))

    def next_event(self) -> Event | None:
        """As it is."""
        return self._machine.next_event()

    def close(self, code: int, now: int, *, reason: str = "") -> None:
        """At its own time."""
        self._machine.close(code, self._time(now), reason=reason)

    def _time(self, now: int) -> int:
        return now - now * self._ppm // 1_000_000


def simulated(hours: float, ppm: int) -> bool:
    """A call of so many hours between the real machines of both ends; whether its caller missed nothing."""
    chance = random.Random(1)
    frames = round(hours * 3600 * FRAMES_PER_SECOND)
    silence = FORMAT.silence

    def late(_deadline: int) -> int:
        stalls = chance.random() < 1 / (STALL_EACH_S * 2 * FRAMES_PER_SECOND)
        return round(STALL_S * SECOND) if stalls else chance.randrange(2 * MS)

    source = FramesSource("long", (silence for _ in range(frames + 6000)), frames + 6000)
    plan = LegPlan(audio_format=FORMAT, duration_ns=round(hours * 3600 * SECOND))
    said = FramesSource("said", (silence for _ in range(frames)), frames)
    leg = VonageLeg("p", plan, said, now=0)
    session = CallSession("c1", [Play([lambda _: source])], assumed_format=FORMAT, now=0)
    began = time.process_time()
    clock = ManualClock()
    transcript = run_call(Drifting(leg, ppm), session, clock=clock, server_lateness=late, keep_messages=False)
    codes = sorted({event.code for event in transcript.platform_events if event.name == "call.finding"})
    heard = leg.report()
    lead_s = leg.stats(clock.now()).depth_ms / 1000
    print(
        f"{hours:g} hours at {ppm:+d} ppm: {heard['underruns']} underruns, {heard['overflow_frames']} frames overflowed, "
        f"findings: {', '.join(codes) or 'none'}; {lead_s:.2f} s ahead at the end "
        f"({time.process_time() - began:.0f} s of CPU)"
    )
    return not heard["underruns"] and not heard["overflow_frames"]


def main() -> None:
    """Run what was asked for; the exit code says whether nothing was missed."""
    if sys.argv[1:2] == ["serve"]:
        serve()
        return
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[1], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "part", choices=["real", "simulated"], help="over loopback, in real time; or both ends under a manual clock"
    )
    parser.add_argument("--calls", type=int, default=100, metavar="N", help="of real: calls at once")
    parser.add_argument("--minutes", type=float, default=10.0, metavar="MIN", help="of real: how long they last")
    parser.add_argument("--hours", type=float, default=10.0, metavar="H", help="of simulated: how long a call lasts")
    parser.add_argument("--ppm", type=int, default=200, metavar="PPM", help="how far the platforms' clocks are off")
    options = parser.parse_args()
    if options.part == "real":
        fine = uvloop.run(real(options.calls, options.minutes, options.ppm))
    else:
        slow, fast = simulated(options.hours, options.ppm), simulated(options.hours, -options.ppm)
        fine = slow and fast
    sys.exit(not fine)


if __name__ == "__main__":
    main()
