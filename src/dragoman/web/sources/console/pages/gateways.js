import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { may, own, via } from "../api.js";
import { inJson, readJson } from "../json.js";
import { Act, Copy, Facts, Form, List, Loaded, Page, Sure, Tabs, Time, useLoad, say } from "../parts.js";
import { go, href } from "../route.js";
import { t } from "../texts.js";
import { TestChat } from "./testchat.js";

export function Gateways() {
  const gateways = useLoad(() => via("GET", "/api/v1/ai-gateways?limit=10000"), []);
  return html`<${Page} title=${t("Gateways")} actions=${may("create") && html`<a class="button main" href=${href("/gateways/new")}>${t("New gateway")}</a>`}>
    <p class="dim">${t("A gateway is a model with instructions, knowledge and tools under a name of its own. Clients ask it like any model.")}</p>
    <${Loaded} of=${gateways}>${(rows) => html`<${List} label=${t("Gateways")} rows=${rows} empty=${t("No gateway yet.")} columns=${[
      { name: t("Name"), show: (row) => html`<a href=${href(`/gateways/${row.id}`)}>${row.name}</a>`, text: (row) => row.name },
      { name: t("Model"), show: (row) => row.modelName },
      { name: t("Called as"), show: (row) => html`<code>${row.slug}</code>`, text: (row) => row.slug },
    ]} />`}<//><//>`;
}

const STRATEGIES = ["Plain", "Concatenate", "UserRewrite", "FullRewrite", "QueryFunction"];
const words = (list) => list.map((one) => [one, one]);

function useChoices() {
  return useLoad(async () => {
    const [models, collections, skills] = await Promise.all([
      own("GET", "/models"), via("GET", "/api/v1/collections?limit=10000"), via("GET", "/api/v1/skills?limit=10000"),
    ]);
    return { models, collections, skills };
  }, []);
}

const TOOLS = ["WebSearch", "AdvancedWebUsage", "OpenUrl", "Code", "Remember", "ImageGeneration", "XPostsSearch", "GenerateDocument", "GenerateWebPage", "Request", "Calendar"];

function gatewayFields({ models, collections, skills }, isNew, offered = TOOLS) {
  return [
    { name: "name", label: t("Name"), required: true, maxlength: 200 },
    { name: "baseAddress", label: t("Address of the model"), required: true, help: t("@integrated asks this server's own models and providers; else the address of an OpenAI-compatible API, as https://host/v1.") },
    { name: "modelName", label: t("Model"), required: true, suggestions: [...models.models.map((one) => one.name), ...Object.keys(models.aliases)] },
    { name: "apiKey", label: t("API key of the model's address"), type: "password", autocomplete: "new-password", help: isNew ? t("Not needed with @integrated.") : t("*** keeps the one there is."), when: (all) => all.baseAddress !== "@integrated" },
    { name: "systemInstruction", label: t("Instructions"), type: "area", rows: 8, help: t("Who answers, how, and what it must not do.") },
    { name: "knowledgeCollections", label: t("Knowledge"), type: "group", options: collections.map((one) => [one.id, one.name]), none: t("No collection yet.") },
    { name: "queryStrategy", label: t("How knowledge is searched"), type: "select", options: words(STRATEGIES), when: (all) => all.knowledgeCollections.length > 0 },
    { name: "knowledgeBaseMaximumResults", label: t("Passages at most"), type: "number", min: 1, max: 128, when: (all) => all.knowledgeCollections.length > 0 },
    { name: "knowledgeBaseMinimumScore", label: t("Least score of a passage"), type: "number", min: 0, max: 1, step: 0.05, when: (all) => all.knowledgeCollections.length > 0 },
    { name: "skills", label: t("Skills"), type: "group", options: skills.map((one) => [one.slug || one.name || one.id, one.slug || one.name]), none: t("No skill yet.") },
    { name: "enabledFunctions", label: t("Tools of the server"), type: "group", options: words(offered) },
    { name: "enableBash", label: t("A shell in a sandbox"), type: "check" },
    { name: "temperature", label: t("Temperature"), type: "number", min: 0, max: 2, step: 0.1, help: t("Empty leaves it to the model.") },
    { name: "maxCompletionTokens", label: t("Longest answer in tokens"), type: "number", min: 1, help: t("Empty leaves it to the model.") },
    { name: "reasoningEffort", label: t("Reasoning effort"), suggestions: ["low", "medium", "high"] },
  ];
}

const NUMBERS = ["temperature", "maxCompletionTokens", "knowledgeBaseMaximumResults", "knowledgeBaseMinimumScore"];
const EMPTY_IS_NULL = ["systemInstruction", "apiKey", "reasoningEffort"];

function toForm(name, parameters) {
  const sentinel = parameters.sentinelOptions || {};
  return { ...parameters, name, enabledFunctions: sentinel.enabledFunctions || [] };
}

// Only what was changed is sent, so that the form never touches a parameter it does not show.
function changed(values, before) {
  const given = {};
  const shown = ["baseAddress", "modelName", "knowledgeCollections", "queryStrategy", "skills", "enableBash", ...NUMBERS, ...EMPTY_IS_NULL];
  for (const name of shown) {
    let value = values[name];
    if (NUMBERS.includes(name)) value = value === "" || value === null || value === undefined ? null : Number(value);
    if (EMPTY_IS_NULL.includes(name)) value = value || null;
    if (JSON.stringify(value) !== JSON.stringify(before[name] ?? null)) given[name] = value;
  }
  const functions = (before.sentinelOptions || {}).enabledFunctions || [];
  if (JSON.stringify(values.enabledFunctions) !== JSON.stringify(functions)) {
    given.sentinelOptions = { ...(before.sentinelOptions || {}), enabledFunctions: values.enabledFunctions };
  }
  return given;
}

const FRESH = {
  baseAddress: "@integrated", modelName: "", systemInstruction: null, knowledgeCollections: [], queryStrategy: "Plain",
  knowledgeBaseMaximumResults: 5, knowledgeBaseMinimumScore: 0.4, skills: [], enableBash: false, temperature: null,
  maxCompletionTokens: null, reasoningEffort: null, apiKey: null,
};

export function NewGateway() {
  const choices = useChoices();
  const save = async (values) => {
    const given = { baseAddress: values.baseAddress, modelName: values.modelName, ...changed(values, FRESH) };
    const made = await via("POST", "/api/v1/ai-gateways", { name: values.name, parameters: given });
    say(t("The gateway was created."));
    go(`/gateways/${made.aiGatewayId}`);
  };
  return html`<${Page} title=${t("New gateway")} above=${html`<a href=${href("/gateways")}>${t("Gateways")}</a>`}>
    <${Loaded} of=${choices}>${(found) => html`<${Form} able=${may("create")} fields=${gatewayFields(found, true)} save=${save} label=${t("Create")}
      values=${toForm("", { ...FRESH, modelName: (found.models.models[0] || {}).name || "" })} />`}<//><//>`;
}

export function Gateway({ id }) {
  const [tab, setTab] = useState("settings");
  const gateway = useLoad(() => via("GET", `/api/v1/ai-gateways/${encodeURIComponent(id)}`), [id]);
  const tabs = [["settings", t("Settings")], ["json", t("All as JSON")], ["versions", t("Versions")], ["chat", t("Test chat")], ["use", t("Use it")]];
  const found = gateway.data;
  return html`<${Page} title=${found ? found.name : t("Gateway")} above=${html`<a href=${href("/gateways")}>${t("Gateways")}</a>`}
    actions=${found && may("create") && html`<${Sure} ask=${t("Clients that ask this gateway will get an error.")} label=${t("Delete the gateway")}
      does=${async () => { await via("DELETE", `/api/v1/ai-gateways/${id}`); go("/gateways"); }}>${t("Delete")}<//>`}>
    <${Loaded} of=${gateway}>${(one) => html`
      <${Tabs} label=${t("Parts of the gateway")} tabs=${tabs} at=${tab} choose=${setTab} />
      ${tab === "settings" && html`<${Settings} key=${JSON.stringify(one)} gateway=${one} reload=${gateway.reload} />`}
      ${tab === "json" && html`<${Raw} key=${JSON.stringify(one)} gateway=${one} reload=${gateway.reload} />`}
      ${tab === "versions" && html`<${Versions} gateway=${one} reload=${gateway.reload} />`}
      ${tab === "chat" && html`<${TestChat} model=${one.slug} />`}
      ${tab === "use" && html`<${Use} gateway=${one} />`}`}<//><//>`;
}

function Settings({ gateway, reload }) {
  const choices = useChoices();
  const save = async (values) => {
    const given = changed(values, gateway.parameters);
    await via("PATCH", `/api/v1/ai-gateways/${gateway.id}`, { name: values.name, parameters: given });
    say(t("Saved"));
    await reload();
  };
  const now = (gateway.parameters.sentinelOptions || {}).enabledFunctions || [];
  const offered = [...TOOLS, ...now.filter((one) => !TOOLS.includes(one))];
  return html`<h2 class="unseen">${t("Settings")}</h2><${Loaded} of=${choices}>${(found) => html`<${Form} able=${may("create")} fields=${gatewayFields(found, false, offered)}
    values=${toForm(gateway.name, gateway.parameters)} save=${save} />`}<//>`;
}

function Raw({ gateway, reload }) {
  const text = JSON.stringify(gateway.parameters, null, 2);
  const save = async ({ parameters }) => {
    const read = readJson(parameters, "parameters");
    try {
      await via("PATCH", `/api/v1/ai-gateways/${gateway.id}`, { parameters: read });
    } catch (error) {
      throw inJson(error, parameters, "parameters");
    }
    say(t("Saved"));
    await reload();
  };
  return html`<h2 class="unseen">${t("All as JSON")}</h2><p class="dim">${t("Every parameter. A parameter that is left out stays as it is.")}</p>
    <${Form} able=${may("create")} fields=${[{ name: "parameters", label: t("Parameters"), type: "code", rows: 30 }]} values=${{ parameters: text }} save=${save} />`;
}

function flat(value, path, into) {
  if (value && typeof value === "object" && !Array.isArray(value)) {
    for (const [name, one] of Object.entries(value)) flat(one, path ? `${path}.${name}` : name, into);
  } else into[path] = JSON.stringify(value);
  return into;
}

function differences(now, before) {
  const one = flat(now.spec, "", { name: JSON.stringify(now.name) });
  const other = flat(before.spec, "", { name: JSON.stringify(before.name) });
  return [...new Set([...Object.keys(other), ...Object.keys(one)])].filter((path) => one[path] !== other[path])
    .map((path) => [path, other[path] ?? "–", one[path] ?? "–"]);
}

function Versions({ gateway, reload }) {
  const versions = useLoad(() => own("GET", `/gateways/${gateway.id}/versions`), [gateway]);
  const back = async (number) => {
    await own("POST", `/gateways/${gateway.id}/versions/${number}/restore`);
    await reload();
    await versions.reload();
  };
  return html`<h2 class="unseen">${t("Versions")}</h2><${Loaded} of=${versions}>${(rows) => rows.length === 0
    ? html`<p class="empty">${t("Versions are kept from the next change on.")}</p>`
    : html`<ol class="versions">${rows.map((row, place) => html`<li key=${row.number}>
      <div class="head"><h3>${t("Version {number}", { number: row.number })}${place === 0 ? ` – ${t("in force")}` : ""}</h3>
        ${place > 0 && may("create") && html`<${Act} label=${t("Go back to this version, {number}", { number: row.number })} done=${t("The version is in force again.")}
          does=${() => back(row.number)}>${t("Go back to this")}<//>`}</div>
      <p class="dim"><${Time} at=${row.at} /> ${row.changedBy}</p>
      ${rows[place + 1] ? html`<ul class="changes">${differences(row, rows[place + 1]).map(([path, was, is]) => html`<li><code>${path}</code>:
        ${" "}<del>${was}</del> → <ins>${is}</ins></li>`)}</ul>` : html`<p class="dim">${t("The oldest that is kept.")}</p>`}
    </li>`)}</ol>`}<//>`;
}

function Use({ gateway }) {
  const base = location.origin;
  const curl = `curl ${base}/v1/chat/completions \\\n  -H "Authorization: Bearer $DRAGOMAN_KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '{"model": "${gateway.slug}", "messages": [{"role": "user", "content": "Hello"}]}'`;
  return html`<h2>${t("Ask this gateway")}</h2>
    <${Facts} of=${[[t("Model name for clients"), html`<code>${gateway.slug}</code>`], [t("Address for OpenAI clients"), html`<code>${base}/v1</code>`], [t("Id"), html`<code>${gateway.id}</code>`]]} />
    <pre class="code" tabindex="0">${curl}</pre><p><${Copy} text=${curl} /> <a href=${href("/keys")}>${t("Make a key")}</a></p>`;
}
