// What the page shows, and what can be done with it.
import { batch, signal } from "@preact/signals";
import { Refused, Session } from "./api.js";

const RETRIES = 6;

export const info = signal(null);
export const messages = signal([]);
export const problem = signal("");
export const busy = signal(false);
export const online = signal(navigator.onLine);
export const reconnecting = signal(false);
export const held = signal(false);
export const spoken = signal("");
export const attachments = signal([]);
// The cited passage that is looked at: its source as the answer has it, and what was found of it.
export const passage = signal(null);

const session = new Session(document.documentElement.dataset.key);
export const transcript = session.transcript;
// Where an answer is read aloud; empty while it is not stored.
export const speechOf = (message) => (message.stored ? session.speech(message.storedId || message.id) : "");

const words = () => info.value.culture;

export async function open() {
  addEventListener("online", () => (online.value = true));
  addEventListener("offline", () => (online.value = false));
  try {
    const found = await session.info();
    batch(() => {
      info.value = found;
      held.value = found.takenOver;
      messages.value = found.messages.map(shown);
    });
    told("ready", {});
    await goOn();
    watch();
  } catch (error) {
    problem.value = error instanceof Refused ? document.documentElement.dataset.unavailable : String(error);
  }
}

function shown(message) {
  return {
    id: message.message_id,
    stored: Boolean(message.message_id),
    role: message.role,
    author: message.author || "",
    parts: typeof message.content === "string" ? [{ type: "text", text: message.content }] : message.content || [],
    sources: message.annotations || [],
    tools: [],
    cancelled: Boolean(message.cancelled),
    reasoning: "",
    pending: false,
  };
}

// What a person of the operator's writes comes without having been asked for, so that the page listens while it is looked at.
async function watch() {
  for (let tries = 0; ; tries++) {
    const away = new AbortController();
    const hidden = () => document.hidden && away.abort();
    document.addEventListener("visibilitychange", hidden);
    try {
      await shownToSomebody();
      await session.watch((news) => {
        tries = 0;
        return heard(news);
      }, away.signal);
    } catch (error) {
      if (error instanceof Refused) return;
    } finally {
      document.removeEventListener("visibilitychange", hidden);
    }
    await new Promise((ready) => setTimeout(ready, Math.min(30000, 1000 * 2 ** Math.min(tries, 5))));
  }
}

async function shownToSomebody() {
  while (document.hidden) await new Promise((ready) => document.addEventListener("visibilitychange", ready, { once: true }));
}

let newest = null;
async function heard(news) {
  if (news.error) return;
  held.value = news.takenOver;
  newest = news.lastMessageId;
  await catchUp();
}

// Takes over what was said without this page, unless an answer is being shown that will be followed by this again.
async function catchUp() {
  const known = messages.value.some((one) => one.id === newest || one.storedId === newest);
  if (busy.value || !newest || known || !(await renew())) return;
  const last = messages.value[messages.value.length - 1];
  if (last && last.author && last.storedId === newest) {
    spoken.value = textOf(last);
    told("answer", { text: textOf(last) });
  }
}

// Shows what the session holds now; false when that is not to be had, or an answer is being shown.
export async function renew() {
  const found = busy.value ? null : await session.info().catch(() => null);
  if (!found || busy.value) return false;
  messages.value = found.messages.map(asBefore);
  return true;
}

// What is shown already stays as it is, with the steps that only this page saw.
function asBefore(message, place) {
  const here = messages.value[place];
  const stored = { ...shown(message), storedId: message.message_id };
  return here && here.role === stored.role && textOf(here) === textOf(stored) ? { ...here, storedId: stored.storedId } : stored;
}

// An answer may be under way: the page was loaded anew in the middle of it.
async function goOn() {
  const last = messages.value[messages.value.length - 1];
  if (last && last.role === "user") await answered((take) => session.resume(0, take), true);
}

export async function send(text) {
  const files = attachments.value;
  if (!text.trim() && !files.length) return;
  busy.value = true;
  const sent = await Promise.all(files.map((one) => one.sent));
  attachments.value = [];
  const parts = sent.filter(Boolean).map((attachment) => ({ type: "attachment", attachment }));
  const rest = text.trim() ? [{ type: "text", text }] : [];
  if (!parts.length && !rest.length) return void (busy.value = false);
  const said = { ...shown({ role: "user", content: [...parts, ...rest] }), id: crypto.randomUUID() };
  messages.value = [...messages.value, said];
  told("question", { text });
  const named = parts.map(({ attachment }) => ({ type: "attachment", attachment: { id: attachment.id } }));
  // Who speaks is answered by voice, as in every conversation.
  const aloud = info.value.client.audioSynthesisEnabled && sent.some((one) => one && one.kind === "audio");
  const kept = await answered((take) => session.ask(parts.length ? [...named, ...rest] : text, take), false, aloud);
  if (!kept) messages.value = messages.value.filter((one) => one !== said);
}

export async function again() {
  problem.value = "";
  try {
    await session.rewind();
  } catch (error) {
    return failed(error);
  }
  const upTo = messages.value.map((one) => one.role).lastIndexOf("user");
  messages.value = messages.value.slice(0, upTo + 1);
  await answered((take) => session.ask(null, take), true);
}

export const stop = () => session.cancel();

// Escape ends what is going on; when nothing is, the widget that the page is in.
export const escape = () => (busy.value ? stop() : told("close", {}));

// False when the question was refused, so that it is not in the session.
async function answered(begin, maybeNone, aloud = false) {
  const answer = { ...shown({ role: "assistant", content: "" }), pending: true, aloud, id: crypto.randomUUID() };
  let seen = 0;
  let begun = false;
  const show = () => (messages.value = [...messages.value.filter((one) => one.id !== answer.id), { ...answer }]);
  const drop = () => (messages.value = messages.value.filter((one) => one.id !== answer.id));
  const take = (chunk, number) => {
    if (number && number <= seen) return;
    seen = number || seen;
    if (chunk.error) throw new Refused(chunk.error.code === "label_policy" ? 403 : 502, chunk.error.message, 0);
    grow(answer, chunk);
    show();
  };
  batch(() => {
    busy.value = true;
    problem.value = "";
  });
  if (!maybeNone) show();
  try {
    let done = await begin((chunk, number) => {
      begun = true;
      take(chunk, number);
    });
    begun = begun || done === false || !maybeNone;
    for (let tries = 0; !done && begun && !maybeNone && tries < RETRIES; tries++) done = await retried(take, () => seen, tries);
  } catch (error) {
    if (!(error instanceof Refused)) {
      if (await recovered(take, () => seen)) error = null;
    }
    if (error) {
      failed(error);
      messages.value = messages.value.filter((one) => one.id !== answer.id || textOf(answer));
      if (error.status === 400 || error.status === 413) return false;
    }
  } finally {
    answer.pending = false;
    reconnecting.value = false;
    // A person answers: the agent says nothing.
    if (held.value && !answer.parts.some((part) => part.type !== "text" || part.text)) drop();
    else if (messages.value.some((one) => one.id === answer.id)) show();
    busy.value = false;
    spoken.value = textOf(answer);
    if (textOf(answer)) told("answer", { text: textOf(answer) });
    if (answer.sources.length || answer.tools.length) bound();
    if (held.value) catchUp();
  }
  return true;
}

async function recovered(take, seen) {
  for (let tries = 0; tries < RETRIES; tries++) {
    const before = seen();
    try {
      if (await retried(take, seen, tries)) return true;
    } catch (error) {
      if (error instanceof Refused) return false;
    }
    if (seen() > before) tries = 0;
  }
  return false;
}

async function retried(take, seen, tries) {
  reconnecting.value = true;
  await new Promise((ready) => setTimeout(ready, Math.min(8000, 500 * 2 ** tries)));
  if (!online.value) await new Promise((ready) => addEventListener("online", ready, { once: true }));
  const done = await session.resume(seen(), take, () => (reconnecting.value = false));
  if (done !== false) return done;
  // It ended meanwhile: what was stored is what there is.
  const found = await session.info();
  reconnecting.value = false;
  messages.value = found.messages.map(shown);
  return true;
}

export const textOf = (message) =>
  message.parts.filter((part) => part.type === "text").map((part) => part.text).join("\n");

// An answer that used something may have put the conversation under a label.
async function bound() {
  const found = await session.info().catch(() => null);
  if (found) info.value = { ...info.value, labels: found.labels };
}

function grow(answer, chunk) {
  if (chunk.servertool) {
    const known = answer.tools.filter((tool) => tool.id !== chunk.servertool.id);
    answer.tools = [...known, chunk.servertool];
  }
  const delta = chunk.choices && chunk.choices[0] ? chunk.choices[0].delta : {};
  if (delta.content) answer.parts = [{ type: "text", text: textOf(answer) + delta.content }, ...answer.parts.filter((p) => p.type !== "text")];
  if (delta.reasoning) answer.reasoning += delta.reasoning;
  if (delta.images) answer.parts = [...answer.parts, ...delta.images];
  if (delta.attachments) answer.parts = [...answer.parts, ...delta.attachments];
  if (delta.annotations) answer.sources = delta.annotations;
  if (chunk.message_id) Object.assign(answer, { storedId: chunk.message_id, stored: true });
  if (chunk.takenOver) held.value = true;
  if (chunk.cancelled) answer.cancelled = true;
}

// Opens a passage at once with what the answer has of it; what stands around it follows.
export async function openPassage(message, source) {
  const looked = { source, found: null };
  passage.value = looked;
  const found = await session.passage(message.storedId || message.id, source.number).catch(() => null);
  if (passage.value === looked && found) passage.value = { source, found };
}

function failed(error) {
  const known = info.value ? words() : {};
  if (error.status === 429) problem.value = known.limitLabel;
  else if (error.status === 422) problem.value = known.unavailableLabel;
  else if (error.status === 400 || error.status === 403 || error.status === 413 || error.status === 409) problem.value = (error.message || "").replace(/^messages\[\d+\]\.content\[\d+\]: /, "") || known.errorLabel;
  else problem.value = known.errorLabel || String(error);
}

export function attach(files) {
  const { attachments: bounds, inputModes } = info.value.client;
  problem.value = "";
  for (const file of files) {
    const kind = file.type.startsWith("image/") ? "image" : file.type.startsWith("audio/") ? "audio" : "document";
    const label = !inputModes.includes(kind) ? "mistypedLabel" : file.size > bounds.maximumBytes ? "tooLargeLabel" : !file.size ? "emptyFileLabel" : "";
    if (label) problem.value = `${file.name}: ${words()[label]}`;
    else upload(file);
  }
}

const FILE_LABELS = { too_many_attachments: "tooManyFilesLabel", attachment_empty: "emptyFileLabel" };

// The file is on its way while the question is still being written.
function upload(file) {
  const entry = { key: crypto.randomUUID(), name: file.name, progress: 0, id: "" };
  const change = (values) => {
    Object.assign(entry, values);
    attachments.value = attachments.value.map((one) => (one.key === entry.key ? { ...entry } : one));
  };
  entry.sent = session.attach(file, file.name, (progress) => change({ progress })).then(
    (found) => {
      change({ progress: 1, id: found.id, transcript: found.transcript });
      return found;
    },
    (error) => {
      attachments.value = attachments.value.filter((one) => one.key !== entry.key);
      const label = FILE_LABELS[error.code] || { 413: "tooLargeLabel", 415: "mistypedLabel", 422: "unavailableLabel" }[error.status] || "errorLabel";
      problem.value = `${file.name}: ${words()[label]}`;
      return null;
    }
  );
  attachments.value = [...attachments.value, entry];
}

export function detach(entry) {
  attachments.value = attachments.value.filter((one) => one.key !== entry.key);
  entry.sent.then((found) => found && session.detach(found.id));
}

// The host page and the operator's own scripts are told what happens, never a key.
function told(name, detail) {
  const event = { source: "dragoman", name, ...detail };
  const host = document.documentElement.dataset.host;
  if (parent !== window && host) parent.postMessage(event, host);
  const frame = document.getElementById("scripts");
  if (frame) frame.contentWindow.postMessage(event, "*");
}
