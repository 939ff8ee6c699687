// Node's own HTTP server with ws.
"use strict";

const http = require("node:http");
const { WebSocketServer } = require("ws");
const { SLOW_ANSWER_MS, handle, ncco, sleep } = require("./mistakes.js");

const server = http.createServer(async (req, res) => {
  const [, mode, what] = new URL(req.url, "http://localhost").pathname.split("/");
  if (what === "answer") {
    if (mode === "slow-answer") await sleep(SLOW_ANSWER_MS);
    res.writeHead(200, { "Content-Type": "application/json" });
    res.end(JSON.stringify(ncco(mode, req.headers.host)));
  } else if (what === "event") {
    req.resume();
    res.writeHead(204).end();
  } else {
    res.writeHead(404).end();
  }
});

const wss = new WebSocketServer({ server });
wss.on("connection", (ws, req) => handle(ws, req.url.split("/")[1]));

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
