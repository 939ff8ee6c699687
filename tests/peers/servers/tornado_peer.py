"""Tornado: webhooks and sockets on one port."""

import asyncio
import json

from mistakes import HANGS_UP, SCRIPTS, SLOW_ANSWER_S, Blocker, ncco
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler


class Answer(RequestHandler):
    async def get(self, mode):
        if mode == "slow-answer":
            await asyncio.sleep(SLOW_ANSWER_S)
        self.set_header("Content-Type", "application/json")
        self.write(json.dumps(ncco(mode, self.request.host)))


class Event(RequestHandler):
    def post(self, mode):
        json.loads(self.request.body)
        self.set_status(204)


class Socket(WebSocketHandler):
    def open(self, mode):
        self.mode = mode
        self.blocker = Blocker(mode)
        if mode in HANGS_UP:
            self.close()
        elif mode in SCRIPTS:
            self.playing = asyncio.create_task(self.play())

    async def play(self):
        try:
            for step in SCRIPTS[self.mode]():
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    await self.write_message(step, binary=isinstance(step, bytes))
        except WebSocketClosedError:
            pass

    def on_message(self, message):
        if isinstance(message, bytes) and self.mode not in SCRIPTS:
            self.blocker.frame()
            self.write_message(message, binary=True)


async def main():
    app = Application([(r"/([\w-]+)/answer", Answer), (r"/([\w-]+)/event", Event), (r"/([\w-]+)/socket", Socket)])
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(app).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
