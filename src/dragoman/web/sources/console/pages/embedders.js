// Whose vectors a collection has, and its way to another embedder while it goes on answering.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { own } from "../api.js";
import { Badge, Facts, Form, List, Loaded, Notice, Sure, Time, say, useLoad } from "../parts.js";
import { href } from "../route.js";
import { count, t } from "../texts.js";

const LOOKS_MS = 1500;
const NAMED_MS = 15_000;

const chosen = (name, embedders) => (name === "default"
  ? t("the server's own ({name})", { name: embedders.default || t("none") })
  : `${name} (${embedders[name] || t("not there")})`);

function Way({ of }) {
  return html`<p><${Badge} kind=${of.state === "waiting" ? "bad" : "warn"}>${of.state === "waiting" ? t("waits") : t("under way")}<//>
    ${" "}${t("to {name}", { name: of.next })} <progress max=${Math.max(of.total, 1)} value=${of.done} aria-label=${t("Passages with new vectors")}></progress>
    ${" "}${t("{done} of {all} passages", { done: count(of.done), all: count(of.total) })}</p>
    ${of.detail && html`<${Notice} kind="bad">${of.detail}<//>`}`;
}

export function Embedder({ id, able }) {
  const [working, setWorking] = useState(false);
  const now = useLoad(() => own("GET", `/collections/${id}/embedder`), [id], working ? LOOKS_MS : 0);
  const all = useLoad(() => own("GET", "/embedders"), [id]);
  useEffect(() => {
    if (!now.data) return;
    const is = now.data.state !== "settled";
    if (working && !is) say(t("The collection answers with its new vectors."));
    setWorking(is);
  }, [now.data]);
  const start = async ({ embedder }) => {
    await own("PUT", `/collections/${id}/embedder`, { embedder });
    await now.reload();
  };
  const stop = async () => {
    await own("DELETE", `/collections/${id}/embedder/change`);
    await now.reload();
  };
  return html`<h2>${t("Embedder")}</h2>
    <p class="dim">${t("Turns passages and questions into vectors. With another one all vectors are made anew beside those in use: the collection goes on answering, and switches when the last one is there.")}</p>
    <${Loaded} of=${all}>${({ embedders }) => html`<${Loaded} of=${now}>${(state) => html`
      <${Facts} of=${[
        [t("Vectors are of"), state.embedder || t("none yet")], [t("Chosen"), chosen(state.choice, embedders)],
        state.startedAt && [t("On its way since"), html`<${Time} at=${state.startedAt} />`],
      ]} />
      ${!state.available && html`<${Notice} kind="warn">${t("The embedder of these vectors is not here, so that this collection is searched by words only.")}<//>`}
      ${state.state !== "settled" && html`<${Way} of=${state} />
        ${able && html`<p><${Sure} kind="" ask=${t("The vectors in use stay; what is made of the new ones is thrown away.")} done=${t("The change is stopped.")} does=${stop}>${t("Stop the change")}<//></p>`}`}
      ${able && (Object.keys(embedders).length === 0
        ? html`<p class="empty">${t("No embedder is set up on this server.")}</p>`
        : html`<${Form} key=${state.choice} values=${{ embedder: state.choice }} save=${start} label=${t("Change the embedder")} done=${t("The change is under way.")} fields=${[
          { name: "embedder", label: t("Another embedder"), type: "select", help: t("More are named in the settings, under embedding.others."),
            options: [["default", chosen("default", embedders)], ...Object.keys(embedders).filter((name) => name !== "default").map((name) => [name, chosen(name, embedders)])] },
        ]} />`)}`}<//>`}<//>`;
}

// The changes that are under way, on the page of what comes in.
export function Ways() {
  const all = useLoad(() => own("GET", "/embedders"), [], NAMED_MS);
  const under = all.data ? all.data.collections.filter((one) => one.state !== "settled") : [];
  if (under.length === 0) return null;
  return html`<h2>${t("Collections on their way to another embedder")}</h2>
    <${List} label=${t("Collections on their way to another embedder")} rows=${under} keyed=${(row) => row.collection.id} filterable=${false} columns=${[
      { name: t("Collection"), show: (row) => html`<a href=${href(`/collections/${row.collection.id}`)}>${row.collection.name}</a>` },
      { name: t("State"), show: (row) => html`<${Way} of=${row} />` },
      { name: t("Since"), show: (row) => html`<${Time} at=${row.startedAt} />` },
    ]} />`;
}
