import { signal } from "@preact/signals";
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { may, own, upload, via, viaAddress } from "../api.js";
import { Act, Badge, Dialog, Facts, Form, List, Loaded, Page, Sure, Tabs, Time, say, useLoad } from "../parts.js";
import { go, href, underWay } from "../route.js";
import { bytes, count, t } from "../texts.js";
import { Embedder, Ways } from "./embedders.js";
import { Shares } from "./sharing.js";

const tagsOf = (text) => text.split(",").map((tag) => tag.trim()).filter(Boolean);
const FIELDS = () => [
  { name: "name", label: t("Name"), required: true, maxlength: 255 },
  { name: "context", label: t("What it is about"), type: "area", rows: 3, help: t("Told to the model with each passage.") },
  { name: "tags", label: t("Tags"), help: t("Separated by commas.") },
];
const body = (values) => ({ collectionName: values.name, context: values.context || null, tags: tagsOf(values.tags || "") });

const textOn = (color) => {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
};

export function Collections() {
  const collections = useLoad(() => via("GET", "/api/v1/collections?limit=10000"), []);
  const labels = useLoad(() => own("GET", "/labels"), []);
  const borne = (row) => labels.data && labels.data.collections[row.id];
  const [making, setMaking] = useState(false);
  const create = async (values) => {
    const made = await via("POST", "/api/v1/collections", body(values));
    go(`/collections/${made.collectionId}`);
  };
  return html`<${Page} title=${t("Collections")} actions=${may("create") && html`<button type="button" class="main" onClick=${() => setMaking(true)}>${t("New collection")}</button>`}>
    ${making && html`<${Dialog} title=${t("New collection")} close=${() => setMaking(false)}>
      <${Form} fields=${FIELDS()} values=${{}} save=${create} label=${t("Create")} cancel=${() => setMaking(false)} /><//>`}
    <${Loaded} of=${collections}>${(rows) => html`<${List} label=${t("Collections")} rows=${rows} empty=${may("create") ? t("No collection yet: make one and upload documents into it.") : t("No collection is shared with you yet.")} columns=${[
      { name: t("Name"), show: (row) => html`<a href=${href(`/collections/${row.id}`)}>${row.name}</a>`, text: (row) => row.name },
      { name: t("Documents"), kind: "number", show: (row) => count(row.documentCount.totalDocuments) },
      { name: t("Being read"), kind: "number", show: (row) => count(row.documentCount.queuedDocuments) },
      { name: t("Label"), show: (row) => borne(row) && html`<${Badge} kind="warn">${borne(row).label}<//>`, text: (row) => (borne(row) ? borne(row).label : "") },
      { name: t("Tags"), show: (row) => row.tags.join(", ") },
      { name: t("Made"), show: (row) => html`<${Time} at=${row.createdAt} />`, text: (row) => row.createdAt },
    ]} />`}<//><//>`;
}

export const STATES = () => ({
  queued: [t("waits"), "warn"], parsing: [t("is read"), "warn"], embedding: [t("is indexed"), "warn"],
  indexed: [t("ready"), "good"], failed: [t("failed"), "bad"], cancelled: [t("cancelled"), "bad"],
});

export function State({ of }) {
  const [name, kind] = STATES()[of.state];
  return html`<${Badge} kind=${kind}>${name}<//>${of.state === "embedding" && of.passages > 0 && html` <progress max=${of.passages} value=${of.embedded}
    aria-label=${t("Indexed passages of {name}", { name: of.name })}></progress> ${of.embedded}/${of.passages}`}${of.stateDetail && html` <span class="wrong">${of.stateDetail}</span>`}`;
}

export function Collection({ id }) {
  const [tab, setTab] = useState("documents");
  const collection = useLoad(() => via("GET", `/api/v1/collections/${id}`), [id]);
  const labels = useLoad(() => own("GET", "/labels"), [id]);
  const label = labels.data && labels.data.collections[id];
  const held = useLoad(() => own("GET", `/collections/${id}/sharing`), [id]);
  const found = collection.data;
  const permission = held.data ? held.data.permission : "read";
  const able = may("create") && permission !== "read";
  const tabs = [["documents", t("Documents")], ["lab", t("Query lab")], ["sharing", t("Sharing")], ["settings", t("Settings")]];
  return html`<${Page} title=${found ? found.name : t("Collection")} above=${html`<a href=${href("/collections")}>${t("Collections")}</a>`}>
    ${label && html`<p class="banner" style=${{ background: label.color, color: textOn(label.color) }}>${label.banner}</p>`}
    <${Loaded} of=${collection}>${(one) => html`
      <${Tabs} label=${t("Parts of the collection")} tabs=${tabs} at=${tab} choose=${setTab} />
      ${tab === "documents" && html`<${Documents} id=${id} changed=${collection.reload} able=${able} />`}
      ${tab === "lab" && html`<${Lab} id=${id} />`}
      ${tab === "sharing" && html`<${Shares} id=${id} />`}
      ${tab === "settings" && html`<${Settings} key=${able} one=${one} reload=${collection.reload} able=${able} owns=${may("create") && permission === "owner"} /><${Embedder} id=${id} able=${able} /><${Label} id=${id} labels=${labels} able=${able} />`}`}<//><//>`;
}

// What is used of a collection under a label may not go everywhere; here it is chosen, and said what that forbids.
function Label({ id, labels, able }) {
  const save = async (values) => {
    await own("PUT", `/collections/${id}/label`, { label: values.label || null });
    say(values.label ? t("The collection bears the label {label}.", { label: values.label }) : t("The collection bears no label."));
    await labels.reload();
  };
  return html`<h2>${t("Label")}</h2>
    <${Loaded} of=${labels}>${(found) => {
      const now = found.collections[id];
      const names = [...new Set([...found.labels.map((one) => one.label), ...(now ? [now.label] : [])])];
      return html`${now && html`<p>${t("Text under the label {label} goes:", { label: now.label })}</p><ul>${now.forbids.map((one) => html`<li>${one}</li>`)}</ul>`}
        ${now && !now.described && html`<p class="wrong">${t("The settings do not describe this label, so it forbids everything.")}</p>`}
        ${able && html`<${Form} fields=${[{ name: "label", label: t("Label"), type: "select", options: [["", t("none")], ...names.map((one) => [one, one])],
          help: t("Only administrators take a label away. What was used under it before stays bound.") }]} values=${{ label: now ? now.label : "" }} save=${save} label=${t("Save")} />`}`;
    }}<//>`;
}

function Documents({ id, changed, able }) {
  const [wanted, setWanted] = useState({ text: "", state: "", offset: 0 });
  const query = new URLSearchParams({ text: wanted.text, state: wanted.state, offset: wanted.offset });
  const [working, setWorking] = useState(false);
  const documents = useLoad(() => own("GET", `/collections/${id}/documents?${query}`), [id, String(query)], working ? 1500 : 0);
  useEffect(() => {
    if (documents.data) setWorking(documents.data.documents.some((one) => ["queued", "parsing", "embedding"].includes(one.state)));
  }, [documents.data]);
  const search = (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    setWanted({ text: given.get("text"), state: given.get("state"), offset: 0 });
  };
  const after = async () => { await documents.reload(); await changed(); };
  return html`<h2 class="unseen">${t("Documents")}</h2>
    ${able && html`<${Uploads} id=${id} after=${after} />`}
    <form class="tools" onSubmit=${search}>
      <div class="filter"><label for="doc-text">${t("Name or text")}</label><input id="doc-text" name="text" type="search" autocomplete="off" /></div>
      <div class="filter"><label for="doc-state">${t("State")}</label><select id="doc-state" name="state"><option value="">${t("all")}</option>
        ${Object.entries(STATES()).map(([state, [name]]) => html`<option value=${state}>${name}</option>`)}</select></div>
      <button type="submit">${t("Search")}</button>
    </form>
    <${Loaded} of=${documents}>${(found) => html`<${List} label=${t("Documents")} rows=${found.documents} filterable=${false} empty=${able ? t("No document yet: upload some above.") : t("No document yet.")} columns=${[
      { name: t("Name"), show: (row) => html`<a href=${href(`/collections/${id}/documents/${row.id}`)}>${row.name}</a>` },
      { name: t("State"), show: (row) => html`<${State} of=${row} />` },
      { name: t("Passages"), kind: "number", show: (row) => count(row.passages) },
      { name: t("Size"), kind: "number", show: (row) => bytes(row.size) },
      { name: t("Changed"), show: (row) => html`<${Time} at=${row.updatedAt} />` },
    ]} actions=${able && ((row) => html`
      ${["failed", "cancelled"].includes(row.state) && html`<${Act} label=${t("Read {name} again", { name: row.name })} does=${async () => { await own("POST", `/collections/${id}/documents/${row.id}/retry`); await after(); }}>${t("Again")}<//>`}
      <${Sure} label=${t("Delete {name}", { name: row.name })} ask=${t("The document is gone from search at once.")} does=${async () => { await via("DELETE", `/api/v1/collections/${id}/documents/${row.id}`); await after(); }}>${t("Delete")}<//>`)} />
      <div class="buttons">${wanted.offset > 0 && html`<button type="button" onClick=${() => setWanted({ ...wanted, offset: Math.max(0, wanted.offset - 100) })}>${t("Newer")}</button>`}
        ${found.more && html`<button type="button" onClick=${() => setWanted({ ...wanted, offset: wanted.offset + 100 })}>${t("Older")}</button>`}</div>`}<//>`;
}

const SENT = () => ({ waiting: t("waits"), sending: t("is sent"), sent: t("was taken in"), same: t("was there already"), failed: t("failed") });
const DONE = ["sent", "same"];
const LISTED = 50;
const RELOADS_MS = 3000;
let numbers = 0;

// Files go one after the other; one that fails holds up no other and can be sent again. They belong to the collection,
// not to what shows it: whoever comes back sees them go on.
const transfers = new Map();
function transferOf(id) {
  if (!transfers.has(id)) transfers.set(id, { files: signal([]), waiting: [], after: async () => {} });
  return transfers.get(id);
}

function useUploads(id, after) {
  const held = transferOf(id);
  held.after = after;
  const { files, waiting } = held;
  const change = (number, values) => { files.value = files.value.map((one) => (one.number === number ? { ...one, ...values } : one)); };
  const send = async (one) => {
    if (one.stopping.signal.aborted) return;
    change(one.number, { state: "sending", part: 0, why: "" });
    try {
      const stored = await upload(`/collections/${id}/files?name=${encodeURIComponent(one.file.name)}`, one.file, (part) => change(one.number, { part }), one.stopping.signal);
      change(one.number, { part: 1, state: stored.outcome === "unmodified" ? "same" : "sent" });
    } catch (error) {
      change(one.number, { state: "failed", why: error.message });
    }
  };
  const work = async () => {
    if (underWay.has(id)) return;
    underWay.add(id);
    let told = Date.now();
    try {
      for (let one = waiting.shift(); one; one = waiting.shift()) {
        await send(one);
        if (Date.now() - told < RELOADS_MS) continue;
        told = Date.now();
        await held.after();
      }
    } finally {
      underWay.delete(id);
    }
    say(t("All files were sent."));
    await held.after();
  };
  const put = (chosen) => {
    const added = [...chosen].map((file) => ({ number: ++numbers, file, part: 0, state: "waiting", why: "", stopping: new AbortController() }));
    if (added.length === 0) return;
    const kept = underWay.has(id) ? files.value : files.value.filter((one) => one.state === "failed");
    files.value = [...kept, ...added];
    waiting.push(...added);
    work();
  };
  const stop = (one) => {
    one.stopping.abort();
    change(one.number, { state: "failed", why: t("Stopped.") });
  };
  const again = (one) => {
    const fresh = { ...one, state: "waiting", why: "", stopping: new AbortController() };
    change(one.number, fresh);
    waiting.push(fresh);
    work();
  };
  return { files: files.value, put, stop, again };
}

function Uploads({ id, after }) {
  const { files, put, stop, again } = useUploads(id, after);
  const [over, setOver] = useState(false);
  const [writing, setWriting] = useState(false);
  const done = files.filter((one) => DONE.includes(one.state)).length;
  const shown = files.length <= LISTED ? files : files.filter((one) => !DONE.includes(one.state)).slice(0, LISTED);
  const choose = (event) => {
    put(event.target.files);
    event.target.value = "";
  };
  const write = async (values) => {
    await via("PUT", `/api/v1/collections/${id}/documents`, { name: values.name, contents: values.contents });
    setWriting(false);
    say(t("The document was stored."));
    await after();
  };
  return html`<section class=${`drop ${over ? "over" : ""}`} aria-label=${t("Add documents")}
      onDragOver=${(event) => { event.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)}
      onDrop=${(event) => { event.preventDefault(); setOver(false); put(event.dataTransfer.files); }}>
    <label for="files">${t("Upload documents")}</label>
    <input id="files" type="file" multiple onChange=${choose} />
    <p class="help">${t("PDF, Word, PowerPoint, Excel, HTML, text, pictures, sound and more; or drop files here.")}</p>
    <button type="button" onClick=${() => setWriting(true)}>${t("Write a text instead")}</button>
    ${writing && html`<${Dialog} title=${t("New text document")} close=${() => setWriting(false)} wide><${Form} values=${{}} save=${write} label=${t("Store")} fields=${[
      { name: "name", label: t("Name"), required: true, maxlength: 256 }, { name: "contents", label: t("Text"), type: "area", rows: 12, required: true },
    ]} cancel=${() => setWriting(false)} /><//>`}
    ${files.length > 1 && html`<p><progress max=${files.length} value=${done} aria-label=${t("Files that were sent")}></progress> ${t("{done} of {all} files", { done: count(done), all: count(files.length) })}</p>`}
    ${files.length > 0 && html`<ul class="plain" aria-label=${t("Files of this upload")}>${shown.map((one) => html`<li key=${one.number}>${one.file.name} <span class="dim">${bytes(one.file.size)}</span>
      ${" "}<progress max="1" value=${one.part} aria-label=${t("Sent of {name}", { name: one.file.name })}></progress> ${SENT()[one.state]}
      ${one.why && html` <span class="wrong" role="alert">${one.why}</span>`}
      ${["waiting", "sending"].includes(one.state) && html` <button type="button" aria-label=${t("Stop {name}", { name: one.file.name })} onClick=${() => stop(one)}>${t("Stop")}</button>`}
      ${one.state === "failed" && html` <button type="button" aria-label=${t("Try again: {name}", { name: one.file.name })} onClick=${() => again(one)}>${t("Try again")}</button>`}</li>`)}</ul>`}
  </section>`;
}

function Lab({ id }) {
  const [found, setFound] = useState(null);
  const ask = async (values) => {
    const answer = await own("POST", `/collections/${id}/query`, { text: values.text, limit: Number(values.limit), rerank: values.rerank });
    setFound(answer);
    say(t("{n} passages found", { n: answer.hits.length }));
  };
  return html`<h2>${t("Query lab")}</h2><p class="dim">${t("What a question finds here, in the order in which a model would be given it.")}</p>
    <${Form} asks values=${{ text: "", limit: 10, rerank: "rrf" }} save=${ask} label=${t("Search")} fields=${[
      { name: "text", label: t("Question"), required: true },
      { name: "limit", label: t("Passages at most"), type: "number", min: 1, max: 50 },
      { name: "rerank", label: t("Order by"), type: "select", options: [["rrf", t("meaning and words together")], ["smart", t("a reranking model")], ["lexical", t("words")], ["none", t("meaning")]] },
    ]} />
    ${found && html`<div role="status">${found.wordsOnly && html`<p class="notice warn">${t("By words only: {why}", { why: found.wordsOnly })}</p>`}
      ${found.hits.length === 0 ? html`<p class="empty">${t("Nothing was found.")}</p>` : html`<ol class="hits">${found.hits.map((hit) => html`<li>
        <p><a href=${href(`/collections/${id}/documents/${hit.document.id}`) + `?at=${hit.from}`}>[${hit.place}] ${hit.document.name}</a>
          ${hit.page !== null && ` ${t("page {n}", { n: hit.page })}`}
          ${" "}<span class="dim">${t("similarity {score}, rank {rank}", { score: hit.score.toFixed(3), rank: hit.rankScore.toFixed(3) })}</span></p>
        ${hit.headings.length > 0 && html`<p class="dim">${hit.headings.join(" › ")}</p>`}
        <p class="passage">${hit.text}</p></li>`)}</ol>`}</div>`}`;
}

function Settings({ one, reload, able, owns }) {
  const save = async (values) => {
    await via("PUT", `/api/v1/collections/${one.id}`, body(values));
    await reload();
  };
  return html`<h2 class="unseen">${t("Settings")}</h2>
    <${Facts} of=${[[t("Id"), html`<code>${one.id}</code>`], [t("Documents"), count(one.state.total)], [t("Made"), html`<${Time} at=${one.createdAt} />`]]} />
    ${html`<${Form} able=${able} fields=${FIELDS()} values=${{ name: one.name, context: one.context, tags: one.tags.join(", ") }} save=${save} done=${t("Saved")} />`}
    <h3>${t("All documents")}</h3>
    <p><a class="button" href=${viaAddress(`/api/v1/collections/${one.id}/export.jsonl`)} download>${t("Download as JSON lines")}</a></p>
    ${able && html`<p class="buttons">
      <${Sure} kind="" ask=${t("Vectors are made anew in the background; words stay findable meanwhile.")} done=${t("The documents are being indexed anew.")}
        does=${async () => { await via("DELETE", `/api/v1/collections/${one.id}/vectors-only`); await reload(); }}>${t("Index anew")}<//>
      <${Sure} ask=${t("All documents are removed; the collection stays.")} does=${async () => { await via("DELETE", `/api/v1/collections/${one.id}/reset-only`); await reload(); }}>${t("Remove all documents")}<//>
      ${owns && html`<${Sure} ask=${t("The collection and all its documents are removed.")} does=${async () => { await via("DELETE", `/api/v1/collections/${one.id}`); go("/collections"); }}>${t("Delete the collection")}<//>`}</p>`}`;
}

// Who may read a single document; shown to those who may share its collection.
function Readers({ collection, id }) {
  const path = `/api/v1/collections/${collection}/documents/${id}/access`;
  const [access, setAccess] = useState(null);
  useEffect(() => { via("GET", path).then(setAccess, () => setAccess(null)); }, [path]);
  if (!access) return null;
  const restricted = (all) => all.restricted === "yes";
  const names = (text) => text.split(",").map((one) => one.trim()).filter(Boolean);
  const save = async (values) => {
    const chosen = restricted(values);
    const listed = chosen ? { users: names(values.users), groups: names(values.groups), roles: names(values.roles) } : {};
    setAccess(await via("PUT", path, { restricted: chosen, ...listed }));
  };
  return html`<h2>${t("Who may read it")}</h2>
    <${Form} save=${save} done=${t("Saved")} values=${{ restricted: access.restricted ? "yes" : "no", users: access.users.join(", "), groups: access.groups.join(", "), roles: access.roles.join(", ") }} fields=${[
      { name: "restricted", label: t("Readers"), type: "select", options: [["no", t("all who may search the collection")], ["yes", t("only those named here, and who owns or administers the collection")]] },
      { name: "users", label: t("E-mails of users, with commas between"), when: restricted }, { name: "groups", label: t("Names of groups, with commas between"), when: restricted },
      { name: "roles", label: t("Roles, with commas between"), help: "viewer, editor, admin, owner", when: restricted },
    ]} />`;
}

export function Document({ collection, id }) {
  const document_ = useLoad(() => own("GET", `/collections/${collection}/documents/${id}`), [collection, id]);
  const at = Number(new URLSearchParams(location.search).get("at") ?? NaN);
  const found = document_.data;
  const isMarked = (passage) => passage.from <= at && at < passage.to;
  useEffect(() => {
    const place = found && document.querySelector(".passages .marked");
    if (place) place.scrollIntoView({ block: "center" });
  }, [found]);
  return html`<${Page} title=${found ? found.name : t("Document")} above=${html`<a href=${href(`/collections/${collection}`)}>${t("Collection")}</a>`}>
    <${Loaded} of=${document_}>${(one) => html`
      <${Facts} of=${[
        [t("State"), html`<${State} of=${one} />`], [t("Kind"), one.mediaType || "–"], [t("Size"), bytes(one.size)],
        one.pages && [t("Pages"), count(one.pages)], [t("Passages"), count(one.passages)], [t("Tokens"), count(one.tokens)], [t("Changed"), html`<${Time} at=${one.updatedAt} />`],
      ]} />
      ${may("create") && html`<${Readers} collection=${collection} id=${id} />`}
      <h2>${t("Passages")}</h2>
      ${one.content.length === 0 ? html`<p class="empty">${t("There is nothing here yet.")}</p>` : html`<ol class="passages">${one.content.map((passage) => html`<li key=${passage.number} class=${isMarked(passage) ? "marked" : ""}>
        <p class="dim">${t("Passage {n}", { n: passage.number + 1 })}${passage.page !== null && `, ${t("page {n}", { n: passage.page })}`}${passage.headings.length > 0 && ` – ${passage.headings.join(" › ")}`}</p>
        <p class="passage">${isMarked(passage) ? html`<mark>${passage.text}</mark>` : passage.text}</p></li>`)}</ol>`}`}<//><//>`;
}

export function Ingestion() {
  const [state, setState] = useState("");
  const queue = useLoad(() => own("GET", `/ingestion?state=${state}`), [state], 3000);
  return html`<${Page} title=${t("Ingestion")}>
    <p class="dim">${t("What is on its way into your collections, and what could not be read. This page keeps itself up to date.")}</p>
    <${Loaded} of=${queue}>${(rows) => html`<${List} label=${t("Documents under way or failed")} rows=${rows} empty=${t("Nothing is under way and nothing has failed.")} columns=${[
      { name: t("Document"), show: (row) => html`<a href=${href(`/collections/${row.collection.id}/documents/${row.id}`)}>${row.name}</a>`, text: (row) => row.name },
      { name: t("Collection"), show: (row) => html`<a href=${href(`/collections/${row.collection.id}`)}>${row.collection.name}</a>`, text: (row) => row.collection.name },
      { name: t("State"), show: (row) => html`<${State} of=${row} />`, text: (row) => `${row.state} ${row.stateDetail}` },
      { name: t("Since"), show: (row) => html`<${Time} at=${row.updatedAt} />`, text: (row) => row.updatedAt },
    ]} actions=${may("create") && ((row) => ["failed", "cancelled"].includes(row.state) && html`<${Act} label=${t("Read {name} again", { name: row.name })}
      does=${async () => { await own("POST", `/collections/${row.collection.id}/documents/${row.id}/retry`); await queue.reload(); }}>${t("Again")}<//>`)}>
      <div class="filter"><label for="ingest-state">${t("State")}</label><select id="ingest-state" onChange=${(event) => setState(event.target.value)}>
        <option value="">${t("under way or failed")}</option><option value="queued,parsing,embedding">${t("under way")}</option><option value="failed,cancelled">${t("failed")}</option></select></div><//>`}<//><${Ways} /><//>`;
}
