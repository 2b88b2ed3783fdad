// The server: the console's own operations, and those of the dialects under /console/via.
import { signal } from "@preact/signals";
import { createParser } from "eventsource-parser";
import { t } from "./texts.js";

export const me = signal(undefined); // undefined: not asked yet; null: nobody is signed in

export class Problem extends Error {
  constructor(status, message, param) {
    super(message);
    this.status = status;
    this.param = param;
  }
}

const token = () => (me.value ? me.value.token : "-");
const SESSION = "/console/api/session";

// The session ended while somebody was at work: what they do waits until they have signed in again, and nothing is lost.
export const expired = signal(false);

export async function signedInAgain() {
  const { user } = me.value;
  await enter();
  if (!me.value || me.value.user.id !== user.id) location.reload();
  else expired.value = false;
}

const session = () => own("GET", "/session").catch(() => null);

const signIn = () => new Promise((done) => {
  expired.value = true;
  const end = expired.subscribe((is) => {
    if (is) return;
    done();
    queueMicrotask(() => end());
  });
});

// Whether a request is worth a second try: after a new sign-in, or with the token of one made in another tab.
async function mended(url, status, told) {
  const stale = status === 403 && told.error && told.error.code === "stale_page";
  if (!me.value || url === SESSION || (status !== 401 && !stale)) return false;
  const now = await session();
  if (!now) {
    if (status === 401) await signIn();
    return status === 401;
  }
  if (now.user.id !== me.value.user.id) location.reload();
  const fresh = now.token !== me.value.token;
  me.value = now;
  return fresh;
}

// Another tab may have let somebody in meanwhile: the same person goes on here, and nothing here is another's.
document.addEventListener("visibilitychange", async () => {
  if (document.hidden || !me.value) return;
  const now = await session();
  if (!now || !me.value) return;
  if (now.user.id !== me.value.user.id) location.reload();
  else if (expired.value) await signedInAgain();
});

function problem(response, body) {
  const told = body.error;
  const message = (typeof told === "string" ? told : told && told.message) || body.response || body.message || body.detail;
  // Some only say it at the beginning of the sentence.
  const [, said] = /^([\w.[\]-]+): /.exec(message) || [];
  const param = (told && told.param) || (body.details && body.details.path) || said || null;
  return new Problem(response.status, typeof message === "string" ? message : `HTTP ${response.status}`, param);
}

async function call(method, url, body, headers = {}) {
  const sent = { accept: "application/json", "x-response-envelope": "bare", ...headers };
  if (body !== undefined && !(body instanceof FormData) && !(body instanceof Blob)) {
    sent["content-type"] = "application/json";
    body = JSON.stringify(body);
  }
  return asked(url, { method, headers: sent, body });
}

async function asked(url, request) {
  for (;;) {
    let response;
    try {
      response = await fetch(url, { ...request, headers: { ...request.headers, "x-console-token": token() } });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, t("The server cannot be reached. What you typed is still here: try again in a moment."), null);
    }
    if (response.ok) return response;
    const told = await response.json().catch(() => ({}));
    if (!(await mended(url, response.status, told))) throw problem(response, told);
  }
}

async function json(...given) {
  const response = await call(...given);
  if (response.status === 204) return null;
  const told = await response.json().catch(() => null);
  // Ask Sage's operations answer failures with 200 and a status of their own.
  if (told && typeof told.status === "number" && told.status >= 400) throw new Problem(told.status, String(told.response), null);
  return told;
}

export const own = (method, path, body) => json(method, `/console/api${path}`, body);
export const via = (method, path, body, headers) => json(method, `/console/via${path}`, body, headers);
export const viaAddress = (path) => `/console/via${path}`;
export const ownAddress = (path) => `/console/api${path}`;

export async function enter() {
  try {
    me.value = await own("GET", "/session");
  } catch (error) {
    if (error.status !== 401) throw error;
    me.value = null;
  }
}

export const may = (right) => Boolean(me.value && me.value.rights.includes(right));

// fetch cannot tell how much of a body was sent; the older way can.
function sent(url, file, onProgress, stopping) {
  return new Promise((done, lost) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("x-console-token", token());
    request.setRequestHeader("content-type", file.type || "application/octet-stream");
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => lost(new Problem(0, t("The connection was lost."), null));
    request.onload = () => {
      let told = {};
      try {
        told = JSON.parse(request.responseText);
      } catch { /* no JSON: the status says it */ }
      done({ status: request.status, told });
    };
    request.onabort = () => lost(new Problem(0, t("Stopped."), null));
    stopping.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}

export async function upload(path, file, onProgress, stopping) {
  const url = `/console/api${path}`;
  for (;;) {
    const { status, told } = await sent(url, file, onProgress, stopping);
    if (status < 300) return told;
    if (!(await mended(url, status, told))) throw problem({ status }, told);
  }
}

// Streams an answer; onChunk gets each parsed event. The signal stops it.
export async function stream(path, body, onChunk, stopping) {
  const response = await asked(`/console/via${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify(body),
    signal: stopping,
  });
  let failed = null;
  const parser = createParser({
    onEvent: (event) => {
      if (event.data === "[DONE]") return;
      const chunk = JSON.parse(event.data);
      if (chunk.error) failed = new Problem(502, chunk.error.message || String(chunk.error), null);
      else onChunk(chunk);
    },
  });
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parser.feed(decoder.decode(value, { stream: true }));
  }
  if (failed) throw failed;
}
