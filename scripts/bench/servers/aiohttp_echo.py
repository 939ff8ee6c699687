"""
Echo on aiohttp as its manual shows it.

aiohttp_echo.py echo            echo
aiohttp_echo.py record FOLDER   echo, and a WAV file of each call
aiohttp_echo.py play FILE       the file's frames into each call, with a sleep of 18.5 ms between them
"""

import asyncio
import functools
import itertools
import sys
import wave
from pathlib import Path

import uvloop
from aiohttp import WSMsgType, web

NUMBERS = itertools.count(1)


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Send back what comes."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


async def record(request: web.Request) -> web.WebSocketResponse:
    """Send back what comes, and write it down."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    with wave.open(str(Path(sys.argv[2], f"{next(NUMBERS)}.wav")), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
                file.writeframes(message.data)
    return socket


@functools.cache
def read(path: str) -> bytes:
    """The file, once for all calls."""
    return Path(path).read_bytes()


async def play(request: web.Request) -> web.WebSocketResponse:
    """Send the file frame by frame."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    await socket.receive()
    audio = read(sys.argv[2])
    try:
        for at in range(0, len(audio), 640):
            await socket.send_bytes(audio[at : at + 640])
            await asyncio.sleep(0.0185)
    except ConnectionError:
        pass
    return socket


async def main() -> None:
    """Serve until ended."""
    app = web.Application()
    app.router.add_get("/socket", {"echo": echo, "record": record, "play": play}[sys.argv[1]])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


uvloop.run(main())
