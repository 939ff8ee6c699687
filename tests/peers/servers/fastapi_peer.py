"""FastAPI (Starlette) on uvicorn."""

import asyncio

import uvicorn
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from mistakes import HANGS_UP, SCRIPTS, SLOW_ANSWER_S, Blocker, ncco

app = FastAPI()


@app.get("/{mode}/answer")
async def answer(mode: str, request: Request):
    if mode == "slow-answer":
        await asyncio.sleep(SLOW_ANSWER_S)
    return ncco(mode, request.headers["host"])


@app.post("/{mode}/event", status_code=204)
async def event(mode: str, request: Request):
    await request.json()


@app.websocket("/{mode}/socket")
async def socket(websocket: WebSocket, mode: str):
    await websocket.accept()
    if mode in HANGS_UP:
        return
    playing = asyncio.create_task(play(websocket, mode)) if mode in SCRIPTS else None
    try:
        await read(websocket, mode)
    except WebSocketDisconnect:
        pass
    finally:
        if playing is not None:
            playing.cancel()


async def play(websocket, mode):
    for step in SCRIPTS[mode]():
        if isinstance(step, bytes):
            await websocket.send_bytes(step)
        elif isinstance(step, str):
            await websocket.send_text(step)
        else:
            await asyncio.sleep(step)


async def read(websocket, mode):
    blocker = Blocker(mode)
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        if message.get("bytes") is not None and mode not in SCRIPTS:
            blocker.frame()
            await websocket.send_bytes(message["bytes"])


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)


if __name__ == "__main__":
    Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning")).run()
