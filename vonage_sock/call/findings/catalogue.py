"""
All that can be wrong with a call, each with a code that never changes its meaning.

VS1xx audio, VS2xx pacing, VS3xx protocol, VS4xx webhooks and NCCO, VS5xx reachability. Only data stands here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from textwrap import dedent
from typing import Final


class Level(Enum):
    """An error breaks the protocol; a warning is heard or soon will be; a note is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Rule:
    """
    One thing that can be wrong.

    Args:
        message: a format string for the numbers of the call at hand.
        cause, cure: why it happens, and what to do; a sentence or two each.
        python, node: the cure as a snippet.
        promised: Vonage's documents say what happens; else it is the most plausible reading of what was seen.
    """

    code: str
    level: Level
    message: str
    cause: str
    cure: str
    python: str
    node: str
    promised: bool = True


_ERROR, _WARNING, _NOTE = Level.ERROR, Level.WARNING, Level.NOTE

_REFRAME_PYTHON = """
    buffer += pcm                         # pcm: bytes from the TTS, of any length
    while len(buffer) >= 640:             # 20 ms at 16 kHz; 320 at 8 kHz, 960 at 24 kHz
        frame, buffer = buffer[:640], buffer[640:]
        await ws.send(frame)
    # at the end of an utterance: await ws.send(buffer.ljust(640, b"\\0"))
"""
_REFRAME_NODE = """
    buffer = Buffer.concat([buffer, pcm]);
    while (buffer.length >= 640) {        // 20 ms at 16 kHz; 320 at 8 kHz, 960 at 24 kHz
      ws.send(buffer.subarray(0, 640));
      buffer = buffer.subarray(640);
    }
"""
_DECODE_PYTHON = """
    samples, rate = soundfile.read("answer.wav", dtype="float32", always_2d=True)
    mono = soxr.resample(samples.mean(axis=1), rate, 16000)
    pcm = (mono.clip(-1, 1) * 32767).astype("<i2").tobytes()
"""
_DECODE_NODE = """
    // ffmpeg decodes any file to what the leg wants: raw, 16-bit little-endian, mono
    const ff = spawn("ffmpeg", ["-i", "answer.mp3", "-f", "s16le", "-ac", "1", "-ar", "16000", "pipe:1"]);
    ff.stdout.on("data", (pcm) => queue(pcm));
"""
_RESAMPLE_PYTHON = """
    rate = int(connected["content-type"].split("rate=")[1])
    samples = soxr.resample(samples, source_rate, rate)
"""
_RESAMPLE_NODE = """
    const rate = Number(/rate=(\\d+)/.exec(connected["content-type"])[1]);
    const samples = resample(input, sourceRate, rate);   // npm: wave-resampler, libsamplerate-js
"""
_PACE_PYTHON = """
    start = loop.time()
    for n, frame in enumerate(frames):
        delay = start + max(0, n - 10) * 0.020 - loop.time()   # 200 ms ahead, on an absolute schedule
        if delay > 0:
            await asyncio.sleep(delay)
        await ws.send(frame)
"""
_PACE_NODE = """
    const start = performance.now();
    let n = 0;
    setInterval(() => {                   // all that is due by now, 200 ms ahead
      while (queue.length && n <= (performance.now() - start) / 20 + 10) { ws.send(queue.shift()); n++; }
    }, 10);
"""
_ANSWER_PYTHON = """
    @app.get("/webhooks/answer")
    async def answer():
        return JSONResponse([{"action": "connect", "endpoint": [
            {"type": "websocket", "uri": "wss://example.com/socket", "content-type": "audio/l16;rate=16000"}]}])
"""
_ANSWER_NODE = """
    app.get("/webhooks/answer", (req, res) => res.json([{ action: "connect", endpoint: [
      { type: "websocket", uri: "wss://example.com/socket", "content-type": "audio/l16;rate=16000" }] }]));
"""
_EVENT_PYTHON = """
    @app.post("/webhooks/event", status_code=204)
    async def event(request: Request):
        asyncio.create_task(handle(await request.json()))
"""
_EVENT_NODE = """
    app.post("/webhooks/event", (req, res) => { res.sendStatus(204); handle(req.body); });
"""
_VERIFY_PYTHON = """
    token = request.headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, secret, algorithms=["HS256"], options={"require": ["iat", "jti", "payload_hash"]})
    body_hash = hashlib.sha256(await request.body()).hexdigest()         # of the raw bytes
    if not hmac.compare_digest(claims["payload_hash"], body_hash) or time.time() - claims["iat"] > 300:
        raise HTTPException(401)                                         # and keep each jti: it is good once
"""
_VERIFY_NODE = """
    const claims = jwt.verify(token, secret, { algorithms: ["HS256"], maxAge: "5m" });
    const hash = crypto.createHash("sha256").update(rawBody).digest("hex");   // of the raw bytes
    if (claims.payload_hash !== hash) return res.sendStatus(401);             // and keep each jti: it is good once
"""
_ENDPOINT_PYTHON = """
    host = request.headers.get("x-forwarded-host", request.headers["host"])
    endpoint = {"type": "websocket", "uri": f"wss://{host}/socket", "content-type": "audio/l16;rate=16000"}
"""
_ENDPOINT_NODE = """
    const host = req.get("x-forwarded-host") ?? req.get("host");
    const endpoint = { type: "websocket", uri: `wss://${host}/socket`, "content-type": "audio/l16;rate=16000" };
"""
_CLOSE_PYTHON = """
    await ws.close(1000)
"""
_CLOSE_NODE = """
    ws.close(1000);
"""

_AUDIO: Final = (
    Rule(
        "VS101",
        _ERROR,
        "a binary message of {size} bytes where a frame has {expected}: the leg is dropped",
        "Each binary message must be one frame of 20 ms. Vonage's servers stop listening at another size and the socket "
        "ends with 1006.",
        "Cut the audio into exact frames and fill the last one with zeros.",
        _REFRAME_PYTHON,
        _REFRAME_NODE,
    ),
    Rule(
        "VS102",
        _WARNING,
        "a binary message of {size} bytes where a frame has {expected}: re-framed",
        "Each binary message must be one frame of 20 ms. vsock takes any size here, so that the call goes on; Vonage may "
        "drop the leg (vsock call --strict does).",
        "Cut the audio into exact frames and fill the last one with zeros.",
        _REFRAME_PYTHON,
        _REFRAME_NODE,
    ),
    Rule(
        "VS103",
        _WARNING,
        "a binary message of {size} bytes, an odd number: every later sample may be shifted",
        "A sample has two bytes. A piece that was cut in the middle of one shifts all that follow, which is heard as "
        "loud noise.",
        "Keep the odd byte for the next piece: cut by bytes in one place only.",
        _REFRAME_PYTHON,
        _REFRAME_NODE,
    ),
    Rule(
        "VS104",
        _WARNING,
        "the audio begins with the header of a {kind} file: it is heard as a click",
        "A file was sent as it is. Its first bytes describe the file and are no samples.",
        "Read the file with a library and send only the samples, at the leg's rate.",
        _DECODE_PYTHON,
        _DECODE_NODE,
    ),
    Rule(
        "VS105",
        _ERROR,
        "the audio is {kind}, where 16-bit PCM is wanted: it is heard as noise",
        "Compressed audio was sent as it came, often from a TTS service whose default is MP3 or Opus.",
        "Ask the service for raw 16-bit PCM (linear16, pcm_16000) or decode before sending.",
        _DECODE_PYTHON,
        _DECODE_NODE,
    ),
    Rule(
        "VS106",
        _ERROR,
        "a text message carries {characters} characters of base64: audio belongs in binary messages",
        "Other platforms (Twilio, Telnyx, OpenAI) carry audio as base64 in JSON; Vonage's Voice API carries it as bytes and "
        "ignores such text.",
        "Decode the base64 and send the bytes as a binary message, in exact frames.",
        """
    pcm = base64.b64decode(message["delta"])
    await ws.send(pcm[:640])              # bytes: a binary message
        """,
        """
    const pcm = Buffer.from(message.delta, "base64");
    ws.send(pcm.subarray(0, 640), { binary: true });
        """,
    ),
    Rule(
        "VS107",
        _WARNING,
        "the samples seem to be big-endian: swapped they would be {times} times as smooth",
        "The bytes of each sample stand in the wrong order, which is heard as loud noise. The name audio/l16 suggests "
        "big-endian; Vonage sends and takes little-endian.",
        "Swap the bytes, or ask the source for little-endian PCM.",
        """
    pcm = numpy.frombuffer(pcm, ">i2").astype("<i2").tobytes()
        """,
        """
    pcm.swap16();                         // in place
        """,
        promised=False,
    ),
    Rule(
        "VS108",
        _WARNING,
        "the audio seems to be made for {suspected_hz} Hz on a leg of {rate_hz} Hz: it comes at {percent} % of real time",
        "The leg plays audio at its own rate. What was made for another is heard too fast and high, or too slow and deep.",
        "Take the rate from the content-type of websocket:connected and resample to it, or ask for yours in the NCCO.",
        _RESAMPLE_PYTHON,
        _RESAMPLE_NODE,
        promised=False,
    ),
    Rule(
        "VS109",
        _WARNING,
        "{percent} % of the samples are clipped: the audio is distorted",
        "Samples stand at full scale for several in a row: the audio was made louder than 16 bits can say.",
        "Lower the level before the conversion to 16 bits, and limit what is still above.",
        """
    pcm = (numpy.clip(samples * 0.5, -1, 1) * 32767).astype("<i2").tobytes()
        """,
        """
    out.writeInt16LE(Math.round(32767 * Math.max(-1, Math.min(1, sample * 0.5))), at);
        """,
        promised=False,
    ),
    Rule(
        "VS110",
        _NOTE,
        "only digital silence came: {seconds} s of it",
        "Frames come, and all of their samples are zero: a muted source, a wrong buffer, or a behaviour that only keeps the "
        "line open.",
        "When something should be heard, look at the samples before they are sent.",
        """
    print(numpy.abs(numpy.frombuffer(frame, "<i2")).max())
        """,
        """
    console.log(Math.max(...new Int16Array(frame.buffer, frame.byteOffset, frame.length / 2)));
        """,
        promised=False,
    ),
    Rule(
        "VS111",
        _WARNING,
        "the samples seem to be shifted by one byte: put back they would be {times} times as smooth",
        "An odd number of bytes was sent or skipped before, so that each sample is made of the halves of two. It is heard "
        "as loud noise.",
        "Find the odd piece (a header cut off at an odd place, a chunk of odd length) and keep whole samples together.",
        _REFRAME_PYTHON,
        _REFRAME_NODE,
        promised=False,
    ),
    Rule(
        "VS112",
        _ERROR,
        "one message was larger than {limit_kb} kB, which no frame is ({reason}): the socket was closed with 1009",
        "A whole file or utterance was sent as a single message. The platform takes one frame of 20 ms a message.",
        "Cut the audio into frames of 20 ms and send each as a message of its own.",
        _REFRAME_PYTHON,
        _REFRAME_NODE,
    ),
    Rule(
        "VS113",
        _NOTE,
        "the speech sounds {sounds} on this leg of {rate_hz} Hz: it may have been made for {suspected}",
        "Pitch, vocal tract and syllables are all where no voice is at the right speed. Music can sound like that, too.",
        "Take the rate from the content-type of websocket:connected and resample to it, or ask for yours in the NCCO.",
        _RESAMPLE_PYTHON,
        _RESAMPLE_NODE,
        promised=False,
    ),
)

_PACING: Final = (
    Rule(
        "VS201",
        _WARNING,
        "the caller heard a gap of {gap_ms} ms {at_s} s into the call",
        "A frame was not there when it was to be played: timers of 20 ms run late, and whatever blocks the program delays "
        "them more.",
        "Send some frames ahead, and each at a time counted from the start instead of from the frame before.",
        _PACE_PYTHON,
        _PACE_NODE,
    ),
    Rule(
        "VS202",
        _WARNING,
        "more than {capacity} frames wait to be played: the platform loses what comes next",
        "Audio came much faster than it is played. The buffer is documented (3,072 messages, 1,024 until 2022); what "
        "happens above it is not.",
        "Stay a second or two ahead instead of sending all at once.",
        _PACE_PYTHON,
        _PACE_NODE,
    ),
    Rule(
        "VS203",
        _WARNING,
        "{gaps} gaps, {total_ms} ms in all and up to {longest_ms} ms long: the speech sounds chopped",
        "Frames are late again and again: the sender has no lead, or its timer drifts (sleep(0.02) takes more than 20 ms).",
        "Send some frames ahead, and each at a time counted from the start instead of from the frame before.",
        _PACE_PYTHON,
        _PACE_NODE,
    ),
    Rule(
        "VS204",
        _WARNING,
        "audio has come at {percent} % of real time so far: the caller hears gaps",
        "The pause between two frames is 20 ms plus the time that sending takes, so that each second of audio takes longer "
        "than a second.",
        "Count the times from the start (or pause 18 to 19 ms) and send some frames ahead.",
        _PACE_PYTHON,
        _PACE_NODE,
    ),
    Rule(
        "VS205",
        _NOTE,
        "audio comes faster than real time: {ahead_s} s of it wait, and {capacity_s} s fit",
        "Sending ahead is allowed and what fits is played in time; what doesn't fit may be lost, and a barge-in must "
        "clear it.",
        "Stay a second or two ahead, and ask with notify when it has been played.",
        _PACE_PYTHON,
        _PACE_NODE,
    ),
    Rule(
        "VS206",
        _NOTE,
        "audio comes in bursts, about {burst_ms} ms of it each {period_ms} ms",
        "Pieces of a TTS stream or a large timer step are sent at once. Without a lead each late burst is a gap.",
        "Spread the frames over time, some frames ahead.",
        _PACE_PYTHON,
        _PACE_NODE,
        promised=False,
    ),
    Rule(
        "VS207",
        _NOTE,
        "no audio came in {seconds} s",
        "Right for a recorder or a transcriber. Otherwise the handler may wait for something, or send to another socket.",
        "When something should be heard, send binary messages of exactly one frame.",
        """
    async for message in ws:
        if isinstance(message, bytes):
            await ws.send(message)        # an echo
        """,
        """
    ws.on("message", (data, isBinary) => { if (isBinary) ws.send(data); });   // an echo
        """,
    ),
)

_PROTOCOL: Final = (
    Rule(
        "VS301",
        _WARNING,
        "a text message isn't JSON: {reason}",
        "Text messages are JSON objects, both ways; audio goes in binary messages.",
        "Send json.dumps(…) or JSON.stringify(…) of an object, and audio as bytes.",
        """
    await ws.send(json.dumps({"action": "clear"}))
        """,
        """
    ws.send(JSON.stringify({ action: "clear" }));
        """,
    ),
    Rule(
        "VS302",
        _WARNING,
        "no websocket:connected message within {waited_ms} ms: {rate_hz} Hz is assumed",
        "The first message names the audio's content type; some clients of old, and test programs, leave it out.",
        "Send it before any audio.",
        """
    await ws.send(json.dumps({"event": "websocket:connected", "content-type": "audio/l16;rate=16000"}))
        """,
        """
    ws.send(JSON.stringify({ event: "websocket:connected", "content-type": "audio/l16;rate=16000" }));
        """,
    ),
    Rule(
        "VS303",
        _WARNING,
        "a second websocket:connected message; its format is ignored",
        "A leg has one format for all of its life. Two answers to one call can put two senders on one socket.",
        "Send it once for each socket.",
        """
    if not connected_sent:
        await ws.send(connected_text); connected_sent = True
        """,
        """
    if (!connectedSent) { ws.send(connectedText); connectedSent = true; }
        """,
        promised=False,
    ),
    Rule(
        "VS304",
        _ERROR,
        "the content type {reason} {rate_hz} Hz is assumed",
        "Vonage's Voice API carries audio/l16 at 8000, 16000 or 24000 Hz and nothing else.",
        "Write the content type in the NCCO in this form, without spaces.",
        _ENDPOINT_PYTHON,
        _ENDPOINT_NODE,
    ),
    Rule(
        "VS305",
        _WARNING,
        "a command that the platform doesn't know is ignored: {reason}",
        "The platform knows two commands, clear and notify. Hanging up is closing the socket; keys, mute and transfer are "
        "the REST API's.",
        "Send only what is documented.",
        """
    await ws.send(json.dumps({"action": "clear"}))
    await ws.send(json.dumps({"action": "notify", "payload": {"id": 1}}))
        """,
        """
    ws.send(JSON.stringify({ action: "clear" }));
    ws.send(JSON.stringify({ action: "notify", payload: { id: 1 } }));
        """,
    ),
    Rule(
        "VS306",
        _ERROR,
        "a command can't be carried out: {reason}",
        "notify needs a payload, and it must be an object; it comes back when the audio so far has been played.",
        "Give it one.",
        """
    await ws.send(json.dumps({"action": "notify", "payload": {"id": 1}}))
        """,
        """
    ws.send(JSON.stringify({ action: "notify", payload: { id: 1 } }));
        """,
    ),
    Rule(
        "VS307",
        _ERROR,
        "a behaviour failed and the call was closed: {reason}",
        "Code of yours raised an exception in one of its methods; other calls go on.",
        "Run vsock with --debug, or your behaviour under vonage_sock.testing.run_call, to see where.",
        """
    transcript = run_call(platform, CallSession("c1", [MyBehaviour()], assumed_format=FORMAT, now=0), clock=clock)
        """,
        """
    ws.on("error", (error) => console.error(error));
        """,
    ),
    Rule(
        "VS308",
        _WARNING,
        "the connection was lost without a close frame (1006)",
        "The other program ended or crashed, a proxy cut an idle connection, or a frame of the wrong size ended the leg.",
        "Close with a code, and look at the program's own log around that time; send pings through proxies.",
        _CLOSE_PYTHON,
        _CLOSE_NODE,
    ),
    Rule(
        "VS309",
        _NOTE,
        "the socket was closed without a code (1005)",
        "A close frame may come without a code; then nobody can tell a normal end from a fault.",
        "Close with 1000 when all is well and 1011 after a fault of your own.",
        _CLOSE_PYTHON,
        _CLOSE_NODE,
        promised=False,
    ),
    Rule(
        "VS310",
        _NOTE,
        "our close frame ({close_code}) was not answered: the other side left the socket open",
        "The other side doesn't read, or its loop is blocked. Its handlers of finished calls may pile up.",
        "Read until the end of the socket, and end everything that belongs to the call there.",
        """
    try:
        async for message in ws: ...
    finally:
        sender.cancel()
        """,
        """
    ws.on("close", () => clearInterval(sender));
        """,
        promised=False,
    ),
    Rule(
        "VS311",
        _ERROR,
        "the rules of WebSocket were broken and the socket was closed with {close_code}: {reason}",
        "A frame with reserved bits, an unknown opcode, text that is not UTF-8 or the like: bytes were written that are no "
        "WebSocket frames, or audio was sent as a text message.",
        "Let a WebSocket library frame what is sent, and send audio as binary messages.",
        """
    await ws.send(bytes(frame))     # bytes: a binary message; str: a text message
        """,
        """
    ws.send(Buffer.from(frame));    // a Buffer: a binary message; a string: a text message
        """,
    ),
    Rule(
        "VS312",
        _NOTE,
        "a command was ignored, as the platform of 2021 ignores all text",
        "clear and notify came after 2022. You asked for the older platform, which knows neither.",
        "Expect no answer to clear and notify there; reckon from what was sent when audio has been played.",
        """
    played_at = started_at + frames_sent * 0.02
        """,
        """
    const playedAt = startedAt + framesSent * 20;
        """,
    ),
    Rule(
        "VS313",
        _WARNING,
        "a message of {size} bytes came in {fragments} fragments",
        "One message was sent piece by piece, as libraries do that are given a stream or an iterable. A client of "
        "Vonage's was seen to ignore such messages.",
        "Give the library each frame as one piece.",
        """
    await ws.send(b"".join(pieces))       # not: await ws.send(pieces)
        """,
        """
    ws.send(Buffer.concat(pieces));       // not: ws.send(piece, { fin: false })
        """,
        promised=False,
    ),
    Rule(
        "VS314",
        _ERROR,
        "the server uses what nobody offered: {reason}",
        "Vonage offers neither compression nor a subprotocol when it opens a socket, and a client has to end the connection "
        "when the server takes one all the same.",
        "Turn compression off in the server, or leave it to a library to answer what was offered.",
        """
    websockets.serve(handler, compression=None, subprotocols=None)
        """,
        """
    new WebSocketServer({ port: 8000, perMessageDeflate: false });
        """,
    ),
    Rule(
        "VS315",
        _WARNING,
        "a ping was not answered within {waited_s} s",
        "The other side doesn't read its socket, its loop is blocked, or it writes WebSocket frames by hand. It won't see "
        "the end of a call either.",
        "Read until the end of the socket, beside what is sent; a library answers pings while it is read from.",
        """
    sender = asyncio.create_task(play(ws))
    async for message in ws: ...          # reading answers the pings
        """,
        """
    ws.on("ping", (data) => ws.pong(data));   // the ws package does so by itself
        """,
        promised=False,
    ),
    Rule(
        "VS316",
        _WARNING,
        "{frames} frames of audio came after our close frame, up to {late_ms} ms after it, and no answer to it",
        "Whatever sends the audio doesn't know that the call is over: it isn't stopped where the socket's end is seen.",
        "End the sender with the socket.",
        """
    try:
        async for message in ws: ...
    finally:
        sender.cancel()
        """,
        """
    ws.on("close", () => clearInterval(sender));
        """,
        promised=False,
    ),
    Rule(
        "VS317",
        _NOTE,
        "the server didn't notice within {seconds} s that the other end was gone",
        "A cable that is cut closes nothing. Without pings of its own a server keeps such calls for as long as it runs.",
        "Ping now and then, and end a call whose pong doesn't come for a minute.",
        """
    websockets.serve(handler, ping_interval=20, ping_timeout=20)
        """,
        """
    const timer = setInterval(() => (alive ? ((alive = false), ws.ping()) : ws.terminate()), 20_000);
    ws.on("pong", () => { alive = true; });
        """,
        promised=False,
    ),
    Rule(
        "VS318",
        _WARNING,
        "the server closed the socket {after_ms} ms into the call, without a word",
        "The handler returned or failed as soon as the socket was open: with most frameworks the socket ends with it.",
        "Stay in the handler until the call is over; to refuse a call, close with a code that says so (1008, 1013, 4000 to "
        "4999).",
        """
    async for message in ws:              # until the caller hangs up
        await handle(message)
        """,
        """
    ws.on("message", (data, isBinary) => handle(data, isBinary));
    ws.on("error", (error) => console.error(error));
        """,
        promised=False,
    ),
    Rule(
        "VS319",
        _NOTE,
        "a notify was ignored: {most:,} are waiting for their audio already",
        "Each notify waits until what was sent before it has been played, and far more of them came than pieces of audio.",
        "Send one notify behind each utterance, and wait for its answer before there are hundreds.",
        """
    await ws.send(json.dumps({"action": "notify", "payload": {"utterance": n}}))   # once an utterance
        """,
        """
    ws.send(JSON.stringify({ action: "notify", payload: { utterance: n } }));      // once an utterance
        """,
        promised=False,
    ),
    Rule(
        "VS325",
        _ERROR,
        "too many {what} came: more than {per_s} a second for long, and {burst} at once: the socket was closed with 1008",
        "A call's audio is 50 messages a second. Something sends faster than anybody speaks: a file without pacing, a loop "
        "without a pause, very small pieces, or somebody who means harm.",
        "Send a frame each 20 ms; raise --max-messages-per-s or --max-messages-burst where that much is meant.",
        _PACE_PYTHON,
        _PACE_NODE,
        promised=False,
    ),
    Rule(
        "VS326",
        _WARNING,
        "not one message came within {waited_s} s of the upgrade: the socket was closed with 1008",
        "Whoever opened the socket said nothing: a port scanner, a monitor, or a client that waits for us to begin.",
        "Send websocket:connected as soon as the socket is open; where more time is meant, use --first-message-within.",
        """
    async with connect(url) as ws:
        await ws.send(json.dumps({"event": "websocket:connected", "content-type": "audio/l16;rate=16000"}))
        """,
        """
    ws.on("open", () => ws.send(JSON.stringify({ event: "websocket:connected", "content-type": "audio/l16;rate=16000" })));
        """,
        promised=False,
    ),
)

_WEBHOOKS: Final = (
    Rule(
        "VS401",
        _ERROR,
        "the answer URL gave HTTP {status} instead of 200",
        "Anything but 200 ends the call, after the fallback URL was tried.",
        "Answer GET and POST on that path with 200 and an NCCO.",
        _ANSWER_PYTHON,
        _ANSWER_NODE,
    ),
    Rule(
        "VS402",
        _ERROR,
        "the NCCO {reason}",
        "An NCCO is a JSON array of objects, each with an action. The platform posts an error event and ends the call.",
        "Let a JSON library write it: double quotes, no trailing comma, [ ] around it.",
        _ANSWER_PYTHON,
        _ANSWER_NODE,
    ),
    Rule(
        "VS403",
        _WARNING,
        "the answer has content type {content_type!r}; application/json is expected",
        "The NCCO was sent as text or HTML.",
        "Use the framework's own JSON answer.",
        _ANSWER_PYTHON,
        _ANSWER_NODE,
    ),
    Rule(
        "VS405",
        _WARNING,
        "the event URL gave HTTP {status} to {event}; 200 to 205 is expected",
        "Events that fail are sent again or lost.",
        "Answer 204 first and work afterwards.",
        _EVENT_PYTHON,
        _EVENT_NODE,
    ),
    Rule(
        "VS406",
        _WARNING,
        "action {number} of the NCCO, {action!r}, is unknown and skipped",
        "A typo, or an action of another product (there is no hangup: with no action left the call ends).",
        "Use talk, stream, record, input, wait, notify, conversation, connect or transfer.",
        _ANSWER_PYTHON,
        _ANSWER_NODE,
        promised=False,
    ),
    Rule(
        "VS407",
        _WARNING,
        "the answer URL took {took_ms} ms; the platform gives up after {limit_ms} ms",
        "The caller hears nothing until the NCCO is there; databases, cold starts and other services make it slow.",
        "Answer at once and do the work when the socket connects.",
        _ANSWER_PYTHON,
        _ANSWER_NODE,
    ),
    Rule(
        "VS408",
        _WARNING,
        "the event URL can't be reached for {event}: {reason}",
        "The address is wrong, or nothing listens there.",
        "Give the address that the platform can reach, and answer POST there.",
        _EVENT_PYTHON,
        _EVENT_NODE,
    ),
    Rule(
        "VS409",
        _NOTE,
        "the NCCO has no connect to a websocket",
        "Without one no audio comes to your server.",
        "Add a connect action with an endpoint of type websocket.",
        _ANSWER_PYTHON,
        _ANSWER_NODE,
    ),
    Rule(
        "VS410",
        _WARNING,
        "a webhook can't be read: {reason}",
        "What came to a webhook's path isn't JSON, a form or a query, or is far too long.",
        "Look at who calls this path; Vonage posts JSON.",
        _EVENT_PYTHON,
        _EVENT_NODE,
    ),
    Rule(
        "VS411",
        _ERROR,
        "headers take {size} bytes as JSON and Vonage allows {limit}",
        "The metadata of a websocket endpoint may hold 512 bytes in all.",
        "Pass a key, and look the rest up when the socket connects.",
        """
    endpoint["headers"] = {"call": call_id}
        """,
        """
    endpoint.headers = { call: callId };
        """,
    ),
    Rule(
        "VS412",
        _ERROR,
        "the uri has {scheme} as its scheme and must begin with wss://",
        "A websocket's address begins with wss://; that of the web page it stands beside doesn't work.",
        "Write wss:// and the host by which the platform reaches you.",
        _ENDPOINT_PYTHON,
        _ENDPOINT_NODE,
    ),
    Rule(
        "VS413",
        _WARNING,
        "the uri is plain ws://: the call's audio travels unencrypted, and Vonage's present guide asks for wss://",
        "The address was built from what a proxy's inner side saw, or TLS was left out.",
        "Serve TLS, by the proxy or tunnel in front, and write wss://.",
        _ENDPOINT_PYTHON,
        _ENDPOINT_NODE,
    ),
    Rule(
        "VS414",
        _WARNING,
        "content-type {reason}",
        "Some of Vonage's clients compare the content type letter by letter.",
        "Write audio/l16;rate=16000, without spaces.",
        _ENDPOINT_PYTHON,
        _ENDPOINT_NODE,
        promised=False,
    ),
    Rule(
        "VS415",
        _ERROR,
        "the content-type can't be used: {reason}",
        "Vonage's Voice API carries audio/l16 at 8000, 16000 or 24000 Hz and nothing else.",
        "Write audio/l16;rate=16000, and resample on your side.",
        _ENDPOINT_PYTHON,
        _ENDPOINT_NODE,
    ),
    Rule(
        "VS416",
        _ERROR,
        "{field} is a text and must be an array of one address",
        "A text in its place is a syntax error to the platform, and the call ends.",
        "Put [ ] around it.",
        """
    {"action": "connect", "eventUrl": ["https://example.com/event"]}
        """,
        """
    ({ action: "connect", eventUrl: ["https://example.com/event"] });
        """,
    ),
    Rule(
        "VS417",
        _NOTE,
        "what stands behind connect is done only when its socket has closed",
        "Actions are done one after the other, and a connect ends with its leg.",
        "Put what shall be heard first in front of it; leave the rest when it is meant for afterwards.",
        """
    ncco = [{"action": "talk", "text": "One moment."}, connect]
        """,
        """
    const ncco = [{ action: "talk", text: "One moment." }, connect];
        """,
    ),
    Rule(
        "VS418",
        _WARNING,
        "the field {field!r} isn't known here{hint}",
        "A typo, another spelling, or a field of another action; it may be ignored or refused.",
        "Spell it as in the NCCO reference; letters' case counts.",
        """
    {"action": "record", "timeOut": 30}   # not timeout, not time_out
        """,
        """
    ({ action: "record", timeOut: 30 });  // not timeout
        """,
        promised=False,
    ),
    Rule(
        "VS419",
        _ERROR,
        "the field {field!r} is missing",
        "The action can't be done without it.",
        "Add it.",
        _ANSWER_PYTHON,
        _ANSWER_NODE,
    ),
    Rule(
        "VS420",
        _ERROR,
        "the field {field!r} is {found} and must be {wanted}",
        "A value of another type is a syntax error to the platform, and the call ends.",
        "Give it the type of the NCCO reference; phone numbers are texts.",
        """
    {"type": "phone", "number": "447700900001"}   # a text, without +
        """,
        """
    ({ type: "phone", number: "447700900001" });  // a text, without +
        """,
    ),
    Rule(
        "VS421",
        _WARNING,
        "the field {field!r} is {found} and should be {wanted}",
        "The value lies outside of what is documented.",
        "Give it a documented value.",
        """
    {"action": "wait", "timeout": 0.5}    # 0.1 to 7200 seconds
        """,
        """
    ({ action: "wait", timeout: 0.5 });   // 0.1 to 7200 seconds
        """,
    ),
    Rule(
        "VS422",
        _WARNING,
        "the event URL answers {event} with an NCCO, which is ignored: the connect isn't synchronous",
        "Only with eventType synchronous does the platform carry out what an event is answered with.",
        "Add it to the connect action.",
        """
    connect |= {"eventType": "synchronous", "eventUrl": ["https://example.com/event"]}
        """,
        """
    Object.assign(connect, { eventType: "synchronous", eventUrl: ["https://example.com/event"] });
        """,
    ),
    Rule(
        "VS423",
        _WARNING,
        "the event URL's answer to {event} would be run as an NCCO and is none: it {reason}",
        "With eventType synchronous a body in the answer takes the place of the NCCO; OK or {} there gives an error event.",
        "Answer 204 without a body unless you mean an NCCO.",
        _EVENT_PYTHON,
        _EVENT_NODE,
        promised=False,
    ),
    Rule(
        "VS424",
        _WARNING,
        "{field!r} and {other!r} exclude one another",
        "The NCCO reference allows only one of the two.",
        "Leave one of them out.",
        """
    connect["from"] = "447700900001"      # or randomFromNumber, not both
        """,
        """
    connect.from = "447700900001";        // or randomFromNumber, not both
        """,
    ),
    Rule(
        "VS425",
        _ERROR,
        "a websocket of the NCCO can't be opened: {reason}",
        "The server wasn't there, refused the upgrade, or took too long; the next action is carried out.",
        "Accept the upgrade on that path, or send a fallback NCCO to the failed event.",
        """
    @app.websocket("/socket")             # the path of the uri in the NCCO
    async def socket(ws: WebSocket):
        await ws.accept()
        """,
        """
    const wss = new WebSocketServer({ server, path: "/socket" });   // the path of the uri in the NCCO
    wss.on("connection", (ws) => ws.on("message", handle));
        """,
    ),
    Rule(
        "VS426",
        _WARNING,
        "what is streamed can't be played: {reason}",
        "The file isn't there, isn't audio, or is far too long; the caller hears nothing of it.",
        "Serve an MP3 or WAV file with 200 at an address that the platform reaches.",
        """
    {"action": "stream", "streamUrl": ["https://example.com/welcome.mp3"]}
        """,
        """
    ({ action: "stream", streamUrl: ["https://example.com/welcome.mp3"] });
        """,
    ),
    Rule(
        "VS427",
        _WARNING,
        "the call has taken {most} NCCOs, and no more are taken",
        "Each event is answered with an NCCO that leads to another such event, for ever.",
        "Count the tries of a menu, and answer with a talk that says goodbye.",
        _EVENT_PYTHON,
        _EVENT_NODE,
        promised=False,
    ),
    Rule(
        "VS428",
        _WARNING,
        "the event URL took {took_ms} ms for {event}",
        "Events are posted one after the other beside the call: what one takes, all behind it come later.",
        "Answer 204 first and work afterwards.",
        _EVENT_PYTHON,
        _EVENT_NODE,
        promised=False,
    ),
    Rule(
        "VS429",
        _NOTE,
        "the headers hold {name!r}, which websocket:connected has for itself",
        "The headers of the endpoint are laid beside event and content-type in the first message; one name can't be both.",
        "Give it another name.",
        """
    endpoint["headers"] = {"my-event": name}
        """,
        """
    endpoint.headers = { "my-event": name };
        """,
        promised=False,
    ),
    Rule(
        "VS440",
        _WARNING,
        "a webhook was refused with 401: its request {reason}",
        "Somebody else than Vonage asked, the signature secret is another one, or a clock is wrong. A token is good once, "
        "for five minutes.",
        "Give the signature secret of the dashboard's API settings, switch signed webhooks on in the application, and set "
        "the clock.",
        _VERIFY_PYTHON,
        _VERIFY_NODE,
    ),
    Rule(
        "VS441",
        _WARNING,
        "a socket was refused with 401: its request {reason}",
        "Once the address is public, a socket must show what the NCCO of this run asks for; anybody may find the address.",
        "Let the call fetch this server's NCCO anew. For clients made by hand give --no-auth, or leave the public address "
        "away.",
        """
    endpoint["authorization"] = {"type": "custom", "value": f"Bearer {token}"}   # or {"type": "vonage"}, signed
        """,
        """
    endpoint.authorization = { type: "custom", value: `Bearer ${token}` };       // or { type: "vonage" }, signed
        """,
    ),
    Rule(
        "VS442",
        _WARNING,
        "a socket was refused with 403: a web page asks for it (Origin {origin})",
        "Browsers send an Origin, and let any page open a socket to any address, also on your own machine. Vonage is no "
        "browser.",
        "If the page is yours, name it: --allow-origin https://example.com.",
        """
    websockets.serve(handler, origins=[None])          # None: clients that send no Origin
        """,
        """
    new WebSocketServer({ server, verifyClient: ({ origin }) => !origin });
        """,
        promised=False,
    ),
    Rule(
        "VS443",
        _WARNING,
        "a request was refused with 421: it is for {host}, and the public address is {public}",
        "The tunnel has another name than the one that was given, or somebody lets a name of theirs lead to your address.",
        "If the name is yours, give it: --url https://that.name.",
        """
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["example.com"])
        """,
        """
    app.use((req, res, next) => (req.hostname === "example.com" ? next() : res.sendStatus(421)));
        """,
        promised=False,
    ),
)

_REACHABILITY: Final = (
    Rule(
        "VS501",
        _ERROR,
        "the answer URL can't be reached: {reason}",
        "Nothing listens there, a name or a certificate is wrong, or a firewall stands between.",
        "Open the address with curl from another network; tunnels must be running.",
        """
    uvicorn.run(app, host="0.0.0.0", port=8000)   # and: ngrok http 8000
        """,
        """
    app.listen(8000, "0.0.0.0");          // and: ngrok http 8000
        """,
    ),
    Rule(
        "VS502",
        _NOTE,
        "{host} is an address of this machine or network, which Vonage can't reach",
        "The address was built from what the server saw of itself.",
        "Build it from X-Forwarded-Host when behind a tunnel or proxy, or set it.",
        _ENDPOINT_PYTHON,
        _ENDPOINT_NODE,
    ),
    Rule(
        "VS503",
        _WARNING,
        "after the drill the server takes no new call: {reason}",
        "It ended with the call that broke, still holds that call's place, or was made for one call only.",
        "Let one call's failure end that call and nothing else.",
        """
    try:
        await handle(ws)
    except ConnectionError:
        log.warning("the caller is gone")
        """,
        """
    ws.on("error", (error) => console.warn("the caller is gone", error));
        """,
        promised=False,
    ),
)


def _tidy(rule: Rule) -> Rule:
    return Rule(
        rule.code,
        rule.level,
        rule.message,
        rule.cause,
        rule.cure,
        dedent(rule.python.rstrip()).strip("\n"),
        dedent(rule.node.rstrip()).strip("\n"),
        rule.promised,
    )


CATALOGUE: Final = {rule.code: _tidy(rule) for rule in (*_AUDIO, *_PACING, *_PROTOCOL, *_WEBHOOKS, *_REACHABILITY)}
