// What answers may use and sound like: servers of tools, personas, plugins, voice agents.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { may, via } from "../api.js";
import { Act, Badge, Dialog, Form, List, Loaded, Notice, Page, Sure, Time, say, useLoad } from "../parts.js";
import { inJson, readJson } from "../json.js";
import { t } from "../texts.js";
import { Markdown } from "./testchat.js";

// Changes of personas and servers of tools are operations of the Ask Sage dialect: what is asked is in the body.
const server = (name, body = {}) => via("POST", `/server/${name}`, body);
const user = (name, body = {}) => via("POST", `/user/${name}`, body);

const serverFields = () => [
  { name: "server_name", label: t("Name"), required: true, maxlength: 200 },
  { name: "server_url", label: t("Address"), type: "url", required: true, help: t("For example https://tools.example.com/mcp.") },
  { name: "description", label: t("Description"), maxlength: 1000 },
  { name: "metadata_json", label: t("Headers and more as JSON"), type: "code", rows: 5, help: t("For example {\"headers\": {\"Authorization\": \"Bearer {{secret:NAME}}\"}}. What is shown hidden stays as it is.") },
];

export function ToolServers() {
  const found = useLoad(async () => {
    const [servers, allowed] = await Promise.all([server("list-mcp-servers"), server("list-mcp-whitelisted-servers")]);
    return { servers: servers.response, allowed: allowed.response };
  }, []);
  const [editing, setEditing] = useState(null);
  const [tools, setTools] = useState(null);
  const save = async (values) => {
    const given = Object.fromEntries(serverFields().map(({ name }) => [name, values[name] || ""]));
    if (editing.id) await server("update-mcp-server", { ...given, server_id: editing.id });
    else await server("add-mcp-server", given);
    setEditing(null);
    say(t("Saved"));
    await found.reload();
  };
  return html`<${Page} title=${t("Tool servers")} actions=${html`<${Act} does=${async () => setTools(await server("list-mcp-tools"))}>${t("Ask for their tools")}<//>
      ${may("create") && html`<button type="button" class="main" onClick=${() => setEditing({})}>${t("New tool server")}</button>`}`}>
    <p class="dim">${t("MCP servers of your own. Their tools can be used where answers may call tools.")}</p>
    ${editing && html`<${Dialog} title=${editing.id ? editing.server_name : t("New tool server")} close=${() => setEditing(null)}><${Form} fields=${serverFields()} values=${editing} save=${save} cancel=${() => setEditing(null)} /><//>`}
    <${Loaded} of=${found}>${({ servers, allowed }) => html`
      <p>${allowed.length ? t("The operator allows these servers only: {names}.", { names: allowed.join(", ") }) : t("Any public server may be added; the operator can name those that are allowed.")}</p>
      <${List} label=${t("Tool servers")} rows=${servers} empty=${t("No tool server yet.")} columns=${[
        { name: t("Name"), show: (row) => row.server_name },
        { name: t("Address"), show: (row) => html`<code class="wrap">${row.server_url}</code>`, text: (row) => row.server_url },
        { name: t("Description"), show: (row) => row.description || "–" },
      ]} actions=${(row) => may("create") && html`
        <button type="button" aria-label=${t("Change the tool server {name}", { name: row.server_name })} onClick=${() => setEditing(row)}>${t("Change")}</button>
        <${Sure} label=${t("Remove the tool server {name}", { name: row.server_name })} ask=${t("Its tools can be called no more.")}
          does=${async () => { await server("delete-mcp-server", { server_id: row.id }); await found.reload(); }}>${t("Remove")}<//>`} />`}<//>
    ${tools && html`<h2>${t("Tools")}</h2>
      ${tools.errors.map((one) => html`<${Notice} kind="bad">${one.server_name}: ${one.error}<//>`)}
      <${List} label=${t("Tools")} rows=${tools.response} keyed=${(row) => `${row.server && row.server.id}/${row.name}`} empty=${t("None.")} columns=${[
        { name: t("Tool"), show: (row) => html`<code>${row.name}</code>`, text: (row) => row.name },
        { name: t("Server"), show: (row) => (row.server ? row.server.server_name : "–") },
        { name: t("What it does"), show: (row) => row.description || "–" },
      ]} />`}<//>`;
}

const personaFields = () => [
  { name: "name", label: t("Name"), required: true, maxlength: 100 },
  { name: "description", label: t("Description"), maxlength: 1000 },
  { name: "prompt", label: t("Instructions"), type: "area", rows: 12, required: true },
];

export function Personas() {
  const found = useLoad(() => server("get-personas"), []);
  const [editing, setEditing] = useState(null);
  const save = async ({ id, name, description, prompt }) => {
    if (id) await user("update-persona", { id, name, description, prompt });
    else await user("add-persona", { name, description: description || "", prompt });
    setEditing(null);
    say(t("Saved"));
    await found.reload();
  };
  return html`<${Page} title=${t("Personas")} actions=${may("create") && html`<button type="button" class="main" onClick=${() => setEditing({})}>${t("New persona")}</button>`}>
    <p class="dim">${t("Ways to answer that can be chosen for each question.")}</p>
    ${editing && html`<${Dialog} title=${editing.id ? editing.name : t("New persona")} wide=${true} close=${() => setEditing(null)}>${editing.public
      ? html`<p>${editing.description}</p><p class="wrap">${editing.prompt}</p>`
      : html`<${Form} fields=${personaFields()} values=${editing} save=${save} cancel=${() => setEditing(null)} />`}<//>`}
    <${Loaded} of=${found}>${(data) => html`<${List} label=${t("Personas")} rows=${data.response} columns=${[
      { name: t("Name"), show: (row) => row.name },
      { name: t("Description"), show: (row) => row.description || "–" },
      { name: t("Number"), kind: "number", show: (row) => row.id },
      { name: t("Whose"), show: (row) => (row.public ? t("built in") : t("your own")) },
    ]} actions=${(row) => html`
      <button type="button" aria-label=${row.public || !may("create") ? t("Show the persona {name}", { name: row.name }) : t("Change the persona {name}", { name: row.name })} onClick=${() => setEditing(row)}>${row.public || !may("create") ? t("Show") : t("Change")}</button>
      ${!row.public && may("create") && html`<${Sure} label=${t("Delete the persona {name}", { name: row.name })} ask=${t("Nobody can choose it any more.")}
        does=${async () => { await user("delete-persona", { id: row.id }); await found.reload(); }}>${t("Delete")}<//>`}`} />`}<//><//>`;
}

// A plugin with its fields, and what it says.
function UsePlugin({ plugin, close }) {
  const [told, setTold] = useState(null);
  const types = { textarea: "area", file: "file" };
  const file = plugin.fields.find((one) => one.type === "file");
  const use = async (given) => {
    setTold(null);
    const values = Object.fromEntries(plugin.fields.filter((one) => one !== file && given[one.name]).map((one) => [one.name, given[one.name]]));
    let answer;
    if (file) {
      const form = new FormData();
      form.append("file", given[file.name]);
      form.append("plugin_name", plugin.plugin_name);
      form.append("plugin_values", JSON.stringify(values));
      answer = await via("POST", "/server/execute-plugin-with-file", form);
    } else {
      answer = await server("execute-plugin", { plugin_name: plugin.plugin_name, plugin_values: values });
    }
    setTold(answer.message);
    say(t("The plugin is done."));
  };
  return html`<${Dialog} title=${plugin.title} wide=${true} close=${close}><p>${plugin.description}</p>
    <${Form} asks values=${{}} save=${use} label=${t("Carry out")} cancel=${close}
      fields=${plugin.fields.map((one) => ({ name: one.name, label: one.name, help: one.description, required: one.required, type: types[one.type] || "text" }))} />
    ${told !== null && html`<h3>${t("Answer")}</h3><${Markdown} text=${told} />`}<//>`;
}

export function Plugins() {
  const found = useLoad(() => server("get-plugins"), []);
  const [using, setUsing] = useState(null);
  return html`<${Page} title=${t("Plugins")}>
    <p class="dim">${t("Work that the server does on texts, files and data, also as tools of agents.")}</p>
    ${using && html`<${UsePlugin} plugin=${using} close=${() => setUsing(null)} />`}
    <${Loaded} of=${found}>${(data) => html`<${List} label=${t("Plugins")} rows=${data.response} keyed=${(row) => row.plugin_name} columns=${[
      { name: t("Name"), show: (row) => row.title },
      { name: t("Called as"), show: (row) => html`<code>${row.plugin_name}</code>`, text: (row) => row.plugin_name },
      { name: t("What it does"), show: (row) => row.description },
      { name: t("Fields"), show: (row) => row.fields.map((one) => one.name).join(", ") || "–" },
    ]} actions=${may("create") && ((row) => html`<button type="button" aria-label=${t("Use {name}", { name: row.title })} onClick=${() => setUsing(row)}>${t("Use")}</button>`)} />`}<//><//>`;
}

export function VoiceAgents() {
  const found = useLoad(() => via("GET", "/api/v1/playground/agents"), []);
  const gateways = useLoad(() => via("GET", "/api/v1/ai-gateways?limit=10000"), []);
  const [editing, setEditing] = useState(null);
  const [making, setMaking] = useState(false);
  const create = async ({ name, model, welcome }) => {
    const config = { llm: { model: { model } }, ...(welcome ? { agent: { welcome_text: welcome } } : {}) };
    await via("POST", "/api/v1/playground/agents", { name, agent_config: config });
    setMaking(false);
    say(t("Saved"));
    await found.reload();
  };
  const change = async ({ name, json }) => {
    const config = readJson(json, "json");
    try {
      await via("PATCH", `/api/v1/playground/agents/${editing.id}`, { name, agent_config: config });
    } catch (error) {
      throw inJson(error, json, "json");
    }
    setEditing(null);
    say(t("Saved"));
    await found.reload();
  };
  const models = (gateways.data || []).map((one) => one.slug);
  return html`<${Page} title=${t("Voice agents")} actions=${html`<a class="button" href="/playground" target="_blank" rel="noopener">${t("Talk in the playground")}</a>
      ${may("create") && html`<button type="button" class="main" onClick=${() => setMaking(true)}>${t("New voice agent")}</button>`}`}>
    <p class="dim">${t("Who answers in conversations by voice: a model or gateway with a voice, ears and manners.")}</p>
    ${editing && html`<${Dialog} title=${editing.name} wide=${true} close=${() => setEditing(null)}><${Form} values=${{ name: editing.name, json: JSON.stringify(editing.agent_config, null, 2) }} save=${change} cancel=${() => setEditing(null)} fields=${[
      { name: "name", label: t("Name"), required: true, maxlength: 200 },
      { name: "json", label: t("All as JSON"), type: "code", rows: 20, help: t("Model, voice, ears and manners. A part that is left out stays as it is; keys are never shown.") },
    ]} /><//>`}
    ${making && html`<${Dialog} title=${t("New voice agent")} close=${() => setMaking(false)}><${Form} values=${{}} save=${create} cancel=${() => setMaking(false)} fields=${[
      { name: "name", label: t("Name"), required: true, maxlength: 200 },
      { name: "model", label: t("Model or gateway"), required: true, suggestions: models },
      { name: "welcome", label: t("Greeting") },
    ]} /><//>`}
    <${Loaded} of=${found}>${(data) => html`<${List} label=${t("Voice agents")} rows=${data.agents} empty=${t("No voice agent yet.")} columns=${[
      { name: t("Name"), show: (row) => row.name },
      { name: t("Id"), show: (row) => html`<code class="wrap">${row.id}</code>`, text: (row) => row.id },
      { name: t("Changed"), show: (row) => html`<${Time} at=${row.updated_at} />`, text: (row) => row.updated_at },
    ]} actions=${(row) => may("create") && html`
      <button type="button" aria-label=${t("Change the voice agent {name}", { name: row.name })} onClick=${() => setEditing(row)}>${t("Change")}</button>
      <${Sure} label=${t("Delete the voice agent {name}", { name: row.name })} ask=${t("Conversations can be begun with it no more.")}
      does=${async () => { await via("DELETE", `/api/v1/playground/agents/${row.id}`); await found.reload(); }}>${t("Delete")}<//>`} />`}<//><//>`;
}
