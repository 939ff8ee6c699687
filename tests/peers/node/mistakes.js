// What a handler does wrong, for both Node servers alike; the Python ones have the same in ../servers/mistakes.py.
// A script yields Buffers (binary messages), texts, or numbers of milliseconds to wait.
"use strict";

const FRAME_MS = 20;
const BLOCK_MS = 200;
const BLOCK_EVERY = 60;
const STALL_MS = 400;
const STALL_BEHIND = 62;
const SLOW_ANSWER_MS = 1300;

function voice(rate, seconds) {
  const pcm = Buffer.alloc(2 * rate * seconds);
  for (let at = 0; at < rate * seconds; at++) {
    const level = 0.6 + 0.4 * Math.sin((2 * Math.PI * 4 * at) / rate);
    const pitch = 200 + ((at / rate) % 1) * 50;
    pcm.writeInt16LE(Math.round(8000 * level * Math.sin((2 * Math.PI * pitch * at) / rate)), 2 * at);
  }
  return pcm;
}

const VOICE = voice(16000, 1);
const VOICE_8K = voice(8000, 1);

const times = (pcm, count) => Buffer.concat(Array(count).fill(pcm));

function louder(pcm) {
  const loud = Buffer.alloc(pcm.length);
  for (let at = 0; at < pcm.length; at += 2) {
    loud.writeInt16LE(Math.max(-32768, Math.min(32767, 12 * pcm.readInt16LE(at))), at);
  }
  return loud;
}

function wavFile(pcm) {
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + pcm.length, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(16000, 24);
  header.writeUInt32LE(32000, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36);
  header.writeUInt32LE(pcm.length, 40);
  return Buffer.concat([header, pcm]);
}

function frames(pcm, size = 640) {
  const cut = [];
  for (let at = 0; at < pcm.length; at += size) cut.push(pcm.subarray(at, at + size));
  return cut;
}

function* paced(messages, lead = 10) {
  const start = performance.now();
  for (const [number, message] of messages.entries()) {
    const delay = start + Math.max(0, number - lead) * FRAME_MS - performance.now();
    if (delay > 0) yield delay;
    yield message;
  }
}

function padded(message, size = 640) {
  return Buffer.concat([message, Buffer.alloc(size - message.length)]);
}

const scripts = {
  play: () => paced(frames(times(VOICE, 3))),
  "no-pacing": () => frames(times(VOICE, 70)),
  "one-message": () => [times(VOICE, 2)],
  *"waits-and-sleeps"() {
    for (const frame of frames(times(VOICE, 4))) {
      yield 2;
      yield frame;
      yield FRAME_MS;
    }
  },
  *sleeps() {
    for (const frame of frames(times(VOICE, 6))) {
      yield frame;
      yield FRAME_MS;
    }
  },
  *stalls() {
    let sent = 0;
    for (const step of paced(frames(times(VOICE, 3)), 5)) {
      yield step;
      if (typeof step !== "number" && ++sent === STALL_BEHIND) block(STALL_MS);
    }
  },
  "wav-header": () => paced(frames(wavFile(times(VOICE, 2))).map((message) => padded(message))),
  "half-rate": () => paced(frames(times(VOICE_8K, 5), 320), 0),
  "short-tail": () => paced(frames(Buffer.concat([VOICE.subarray(0, 31000), Buffer.alloc(200)]))),
  "json-base64": () =>
    paced(
      frames(times(VOICE, 2)).map((frame) =>
        JSON.stringify({ event: "media", media: { payload: frame.toString("base64") } }),
      ),
    ),
  "big-endian": () => paced(frames(times(VOICE, 2).swap16()), 50),
  shifted: () => paced(frames(Buffer.concat([Buffer.alloc(1), times(VOICE, 2)]).subarray(0, 2 * VOICE.length)), 50),
  "too-loud": () => paced(frames(times(louder(VOICE), 2)), 50),
  muted: () => paced(Array(150).fill(Buffer.alloc(640)), 50),
  "odd-bytes": () => paced(frames(VOICE, 641), 50),
  "not-json": () => ["hello"],
  "unknown-command": () => [JSON.stringify({ action: "hangup" })],
  "bad-notify": () => [JSON.stringify({ action: "notify" })],
};

function block(ms) {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

const hangsUp = new Set(["closes"]);

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function play(ws, mode) {
  for (const step of scripts[mode]()) {
    if (ws.readyState !== ws.OPEN) return;
    if (typeof step === "number") await sleep(step);
    else ws.send(step);
  }
}

function ncco(mode, host) {
  const connect = {
    action: "connect",
    endpoint: [{ type: "websocket", uri: `ws://${host}/${mode}/socket`, "content-type": "audio/l16;rate=16000" }],
  };
  return mode === "object" ? connect : [connect];
}

// Both servers handle a socket so: an echo, or a script beside which the caller isn't listened to. Of ws 8, which gives texts
// as Buffers too, isBinary tells; the ws 7 in express-ws gives no such thing, and texts as strings.
function handle(ws, mode) {
  let count = 0;
  if (hangsUp.has(mode)) ws.close();
  if (mode in scripts) play(ws, mode);
  ws.on("message", (data, isBinary = typeof data !== "string") => {
    if (!isBinary || mode in scripts) return;
    if (mode === "blocks" && ++count % BLOCK_EVERY === 0) {
      block(BLOCK_MS);
    }
    ws.send(data);
  });
}

module.exports = { SLOW_ANSWER_MS, handle, ncco, sleep };
