"""Echo on Flask with flask-sock and the threaded server that comes with it, as Vonage's Python tutorial does it."""

import logging

from flask import Flask
from flask_sock import Sock
from simple_websocket import Server
from werkzeug.serving import make_server

app = Flask(__name__)
app.config["SOCK_SERVER_OPTIONS"] = {"ping_interval": None}
sock = Sock(app)


@sock.route("/socket")
def echo(socket: Server) -> None:
    """Send back what comes."""
    while True:
        message = socket.receive()
        if isinstance(message, bytes):
            socket.send(message)


logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
