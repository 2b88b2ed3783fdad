// The public chat operations, for the session whose access key stands in the page's address.
import { createParser } from "eventsource-parser";

export class Refused extends Error {
  constructor(status, message, retryAfter, code) {
    super(message);
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

async function refusal(response) {
  const body = await response.json().catch(() => ({}));
  return new Refused(response.status, body.error || "", Number(response.headers.get("retry-after")) || 0, codeOf(body));
}

const codeOf = (body) => (body.details && body.details.code) || "";

export class Session {
  constructor(accessKey) {
    this.base = `/api/v1/public/chat-clients/${encodeURIComponent(accessKey)}`;
  }

  async info() {
    const response = await fetch(this.base, { headers: { accept: "application/json" } });
    if (!response.ok) throw await refusal(response);
    return response.json();
  }

  async cancel() {
    await fetch(this.base, { method: "DELETE" });
  }

  async rewind() {
    const response = await fetch(`${this.base}/retry`, { method: "POST" });
    if (!response.ok) throw await refusal(response);
  }

  // The passage that a mark in an answer stands for.
  async passage(messageId, number) {
    const response = await fetch(`${this.base}/messages/${encodeURIComponent(messageId)}/citations/${number}`);
    if (!response.ok) throw await refusal(response);
    return response.json();
  }

  // Sends a file ahead of the question that it belongs to; gives what it is called there, and tells how far it is.
  attach(file, name, onProgress) {
    return new Promise((done, lost) => {
      const request = new XMLHttpRequest();
      request.open("POST", `${this.base}/attachments?name=${encodeURIComponent(name)}`);
      request.setRequestHeader("content-type", file.type || "application/octet-stream");
      request.responseType = "json";
      request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
      request.onerror = () => lost(new TypeError("network"));
      request.onload = () => {
        const body = request.response || {};
        if (request.status === 201) return done(body);
        lost(new Refused(request.status, body.error || "", Number(request.getResponseHeader("retry-after")) || 0, codeOf(body)));
      };
      request.send(file);
    });
  }

  speech(messageId) {
    return `${this.base}/messages/${encodeURIComponent(messageId)}/speech.mp3`;
  }

  async detach(id) {
    await fetch(`${this.base}/attachments/${id}`, { method: "DELETE" });
  }

  get transcript() {
    return `${this.base}/transcript.json`;
  }

  // Streams an answer; onEvent gets each parsed chunk. Without content, what the user said last is answered.
  async ask(content, onEvent) {
    const response = await fetch(`${this.base}/prompt?keep=1`, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "text/event-stream" },
      body: content === null ? "{}" : JSON.stringify({ prompt: { role: "user", content } }),
    });
    if (!response.ok) throw await refusal(response);
    return follow(response, onEvent);
  }

  // Goes on with an answer under way after so many of its events; false when there is none. onOpen tells that there is a connection.
  async resume(after, onEvent, onOpen = () => {}) {
    const response = await fetch(`${this.base}/events?after=${after}`, { headers: { accept: "text/event-stream" } });
    if (response.status === 204) return false;
    if (!response.ok) throw await refusal(response);
    onOpen();
    return follow(response, onEvent);
  }

  // How the session stands, whenever that changes, until the connection ends or the signal says so.
  async watch(onNews, signal) {
    const response = await fetch(`${this.base}/updates`, { headers: { accept: "text/event-stream" }, signal });
    if (!response.ok) throw await refusal(response);
    await follow(response, onNews);
  }
}

// True when the stream came to its end.
async function follow(response, onEvent) {
  let done = false;
  const parser = createParser({
    onEvent(event) {
      if (event.data === "[DONE]") done = true;
      else onEvent(JSON.parse(event.data), Number(event.id) || 0);
    },
  });
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const piece = await reader.read();
    if (piece.done) return done;
    parser.feed(decoder.decode(piece.value, { stream: true }));
  }
}
