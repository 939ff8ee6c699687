// What runs on the browser's audio thread.

const LEAD_S = 0.1; // waited for before playing, so that an uneven network isn't heard
const MOST_S = 0.5; // beyond that the oldest is dropped: a call is no recording
const FRAMES_PER_S = 50;

class Speaker extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = [];
    this.playing = false;
    this.port.onmessage = ({ data }) => {
      for (const sample of data) this.samples.push(sample / 32768);
      const over = this.samples.length - MOST_S * sampleRate;
      if (over > 0) this.samples.splice(0, over);
      if (this.samples.length >= LEAD_S * sampleRate) this.playing = true;
    };
  }

  process(_inputs, [[channel]]) {
    if (this.playing) {
      channel.set(this.samples.splice(0, channel.length));
      this.playing = this.samples.length > 0;
    }
    return true;
  }
}

// From the browser's rate to the call's, in frames of 20 ms. What the call can't carry is filtered out before.
class Microphone extends AudioWorkletProcessor {
  constructor({ processorOptions: { rate } }) {
    super();
    this.step = sampleRate / rate;
    this.at = 0; // of the next sample, counted from the first of this block; -1 is the last of the one before
    this.last = 0;
    this.frame = new DataView(new ArrayBuffer((2 * rate) / FRAMES_PER_S));
    this.filled = 0;
  }

  process([[channel]]) {
    if (!channel) return true;
    for (; this.at < channel.length - 1; this.at += this.step) {
      const before = Math.floor(this.at);
      const from = before < 0 ? this.last : channel[before];
      this.push(from + (channel[before + 1] - from) * (this.at - before));
    }
    this.at -= channel.length;
    this.last = channel[channel.length - 1];
    return true;
  }

  push(sample) {
    this.frame.setInt16(this.filled, 32767 * Math.max(-1, Math.min(1, sample)), true);
    this.filled += 2;
    if (this.filled === this.frame.byteLength) {
      this.port.postMessage(this.frame.buffer.slice(0));
      this.filled = 0;
    }
  }
}

registerProcessor("speaker", Speaker);
registerProcessor("microphone", Microphone);
