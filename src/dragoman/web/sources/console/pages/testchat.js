// Talking to a model or gateway, with a receipt for each answer.
import { html } from "htm/preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { coloured, scrollable, typeset } from "../../chat/dressed.js";
import { rendered } from "../../chat/markdown.js";
import { stream } from "../api.js";
import { Facts, say } from "../parts.js";
import { href } from "../route.js";
import { count, money, t } from "../texts.js";

const none = new Set();

export function Markdown({ text, whole = true }) {
  const place = useRef(null);
  useLayoutEffect(() => {
    place.current.innerHTML = rendered(text, none);
    scrollable(place.current);
    typeset(place.current);
    if (whole) coloured(place.current);
  }, [text, whole]);
  return html`<div class="answer" ref=${place}></div>`;
}

export function TestChat({ model }) {
  const [turns, setTurns] = useState([]);
  const [busy, setBusy] = useState(null);
  const field = useRef(null);
  useEffect(() => () => busy && busy.abort(), [busy]);
  const ask = async (event) => {
    event.preventDefault();
    const text = field.current.value.trim();
    if (!text || busy) return;
    field.current.value = "";
    const stopping = new AbortController();
    setBusy(stopping);
    const answer = { role: "assistant", text: "", tools: [], sources: [], began: performance.now() };
    // A question that was not answered is no part of what is told the model.
    const answered = turns.filter((_, at) => { const { text: told, error } = turns[at | 1]; return told && !error; });
    const said = [...answered, { role: "user", text }];
    const show = () => setTurns([...said, { ...answer }]);
    show();
    try {
      await stream("/v1/chat/completions", {
        model, stream: true, stream_options: { include_usage: true },
        messages: said.map((turn) => ({ role: turn.role, content: turn.text })),
      }, (chunk) => { grow(answer, chunk); show(); }, stopping.signal);
      say(answer.text);
    } catch (error) {
      if (error.name === "AbortError") answer.stopped = true;
      else {
        answer.error = error.message;
        if (field.current && !field.current.value) field.current.value = text;
      }
    } finally {
      answer.ended = performance.now();
      show();
      setBusy(null);
      if (field.current) field.current.focus();
    }
  };
  return html`<h2 class="unseen">${t("Test chat")}</h2>
    <div class="turns" role="log" aria-label=${t("Conversation")} aria-live="off">${turns.map((turn) => html`<div class=${`turn ${turn.role}`}>
      <p class="who">${turn.role === "user" ? t("You") : model}</p>
      ${turn.tools && turn.tools.map((tool) => html`<p class="dim">${t("Tool")}: <code>${tool.name}</code> ${tool.state}</p>`)}
      ${turn.role === "user" ? html`<p class="said">${turn.text}</p>` : html`<${Markdown} text=${turn.text} whole=${Boolean(turn.ended)} />`}
      ${turn.error && html`<p class="notice bad" role="alert">${turn.error}</p>`}
      ${turn.stopped && html`<p class="dim">${t("Stopped.")}</p>`}
      ${turn.sources && turn.sources.length > 0 && html`<details><summary>${t("{n} sources", { n: turn.sources.length })}</summary>
        <ol>${turn.sources.map((source) => html`<li value=${source.number}><a href=${href(`/collections/${source.collection_id}/documents/${source.document_id}`) + `?at=${source.char_start}`}>${source.name}</a>${source.page ? `, ${t("page {n}", { n: source.page })}` : ""}
          <p class="passage">${source.text}</p></li>`)}</ol></details>`}
      ${turn.ended && html`<${Receipt} turn=${turn} />`}
    </div>`)}</div>
    <form class="ask" onSubmit=${ask}>
      <label for="ask">${t("Your question")}</label>
      <textarea id="ask" ref=${field} rows="2" onKeyDown=${(event) => event.key === "Enter" && !event.shiftKey && !event.isComposing && ask(event)}></textarea>
      <div class="buttons">
        ${busy ? html`<button type="button" onClick=${() => busy.abort()}>${t("Stop")}</button>` : html`<button type="submit" class="main">${t("Ask")}</button>`}
        ${turns.length > 0 && !busy && html`<button type="button" onClick=${() => setTurns([])}>${t("Start again")}</button>`}
      </div>
    </form>`;
}

function grow(answer, chunk) {
  const delta = chunk.choices && chunk.choices[0] ? chunk.choices[0].delta || {} : {};
  if (delta.content) {
    answer.first = answer.first || performance.now();
    answer.text += delta.content;
  }
  if (chunk.servertool) answer.tools = [...answer.tools.filter((tool) => tool.id !== chunk.servertool.id), chunk.servertool];
  const notes = delta.annotations || chunk.annotations;
  if (notes) answer.sources = notes.filter((note) => note.type === "document_citation");
  if (chunk.usage) answer.usage = chunk.usage;
  if (chunk.generation_context) answer.context = chunk.generation_context;
  if (chunk.model) answer.model = chunk.model;
}

function Receipt({ turn }) {
  const usage = turn.usage || {};
  const details = usage.prompt_tokens_details || {};
  const lines = turn.context && turn.context.generated_usage ? turn.context.generated_usage : [];
  const cost = lines.reduce((sum, line) => sum + (Number(line.amount ?? line.cost ?? 0) || 0), 0);
  return html`<details class="receipt"><summary>${t("Receipt")}: ${t("{n} tokens", { n: count(usage.total_tokens || 0) })}, ${((turn.ended - turn.began) / 1000).toFixed(1)} s</summary>
    <${Facts} of=${[
      [t("Model that answered"), turn.model || "–"],
      [t("Question in tokens"), `${count(usage.prompt_tokens || 0)}${details.cached_tokens ? ` (${t("{n} from cache", { n: count(details.cached_tokens) })})` : ""}`],
      [t("Answer in tokens"), count(usage.completion_tokens || 0)],
      [t("First word after"), turn.first ? `${((turn.first - turn.began) / 1000).toFixed(2)} s` : "–"],
      [t("Whole answer after"), `${((turn.ended - turn.began) / 1000).toFixed(2)} s`],
      lines.length > 0 && [t("Cost"), money(cost)],
    ]} />
    ${turn.context && html`<pre class="code" tabindex="0">${JSON.stringify(turn.context, null, 2)}</pre>`}
  </details>`;
}
