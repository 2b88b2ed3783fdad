// Runs on the audio thread: takes the microphone in pieces of 20 ms, plays what comes and forgets it on demand.
class Taker extends AudioWorkletProcessor {
  constructor() { super(); this.held = []; this.size = 0; this.want = Math.round(sampleRate * 0.02); }
  process([input]) {
    if (input[0]) { this.held.push(input[0].slice()); this.size += input[0].length; }
    while (this.size >= this.want) this.give();
    return true;
  }
  give() {
    const all = new Float32Array(this.size); let at = 0;
    for (const part of this.held) { all.set(part, at); at += part.length; }
    const out = new Int16Array(this.want);
    for (let i = 0; i < this.want; i++) out[i] = Math.max(-1, Math.min(1, all[i])) * 32767;
    this.held = [all.slice(this.want)]; this.size -= this.want;
    this.port.postMessage(out.buffer, [out.buffer]);
  }
}
class Player extends AudioWorkletProcessor {
  constructor() {
    super(); this.queue = []; this.at = 0; this.waiting = 0; this.playing = false;
    this.lead = Math.round(sampleRate * 0.06);
    this.port.onmessage = ({ data }) => {
      if (data === "clear") { this.queue = []; this.at = 0; this.waiting = 0; this.playing = false; return; }
      const sound = new Int16Array(data); this.queue.push(sound); this.waiting += sound.length;
    };
  }
  process(_, [[out]]) {
    if (!this.playing && this.waiting >= this.lead) this.playing = true;
    for (let i = 0; i < out.length; i++) {
      if (!this.playing || !this.queue.length) { out[i] = 0; this.playing = this.playing && this.queue.length > 0; continue; }
      out[i] = this.queue[0][this.at++] / 32768; this.waiting--;
      if (this.at >= this.queue[0].length) { this.queue.shift(); this.at = 0; }
    }
    return true;
  }
}
registerProcessor("taker", Taker);
registerProcessor("player", Player);
