// The server: the console's own operations, and those of the dialects under /console/via.
import { signal } from "@preact/signals";
import { createParser } from "eventsource-parser";

export const me = signal(undefined); // undefined: not asked yet; null: nobody is signed in

export class Problem extends Error {
  constructor(status, message, param) {
    super(message);
    this.status = status;
    this.param = param;
  }
}

const token = () => (me.value ? me.value.token : "-");

async function problem(response) {
  const body = await response.json().catch(() => ({}));
  const told = body.error;
  const param = (told && told.param) || (body.details && body.details.path) || null;
  const message = (typeof told === "string" ? told : told && told.message) || body.response || body.message || body.detail;
  if (response.status === 401 && me.value) me.value = null;
  return new Problem(response.status, typeof message === "string" ? message : `HTTP ${response.status}`, param);
}

async function call(method, url, body, headers = {}) {
  const sent = { accept: "application/json", "x-response-envelope": "bare", "x-console-token": token(), ...headers };
  if (body !== undefined && !(body instanceof FormData) && !(body instanceof Blob)) {
    sent["content-type"] = "application/json";
    body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(url, { method, headers: sent, body });
  } catch (error) {
    throw new Problem(0, `${error.message}`, null);
  }
  if (!response.ok) throw await problem(response);
  return response;
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
export function upload(path, file, onProgress) {
  return new Promise((done, lost) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/console/api${path}`);
    request.setRequestHeader("x-console-token", token());
    request.setRequestHeader("content-type", file.type || "application/octet-stream");
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => lost(new Problem(0, "The connection was lost.", null));
    request.onload = () => {
      let told = {};
      try {
        told = JSON.parse(request.responseText);
      } catch { /* no JSON: the status says it */ }
      if (request.status < 300) done(told);
      else lost(new Problem(request.status, (told.error && told.error.message) || `HTTP ${request.status}`, null));
    };
    request.send(file);
  });
}

// Streams an answer; onChunk gets each parsed event. The signal stops it.
export async function stream(path, body, onChunk, stopping) {
  const response = await fetch(`/console/via${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream", "x-console-token": token() },
    body: JSON.stringify(body),
    signal: stopping,
  });
  if (!response.ok) throw await problem(response);
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
