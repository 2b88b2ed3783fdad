// Two ways into a room with one face: start(microphone), send(message), close(); events come to `on`.
const HZ = 24000;
// The server's engine may have to start first; a network that lets nothing through shows sooner.
const CONNECT_MS = 30000, NETWORK_MS = 12000;

// The token's addresses as this page reaches them: the server may know itself by another name.
export function fromHere(token) {
  for (const way of token.transports) {
    if (way.offer_url) way.offer_url = new URL(way.offer_url).pathname;
    if (way.type === "websocket") way.url = location.origin.replace(/^http/, "ws") + new URL(way.url).pathname;
  }
  return token;
}

// A room that is open. Throws when it does not open in time; it is closed then.
export async function opened(room, microphone) {
  let late;
  const timeout = new Promise((_, failed) => { late = setTimeout(() => failed(unreachable()), CONNECT_MS); });
  try {
    await Promise.race([room.start(microphone), timeout]);
    return room;
  } catch (error) {
    room.on = () => {};
    try { room.close(); } catch { /* it never opened */ }
    throw error;
  } finally {
    clearTimeout(late);
  }
}

const unreachable = () => new Error("The room cannot be reached.");

export class SocketRoom {
  constructor(token, on) { this.token = token; this.on = on; }
  async start(microphone) {
    const way = this.token.transports.find((each) => each.type === "websocket");
    this.context = new AudioContext({ sampleRate: HZ });
    await this.context.audioWorklet.addModule("/playground/sound.js");
    this.player = new AudioWorkletNode(this.context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    this.player.connect(this.context.destination);
    this.socket = new WebSocket(`${way.url}?token=${encodeURIComponent(this.token.token)}`, [way.subprotocol]);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => {
      if (typeof data !== "string") { this.player.port.postMessage(data, [data]); return; }
      const event = JSON.parse(data);
      if (event.type === "clear") this.player.port.postMessage("clear");
      this.on(event);
    };
    this.socket.onclose = ({ code, reason }) => this.on({ type: "closed", code, reason });
    await new Promise((done, failed) => { this.socket.onopen = done; this.socket.onerror = () => failed(unreachable()); });
    this.send({ type: "start", formats: { input: `pcm16@${HZ}`, output: `pcm16@${HZ}` } });
    if (microphone) {
      this.taker = new AudioWorkletNode(this.context, "taker");
      this.taker.port.onmessage = ({ data }) => { if (this.socket.readyState === 1) this.socket.send(data); };
      this.context.createMediaStreamSource(microphone).connect(this.taker);
    }
  }
  send(message) { if (this.socket.readyState === 1) this.socket.send(JSON.stringify(message)); }
  close() { this.send({ type: "stop" }); this.socket.close(); this.context.close(); }
}

export class PeerRoom {
  constructor(token, on) { this.token = token; this.on = on; }
  async start(microphone) {
    const way = this.token.transports.find((each) => each.type === "webrtc");
    this.peer = new RTCPeerConnection({ iceServers: way.ice_servers });
    this.audio = new Audio();
    this.peer.ontrack = ({ streams, track }) => { this.audio.srcObject = streams[0] || new MediaStream([track]); this.audio.play(); };
    this.peer.onconnectionstatechange = () => {
      if (["failed", "disconnected", "closed"].includes(this.peer.connectionState)) this.on({ type: "closed", reason: this.peer.connectionState });
    };
    if (microphone) microphone.getAudioTracks().forEach((track) => this.peer.addTrack(track, microphone));
    else this.peer.addTransceiver("audio", { direction: "recvonly" });
    this.channel = this.peer.createDataChannel("events");
    this.channel.onmessage = ({ data }) => this.on(JSON.parse(data));
    const open = new Promise((done) => { this.channel.onopen = done; });
    open.then(() => clearTimeout(this.late));
    await this.peer.setLocalDescription(await this.peer.createOffer());
    await gathered(this.peer);
    const answer = await fetch(way.offer_url, {
      method: "POST", headers: { "content-type": "application/json" },
      body: JSON.stringify({ sdp: this.peer.localDescription.sdp, token: this.token.token }),
    });
    const body = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(body.message), { status: answer.status });
    await this.peer.setRemoteDescription({ type: "answer", sdp: body.sdp });
    const closed = new Promise((_, failed) => { this.late = setTimeout(() => failed(unreachable()), NETWORK_MS); });
    await Promise.race([open, closed]);
    this.on({ type: "ready" });
  }
  send(message) { if (this.channel.readyState === "open") this.channel.send(JSON.stringify(message)); }
  close() { if (this.channel) this.send({ type: "stop" }); setTimeout(() => this.peer.close(), 100); this.audio.pause(); }
}

// On one machine or network the own addresses are known at once; waiting for more only delays the call.
function gathered(peer) {
  return new Promise((done) => {
    if (peer.iceGatheringState === "complete") { done(); return; }
    peer.addEventListener("icegatheringstatechange", () => { if (peer.iceGatheringState === "complete") done(); });
    setTimeout(done, 500);
  });
}
