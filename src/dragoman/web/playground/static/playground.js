import { fromHere, opened, PeerRoom, SocketRoom } from "./rooms.js";
import { build, collect, reset } from "./settings.js";

const $ = (id) => document.getElementById(id);
const STATES = { idle: "Not connected", connecting: "Connecting…", listening: "Listening", thinking: "Thinking", speaking: "Speaking" };
const WAYS = { webrtc: [PeerRoom], websocket: [SocketRoom], any: [PeerRoom, SocketRoom] };
const STAGES = [["vad", "end of speech"], ["stt", "transcript"], ["eou_delay", "end of turn"], ["llm_ttft", "first word"], ["tts_ttfb", "first sound"]];
// Each call has a number, so that one that was given up does not go on behind the page.
let number = 0, room = null, microphone = null, meter = null, open = null, said = null, citations = [];
// Everything that happened, for whoever wants to look behind the page.
window.playground = { events: [] };

build($("fields"));
$("key").value = sessionStorage.getItem("dragoman.key") || "";
$("key").addEventListener("change", () => sessionStorage.setItem("dragoman.key", $("key").value));
$("call").addEventListener("click", call);
$("hang-up").addEventListener("click", hangUp);
$("reset").addEventListener("click", () => reset($("fields")));
$("load").addEventListener("click", () => loadAgents().catch(failed));
$("interrupt").addEventListener("click", () => room?.send({ type: "interrupt" }));
$("mute").addEventListener("click", () => {
  const muted = $("mute").getAttribute("aria-pressed") !== "true";
  $("mute").setAttribute("aria-pressed", String(muted));
  microphone?.getAudioTracks().forEach((track) => { track.enabled = !muted; });
});
$("write").addEventListener("submit", (event) => {
  event.preventDefault();
  if ($("text").value.trim()) room?.send({ type: "text", text: $("text").value });
  $("text").value = "";
});
navigator.mediaDevices?.addEventListener("devicechange", listDevices);
listDevices();

function headers() {
  const key = $("key").value.trim();
  return { "content-type": "application/json", ...(key ? { authorization: `Bearer ${key}` } : {}) };
}

async function asked(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: headers() });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.message || body.error?.message || body.error || `The server answered ${answer.status}.`);
  return body;
}

async function loadAgents() {
  const stored = (await asked("/api/v1/playground/agents")).agents.map((agent) => [agent.id, agent.name]);
  const models = (await asked("/v1/models")).data.filter((model) => model.slug).map((model) => [model.id, model.slug]);
  $("agent").replaceChildren(new Option("None: a bare model", ""), ...[...stored, ...models].map(([id, name]) => new Option(name, id)));
}

async function listDevices() {
  if (!navigator.mediaDevices) return;
  const chosen = $("device").value;
  const found = (await navigator.mediaDevices.enumerateDevices()).filter((each) => each.kind === "audioinput" && each.deviceId);
  $("device").replaceChildren(new Option("Usual one", ""), ...found.map((each, n) => new Option(each.label || `Microphone ${n + 1}`, each.deviceId)));
  $("device").value = chosen;
}

async function listen() {
  if (!navigator.mediaDevices) return null;
  const id = $("device").value;
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...(id ? { deviceId: { exact: id } } : {}) },
    });
  } catch (error) {
    problem(`Without a microphone you can write (${error.message}).`);
    return null;
  }
}

async function allowed() {
  const wanted = { agent_config: collect($("fields")), platform: "web" };
  if ($("agent").value) wanted.agent_id = $("agent").value;
  return fromHere(await asked("/api/v1/playground/tokens", { method: "POST", body: JSON.stringify(wanted) }));
}

async function call() {
  hangUp();
  problem("");
  show("connecting");
  $("call").hidden = true; $("hang-up").hidden = $("mute").hidden = $("interrupt").hidden = false;
  const mine = ++number;
  try {
    await connect(() => mine === number);
  } catch (error) {
    if (mine === number) failed(error);
  }
}

// Where one way is closed by a network, another one may be open; the room of the first is still taken for a while.
async function connect(wanted) {
  const [heard, token] = await Promise.all([listen(), allowed()]);
  if (!wanted()) { heard?.getTracks().forEach((track) => track.stop()); return; }
  microphone = heard;
  if (token.warnings.length) problem(token.warnings.join(" · "));
  if (microphone) { watchLevel(microphone); listDevices(); }
  const ways = WAYS[$("transport").value];
  for (const [place, Way] of ways.entries()) {
    const tried = new Way(place ? await allowed() : token, (event) => { if (room === tried) happened(event); });
    if (!wanted()) return;
    room = tried;
    try {
      await opened(tried, microphone);
      if (wanted()) $("text").disabled = $("write").querySelector("button").disabled = false;
      return;
    } catch (error) {
      if (error.status || !wanted() || place === ways.length - 1) throw error;
    }
  }
}

function hangUp() {
  const ending = room;
  room = null;
  number++;
  if (ending) { try { ending.close(); } catch { /* it never opened */ } }
  microphone?.getTracks().forEach((track) => track.stop());
  microphone = null;
  meter?.close(); meter = null;
  $("level").value = 0;
  $("call").hidden = false; $("hang-up").hidden = $("mute").hidden = $("interrupt").hidden = true;
  $("text").disabled = $("write").querySelector("button").disabled = true;
  open = said = null;
  show("idle");
}

function failed(error) { hangUp(); problem(error.message); }

function happened(event) {
  window.playground.events.push({ ...event, seen: performance.now() });
  switch (event.type) {
    case "ready": show("listening"); break;
    case "state": show(event.state); break;
    case "transcript": heardText(event); break;
    case "citations": citations = event.citations; break;
    case "agent_text": saidText(event); break;
    case "agent_said": if (event.interrupted) cutShort(event.text); break;
    case "metrics": stages(event); break;
    case "error": problem(event.message); break;
    case "ended": hangUp(); break;
    case "closed": hangUp(); if ($("problem").hidden) problem("The connection was closed."); break;
  }
}

function line(kind) {
  const item = document.createElement("li");
  item.className = kind;
  $("transcript").append(item);
  item.scrollIntoView({ block: "end" });
  return item;
}

function heardText({ text, final }) {
  open ??= line("person open");
  open.textContent = text;
  if (final) { open.classList.remove("open"); open = null; problem(""); }
}

let latest = null;
function saidText({ delta, final }) {
  if (!said && !final) { said = latest = line("agent"); }
  if (said && delta) { said.append(delta); $("transcript").scrollTop = $("transcript").scrollHeight; }
  if (final && said) { if (citations.length) said.append(references()); citations = []; said = null; }
}

function references() {
  const box = document.createElement("details");
  box.append(Object.assign(document.createElement("summary"), { textContent: `${citations.length} source${citations.length > 1 ? "s" : ""}` }));
  for (const { number, name, page, text } of citations) {
    box.append(Object.assign(document.createElement("p"), { textContent: `[${number}] ${name}${page ? `, page ${page}` : ""}: ${text.slice(0, 300)}` }));
  }
  return box;
}

function cutShort(text) { if (latest) { latest.textContent = text; latest.classList.add("cut"); } }

function stages(event) {
  $("latency").hidden = false;
  $("total").textContent = `${Math.round(event.e2e * 1000)} ms`;
  const total = STAGES.reduce((sum, [name]) => sum + event[name], 0) || 1;
  $("bar").replaceChildren(...STAGES.map(([name], n) => {
    const part = document.createElement("span");
    part.className = `c${n}`;
    part.style.width = `${(100 * event[name]) / total}%`;
    return part;
  }));
  $("stages").replaceChildren(...STAGES.map(([name, label], n) => {
    const group = Object.assign(document.createElement("div"), { className: `c${n}` });
    group.append(Object.assign(document.createElement("dt"), { textContent: label }), Object.assign(document.createElement("dd"), { textContent: `${Math.round(event[name] * 1000)} ms` }));
    return group;
  }));
}

function watchLevel(stream) {
  meter = new AudioContext();
  const analyser = meter.createAnalyser();
  analyser.fftSize = 1024;
  meter.createMediaStreamSource(stream).connect(analyser);
  const values = new Float32Array(analyser.fftSize);
  const look = () => {
    if (!meter || meter.state === "closed") return;
    analyser.getFloatTimeDomainData(values);
    const rms = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    $("level").value = Math.min(1, rms * 6);
    requestAnimationFrame(look);
  };
  look();
}

function show(state) { $("state").dataset.state = state; $("state").textContent = STATES[state] || state; }
function problem(text) { $("problem").textContent = text; $("problem").hidden = !text; }
