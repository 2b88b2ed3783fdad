import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { may, via } from "../api.js";
import { Badge, Dialog, Form, List, Loaded, Page, Sure, Time, say, useLoad } from "../parts.js";
import { href } from "../route.js";
import { count, money, t } from "../texts.js";

const SCOPES = () => ({ organisation: t("the whole organisation"), user: t("a user"), key: t("an API key"), gateway: t("a gateway"), end_user: t("an end user") });
const MEASURES = () => ({ requests: t("requests"), tokens: t("tokens"), usd: t("US dollars") });
const PERIODS = () => ({ minute: t("a minute"), day: t("a day"), month: t("a month") });
const pairs = (of) => Object.entries(of);
const amount = (measure, value) => (measure === "usd" ? money(value) : count(value));
const whole = (row) => `${amount(row.measure, row.amount)} ${row.measure === "usd" ? "" : MEASURES()[row.measure]} ${PERIODS()[row.period]}`.replace(/\s+/g, " ");

export function Limits() {
  const mine = useLoad(() => via("GET", "/api/v1/usage/limits"), []);
  const all = useLoad(() => (may("manage") ? via("GET", "/api/v1/limits") : Promise.resolve([])), []);
  const [making, setMaking] = useState(false);
  const [changing, setChanging] = useState(null);
  const reload = async () => { await all.reload(); await mine.reload(); };
  const put = async (limit) => {
    await via("POST", "/api/v1/limits", limit);
    setMaking(false);
    setChanging(null);
    say(t("The limit is set."));
    await reload();
  };
  return html`<${Page} title=${t("Limits")} actions=${may("manage") && html`<button type="button" class="main" onClick=${() => setMaking(true)}>${t("New limit")}</button>`}>
    ${making && html`<${Making} put=${put} close=${() => setMaking(false)} />`}
    ${changing && html`<${Changing} row=${changing} put=${put} close=${() => setChanging(null)} />`}
    <h2>${t("What you can still use")}</h2>
    <${Loaded} of=${mine}>${(rows) => (rows.length === 0 ? html`<p class="empty">${t("No limit holds for you.")}</p>`
      : html`<ul>${rows.map((row) => html`<li>${row.sentence} <${Full} of=${row} /></li>`)}</ul>`)}<//>
    ${may("manage") && html`<h2>${t("Limits of the organisation")}</h2>
      <${Loaded} of=${all}>${(rows) => html`<${List} label=${t("Limits of the organisation")} rows=${rows} empty=${t("No limit yet: everybody uses as much as they like.")} columns=${[
        { name: t("Whose"), show: (row) => SCOPES()[row.scope] },
        { name: t("Which"), show: (row) => row.subjectName || row.subject || t("each for itself"), text: (row) => row.subjectName || row.subject || t("each for itself") },
        { name: t("At most"), show: whole },
        { name: t("Used now"), show: (row) => (row.spent === undefined ? html`<span class="dim">${t("by each")}</span>` : html`${amount(row.measure, row.spent)} <${Full} of=${row} />`), text: (row) => String(row.spent ?? "") },
        { name: t("Refills"), show: (row) => (row.refillsAt ? html`<${Time} at=${row.refillsAt} />` : "–"), text: (row) => row.refillsAt || "" },
        { name: t("Beyond it"), show: (row) => html`<${Badge} kind=${row.hard ? "bad" : "warn"}>${row.hard ? t("refused") : t("warned")}<//>`, text: (row) => (row.hard ? t("refused") : t("warned")) },
      ]} actions=${(row) => (row.setByOperator ? html`<span class="dim">${t("set by the operator")}</span>` : html`
        <button type="button" aria-label=${t("Change {name}", { name: row.name })} onClick=${() => setChanging(row)}>${t("Change")}</button>
        <${Sure} label=${t("Remove {name}", { name: row.name })} ask=${t("Nothing bounds this any more.")} does=${async () => { await via("DELETE", `/api/v1/limits/${row.id}`); await reload(); }}>${t("Remove")}<//>`)} />`}<//>`}
  <//>`;
}

const Full = ({ of }) => of.amount > 0 && of.spent !== undefined && html`<progress max=${of.amount} value=${Math.min(of.spent, of.amount)} aria-label=${t("Used of {name}", { name: of.name })}></progress>`;

function Making({ put, close }) {
  const save = (values) => put({
    scope: values.scope, measure: values.measure, period: values.period, amount: Number(values.amount), hard: values.hard !== "soft",
    ...(values.subject ? { subject: values.subject } : {}), ...(values.gateway ? { gateway: values.gateway } : {}),
  });
  return html`<${Dialog} title=${t("New limit")} close=${close}><${Form} save=${save} cancel=${close} label=${t("Set")} values=${{ scope: "user", measure: "tokens", period: "day", hard: "hard" }} fields=${[
    { name: "scope", label: t("Whose use"), type: "select", options: pairs(SCOPES()) },
    { name: "subject", label: t("Which one"), help: t("E-mail, key or gateway by name or id, or the end user's name. Empty: each of them for itself."), maxlength: 200 },
    { name: "gateway", label: t("Only with the gateway"), help: t("For end users only."), maxlength: 200 },
    { name: "amount", label: t("At most"), type: "number", required: true, min: 0, step: "any" },
    { name: "measure", label: t("Of"), type: "select", options: pairs(MEASURES()) },
    { name: "period", label: t("In"), type: "select", options: pairs(PERIODS()) },
    { name: "hard", label: t("Beyond it"), type: "select", options: [["hard", t("answers are refused")], ["soft", t("answers carry a warning")]] },
  ]} /><//>`;
}

function Changing({ row, put, close }) {
  const save = (values) => put({
    scope: row.scope, measure: row.measure, period: row.period, hard: row.hard, amount: Number(values.amount),
    ...(row.subject && row.scope !== "organisation" ? { subject: row.subject } : {}), ...(row.gateway ? { gateway: row.gateway } : {}),
  });
  return html`<${Dialog} title=${t("Change {name}", { name: row.name })} close=${close}><${Form} save=${save} cancel=${close} label=${t("Set")} values=${{ amount: String(row.amount) }}
    fields=${[{ name: "amount", label: t("At most, in {what}", { what: MEASURES()[row.measure] }), type: "number", required: true, min: 0, step: "any", help: t("What was used already still counts.") }]} /><//>`;
}

export function Receipts() {
  const [offset, setOffset] = useState(0);
  const receipts = useLoad(() => via("GET", `/api/v1/receipts?limit=51&offset=${offset}`), [offset]);
  return html`<${Page} title=${t("Receipts")} above=${html`<a href=${href("/limits")}>${t("Limits")}</a>`}>
    <p>${t("Your answers of the last 31 days. Each names its receipt in the header x-dragoman-receipt.")}</p>
    <${Loaded} of=${receipts}>${(rows) => html`<${List} label=${t("Receipts")} rows=${rows.slice(0, 50)} empty=${t("Nothing was used in this time.")} columns=${[
      { name: t("When"), show: (row) => html`<a href=${href(`/receipts/${row.id}`)}><${Time} at=${row.at} /></a>`, text: (row) => row.at },
      { name: t("Model"), show: (row) => row.models.join(", ") },
      { name: t("Over"), show: (row) => row.dialect },
      { name: t("Asked tokens"), kind: "number", show: (row) => count(row.promptTokens) },
      { name: t("Answered tokens"), kind: "number", show: (row) => count(row.completionTokens) },
      { name: t("Cost"), kind: "number", show: (row) => money(row.costUsd) },
      { name: t("State"), show: (row) => html`<${Badge} kind=${row.status < 400 ? "good" : "bad"}>${row.status === 499 ? t("broken off") : row.status}<//>`, text: (row) => String(row.status) },
    ]} />
      <div class="buttons">${offset > 0 && html`<button type="button" onClick=${() => setOffset(Math.max(0, offset - 50))}>${t("Newer")}</button>`}
        ${rows.length > 50 && html`<button type="button" onClick=${() => setOffset(offset + 50)}>${t("Older")}</button>`}</div>`}<//><//>`;
}

export function Receipt({ id }) {
  const receipt = useLoad(() => via("GET", `/api/v1/receipts/${id}`), [id]);
  return html`<${Page} title=${t("Receipt")} above=${html`<a href=${href("/receipts")}>${t("Receipts")}</a>`}>
    <${Loaded} of=${receipt}>${(found) => html`
      <p>${t("{cost} for {n} lines.", { cost: money(found.costUsd), n: count(found.lines.length) })} <code>${found.id}</code></p>
      <h2>${t("What was used")}</h2>
      <${List} label=${t("What was used")} rows=${found.lines.map((line, place) => ({ id: place, ...line }))} filterable=${false} columns=${[
        { name: t("Kind"), show: (row) => row.kind }, { name: t("Model"), show: (row) => row.model },
        { name: t("Asked tokens"), kind: "number", show: (row) => count(row.promptTokens) },
        { name: t("Answered tokens"), kind: "number", show: (row) => `${count(row.completionTokens)}${row.estimated ? ` (${t("estimated")})` : ""}` },
        { name: t("Cost"), kind: "number", show: (row) => money(row.costUsd) }, { name: t("State"), show: (row) => row.status },
      ]} />
      ${found.answers.map((told) => html`<${Told} key=${told.run} of=${told} />`)}`}<//><//>`;
}

function Told({ of }) {
  return html`<section><h2>${t("How it came about")}</h2>
    <p>${t("{agent}: asked {asked}, answered by {answered}.", { agent: of.agent.name, asked: of.route.asked, answered: of.route.answered || t("nobody") })}
      ${of.route.complexity && ` ${t("The request was found to be of {level} difficulty.", { level: of.route.complexity })}`}</p>
    ${(of.route.tried || []).length > 0 && html`<h3>${t("Models that failed before")}</h3><ul>${of.route.tried.map((one) => html`<li>${one.model} <${Badge} kind="bad">${one.failed}<//></li>`)}</ul>`}
    ${of.documents.length > 0 && html`<h3>${t("Documents it rests on")}</h3><ul>${of.documents.map((one) => html`<li>${one.name}${one.label && html` <${Badge} kind="warn">${one.label}<//>`}</li>`)}</ul>`}
    ${of.decisions.length > 0 && html`<h3>${t("What was decided")}</h3><ul>${of.decisions.map((one) => html`<li><${Badge} kind=${one.allowed ? "good" : "bad"}>${one.allowed ? t("allowed") : t("refused")}<//> ${decided(one)}</li>`)}</ul>`}
  </section>`;
}

function decided(one) {
  if (one.kind === "limit") return t("{name}: {reserved} reserved, {settled} used.", { name: one.name, reserved: count(one.reserved), settled: one.settled === null ? "–" : count(one.settled) });
  if (one.kind === "moderation") return t("Moderation: {category}.", { category: one.category });
  return one.policy ? t("Label {label}, {policy}: {what}.", { label: one.label, policy: one.policy, what: one.what }) : t("Label {label}: {what}.", { label: one.label, what: one.what });
}
