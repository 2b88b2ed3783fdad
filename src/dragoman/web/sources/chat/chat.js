import { html } from "htm/preact";
import { render } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { rendered } from "./markdown.js";
import { CallButton, CallPanel } from "./call.js";
import { coloured, scrollable, typeset } from "./dressed.js";
import { Passage, sourceName } from "./passage.js";
import {
  again, attach, attachments, busy, detach, escape, held, info, messages, online, open, openPassage, problem, reconnecting, send, speechOf, spoken, stop,
  textOf, transcript,
} from "./state.js";
import "@preact/signals";

const root = document.documentElement;
const says = (name) => (info.value ? info.value.culture[name] : "");

function Chat() {
  if (!info.value) return problem.value ? html`<p class="notice" role="alert">${problem.value}</p>` : null;
  const { client, chatTitle } = info.value;
  return html`
    <${Banners} />
    <header>
      ${client.logoImageUrl && html`<img class="logo" src=${client.logoImageUrl} alt="" />`}
      <h1>${chatTitle}</h1>
      <${CallButton} client=${client} />
      <a class="quiet" href=${transcript} download>${says("transcriptLabel")}</a>
    </header>
    <${CallPanel} />
    <main>
      <${Log} client=${client} />
    </main>
    <${Composer} client=${client} />
    <${Passage} says=${says} />
    <div class="unseen" aria-live="polite">${spoken.value}</div>`;
}

// What the conversation has used binds it: whoever reads it is told so, above and as it happens.
function Banners() {
  return html`<div role="status" class="banners">${(info.value.labels || []).map((one) => html`
    <p class="banner" key=${one.label} style=${{ background: one.color, color: textOn(one.color) }}>${one.banner}</p>`)}</div>`;
}

function textOn(color) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16) / 255);
  const linear = [r, g, b].map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 ? "#000" : "#fff";
}

function Log({ client }) {
  const end = useRef(null);
  const near = useRef(true);
  useEffect(() => {
    const watch = () => (near.current = innerHeight + scrollY > document.body.scrollHeight - 160);
    addEventListener("scroll", watch, { passive: true });
    return () => removeEventListener("scroll", watch);
  }, []);
  useLayoutEffect(() => {
    if (near.current && end.current) end.current.scrollIntoView({ block: "end" });
  }, [messages.value, problem.value, reconnecting.value]);
  const shown = messages.value;
  return html`
    ${!shown.length && (client.helloLabel || client.helloSubLabel) && html`
      <div class="hello"><p class="big">${client.helloLabel}</p><p>${client.helloSubLabel}</p></div>`}
    <div role="log" aria-label=${says("conversationLabel")} aria-live="off">
      <ol class="log">
        ${shown.map((message, place) => html`<${Message} key=${message.id} message=${message} last=${place === shown.length - 1} client=${client} />`)}
      </ol>
    </div>
    ${!shown.length && client.suggestionButtons.length > 0 && html`
      <div class="suggestions">
        ${client.suggestionButtons.map((one) => html`<button type="button" onClick=${() => send(one.prompt)}>${one.label}</button>`)}
      </div>`}
    ${held.value && html`<p class="notice" role="status">${says("heldLabel")}</p>`}
    ${!online.value && html`<p class="notice" role="status">${says("offlineLabel")}</p>`}
    ${online.value && reconnecting.value && html`<p class="notice" role="status">${says("reconnectingLabel")}</p>`}
    ${problem.value && html`<p class="notice" role="alert">${problem.value}</p>`}
    <div ref=${end}></div>`;
}

function Message({ message, last, client }) {
  const mine = message.role === "user";
  const text = textOf(message);
  return html`
    <li class=${mine ? "mine" : "theirs"}>
      <span class="unseen">${mine ? says("youLabel") : message.author ? says("personLabel") : info.value.chatTitle}: </span>
      ${message.author && html`<p class="who" aria-hidden="true">${says("personLabel")}</p>`}
      ${message.tools.length > 0 && html`<${Tools} tools=${message.tools} />`}
      ${client.debug && message.reasoning && html`<details class="tools"><summary>${says("thoughtsLabel")}</summary><p>${message.reasoning}</p></details>`}
      ${mine ? text && html`<p class="said">${text}</p>` : html`<${Answer} message=${message} text=${text} />`}
      ${message.parts.filter((part) => part.type !== "text").map((part) => html`<${Medium} part=${part} />`)}
      ${message.sources.length > 0 && html`<${Sources} message=${message} />`}
      ${!mine && !message.pending && html`
        <div class="actions">
          ${message.cancelled && html`<span>${says("cancelledLabel")}</span>`}
          ${text && html`<${Copy} text=${text} />`}
          ${text && client.audioSynthesisEnabled && !message.author && speechOf(message) && html`<${Aloud} message=${message} />`}
          ${last && !busy.value && !message.author && html`<button type="button" class="quiet" onClick=${again}>${says("retryButtonLabel")}</button>`}
        </div>`}
      ${mine && last && !busy.value && !held.value && html`
        <div class="actions"><button type="button" class="quiet" onClick=${again}>${says("retryButtonLabel")}</button></div>`}
    </li>`;
}

function Answer({ message, text }) {
  const place = useRef(null);
  const numbers = new Set(message.sources.map((one) => one.number));
  useLayoutEffect(() => {
    place.current.innerHTML = rendered(text, numbers);
    scrollable(place.current);
    typeset(place.current);
    for (const link of place.current.querySelectorAll("a[data-source]")) {
      const source = message.sources.find((one) => String(one.number) === link.dataset.source);
      link.removeAttribute("target");
      link.setAttribute("aria-haspopup", "dialog");
      link.setAttribute("aria-label", `[${source.number}] ${says("passageLabel")}: ${sourceName(source, says)}`);
      link.addEventListener("click", (event) => {
        event.preventDefault();
        openPassage(message, source);
      });
    }
  }, [text, message.sources.length]);
  useEffect(() => {
    if (message.pending) return;
    coloured(place.current);
  }, [message.pending, text]);
  return html`
    <div class="answer" ref=${place}></div>
    ${message.pending && !text && html`<span class="dots" role="status"><i></i><i></i><i></i><span class="unseen">…</span></span>`}`;
}

function Tools({ tools }) {
  return html`<ul class="tools" aria-label=${says("toolsLabel")}>${tools.map((tool) => html`
    <li data-state=${tool.state}><b>${tool.name}</b> ${tool.explanation && tool.explanation.reason} <span>${tool.state}</span></li>`)}</ul>`;
}

function Sources({ message }) {
  const { sources } = message;
  return html`<details class="sources"><summary>${says("sourcesLabel")} (${sources.length})</summary><ol>
    ${sources.map((one) => html`
      <li><button type="button" class="source" aria-haspopup="dialog" title=${says("passageLabel")} onClick=${() => openPassage(message, one)}>
        <b>[${one.number}] ${sourceName(one, says)}</b> <span>${(one.text || "").slice(0, 160)}</span></button></li>`)}</ol></details>`;
}

function Medium({ part }) {
  if (part.type === "image_url") return html`<img class="medium" src=${safe(part.image_url.url)} alt="" />`;
  if (part.type === "input_audio")
    return html`<audio controls src=${`data:audio/${part.input_audio.format};base64,${part.input_audio.data}`}></audio>`;
  if (part.type === "attachment") return html`<${Attached} file=${part.attachment} />`;
  const file = part.file || {};
  const data = file.file_data || "";
  return html`<a class="file" href=${safe(data)} download=${file.filename || ""} rel="noopener noreferrer">${file.filename || "file"}</a>`;
}

function Attached({ file }) {
  if (!file.url) return html`<span class="file">${file.name}</span>`;
  if (file.kind === "image") return html`<a href=${safe(file.url)} target="_blank" rel="noopener"><img class="medium" src=${safe(file.url)} alt=${file.name} /></a>`;
  if (file.kind !== "audio") return html`<a class="file" href=${safe(file.url)} download=${file.name} rel="noopener noreferrer">${file.name}</a>`;
  return html`<figure class="spoken"><audio controls src=${safe(file.url)} aria-label=${file.name}></audio>
    ${file.transcript && html`<figcaption>${file.transcript}</figcaption>`}</figure>`;
}

const safe = (url) => (/^(https?:|data:image\/(png|jpe?g|gif|webp)|data:application\/pdf|blob:|\/)/i.test(url) ? url : "#");

// The answer's voice is made when somebody wants to hear it, or asked by voice.
function Aloud({ message }) {
  const [wanted, setWanted] = useState(message.aloud);
  const [gone, setGone] = useState(false);
  if (gone) return html`<span role="status">${says("errorLabel")}</span>`;
  if (!wanted) return html`<button type="button" class="quiet" onClick=${() => setWanted(true)}>${says("listenLabel")}</button>`;
  return html`<audio class="aloud" controls autoplay src=${speechOf(message)} aria-label=${says("listenLabel")} onError=${() => setGone(true)}></audio>`;
}

function Copy({ text }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 2000);
  };
  return html`<button type="button" class="quiet" onClick=${copy}>${done ? "✓" : says("copyLabel")}</button>`;
}

const DOCUMENTS = ".pdf,.docx,.xlsx,.pptx,.odt,.ods,.odp,.doc,.xls,.ppt,.rtf,.epub,.eml,.txt,.md,.csv,.tsv,.json,.xml,.yaml,.yml,.html,.log";

function Composer({ client }) {
  const field = useRef(null);
  const files = useRef(null);
  const takesFiles = client.inputModes.some((mode) => mode !== "text");
  const submit = (event) => {
    event.preventDefault();
    if (busy.value) return stop();
    const text = field.current.value;
    field.current.value = "";
    size();
    send(text);
    field.current.focus();
  };
  const size = () => {
    field.current.style.height = "auto";
    field.current.style.height = Math.min(field.current.scrollHeight, 200) + "px";
  };
  const keys = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
  };
  const accept = { image: "image/*", audio: "audio/*", document: client.attachments.unreadableTaken ? "*/*" : DOCUMENTS };
  return html`
    <footer class="composer"><form onSubmit=${submit}>
      ${attachments.value.length > 0 && html`<ul class="attached">${attachments.value.map((one) => html`
        <li key=${one.key}>${one.name}${one.transcript ? ` “${one.transcript}”` : ""}
          ${one.id ? "" : html` <progress value=${one.progress < 1 ? one.progress : undefined} aria-label=${one.name}></progress>`}
          <button type="button" class="quiet" aria-label=${`${says("removeLabel")} ${one.name}`} onClick=${() => detach(one)}>×</button></li>`)}</ul>`}
      <div class="row">
        ${takesFiles && html`
          <button type="button" class="round" aria-label=${says("attachLabel")} title=${says("attachLabel")} onClick=${() => files.current.click()}>+</button>
          <input ref=${files} type="file" hidden multiple accept=${client.inputModes.map((mode) => accept[mode]).filter(Boolean).join(",")}
            onChange=${() => {
              attach([...files.current.files]);
              files.current.value = "";
            }} />`}
        ${client.inputModes.includes("audio") && navigator.mediaDevices && html`<${Recorder} />`}
        <textarea ref=${field} rows="1" aria-label=${says("inputPlaceholder")} placeholder=${client.textAreaPlaceholder || says("inputPlaceholder")}
          onInput=${size} onKeyDown=${keys} enterkeyhint="send"></textarea>
        <button type="submit" class="send" aria-label=${busy.value ? says("stopButtonLabel") : says("sendButtonLabel")}>
          ${busy.value ? says("stopButtonLabel") : says("sendButtonLabel")}</button>
      </div>
    </form></footer>`;
}

function Recorder() {
  const [recorder, setRecorder] = useState(null);
  const toggle = async () => {
    if (recorder) return recorder.stop();
    const sound = await navigator.mediaDevices.getUserMedia({ audio: true }).catch(() => null);
    if (!sound) return (problem.value = says("microphoneLabel"));
    const made = new MediaRecorder(sound);
    const pieces = [];
    made.ondataavailable = (event) => pieces.push(event.data);
    made.onstop = () => {
      sound.getTracks().forEach((track) => track.stop());
      setRecorder(null);
      const type = made.mimeType.split(";")[0] || "audio/webm";
      attach([new File(pieces, `audio.${type.split("/")[1]}`, { type })]);
    };
    made.start();
    setRecorder(made);
  };
  const label = says(recorder ? "stopRecordingLabel" : "recordLabel");
  return html`<button type="button" class="round record" aria-label=${label} title=${label}
    onClick=${toggle}>${recorder ? "■" : "●"}</button>`;
}

// The operator's colour, with whichever of black and white can be read on it.
function paint(color) {
  const canvas = document.createElement("canvas").getContext("2d");
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
  const linear = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  const light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  root.style.setProperty("--own", color);
  root.style.setProperty("--on-own", light > 0.179 ? "#000" : "#fff");
}

function dress(found) {
  const { client, culture, chatTitle } = found;
  root.lang = culture.languageCode;
  root.dir = ["ar", "he", "fa", "ur"].includes(culture.languageCode) ? "rtl" : "ltr";
  document.title = chatTitle;
  if (client.primaryColor) paint(client.primaryColor);
  if (client.customStyles) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(client.customStyles);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  }
}

const place = document.getElementById("chat");
place.replaceChildren();
addEventListener("keydown", (event) => event.key === "Escape" && !document.querySelector("dialog[open]") && escape());
info.subscribe((found) => found && dress(found));
render(html`<${Chat} />`, place);
open();
