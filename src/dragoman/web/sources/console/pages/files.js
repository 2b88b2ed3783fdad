// Files of the people that agents work for: what programs in the sandbox see as their home.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { may, own, ownAddress } from "../api.js";
import { Form, List, Loaded, Page, Sure, Time, useLoad } from "../parts.js";
import { bytes, t } from "../texts.js";

export function Files() {
  const found = useLoad(() => own("GET", "/files"), []);
  const [user, setUser] = useState("");
  if (user) return html`<${Folder} key=${user} user=${user} leave=${() => { setUser(""); found.reload(); }} />`;
  return html`<${Page} title=${t("Sandbox files")}>
    <p class="dim">${t("Each person that your agents work for has a folder of their own, in which shell commands and scripts run.")}</p>
    <${Loaded} of=${found}>${(data) => html`
      <p>${t("Each may hold {size} at most.", { size: bytes(data.mostBytes) })}</p>
      <${List} label=${t("People with files")} rows=${data.workspaces} keyed=${(row) => row.user || row.modifiedAt} empty=${t("Nobody has files yet. A folder is made when an agent's program or a client puts something there.")} columns=${[
        { name: t("Person"), show: (row) => row.user || html`<span class="dim">${t("not known any more")}</span>`, text: (row) => row.user || "" },
        { name: t("Size"), kind: "number", show: (row) => bytes(row.bytes) },
        { name: t("Changed"), show: (row) => html`<${Time} at=${row.modifiedAt} />`, text: (row) => row.modifiedAt },
      ]} actions=${(row) => row.user && html`<button type="button" aria-label=${t("Open the files of {person}", { person: row.user })} onClick=${() => setUser(row.user)}>${t("Open")}</button>`} />
      <h2>${t("Files of somebody else")}</h2>
      <${Form} asks values=${{}} label=${t("Open")} save=${async ({ person }) => setUser(person)} fields=${[{ name: "person", label: t("Person"), required: true, maxlength: 256, help: t("The name that clients send as the shell user or the end user.") }]} />`}<//><//>`;
}

function Folder({ user, leave }) {
  const [path, setPath] = useState([]);
  const query = (names, more = {}) => new URLSearchParams({ user, path: `/${names.join("/")}`, ...more });
  const found = useLoad(async () => {
    try {
      return await own("GET", `/files/listing?${query(path)}`);
    } catch (error) {
      // A person without a folder has no files.
      if (error.status === 404 && path.length === 0) return [];
      throw error;
    }
  }, [user, path.join("/")]);
  const remove = (row) => async () => {
    await own("DELETE", `/files/content?${query([...path, row.name], { folder: row.folder })}`);
    await found.reload();
  };
  return html`<${Page} title=${t("Files of {person}", { person: user })} above=${html`<button type="button" class="link" onClick=${leave}>${t("Sandbox files")}</button>`}>
    <nav class="tabs" aria-label=${t("Folders")}><ul>
      <li><button type="button" aria-current=${path.length === 0 ? "page" : undefined} onClick=${() => setPath([])}>${t("top")}</button></li>
      ${path.map((name, at) => html`<li><button type="button" aria-current=${at === path.length - 1 ? "page" : undefined} onClick=${() => setPath(path.slice(0, at + 1))}>${name}</button></li>`)}</ul></nav>
    <${Loaded} of=${found}>${(rows) => html`<${List} label=${t("Files")} rows=${rows} keyed=${(row) => row.name} empty=${t("This folder is empty.")} columns=${[
      { name: t("Name"), text: (row) => row.name, show: (row) => (row.folder
        ? html`<button type="button" class="link" onClick=${() => setPath([...path, row.name])}>${row.name}/</button>`
        : html`<a href=${ownAddress(`/files/content?${query([...path, row.name])}`)} download=${row.name}>${row.name}</a>`) },
      { name: t("Size"), kind: "number", show: (row) => (row.folder ? "–" : bytes(row.bytes)) },
      { name: t("Changed"), show: (row) => html`<${Time} at=${row.modifiedAt} />`, text: (row) => row.modifiedAt },
    ]} actions=${may("create") && ((row) => html`<${Sure} label=${t("Delete {name}", { name: row.name })} ask=${row.folder ? t("Everything in it goes with it.") : t("It cannot be brought back.")} does=${remove(row)}>${t("Delete")}<//>`)} />`}<//><//>`;
}
