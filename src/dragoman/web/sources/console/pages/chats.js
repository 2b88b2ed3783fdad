// Chats with the operator's own customers: pages and widgets, messaging services, what was said, what is planned.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { may, via } from "../api.js";
import { inJson, readJson } from "../json.js";
import { Act, Badge, Copy, Dialog, Form, List, Loaded, Page, Sure, Tabs, Time, say, useLoad } from "../parts.js";
import { go, href } from "../route.js";
import { count, t } from "../texts.js";
import { BASE, said } from "./conversing.js";
import { Letters, Services } from "./services.js";

const lines = (text) => (text || "").split("\n").map((one) => one.trim()).filter(Boolean);

export function Chats() {
  const found = useLoad(async () => {
    const [clients, gateways] = await Promise.all([via("GET", `${BASE}?limit=10000`), via("GET", "/api/v1/ai-gateways?limit=10000")]);
    return { clients, gateways };
  }, []);
  const [making, setMaking] = useState(false);
  const create = async ({ name, gateway }) => {
    const made = await via("POST", BASE, { name, aiGatewayId: gateway, clientParameters: { pageTitle: name } });
    go(`/chats/${made.id}`);
  };
  return html`<${Page} title=${t("Web chats")} actions=${may("create") && html`<button type="button" class="main" onClick=${() => setMaking(true)}>${t("New web chat")}</button>`}>
    <p class="dim">${t("A page and a widget on which your customers talk to a gateway; also its accounts on messaging services.")}</p>
    <${Loaded} of=${found}>${({ clients, gateways }) => html`
      ${making && html`<${Dialog} title=${t("New web chat")} close=${() => setMaking(false)}><${Form} values=${{ gateway: gateways[0] && gateways[0].id }} save=${create} cancel=${() => setMaking(false)} fields=${[
        { name: "name", label: t("Name"), required: true, maxlength: 200 },
        { name: "gateway", label: t("Gateway"), type: "select", required: true, options: gateways.map((one) => [one.id, one.name]) },
      ]} /><//>`}
      <${List} label=${t("Web chats")} rows=${clients} empty=${t("No web chat yet.")} columns=${[
        { name: t("Name"), show: (row) => html`<a href=${href(`/chats/${row.id}`)}>${row.name}</a>`, text: (row) => row.name },
        { name: t("Gateway"), show: (row) => (row.associatedGateway ? row.associatedGateway.name : "–") },
        { name: t("Open conversations"), kind: "number", show: (row) => count(row.activeSessions) },
      ]} />`}<//><//>`;
}

export function Chat({ id }) {
  const client = useLoad(() => via("GET", `${BASE}/${id}`), [id]);
  const [tab, setTab] = useState("page");
  const remove = async () => {
    await via("DELETE", `${BASE}/${id}`);
    go("/chats");
  };
  const shown = { page: Embed, settings: Settings, sessions: Sessions, contacts: Contacts, services: Services, planned: Planned, letters: Letters }[tab];
  const found = client.data;
  return html`<${Page} title=${found ? found.name : t("Web chat")} above=${html`<a href=${href("/chats")}>${t("Web chats")}</a>`}
      actions=${found && may("create") && html`<${Sure} label=${t("Delete {name}", { name: found.name })} ask=${t("Its page, widget and conversations go with it.")} does=${remove}>${t("Delete")}<//>`}>
    <${Loaded} of=${client}>${(data) => html`<${Tabs} label=${t("Parts of the web chat")} at=${tab} choose=${setTab} tabs=${[
      ["page", t("Page and widget")], ["settings", t("Settings")], ["sessions", t("Conversations on the page")], ["services", t("Messaging services")], ["contacts", t("Conversations on services")],
      ["planned", t("Planned messages")], ["letters", t("Not delivered")],
    ]} />
    <${shown} key=${tab} id=${id} client=${data} changed=${client.reload} choose=${setTab} />`}<//><//>`;
}

function Embed({ id, client }) {
  const [link, setLink] = useState("");
  const line = `<script src="${location.origin}/embed.js" data-client="${id}" async></script>`;
  const origins = client.clientParameters.allowedFrameOrigins;
  const open = async () => setLink((await via("POST", `${BASE}/${id}/sessions`, { expires: 3600, tag: "console" })).talkUrl);
  return html`
    <h2>${t("Widget")}</h2>
    <p>${t("This line puts it on a page:")}</p>
    <p class="secret"><code>${line}</code></p><div class="buttons"><${Copy} text=${line} /></div>
    <p class="dim">${origins.length ? t("Pages of {origins} may show it.", { origins: origins.join(", ") }) : t("No page may show it yet: name the origins of your pages in the settings.")}</p>
    <h2>${t("Page")}</h2>
    <p>${t("A conversation of your own to try it with, for an hour:")}</p>
    ${may("create") && html`<div class="buttons"><${Act} does=${open}>${t("Start a conversation")}<//></div>`}
    ${link && html`<p class="secret"><a href=${link} target="_blank" rel="noopener">${link}</a></p>
      <h3>${t("As your customers see it")}</h3>
      <iframe class="preview" src=${framed(link)} title=${t("The page of {name}", { name: client.name })} allow="microphone 'self'"></iframe>`}`;
}

// Seen from here the page is at this address, whatever the one is that customers use.
const framed = (link) => new URL(link).pathname;

const MODES = ["Image", "Document", "Audio"];

function Settings({ id, client, changed }) {
  const [raw, setRaw] = useState(false);
  const gateways = useLoad(() => via("GET", "/api/v1/ai-gateways?limit=10000"), []);
  const kept = client.clientParameters;
  const put = async (body) => {
    await via("PUT", `${BASE}/${id}`, body);
    say(t("Saved"));
    await changed();
  };
  const save = async (values) => {
    const { name, gateway, messagesPerHour, maxMessages, origins, suggestions, inputModes, voiceCallsEnabled, ...rest } = values;
    await put({
      name, aiGatewayId: gateway || null,
      limitingParameters: { messagesPerHour: Number(messagesPerHour || 0), maxMessages: Number(maxMessages || 0) },
      clientParameters: {
        ...kept, ...rest, inputModes, allowedFrameOrigins: lines(origins), voiceCallsEnabled: Boolean(voiceCallsEnabled),
        helloLabel: rest.helloLabel || null, helloSubLabel: rest.helloSubLabel || null, textAreaPlaceholder: rest.textAreaPlaceholder || null, logoImageUrl: rest.logoImageUrl || null, languageCode: rest.languageCode || null,
        suggestionButtons: lines(suggestions).map((one) => ({ label: one.slice(0, 200), prompt: one })),
      },
    });
  };
  if (raw) {
    return html`<div class="buttons"><button type="button" onClick=${() => setRaw(false)}>${t("As a form")}</button></div>
      <${Form} able=${may("create")} values=${{ json: JSON.stringify({ limitingParameters: client.limitingParameters, clientParameters: kept }, null, 2) }}
        save=${async ({ json }) => {
          const given = readJson(json, "json");
          await put({ name: client.name, aiGatewayId: client.aiGateway ? client.aiGateway.id : null, ...given }).catch((error) => { throw inJson(error, json, "json"); });
        }}
        fields=${[{ name: "json", label: t("All as JSON"), type: "code", rows: 30 }]} />`;
  }
  return html`<div class="buttons"><button type="button" onClick=${() => setRaw(true)}>${t("All as JSON")}</button></div>
    <${Loaded} of=${gateways}>${(rows) => html`<${Form} able=${may("create")} save=${save} values=${{
      name: client.name, gateway: client.aiGateway ? client.aiGateway.id : "", ...client.limitingParameters,
      pageTitle: kept.pageTitle, helloLabel: kept.helloLabel || "", helloSubLabel: kept.helloSubLabel || "", primaryColor: kept.primaryColor, languageCode: kept.languageCode || "",
      origins: kept.allowedFrameOrigins.join("\n"), suggestions: kept.suggestionButtons.map((one) => one.prompt).join("\n"),
      inputModes: kept.inputModes, showToolCalls: kept.showToolCalls, allowScheduledContinuations: kept.allowScheduledContinuations,
      voiceCallsEnabled: kept.voiceCallsEnabled, debug: kept.debug, textAreaPlaceholder: kept.textAreaPlaceholder || "", logoImageUrl: kept.logoImageUrl || "",
      splitAnswerIntoMessageChunks: kept.splitAnswerIntoMessageChunks,
    }} fields=${[
      { name: "name", label: t("Name"), required: true, maxlength: 200 },
      { name: "gateway", param: "aiGatewayId", label: t("Gateway"), type: "select", options: [["", "–"], ...rows.map((one) => [one.id, one.name])] },
      { name: "pageTitle", label: t("Title of the page"), maxlength: 200 },
      { name: "helloLabel", label: t("Greeting"), maxlength: 1000 },
      { name: "helloSubLabel", label: t("Below the greeting"), maxlength: 1000 },
      { name: "textAreaPlaceholder", label: t("In the empty field for messages"), maxlength: 1000 },
      { name: "logoImageUrl", label: t("Address of a logo"), type: "url", maxlength: 4000 },
      { name: "primaryColor", label: t("Colour"), type: /^#[0-9a-f]{6}$/i.test(kept.primaryColor) ? "color" : "text" },
      { name: "languageCode", label: t("Language"), help: t("For example en or pt-BR. Empty: the visitor's.") },
      { name: "origins", param: "allowedFrameOrigins", label: t("Pages that may show the widget"), type: "area", rows: 3, help: t("One origin a line, for example https://www.example.com.") },
      { name: "suggestions", param: "suggestionButtons", label: t("Suggested questions"), type: "area", rows: 3, help: t("One a line.") },
      { name: "inputModes", label: t("What may be attached"), type: "group", options: MODES.map((one) => [one, one]) },
      { name: "messagesPerHour", label: t("Messages an hour"), type: "number", min: 0, help: t("0: no bound.") },
      { name: "maxMessages", label: t("Messages in a conversation"), type: "number", min: 0, help: t("0: no bound.") },
      { name: "showToolCalls", label: t("Show which tools are used"), type: "check" },
      { name: "allowScheduledContinuations", label: t("The agent may plan messages"), type: "check" },
      { name: "voiceCallsEnabled", label: t("Visitors may call the agent"), type: "check", help: t("A button on the page starts a conversation by voice, in the browser.") },
      { name: "splitAnswerIntoMessageChunks", label: t("Send long answers in pieces on messaging services"), type: "check" },
      { name: "debug", label: t("Show what answers used, for trying out"), type: "check" },
    ]} />`}<//>`;
}


// One conversation: what was said, and a person's part in it. `at` is the address of the session or contact.
function Conversation({ at, title, release, close }) {
  const found = useLoad(() => via("GET", at), [at], 4000);
  const [spoken, setSpoken] = useState(0);
  const act = (verb, body) => async () => {
    await via("POST", `${at}/${verb}`, body);
    await found.reload();
  };
  const speak = async ({ text }) => {
    await via("POST", `${at}/messages`, { text });
    setSpoken((before) => before + 1);
    await found.reload();
  };
  return html`<${Dialog} title=${title} wide=${true} close=${close}><${Loaded} of=${found}>${(data) => html`
    <p>${data.takenOver ? html`<${Badge} kind="warn">${t("A person answers")}<//> ${data.takenOverBy || ""}` : html`<${Badge} kind="good">${t("The agent answers")}<//>`}</p>
    <div class="transcript" role="log" tabindex="0" aria-label=${t("What was said")}><ol>${data.messages.map((one) => html`<li class=${one.role} key=${one.message_id || one.id}>
      <p class="dim">${one.role === "user" ? t("Customer") : t("Answer")} <${Time} at=${one.createdAt} /></p><p class="said">${said(one.content)}</p></li>`)}</ol></div>
    ${data.messages.length === 0 && html`<p class="empty">${t("Nothing was said yet.")}</p>`}
    ${may("create") && html`<div class="buttons">${data.takenOver
        ? html`<${Act} does=${act(release)} done=${t("The agent answers again.")}>${t("Let the agent answer")}<//>`
        : html`<${Act} does=${act("takeover", {})} done=${t("The agent is quiet now.")}>${t("Answer myself")}<//>`}</div>
      ${data.takenOver && html`<${Form} key=${spoken} values=${{}} save=${speak} label=${t("Send")} fields=${[{ name: "text", label: t("Your answer"), type: "area", rows: 3, required: true }]} />`}`}`}<//><//>`;
}

function Sessions({ id }) {
  const sessions = useLoad(() => via("GET", `${BASE}/${id}/sessions?limit=500`), [id], 10000);
  const [open, setOpen] = useState(null);
  return html`
    ${open && html`<${Conversation} at=${`${BASE}/${id}/sessions/${open}`} release="release" title=${t("Conversation")} close=${() => setOpen(null)} />`}
    <${Loaded} of=${sessions}>${(rows) => html`<${List} label=${t("Conversations on the page")} rows=${rows} empty=${t("Nobody has opened the chat yet.")} columns=${[
      { name: t("Begun"), show: (row) => html`<${Time} at=${row.createdAt} />`, text: (row) => row.createdAt },
      { name: t("Label"), show: (row) => row.tagName || "–" },
      { name: t("Latest message"), show: (row) => (row.lastMessage && row.lastMessage.content ? said(row.lastMessage.content).slice(0, 120) : typeof row.lastMessage === "string" ? row.lastMessage.slice(0, 120) : "–") },
      { name: t("Messages"), kind: "number", show: (row) => count(row.messageCount) },
      { name: t("Answered by"), show: (row) => (row.takenOver ? html`<${Badge} kind="warn">${t("a person")}<//>` : t("the agent")), text: (row) => (row.takenOver ? t("a person") : t("the agent")) },
      { name: t("Ends"), show: (row) => html`<${Time} at=${row.expiresAt} />`, text: (row) => row.expiresAt },
    ]} actions=${(row) => html`<button type="button" aria-label=${t("Open the conversation of {when}", { when: row.createdAt })} onClick=${() => setOpen(row.id)}>${t("Open")}</button>`} />`}<//>`;
}

const STANDINGS = () => ({ open: t("open"), held: t("a person answers"), over: t("over") });

// What was said in all web chats, by words, client and how a conversation stands.
export function Conversations() {
  const [wanted, setWanted] = useState({ text: "", client: "", status: "" });
  const [open, setOpen] = useState(null);
  const clients = useLoad(() => via("GET", `${BASE}?limit=10000`), []);
  const found = useLoad(() => via("GET", `${BASE}/search?limit=100&${new URLSearchParams(wanted)}`), [JSON.stringify(wanted)]);
  return html`<${Page} title=${t("Conversations")}>
    <p class="dim">${t("What was said on pages, in widgets and on messaging services. Case and accents do not count.")}</p>
    <${Loaded} of=${clients}>${(rows) => html`<${Form} asks values=${wanted} label=${t("Search")} done=${t("Searched.")} save=${async (values) => setWanted({ text: values.text || "", client: values.client || "", status: values.status || "" })} fields=${[
      { name: "text", label: t("Words"), maxlength: 500 },
      { name: "client", label: t("Web chat"), type: "select", options: [["", t("all")], ...rows.map((one) => [one.id, one.name])] },
      { name: "status", label: t("Status"), type: "select", options: [["", t("all")], ...Object.entries(STANDINGS())] },
    ]} />`}<//>
    ${open && html`<${Conversation} at=${`${BASE}/${open.clientId}/sessions/${open.sessionId}`} release="release" title=${`${open.clientName}, ${open.tagName || t("a visitor")}`} close=${() => setOpen(null)} />`}
    <${Loaded} of=${found}>${(rows) => html`<${List} label=${t("Conversations")} rows=${rows} keyed=${(row) => row.sessionId} empty=${t("Nothing was found.")} columns=${[
      { name: t("Said"), show: (row) => html`<${Time} at=${row.at} />`, text: (row) => row.at },
      { name: t("Web chat"), show: (row) => row.clientName },
      { name: t("Label"), show: (row) => row.tagName || "–" },
      { name: t("By"), show: (row) => (row.role === "user" ? t("Customer") : t("Answer")) },
      { name: t("Text"), show: (row) => row.snippet },
      { name: t("Status"), show: (row) => html`<${Badge} kind=${row.status === "held" ? "warn" : row.status === "open" ? "good" : ""}>${STANDINGS()[row.status]}<//>`, text: (row) => STANDINGS()[row.status] },
    ]} actions=${(row) => html`<button type="button" aria-label=${t("Open the conversation of {when}", { when: row.at })} onClick=${() => setOpen(row)}>${t("Open")}</button>`} />`}<//><//>`;
}

function Contacts({ id }) {
  const contacts = useLoad(() => via("GET", `${BASE}/${id}/contacts?limit=500`), [id], 10000);
  const [open, setOpen] = useState(null);
  return html`
    ${open && html`<${Conversation} at=${`${BASE}/${id}/contacts/${open}`} release="release" title=${t("Conversation")} close=${() => setOpen(null)} />`}
    <${Loaded} of=${contacts}>${(rows) => html`<${List} label=${t("Conversations on services")} rows=${rows} empty=${t("Nobody has written on a messaging service yet.")} columns=${[
      { name: t("Name"), show: (row) => row.name || row.address },
      { name: t("Service"), show: (row) => row.channel },
      { name: t("Address"), show: (row) => html`<code>${row.address}</code>`, text: (row) => row.address },
      { name: t("Wrote last"), show: (row) => html`<${Time} at=${row.lastMessageAt} />`, text: (row) => row.lastMessageAt },
      { name: t("Answered by"), show: (row) => (row.takenOver ? html`<${Badge} kind="warn">${t("a person")}<//>` : t("the agent")), text: (row) => (row.takenOver ? t("a person") : t("the agent")) },
    ]} actions=${(row) => html`<button type="button" aria-label=${t("Open the conversation with {who}", { who: row.name || row.address })} onClick=${() => setOpen(row.id)}>${t("Open")}</button>`} />`}<//>`;
}

function Planned({ id }) {
  const at = `/api/v1/web-chat-clients/${id}/hook-schedules`;
  const planned = useLoad(() => via("GET", at), [id], 10000);
  const off = (kind, row) => async () => {
    await via("DELETE", `${at}/${kind}/${row.id}`);
    await planned.reload();
  };
  const actions = (kind) => (row) => may("create") && html`<${Sure} label=${t("Call off the message to {who}", { who: row.externalUserId || "–" })} ask=${t("It will not be written.")} does=${off(kind, row)}>${t("Call off")}<//>`;
  return html`<${Loaded} of=${planned}>${(data) => html`
    <h2>${t("Once")}</h2>
    <${List} label=${t("Once")} rows=${data.schedules} empty=${t("Nothing is planned.")} actions=${actions("schedules")} columns=${[
      { name: t("When"), show: (row) => html`<${Time} at=${row.scheduledTime} />`, text: (row) => row.scheduledTime }, { name: t("For whom"), show: (row) => row.externalUserId || "–" },
      { name: t("Where"), show: (row) => row.target }, { name: t("Written"), show: (row) => html`<${Time} at=${row.activatedAt} />`, text: (row) => row.activatedAt }]} />
    <h2>${t("Again and again")}</h2>
    <${List} label=${t("Again and again")} rows=${data.recurringTasks} empty=${t("Nothing is planned.")} actions=${actions("recurring")} columns=${[
      { name: t("Next"), show: (row) => html`<${Time} at=${row.nextActivation} />`, text: (row) => row.nextActivation }, { name: t("Rule"), show: (row) => html`<code>${row.cronExpression}</code>`, text: (row) => row.cronExpression },
      { name: t("For whom"), show: (row) => row.externalUserId || "–" }, { name: t("Where"), show: (row) => row.target }, { name: t("Times"), kind: "number", show: (row) => count(row.executionCount) }]} />
    <h2>${t("Quiet users")}</h2>
    <${List} label=${t("Quiet users")} rows=${data.inactiveUsers} keyed=${(row) => row.externalUserId} empty=${t("Nobody.")} columns=${[
      { name: t("Who"), show: (row) => row.externalUserId }, { name: t("Wrote last"), show: (row) => html`<${Time} at=${row.lastUserMessageAt} />`, text: (row) => row.lastUserMessageAt },
      { name: t("Was written to"), show: (row) => html`<${Time} at=${row.lastScheduledMessageAt} />`, text: (row) => row.lastScheduledMessageAt }]} />`}<//>`;
}
