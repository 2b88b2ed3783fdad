import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { own, ownAddress } from "../api.js";
import { Act, Badge, List, Loaded, Notice, Page, Time, useLoad } from "../parts.js";
import { count, t } from "../texts.js";

const Details = ({ of }) => {
  const entries = Object.entries(of || {});
  return entries.length ? html`<ul class="details">${entries.map(([name, value]) => html`<li><code>${name}</code> ${typeof value === "string" ? value : JSON.stringify(value)}</li>`)}</ul>` : null;
};

export function Audit() {
  const [wanted, setWanted] = useState({ text: "", outcome: "", before: [] });
  const query = new URLSearchParams({ text: wanted.text, outcome: wanted.outcome, before: wanted.before[wanted.before.length - 1] || 0 });
  const events = useLoad(() => own("GET", `/audit?${query}`), [String(query)]);
  const [chain, setChain] = useState(null);
  const search = (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    setWanted({ text: given.get("text"), outcome: given.get("outcome"), before: [] });
  };
  return html`<${Page} title=${t("Audit")} actions=${html`
      <${Act} does=${async () => setChain(await own("GET", "/audit/check"))}>${t("Check the chain")}<//>
      <a class="button" href=${ownAddress("/audit.jsonl")} download>${t("Download all")}</a>`}>
    ${chain && html`<${Notice} kind=${chain.whole ? "good" : "bad"}>${chain.whole
      ? t("The chain of {n} events is whole.", { n: count(chain.events) })
      : t("The chain is broken at event {n}: {why}", { n: chain.problem.number, why: chain.problem.detail })}<//>`}
    <form class="tools" onSubmit=${search}>
      <div class="filter"><label for="audit-text">${t("Action, person, address or thing")}</label><input id="audit-text" name="text" type="search" autocomplete="off" /></div>
      <div class="filter"><label for="audit-outcome">${t("Outcome")}</label><select id="audit-outcome" name="outcome"><option value="">${t("all")}</option><option value="done">${t("done")}</option><option value="refused">${t("refused")}</option></select></div>
      <button type="submit">${t("Search")}</button>
    </form>
    <${Loaded} of=${events}>${(found) => html`<${List} label=${t("Audit events")} rows=${found.events} filterable=${false} keyed=${(row) => row.number} columns=${[
      { name: t("Number"), kind: "number", show: (row) => row.number },
      { name: t("When"), show: (row) => html`<${Time} at=${row.at} />` },
      { name: t("Who"), show: (row) => (row.redacted ? html`<em>${t("redacted")}</em>` : html`${row.actor}<br /><span class="dim">${row.address || ""}</span>`) },
      { name: t("What"), show: (row) => html`<code>${row.action}</code>${row.outcome !== "done" && html` <${Badge} kind="bad">${row.outcome}<//>`}` },
      { name: t("To"), show: (row) => html`<code class="wrap">${row.target}</code><${Details} of=${row.details} />` },
    ]} />
    <div class="buttons">
      ${wanted.before.length > 0 && html`<button type="button" onClick=${() => setWanted({ ...wanted, before: wanted.before.slice(0, -1) })}>${t("Newer")}</button>`}
      ${found.more && html`<button type="button" onClick=${() => setWanted({ ...wanted, before: [...wanted.before, found.events[found.events.length - 1].number] })}>${t("Older")}</button>`}
    </div>`}<//><//>`;
}
