// A web chat's accounts on messaging services: whether they reach the server, what went wrong, and a conversation to try it with.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { may, via } from "../api.js";
import { Act, Badge, Copy, Dialog, Facts, Form, List, Loaded, Notice, Sure, Time, say, useLoad } from "../parts.js";
import { count, t } from "../texts.js";
import { BASE, said } from "./conversing.js";

// The services with the fields that each needs; a masked secret keeps the one there is.
const SERVICES = [
  ["Telegram", "Telegram", "telegramIntegration", [["botToken", true]]],
  ["Zapi", "WhatsApp (Z-API)", "zapiIntegration", [["instanceId", true], ["instanceToken", true], ["clientToken"]]],
  ["EvolutionApi", "WhatsApp (Evolution API)", "evolutionIntegration", [["endpointUrl", true], ["instanceName", true], ["apiKey", true]]],
  ["Kapso", "WhatsApp (Kapso)", "kapsoIntegration", [["apiKey", true], ["phoneNumberId", true], ["webhookSecretKey"], ["continuedMessagesTemplateId"]]],
];

const LOOKS_MS = 5000;
const LISTENS_MS = 1200;

export function Services({ id, client, changed, choose }) {
  const states = useLoad(() => via("GET", `${BASE}/${id}/integrations/states`), [id, client], LOOKS_MS);
  const [editing, setEditing] = useState(null);
  const [playing, setPlaying] = useState(null);
  const save = async (values) => {
    const [type, , member, fields] = editing;
    const given = Object.fromEntries(fields.map(([name]) => [name, values[name] || null]));
    const kept = client.integrations[member];
    if (kept && kept.sessionDuration) given.sessionDuration = kept.sessionDuration;
    await via("PUT", `${BASE}/${id}/integrations`, { integrationType: type, integrations: { [member]: given } });
    setEditing(null);
    say(t("Saved"));
    await changed();
  };
  const remove = (type) => async () => {
    await via("DELETE", `${BASE}/${id}/integrations/${type}`);
    await changed();
  };
  return html`
    ${editing && html`<${Dialog} title=${editing[1]} close=${() => setEditing(null)}><${Form} save=${save} cancel=${() => setEditing(null)} values=${client.integrations[editing[2]] || {}}
      fields=${editing[3].map(([name, required]) => ({ name, label: name, required }))} /><//>`}
    ${playing && html`<${Simulator} id=${id} service=${playing} close=${() => setPlaying(null)} />`}
    <${List} label=${t("Messaging services")} rows=${SERVICES} filterable=${false} keyed=${(row) => row[0]} columns=${[
      { name: t("Service"), show: (row) => row[1] },
      { name: t("State"), show: (row) => (client.integrations[row[2]] ? html`<${Badge} kind="good">${t("set up")}<//>` : "–") },
    ]} actions=${(row) => may("create") && html`
      <button type="button" aria-label=${client.integrations[row[2]] ? t("Change {service}", { service: row[1] }) : t("Set up {service}", { service: row[1] })} onClick=${() => setEditing(row)}>${client.integrations[row[2]] ? t("Change") : t("Set up")}</button>
      ${client.integrations[row[2]] && html`<${Sure} label=${t("Remove {service}", { service: row[1] })} ask=${t("Its messages are answered no more.")} does=${remove(row[0])}>${t("Remove")}<//>`}`} />
    <${Loaded} of=${states}>${(rows) => SERVICES.map((service) => {
      const state = rows.find((row) => row.integrationType === service[0]);
      return state && html`<${Standing} key=${service[0]} id=${id} service=${service} state=${state} choose=${choose} play=${() => setPlaying(service)} />`;
    })}<//>`;
}

// How one service stands: where it has to call, when it did, and what became of messages.
function Standing({ id, service: [type, name], state, choose, play }) {
  const [told, setTold] = useState(null);
  const at = `${BASE}/${id}/integrations/${type}`;
  const connect = async () => setTold({ kind: "good", text: (await via("POST", `${at}/connect`, {})).status });
  const ask = async () => setTold(verdict(name, await via("POST", `${at}/check`, {})));
  const refusedLast = state.refusedAt && (!state.calledAt || state.refusedAt > state.calledAt);
  const lost = state.notSent + state.notAnswered;
  return html`<section aria-label=${name}><h2>${name}</h2>
    <${Facts} of=${[
      [t("Address that it has to call"), html`<code class="wrap">${state.webhookUrl}</code> <${Copy} text=${state.webhookUrl} />`],
      [t("Called this server"), html`<${Time} at=${state.calledAt} />`],
      [t("Latest message from people"), html`<${Time} at=${state.receivedAt} />`],
      [t("Latest message to people"), html`<${Time} at=${state.sentAt} />`],
      state.waitingAfterFailure > 0 && [t("Sent again soon"), count(state.waitingAfterFailure)],
      state.lastError && [t("Latest failure"), html`<span class="wrong">${state.lastError}</span>`],
    ]} />
    ${state.refusedAt && html`<${Notice} kind=${refusedLast ? "bad" : "warn"}>${t("A call was refused:")} ${state.refusedWhy} (<${Time} at=${state.refusedAt} />)<//>`}
    ${lost > 0 && html`<${Notice} kind="bad">${t("{n} messages could not be delivered or answered.", { n: count(lost) })} <button type="button" class="link" onClick=${() => choose("letters")}>${t("Not delivered")}</button><//>`}
    ${told && html`<${Notice} kind=${told.kind}>${told.text}<//>`}
    ${may("create") && html`<div class="buttons">
      <${Act} label=${t("Connect {service}", { service: name })} does=${connect}>${t("Connect")}<//>
      <${Act} label=${t("Check {service}", { service: name })} does=${ask}>${t("Check")}<//>
      <button type="button" aria-label=${t("Try it without the service: {service}", { service: name })} onClick=${play}>${t("Try it without the service")}</button></div>`}</section>`;
}

function verdict(name, found) {
  const more = found.problem ? ` ${found.problem}` : "";
  if (!found.asked) return { kind: "", text: t("{service} cannot be asked: compare the address there with the one here.", { service: name }) };
  if (!found.calls) return { kind: "bad", text: t("{service} calls nowhere: connect it.", { service: name }) + more };
  if (!found.right) return { kind: "bad", text: t("{service} calls another address: {url}", { service: name, url: found.calls }) + more };
  return { kind: more ? "warn" : "good", text: t("{service} calls this server.", { service: name }) + more };
}

const STATES = () => ({ waiting: t("waits for its answer"), failed: t("could not be answered"), queued: t("is sent"), dead: t("could not be sent") });

// The owner plays somebody on the service. All is as it would be, but nothing goes to the service.
function Simulator({ id, service: [type, name], close }) {
  const at = `${BASE}/${id}/integrations/${type}/simulated-messages`;
  const found = useLoad(() => via("GET", at), [at], LISTENS_MS);
  const [asked, setAsked] = useState(0);
  const write = async ({ text }) => {
    await via("POST", at, { text });
    setAsked((before) => before + 1);
    await found.reload();
  };
  return html`<${Dialog} title=${t("As somebody on {service}", { service: name })} wide=${true} close=${close}>
    <p class="dim">${t("What you write is answered as if it came from the service, with its pauses, pieces, commands and limits. Nothing is sent to the service.")}</p>
    <${Loaded} of=${found}>${(rows) => html`
      <div class="transcript" role="log" tabindex="0" aria-label=${t("What was said")}><ol>${rows.map((row) => html`<li class=${row.role} key=${row.id}>
        <p class="dim">${row.role === "user" ? t("You") : t("Answer")} <${Time} at=${row.createdAt} /> ${STATES()[row.state]}</p><p class="said">${row.text}</p>${row.fileName && html`<p>[${row.fileName}]</p>`}
        ${row.error && html`<p class="wrong">${row.error}</p>`}</li>`)}</ol></div>
      ${rows.length === 0 && html`<p class="empty">${t("Nothing was said yet.")}</p>`}`}<//>
    <${Form} key=${asked} values=${{}} asks save=${write} label=${t("Send")} fields=${[{ name: "text", label: t("Message"), required: true, maxlength: 4096 }]} /><//>`;
}

export function Letters({ id }) {
  const letters = useLoad(() => via("GET", `${BASE}/${id}/dead-letters`), [id], 10000);
  const send = (row) => async () => {
    await via("POST", `${BASE}/${id}/dead-letters/${row.id}/retry`, {});
    await letters.reload();
  };
  const answer = (row) => async () => {
    await via("POST", `${BASE}/${id}/contacts/${row.contactId}/answer`, {});
    await letters.reload();
  };
  const sending = (row) => html`<${Act} label=${t("Try again to send to {who}", { who: row.address })} done=${t("The message is sent again.")} does=${send(row)}>${t("Try again")}<//>`;
  const answering = (row) => html`<${Act} label=${t("Try again to answer {who}", { who: row.address })} done=${t("The agent tries to answer again.")} does=${answer(row)}>${t("Try again")}<//>`;
  const columns = (who, at) => [
    { name: t("Text"), show: (row) => said(row.text).slice(0, 200) || (row.media && row.media.fileName) || "–" },
    { name: t("Service"), show: (row) => row.channel },
    { name: who, show: (row) => row.address },
    { name: t("When"), show: (row) => html`<${Time} at=${row[at]} />`, text: (row) => row[at] },
    { name: t("Why"), show: (row) => row.error || "–" },
  ];
  return html`<${Loaded} of=${letters}>${(data) => html`
    <h2>${t("Could not be sent")}</h2>
    <${List} label=${t("Could not be sent")} rows=${data.unsent} empty=${t("Nothing.")} actions=${may("create") && sending} columns=${columns(t("To"), "createdAt")} />
    <h2>${t("Could not be answered")}</h2>
    <p class="dim">${t("The agent tries all that one person wrote at once.")}</p>
    <${List} label=${t("Could not be answered")} rows=${data.unanswered} keyed=${(row) => row.contactId + row.receivedAt} empty=${t("Nothing.")} actions=${may("create") && answering} columns=${columns(t("Of"), "receivedAt")} />`}<//>`;
}
