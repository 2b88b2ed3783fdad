// A call out of the chat: who talks is in the same session, so what is said appears in it.
import { html } from "htm/preact";
import { signal } from "@preact/signals";
import { fromHere, opened, PeerRoom, SocketRoom } from "../../playground/static/rooms.js";
import { info, problem, renew } from "./state.js";

// null: no call. Else how it stands, what the agent is saying, and whether the microphone is off.
const call = signal(null);
let room = null;
let microphone = null;

const says = (name) => info.value.culture[name];
const change = (how) => call.value && (call.value = { ...call.value, ...how });

export function CallButton({ client }) {
  if (!client.voiceCallsEnabled || !navigator.mediaDevices || call.value) return null;
  return html`<button type="button" class="quiet call-us" onClick=${begin}>${says("callLabel")}</button>`;
}

export function CallPanel() {
  if (!call.value) return null;
  const { state, caption, muted, trouble } = call.value;
  return html`
    <section class="call" aria-label=${says("callLabel")} data-state=${state}>
      <span class="pulse" aria-hidden="true"></span>
      <span class="how" role="status">${says(`${state}Label`)}</span>
      <span class="caption">${trouble || caption}</span>
      <button type="button" class="quiet" aria-pressed=${String(muted)} onClick=${mute}>${says("muteLabel")}</button>
      <button type="button" class="quiet hang-up" onClick=${hangUp}>${says("hangUpLabel")}</button>
    </section>`;
}

async function begin() {
  problem.value = "";
  call.value = { state: "connecting", caption: "", muted: false, trouble: "" };
  try {
    microphone = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
  } catch {
    return ended(says("microphoneLabel"));
  }
  for (const Way of window.RTCPeerConnection ? [PeerRoom, SocketRoom] : [SocketRoom]) {
    if (!call.value) return;
    const outcome = await tried(Way).catch((error) => error);
    if (outcome === true || !call.value) return;
    if (outcome.status) return ended(outcome.status === 429 ? says("limitLabel") : outcome.message || says("errorLabel"));
  }
  ended(says("errorLabel"));
}

// True once there is a connection; where there is none in time, another way may be open.
async function tried(Way) {
  const token = await allowed();
  const tries = new Way(token, (event) => room === tries && happened(event));
  room = tries;
  try {
    await opened(tries, microphone);
    return true;
  } catch (error) {
    room = null;
    throw error;
  }
}

async function allowed() {
  const answer = await fetch("/api/v1/playground/chat-calls", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ access_key: document.documentElement.dataset.key, language: info.value.culture.languageCode }),
  });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(body.message), { status: answer.status });
  return fromHere(body);
}

function happened(event) {
  switch (event.type) {
    case "ready": return change({ state: "listening" });
    case "state": return change({ state: event.state, ...(event.state === "thinking" ? { caption: "", trouble: "" } : {}) });
    case "speech_started": return change({ caption: "" });
    case "transcript": return change({ caption: event.text });
    case "agent_text": return change({ caption: said(event) });
    case "agent_said": return renew();
    case "error": return change({ trouble: event.message });
    case "ended":
    case "closed": return ended(call.value ? call.value.trouble : "");
  }
}

let writing = "";
function said({ delta, final }) {
  writing = (call.value.state === "speaking" || writing ? writing : "") + delta;
  const shown = writing;
  if (final) writing = "";
  return shown;
}

function mute() {
  change({ muted: !call.value.muted });
  for (const track of microphone.getAudioTracks()) track.enabled = !call.value.muted;
}

function hangUp() {
  ended("");
}

function ended(words) {
  const over = room;
  room = null;
  if (over) quietly(() => over.close());
  if (microphone) for (const track of microphone.getTracks()) track.stop();
  microphone = null;
  call.value = null;
  if (words) problem.value = words;
  renew();
}

function quietly(work) {
  try {
    work();
  } catch {
    // It never opened.
  }
}
