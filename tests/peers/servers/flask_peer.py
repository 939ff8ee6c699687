"""Flask with flask-sock, on the threaded server that comes with it."""

import time

from flask import Flask, jsonify, request
from flask_sock import Sock
from mistakes import HANGS_UP, SCRIPTS, SLOW_ANSWER_S, Blocker, ncco
from werkzeug.serving import make_server

app = Flask(__name__)
sock = Sock(app)


@app.get("/<mode>/answer")
def answer(mode):
    if mode == "slow-answer":
        time.sleep(SLOW_ANSWER_S)
    return jsonify(ncco(mode, request.host))


@app.post("/<mode>/event")
def event(mode):
    app.logger.debug("%s: %s", mode, request.get_json())
    return "", 204


@sock.route("/<mode>/socket")
def socket(ws, mode):
    if mode in HANGS_UP:
        return
    for step in SCRIPTS[mode]() if mode in SCRIPTS else ():
        if isinstance(step, float):
            time.sleep(step)
        else:
            ws.send(step)
    blocker = Blocker(mode)
    while True:
        message = ws.receive()
        if isinstance(message, bytes) and mode not in SCRIPTS:
            blocker.frame()
            ws.send(message)


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()
