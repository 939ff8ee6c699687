// The page: a socket to the server, the loudspeaker, the microphone, and what is to be seen.
// Text messages are JSON; binary ones are 16-bit little-endian PCM at the call's rate.

const FRAMES_SHOWN = 250;
const WRONG_KEY = 4001;

const element = (id) => document.getElementById(id);
const buttons = { hear: element("hear"), speak: element("speak"), hangUp: element("hang-up") };
const levels = [];
let socket = null;
let call = null;
let wantsToHear = false;
let listened = 0;
let speaker = null;
let microphone = null;

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/listen`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => socket.send(location.hash.slice(1));
  socket.onmessage = ({ data }) => (typeof data === "string" ? told(JSON.parse(data)) : heard(data));
  socket.onclose = ({ code }) => {
    showCalls({ calls: [], listening: null });
    if (code === WRONG_KEY) {
      say("The key in this page's address isn't the server's. Open the address that the server printed.");
    } else {
      say("The server is gone; trying again …");
      setTimeout(connect, 1000);
    }
  };
}

function told(message) {
  if (message.calls) showCalls(message);
  if (message.key) element("keys").value = (call.keys += message.key);
}

function showCalls({ calls, listening }) {
  const chosen = calls.find(({ id }) => id === listening) ?? null;
  if (chosen?.id !== call?.id) {
    call = chosen && { ...chosen, keys: "" };
    element("keys").value = "none yet";
    stopSpeaking();
    listen();
  }
  element("calls").replaceChildren(...calls.map(callButton));
  buttons.hangUp.disabled = buttons.speak.disabled = call === null;
  say(call ? `${call.from} is on the line, at ${call.rate_hz / 1000} kHz.` : "Nobody calls.");
}

function callButton({ id, from }) {
  const button = document.createElement("button");
  button.textContent = `${from} (${id})`;
  button.setAttribute("aria-pressed", id === call?.id);
  button.onclick = () => socket.send(JSON.stringify({ listen: id }));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function say(text) {
  element("state").textContent = text;
}

// Listening.

function heard(buffer) {
  const samples = new Int16Array(buffer);
  levels.push(Math.max(...samples.map(Math.abs)) / 32768);
  levels.splice(0, levels.length - FRAMES_SHOWN);
  speaker?.node.port.postMessage(samples);
}

async function listen() {
  speaker?.context.close();
  speaker = null;
  const number = ++listened;
  if (!call || !wantsToHear) return;
  const context = new AudioContext({ sampleRate: call.rate_hz });
  await context.audioWorklet.addModule("page/audio.js");
  if (number !== listened) return void context.close(); // somebody was quicker
  const node = new AudioWorkletNode(context, "speaker", { numberOfInputs: 0 });
  node.connect(context.destination);
  speaker = { context, node };
}

buttons.hear.onclick = () => {
  wantsToHear = !wantsToHear;
  buttons.hear.setAttribute("aria-pressed", wantsToHear);
  listen();
};

// Speaking.

async function startSpeaking() {
  const rate = call.rate_hz;
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } });
  const context = new AudioContext();
  await context.audioWorklet.addModule("page/audio.js");
  // Half the call's rate is the highest pitch that it can carry: what is above would come back as another.
  const filters = [0, 1].map(() => new BiquadFilterNode(context, { type: "lowpass", frequency: 0.42 * rate }));
  const node = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0, processorOptions: { rate } });
  node.port.onmessage = ({ data }) => socket.readyState === WebSocket.OPEN && socket.send(data);
  context.createMediaStreamSource(stream).connect(filters[0]).connect(filters[1]).connect(node);
  microphone = { context, stream };
  buttons.speak.setAttribute("aria-pressed", true);
}

function stopSpeaking() {
  microphone?.stream.getTracks().forEach((track) => track.stop());
  microphone?.context.close();
  microphone = null;
  buttons.speak.setAttribute("aria-pressed", false);
}

buttons.speak.onclick = () => (microphone ? stopSpeaking() : startSpeaking().catch(({ message }) => say(message)));
buttons.hangUp.onclick = () => socket.send(JSON.stringify({ hang_up: true }));

// What is to be seen.

function draw() {
  const canvas = element("wave");
  const { width, height } = canvas;
  const pen = canvas.getContext("2d");
  const step = width / FRAMES_SHOWN;
  pen.clearRect(0, 0, width, height);
  pen.fillStyle = getComputedStyle(canvas).color;
  levels.forEach((level, at) => {
    const tall = Math.max(2, Math.sqrt(level) * height);
    pen.fillRect(width - (levels.length - at) * step, (height - tall) / 2, step - 1, tall);
  });
  requestAnimationFrame(draw);
}

connect();
draw();
