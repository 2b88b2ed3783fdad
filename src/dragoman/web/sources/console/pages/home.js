import { html } from "htm/preact";
import { may, own } from "../api.js";
import { Badge, Loaded, Page, Time, useLoad } from "../parts.js";
import { href } from "../route.js";
import { count, money, t } from "../texts.js";

const Tile = ({ name, value, to, kind = "" }) => html`<li class=${`tile ${kind}`}>
  <span class="value">${value}</span>${to ? html`<a href=${href(to)}>${name}</a>` : html`<span>${name}</span>`}</li>`;

// What comes first on a new server; gone once there is something to ask and something to answer from.
function FirstSteps({ data: { counts, health } }) {
  if (!may("create") || (counts.gateways > 0 && counts.documents > 0)) return null;
  const steps = [
    [!health.demo && !health.modelProblem, "/models", t("Connect a model"), t("The one on board is for trying out.")],
    [counts.documents > 0, "/collections", t("Upload documents into a collection"), t("Answers rest on them and name them.")],
    [counts.gateways > 0, "/gateways/new", t("Make a gateway"), t("A model with instructions and that collection, under a name of its own.")],
    [false, "/chat", t("Talk to it"), t("Each answer has a receipt.")],
    [false, "/chats", t("Put it on a page"), t("As a page of its own, a widget, or on messaging services.")],
    [false, "/keys", t("Make a key for a program"), t("It asks the gateway like any model.")],
  ];
  return html`<section aria-labelledby="steps"><h2 id="steps">${t("First steps")}</h2><ol>${steps.map(([done, to, name, why]) => html`<li>
    <a href=${href(to)}>${name}</a>${done && html` <${Badge} kind="good">${t("done")}<//>`} <span class="dim">${why}</span></li>`)}</ol></section>`;
}

export function Home() {
  const home = useLoad(() => own("GET", "/home"), [], 15000);
  return html`<${Page} title=${t("Home")}><${Loaded} of=${home}>${(data) => html`
    <${FirstSteps} data=${data} />
    <section aria-labelledby="health"><h2 id="health">${t("Health")}</h2>
      <ul class="plain">
        <li><${Badge} kind="good">${t("running")}<//> Dragoman ${data.version}</li>
        <li>${data.health.modelProblem ? html`<${Badge} kind="bad">${t("problem")}<//>` : data.health.demo ? html`<${Badge} kind="warn">${t("for trying out")}<//>` : html`<${Badge} kind="good">${t("ready")}<//>`}
          ${" "}${t("Model: {name}", { name: data.health.model })}${data.health.modelProblem && ` – ${data.health.modelProblem}`}
          ${data.health.demo && html` – <a href=${href("/models")}>${t("how to connect another")}</a>`}</li>
        <li>${data.health.searchProblem ? html`<${Badge} kind="warn">${t("by words only")}<//>` : html`<${Badge} kind="good">${t("ready")}<//>`}
          ${" "}${t("Search")}${data.health.searchProblem && ` – ${data.health.searchProblem}`}</li>
        ${data.health.unavailable.map((one) => html`<li><${Badge} kind="warn">${t("not there")}<//> ${one.name} – ${one.why}</li>`)}
      </ul></section>
    <section aria-labelledby="today"><h2 id="today">${data.today.organisation ? t("Today, the whole organisation (UTC)") : t("Today, your own (UTC)")}</h2>
      <ul class="tiles">
        <${Tile} name=${t("spent")} value=${money(data.today.costUsd)} to="/usage" />
        <${Tile} name=${t("answers")} value=${count(data.today.answers)} to="/usage" />
        <${Tile} name=${t("tokens")} value=${count(data.today.tokens)} to="/usage" />
        <${Tile} name=${t("failed")} value=${count(data.today.failed)} to="/usage" kind=${data.today.failed ? "bad" : ""} />
      </ul></section>
    <section aria-labelledby="there"><h2 id="there">${t("What there is")}</h2>
      <ul class="tiles">
        <${Tile} name=${t("gateways")} value=${count(data.counts.gateways)} to="/gateways" />
        <${Tile} name=${t("collections")} value=${count(data.counts.collections)} to="/collections" />
        <${Tile} name=${t("documents")} value=${count(data.counts.documents)} to="/collections" />
        <${Tile} name=${t("being read")} value=${count(data.counts.ingesting)} to="/ingestion" />
        <${Tile} name=${t("could not be read")} value=${count(data.counts.ingestFailed)} to="/ingestion" kind=${data.counts.ingestFailed ? "bad" : ""} />
        <${Tile} name=${t("wait for your approval")} value=${count(data.counts.approvals)} to="/approvals" kind=${data.counts.approvals ? "warn" : ""} />
      </ul></section>
    <section aria-labelledby="failures"><h2 id="failures">${t("Latest failures")}</h2>
      ${data.failures.length === 0 ? html`<p class="empty">${t("None.")}</p>` : html`<ul class="plain">${data.failures.map((one) => html`<li>
        <${Time} at=${one.at} /> ${one.kind === "document"
          ? html`<a href=${href(`/collections/${one.in}/documents/${one.id}`)}>${one.what}</a>${" "}${t("in {where}", { where: one.where })}: ${one.why}`
          : html`<a href=${href(`/runs/${one.id}`)}>${one.what || one.where}</a>: ${t("the answer failed")}`}</li>`)}</ul>`}
    </section>
    ${data.dataFolder && html`<p class="dim">${t("Data folder: {folder}", { folder: data.dataFolder })}</p>`}`}<//><//>`;
}
