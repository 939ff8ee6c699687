"""The websockets library alone; webhooks are what its ``process_request`` can answer."""

import asyncio
import json

from mistakes import HANGS_UP, SCRIPTS, SLOW_ANSWER_S, Blocker, ncco
from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response


async def webhooks(connection, request):
    """Answers what isn't a websocket; it sees requests by GET alone, so that the NCCO names GET for its events."""
    path = request.path.partition("?")[0]
    _, mode, what = path.split("/")
    if what == "answer":
        if mode == "slow-answer":
            await asyncio.sleep(SLOW_ANSWER_S)
        host = request.headers["Host"]
        actions = ncco(mode, host)
        if isinstance(actions, list):
            actions[0] |= {"eventUrl": [f"http://{host}/{mode}/event"], "eventMethod": "GET"}
        body = json.dumps(actions).encode()
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"})
        return Response(200, "OK", headers, body)
    if what == "event":
        return Response(204, "No Content", Headers({"Connection": "close"}), b"")
    return None


async def socket(websocket):
    mode = websocket.request.path.split("/")[1]
    if mode in HANGS_UP:
        return
    if mode in SCRIPTS:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(play(websocket, mode))
            async for _ in websocket:
                pass
        return
    blocker = Blocker(mode)
    async for message in websocket:
        if isinstance(message, bytes):
            blocker.frame()
            await websocket.send(message)


async def play(websocket, mode):
    try:
        for step in SCRIPTS[mode]():
            if isinstance(step, float):
                await asyncio.sleep(step)
            else:
                await websocket.send(step)
    except ConnectionClosed:
        pass


async def main():
    async with serve(socket, "127.0.0.1", 0, process_request=webhooks) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
