// Express with express-ws.
"use strict";

const express = require("express");
const { SLOW_ANSWER_MS, handle, ncco, sleep } = require("./mistakes.js");

const app = express();
require("express-ws")(app);
app.use(express.json());

app.get("/:mode/answer", async (req, res) => {
  if (req.params.mode === "slow-answer") await sleep(SLOW_ANSWER_MS);
  res.json(ncco(req.params.mode, req.get("host")));
});

app.post("/:mode/event", (req, res) => res.sendStatus(204));

app.ws("/:mode/socket", (ws, req) => handle(ws, req.params.mode));

const listener = app.listen(0, "127.0.0.1", () => console.log(listener.address().port));
