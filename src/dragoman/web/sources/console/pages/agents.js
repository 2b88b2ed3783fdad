// What agents do and are given: calls that wait for a person, runs, skills, memories.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { may, via, viaAddress } from "../api.js";
import { Act, Badge, Dialog, Facts, Form, List, Loaded, Page, Sure, Time, say, useLoad } from "../parts.js";
import { href } from "../route.js";
import { count, money, t } from "../texts.js";

const STATES = { pending: "warn", approved: "good", rejected: "bad", expired: "" };

export function Approvals() {
  const calls = useLoad(() => via("GET", "/api/v1/approvals?limit=200"), [], 10000);
  const decide = (row, verb) => async () => {
    await via("POST", `/api/v1/approvals/${row.id}/${verb}`, {});
    await calls.reload();
  };
  return html`<${Page} title=${t("Approvals")}>
    <p class="dim">${t("Calls of tools that an agent may make only with a person's yes.")}</p>
    <${Loaded} of=${calls}>${(rows) => html`<${List} label=${t("Calls")} rows=${rows} empty=${t("No call has waited for a person yet.")} columns=${[
      { name: t("Tool"), show: (row) => html`<code>${row.tool}</code>`, text: (row) => row.tool },
      { name: t("State"), show: (row) => html`<${Badge} kind=${STATES[row.state] || ""}>${row.state}<//>`, text: (row) => row.state },
      { name: t("Arguments"), show: (row) => html`<code class="wrap">${typeof row.arguments === "string" ? row.arguments : JSON.stringify(row.arguments)}</code>`, text: (row) => JSON.stringify(row.arguments) },
      { name: t("Agent"), show: (row) => row.agent || "–" },
      { name: t("For whom"), show: (row) => row.externalUserId || "–" },
      { name: t("Asked"), show: (row) => html`<${Time} at=${row.createdAt} />`, text: (row) => row.createdAt },
      { name: t("Waits until"), show: (row) => html`<${Time} at=${row.expiresAt} />`, text: (row) => row.expiresAt },
    ]} actions=${(row) => may("create") && row.state === "pending" && html`
      <${Act} label=${t("Allow {tool}", { tool: row.tool })} done=${t("Allowed")} does=${decide(row, "approve")}>${t("Allow")}<//>
      <${Act} kind="danger" label=${t("Decline {tool}", { tool: row.tool })} done=${t("Declined")} does=${decide(row, "reject")}>${t("Decline")}<//>`} />`}<//><//>`;
}

const ENDS = { answered: "good", failed: "bad" };
const Ended = ({ how }) => html`<${Badge} kind=${ENDS[how] || "warn"}>${how}<//>`;

export function Runs() {
  const runs = useLoad(() => via("GET", "/api/v1/runs?limit=200"), [], 15000);
  return html`<${Page} title=${t("Runs")}>
    <p class="dim">${t("Your latest answers, and what agents did for them.")}</p>
    <${Loaded} of=${runs}>${(rows) => html`<${List} label=${t("Runs")} rows=${rows} empty=${t("No agent has answered yet.")} columns=${[
      { name: t("Started"), show: (row) => html`<a href=${href(`/runs/${row.id}`)}><${Time} at=${row.startedAt} /></a>`, text: (row) => row.startedAt },
      { name: t("Agent"), show: (row) => row.agent || row.model },
      { name: t("Ended"), show: (row) => html`<${Ended} how=${row.ended} />`, text: (row) => row.ended },
      { name: t("Model"), show: (row) => row.model },
      { name: t("From"), show: (row) => row.origin },
      { name: t("Milliseconds"), kind: "number", show: (row) => count(row.durationMs) },
      { name: t("Tokens"), kind: "number", show: (row) => count(row.promptTokens + row.completionTokens) },
      { name: t("Cost"), kind: "number", show: (row) => money(row.costUsd) },
    ]} />`}<//><//>`;
}

export function Run({ id }) {
  const run = useLoad(() => via("GET", `/api/v1/runs/${encodeURIComponent(id)}`), [id]);
  const found = run.data;
  return html`<${Page} title=${found ? t("Run of {agent}", { agent: found.agent || found.model }) : t("Run")} above=${html`<a href=${href("/runs")}>${t("Runs")}</a>`}><${Loaded} of=${run}>${(data) => html`
    <${Facts} of=${[
      [t("Ended"), html`<${Ended} how=${data.ended} />`], [t("Started"), html`<${Time} at=${data.startedAt} />`], [t("Milliseconds"), count(data.durationMs)],
      [t("Model"), data.model], [t("Rounds"), data.rounds], [t("Asked tokens"), count(data.promptTokens)], [t("Answered tokens"), count(data.completionTokens)],
      [t("Cost"), money(data.costUsd)], data.externalUserId && [t("For whom"), data.externalUserId], [t("Id"), html`<code>${data.id}</code>`],
    ]} />
    <h2>${t("Steps")}</h2>
    <${List} label=${t("Steps")} rows=${data.steps.map((step, at) => ({ ...step, at }))} keyed=${(row) => row.at} filterable=${false} columns=${[
      { name: t("Step"), show: (row) => `${row.kind} ${row.name}` },
      { name: t("Round"), kind: "number", show: (row) => row.round },
      { name: t("State"), show: (row) => html`<${Badge} kind=${row.state === "failed" ? "bad" : ""}>${row.state}<//>` },
      { name: t("Milliseconds"), kind: "number", show: (row) => count(row.durationMs) },
      { name: t("Arguments"), show: (row) => (row.arguments ? html`<code class="wrap">${row.arguments}</code>` : "–") },
      { name: t("Note"), show: (row) => row.note || "–" },
    ]} />`}<//><//>`;
}



const skillFields = () => [
  { name: "slug", label: t("Name"), required: true, maxlength: 64, help: t("Letters, digits, '_', '.' and '-'.") },
  { name: "description", label: t("When to use it"), maxlength: 1000 },
  { name: "instructions", label: t("Instructions"), type: "area", rows: 12, required: true },
  { name: "tools", label: t("Tools that it brings"), help: t("Names, with commas between them.") },
];
const fromForm = ({ slug, description, instructions, tools }) => ({
  slug, description: description || null, instructions,
  options: { allowedToolsNames: (tools || "").split(",").map((one) => one.trim()).filter(Boolean) },
});

function EditSkill({ id, close, saved }) {
  const skill = useLoad(() => via("GET", `/api/v1/skills/${id}`), [id]);
  const save = async (values) => {
    const given = fromForm(values);
    given.options.instructionSources = skill.data.options.instructionSources;
    await via("PUT", `/api/v1/skills/${id}`, given);
    await saved();
  };
  return html`<${Dialog} title=${t("Skill")} wide=${true} close=${close}><${Loaded} of=${skill}>${(data) => html`<${Form} fields=${skillFields()} save=${save} cancel=${close}
    values=${{ ...data, description: data.description || "", tools: data.options.allowedToolsNames.join(", ") }} />`}<//><//>`;
}

export function Skills() {
  const skills = useLoad(() => via("GET", "/api/v1/skills?limit=10000"), []);
  const [making, setMaking] = useState(false);
  const [editing, setEditing] = useState(null);
  const saved = async () => {
    setMaking(false);
    setEditing(null);
    say(t("Saved"));
    await skills.reload();
  };
  const create = async (values) => {
    await via("POST", "/api/v1/skills", fromForm(values));
    await saved();
  };
  return html`<${Page} title=${t("Skills")} actions=${html`<a class="button" href=${viaAddress("/api/v1/skills/management/export.jsonl")} download>${t("Download all")}</a>
      ${may("create") && html`<button type="button" class="main" onClick=${() => setMaking(true)}>${t("New skill")}</button>`}`}>
    <p class="dim">${t("Instructions that an agent opens when they fit what is asked.")}</p>
    ${making && html`<${Dialog} title=${t("New skill")} wide=${true} close=${() => setMaking(false)}><${Form} fields=${skillFields()} values=${{}} save=${create} cancel=${() => setMaking(false)} /><//>`}
    ${editing && html`<${EditSkill} id=${editing} close=${() => setEditing(null)} saved=${saved} />`}
    <${Loaded} of=${skills}>${(rows) => html`<${List} label=${t("Skills")} rows=${rows} empty=${t("No skill yet.")} columns=${[
      { name: t("Name"), show: (row) => html`<code>${row.slug}</code>`, text: (row) => row.slug },
      { name: t("When to use it"), show: (row) => row.description || "–" },
      { name: t("Tools"), kind: "number", show: (row) => row.allowedToolsCount },
      { name: t("Since"), show: (row) => html`<${Time} at=${row.createdAt} />`, text: (row) => row.createdAt },
    ]} actions=${(row) => may("create") && html`
      <button type="button" aria-label=${t("Change the skill {name}", { name: row.slug })} onClick=${() => setEditing(row.id)}>${t("Change")}</button>
      <${Sure} label=${t("Delete the skill {name}", { name: row.slug })} ask=${t("Agents that use it can open it no more.")}
        does=${async () => { await via("DELETE", `/api/v1/skills/${row.id}`); await skills.reload(); }}>${t("Delete")}<//>`} />`}<//><//>`;
}

export function Memories() {
  const memories = useLoad(() => via("GET", "/api/v1/memories?limit=500"), []);
  return html`<${Page} title=${t("Memories")}>
    <p class="dim">${t("What agents were asked to remember of the people they talk to.")}</p>
    <${Loaded} of=${memories}>${(rows) => html`<${List} label=${t("Memories")} rows=${rows} empty=${t("Nothing is remembered yet.")} columns=${[
      { name: t("What"), show: (row) => row.content },
      { name: t("Of whom"), show: (row) => row.externalUserId || "–" },
      { name: t("Kind"), show: (row) => row.format },
      { name: t("Since"), show: (row) => html`<${Time} at=${row.createdAt} />`, text: (row) => row.createdAt },
    ]} actions=${(row) => may("create") && html`<${Sure} label=${t("Forget this memory of {person}", { person: row.externalUserId || "–" })} ask=${t("It cannot be brought back.")}
      does=${async () => { await via("DELETE", `/api/v1/memories?id=${row.id}`); await memories.reload(); }}>${t("Forget")}<//>`} />`}<//><//>`;
}
