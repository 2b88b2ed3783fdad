import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { may, own, ownAddress } from "../api.js";
import { Bars } from "../chart.js";
import { List, Loaded, Page, useLoad } from "../parts.js";
import { href } from "../route.js";
import { count, money, t } from "../texts.js";

const days = (since, until) => {
  const all = [];
  for (let day = new Date(`${since}T00:00:00Z`); day <= new Date(`${until}T00:00:00Z`); day.setUTCDate(day.getUTCDate() + 1)) {
    all.push(day.toISOString().slice(0, 10));
  }
  return all;
};
const SUMS = ["answers", "failed", "promptTokens", "completionTokens", "cachedTokens", "costUsd"];

function grouped(rows, by) {
  const groups = new Map();
  for (const row of rows) {
    const name = row[by] || t("none");
    if (!groups.has(name)) groups.set(name, { id: name, ...Object.fromEntries(SUMS.map((sum) => [sum, 0])), rows: [] });
    const group = groups.get(name);
    for (const sum of SUMS) group[sum] += row[sum];
    group.rows.push(row);
  }
  return [...groups.values()];
}

export function Usage() {
  const [wanted, setWanted] = useState({ days: 30, scope: may("manage") ? "organisation" : "own", by: "model", what: "" });
  const query = new URLSearchParams({ days: wanted.days, scope: wanted.scope });
  const usage = useLoad(() => own("GET", `/usage?${query}`), [String(query)]);
  const pick = (name) => (event) => setWanted({ ...wanted, [name]: event.target.value });
  const bys = { model: t("Model"), day: t("Day"), key: t("Key"), user: t("User"), kind: t("Kind") };
  const whats = { costUsd: t("Cost"), tokens: t("Tokens"), answers: t("Answers"), failed: t("Failures") };
  // Where nothing has a price, tokens tell more.
  const what = wanted.what || (usage.data && usage.data.rows.length && !usage.data.rows.some((row) => row.costUsd) ? "tokens" : "costUsd");
  const value = (row) => (what === "tokens" ? row.promptTokens + row.completionTokens : row[what]);
  const shown = what === "costUsd" ? money : count;
  const Choice = ({ name, label, options }) => html`<div class="filter"><label for=${`usage-${name}`}>${label}</label>
    <select id=${`usage-${name}`} onChange=${pick(name)}>${options.map(([one, text]) => html`<option value=${one} selected=${String(name === "what" ? what : wanted[name]) === String(one)}>${text}</option>`)}</select></div>`;
  return html`<${Page} title=${t("Usage")} actions=${html`<a class="button" href=${href("/receipts")}>${t("Receipts")}</a> <a class="button" href=${ownAddress(`/usage.csv?${query}`)} download>${t("Download as CSV")}</a>`}>
    <div class="tools">
      ${Choice({ name: "days", label: t("Days"), options: [1, 7, 30, 90, 366].map((n) => [n, n === 1 ? t("today") : t("{n} days", { n })]) })}
      ${may("manage") && Choice({ name: "scope", label: t("Of"), options: [["organisation", t("the whole organisation")], ["own", t("your own")]] })}
      ${Choice({ name: "by", label: t("By"), options: Object.entries(bys) })}
      ${Choice({ name: "what", label: t("Shown"), options: Object.entries(whats) })}
    </div>
    <${Loaded} of=${usage}>${(data) => {
      const all = days(data.since, data.until);
      const groups = grouped(data.rows, wanted.by).sort((one, other) => wanted.by === "day" ? (one.id < other.id ? 1 : -1) : value(other) - value(one));
      const parts = grouped(data.rows, wanted.by === "day" ? "kind" : wanted.by).sort((one, other) => value(other) - value(one))
        .map((group) => [group.id, all.map((day) => group.rows.filter((row) => row.day === day).reduce((sum, row) => sum + value(row), 0))]);
      return html`${data.rows.length === 0 ? html`<p class="empty">${t("Nothing was used in this time.")}</p>` : html`
        <${Bars} label=${`${whats[what]}, ${t("each day (UTC)")}`} days=${all} parts=${parts} shown=${shown} />
        <${List} label=${t("Usage by {what}", { what: bys[wanted.by] })} rows=${groups} columns=${[
          { name: bys[wanted.by], show: (row) => row.id },
          { name: t("Answers"), kind: "number", show: (row) => count(row.answers) },
          { name: t("Failed"), kind: "number", show: (row) => count(row.failed) },
          { name: t("Asked tokens"), kind: "number", show: (row) => count(row.promptTokens) },
          { name: t("of these cached"), kind: "number", show: (row) => count(row.cachedTokens) },
          { name: t("Answered tokens"), kind: "number", show: (row) => count(row.completionTokens) },
          { name: t("Cost"), kind: "number", show: (row) => money(row.costUsd) },
        ]} />`}`;
    }}<//><//>`;
}
