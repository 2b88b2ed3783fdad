// The server itself, for those who look after it.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { own } from "../api.js";
import { Act, Badge, Facts, List, Loaded, Notice, Page, Tabs, Time, useLoad } from "../parts.js";
import { bytes, count, t } from "../texts.js";

export function System() {
  const [tab, setTab] = useState("overview");
  const shown = { overview: Overview, storage: Storage, checks: Checks, config: Config, log: Log }[tab];
  return html`<${Page} title=${t("System")}>
    <${Tabs} label=${t("Parts of the system")} at=${tab} choose=${setTab} tabs=${[
      ["overview", t("Overview")], ["checks", t("Checks")], ["storage", t("Storage")], ["config", t("Settings")], ["log", t("Log")],
    ]} />
    <${shown} key=${tab} /><//>`;
}

function Overview() {
  const found = useLoad(() => own("GET", "/system"), [], 10000);
  return html`<${Loaded} of=${found}>${(data) => html`
    <${Facts} of=${[
      [t("Version"), data.version], [t("Address"), data.address], [t("Running since"), html`<${Time} at=${data.startedAt} />`],
      [t("Machine"), `${data.host} – ${data.machine}, Python ${data.python}`], [t("Process"), data.process],
      [t("Data folder"), html`<code class="wrap">${data.dataFolder}</code>`], [t("Database"), data.database],
      [t("Settings file"), data.settingsFile ? html`<code class="wrap">${data.settingsFile}</code>` : t("none")],
    ]} />
    <h2>${t("Models")}</h2>
    ${data.searchProblem && html`<${Notice} kind="warn">${t("Search is by words only: {why}", { why: data.searchProblem })}<//>`}
    <${List} label=${t("Models")} rows=${data.models} keyed=${(row) => row.name} columns=${[
      { name: t("Name"), show: (row) => html`<code>${row.name}</code>`, text: (row) => row.name },
      { name: t("From"), show: (row) => row.owner },
      { name: t("State"), text: (row) => row.unavailable || "", show: (row) => (row.unavailable
        ? html`<${Badge} kind="bad">${t("not there")}<//> ${row.unavailable}`
        : html`<${Badge} kind="good">${t("ready")}<//>${row.inForce && html` <${Badge}>${t("answers when none is named")}<//>`}`) },
    ]} />
    <h2>${t("Background work")}</h2>
    <p>${data.worksHere ? t("This process carries out background work.") : t("This process leaves background work to others (dragoman work).")}</p>
    <${List} label=${t("Queues")} rows=${data.work.queues} keyed=${(row) => row.kind} filterable=${false} empty=${t("There has been no work yet.")} columns=${[
      { name: t("Work"), show: (row) => html`<code>${row.kind}</code>` },
      { name: t("Waiting"), kind: "number", show: (row) => count(row.states.queued || 0) },
      { name: t("Under way"), kind: "number", show: (row) => count(row.states.running || 0) },
      { name: t("Done"), kind: "number", show: (row) => count(row.states.done || 0) },
      { name: t("Failed"), kind: "number", show: (row) => (row.states.failed ? html`<${Badge} kind="bad">${count(row.states.failed)}<//>` : "0") },
      { name: t("Waits since, in seconds"), kind: "number", show: (row) => (row.waitingSeconds === null ? "–" : count(row.waitingSeconds)) },
    ]} />
    <h3>${t("Workers that have work in hand")}</h3>
    <${List} label=${t("Workers that have work in hand")} rows=${data.work.workers} keyed=${(row) => row.name} filterable=${false} empty=${t("None: all of them are free.")} columns=${[
      { name: t("Worker"), show: (row) => html`<code class="wrap">${row.name}</code>` }, { name: t("Jobs"), kind: "number", show: (row) => count(row.jobs) },
    ]} />
    <h2>${t("What may be contacted")}</h2>
    <p>${data.contacts.offline
      ? html`<${Badge} kind="good">${t("offline")}<//> ${t("Nothing but this machine and what is let through.")}`
      : html`<${Badge}>${t("online")}<//> ${t("Public addresses, and what is let through.")}`}</p>
    <p>${data.contacts.allow.length ? t("Let through: {names}", { names: data.contacts.allow.join(", ") }) : t("Let through beyond that: nothing.")}</p>
    <h3>${t("What was refused")}</h3>
    <${List} label=${t("What was refused")} rows=${data.contacts.refused} keyed=${(row) => `${row.at} ${row.host} ${row.process}`} empty=${t("Nothing.")} columns=${[
      { name: t("Address"), show: (row) => html`<code>${row.host}${row.port ? `:${row.port}` : ""}</code>`, text: (row) => row.host },
      { name: t("When"), show: (row) => html`<${Time} at=${row.at} />`, text: (row) => row.at },
      { name: t("Verdict"), show: (row) => row.verdict }, { name: t("Asked for by"), show: (row) => html`<code class="wrap">${row.by}</code>`, text: (row) => row.by },
    ]} />`}<//>`;
}

const STATES = () => ({ ok: ["good", t("in order")], warning: ["warn", t("worth a look")], broken: ["bad", t("broken")] });

function Checks() {
  const found = useLoad(() => own("GET", "/system/checks"), []);
  const wrong = (rows) => rows.filter((one) => one.state !== "ok").length;
  return html`<p class="dim">${t("The same as: dragoman doctor")}</p>
    <${Loaded} of=${found}>${(rows) => html`
      <${Notice} kind=${wrong(rows) ? "warn" : "good"}>${wrong(rows) ? t("{n} of {all} checks found something.", { n: wrong(rows), all: rows.length }) : t("Everything is in order.")}<//>
      <${List} label=${t("Checks")} rows=${rows} keyed=${(row) => row.name + row.detail} columns=${[
        { name: t("What"), show: (row) => row.name },
        { name: t("State"), show: (row) => html`<${Badge} kind=${STATES()[row.state][0]}>${STATES()[row.state][1]}<//>`, text: (row) => STATES()[row.state][1] },
        { name: t("Found"), show: (row) => row.detail },
        { name: t("What to do"), show: (row) => row.remedy || "–" },
      ]}><${Act} does=${found.reload} done=${t("Checked anew")}>${t("Check again")}<//><//>`}<//>`;
}

function Storage() {
  const found = useLoad(() => own("GET", "/system/storage"), []);
  return html`<${Loaded} of=${found}>${(data) => html`
    <${Facts} of=${[
      [t("Folder"), html`<code class="wrap">${data.folder}</code>`],
      [t("Free on its disk"), t("{free} of {all}", { free: bytes(data.freeBytes), all: bytes(data.diskBytes) })],
      [t("Taken in all"), bytes(data.parts.reduce((sum, one) => sum + one.bytes, 0))],
    ]} />
    ${!data.whole && html`<${Notice} kind="warn">${t("There are very many files; not all of them were counted.")}<//>`}
    <${List} label=${t("Parts of the data folder")} rows=${[...data.parts].sort((a, b) => b.bytes - a.bytes)} keyed=${(row) => row.name} columns=${[
      { name: t("Part"), show: (row) => html`<code>${row.name}</code>`, text: (row) => row.name },
      { name: t("Files"), kind: "number", show: (row) => count(row.files) }, { name: t("Size"), kind: "number", show: (row) => bytes(row.bytes) },
    ]} />`}<//>`;
}

const shownValue = (value) => (value === null ? "" : typeof value === "string" ? value : JSON.stringify(value));

function Config() {
  const found = useLoad(() => own("GET", "/system/config"), []);
  const [changedOnly, setChangedOnly] = useState(false);
  return html`<p class="dim">${t("As this process read them at its start; secrets are masked. What can be set, and where, is in the reference of settings.")}</p>
    <${Loaded} of=${found}>${(rows) => html`<${List} label=${t("Settings")} rows=${changedOnly ? rows.filter((row) => row.origin !== "default") : rows} keyed=${(row) => row.name}
      empty=${t("Nothing is set: everything is as it comes.")} columns=${[
        { name: t("Name"), show: (row) => html`<code>${row.name}</code>`, text: (row) => row.name },
        { name: t("Value"), show: (row) => (row.value === null ? html`<span class="dim">${t("unset")}</span>` : html`<code class="wrap">${shownValue(row.value)}</code>`), text: (row) => shownValue(row.value) },
        { name: t("From"), show: (row) => (row.origin === "default" ? html`<span class="dim">${t("default")}</span>` : row.origin), text: (row) => row.origin },
      ]}><label class="check"><input type="checkbox" checked=${changedOnly} onChange=${(event) => setChangedOnly(event.target.checked)} /> ${t("Only what was set")}</label><//>`}<//>`;
}

const LEVELS = { error: "bad", critical: "bad", warning: "warn" };

function Log() {
  const [wanted, setWanted] = useState({ level: "debug", text: "" });
  const query = new URLSearchParams({ level: wanted.level, text: wanted.text, limit: "500" });
  const found = useLoad(() => own("GET", `/system/log?${query}`), [wanted], 5000);
  const search = (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    setWanted({ level: given.get("level"), text: given.get("text") });
  };
  const details = (row) => Object.entries(row.facts).map(([name, value]) => `${name}=${value}`).join(" ");
  return html`<p class="dim">${t("The last lines of this process, the latest first. They hold neither what people wrote nor secrets.")}</p>
    <form class="tools" onSubmit=${search}>
      <div class="filter"><label for="log-text">${t("Text")}</label><input id="log-text" name="text" type="search" autocomplete="off" /></div>
      <div class="filter"><label for="log-level">${t("Least level")}</label><select id="log-level" name="level"><option value="debug">${t("all")}</option><option value="warning">${t("warnings")}</option><option value="error">${t("errors")}</option></select></div>
      <button type="submit">${t("Search")}</button>
    </form>
    <${Loaded} of=${found}>${(rows) => html`<${List} label=${t("Lines of the log")} rows=${rows} filterable=${false} keyed=${(row) => row.at + row.event + details(row)} empty=${t("No such line.")} columns=${[
      { name: t("When"), show: (row) => html`<${Time} at=${row.at} />` },
      { name: t("Level"), show: (row) => html`<${Badge} kind=${LEVELS[row.level] || ""}>${row.level}<//>` },
      { name: t("Event"), show: (row) => html`<code>${row.event}</code>` },
      { name: t("Details"), show: (row) => html`<code class="wrap">${details(row)}</code>` },
    ]} />`}<//>`;
}
