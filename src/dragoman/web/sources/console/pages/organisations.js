// The organisations of the server, and the groups of one.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { own } from "../api.js";
import { Badge, Dialog, Form, List, Loaded, Once, Page, Sure, Tabs, Time, say, useLoad } from "../parts.js";
import { href } from "../route.js";
import { count, t } from "../texts.js";
import { People } from "./people.js";

export const of = (organisation) => (organisation ? `?organisation=${encodeURIComponent(organisation)}` : "");

export function Organisations() {
  const found = useLoad(() => own("GET", "/organisations"), []);
  const [making, setMaking] = useState(false);
  const [link, setLink] = useState(null);
  const create = async ({ name, email }) => {
    const made = await own("POST", "/organisations", { name, email: email || null });
    setMaking(false);
    setLink(made.link);
    say(t("Saved"));
    await found.reload();
  };
  return html`<${Page} title=${t("Organisations")} actions=${html`<button type="button" class="main" onClick=${() => setMaking(true)}>${t("New organisation")}</button>`}>
    <p class="dim">${t("Each has users, keys, knowledge and gateways of its own; what belongs to one does not exist for the others.")}</p>
    ${link && html`<${Once} title=${t("Setup link")} text=${link.url} close=${() => setLink(null)}
      note=${t("Give this link to {email}. It lets them set a password, once, for a short time; it is not shown again.", { email: link.email })} />`}
    ${making && html`<${Dialog} title=${t("New organisation")} close=${() => setMaking(false)}><${Form} values=${{}} save=${create} label=${t("Create")} cancel=${() => setMaking(false)} fields=${[
      { name: "name", label: t("Name"), required: true, maxlength: 200 },
      { name: "email", label: t("E-mail of its first owner"), type: "email", help: t("They get a setup link. Without it the organisation has no users yet.") },
    ]} /><//>`}
    <${Loaded} of=${found}>${(rows) => html`<${List} label=${t("Organisations")} rows=${rows} columns=${[
      { name: t("Name"), show: (row) => html`<a href=${href(`/organisations/${row.id}`)}>${row.name}</a>${row.own && html` <${Badge} kind="good">${t("your own")}<//>`}`, text: (row) => row.name },
      { name: t("Users"), kind: "number", show: (row) => count(row.users) }, { name: t("Groups"), kind: "number", show: (row) => count(row.groups) },
      { name: t("Since"), show: (row) => html`<${Time} at=${row.createdAt} />`, text: (row) => row.createdAt },
    ]} />`}<//><//>`;
}

export function Organisation({ id }) {
  const [tab, setTab] = useState("users");
  const found = useLoad(() => own("GET", "/organisations"), []);
  const one = found.data && found.data.find((row) => row.id === id);
  return html`<${Page} title=${one ? one.name : t("Organisation")} above=${html`<a href=${href("/organisations")}>${t("Organisations")}</a>`}>
    <${Loaded} of=${found}>${() => (one ? html`
      <${Tabs} label=${t("Parts of the organisation")} at=${tab} choose=${setTab} tabs=${[["users", t("Users")], ["groups", t("Groups")]]} />
      ${tab === "users" ? html`<${People} organisation=${id} />` : html`<${GroupList} organisation=${id} />`}` : html`<p class="empty">${t("There is no such organisation.")}</p>`)}<//><//>`;
}

export const Groups = () => html`<${Page} title=${t("Groups")}>
  <p class="dim">${t("People under one name. What is shared with a group is shared with everybody in it, who is in it now or later.")}</p>
  <${GroupList} /><//>`;

function GroupList({ organisation }) {
  const groups = useLoad(() => own("GET", `/groups${of(organisation)}`), [organisation]);
  const users = useLoad(() => own("GET", `/users${of(organisation)}`), [organisation]);
  const [making, setMaking] = useState(false);
  const [adding, setAdding] = useState(null);
  const at = (group, rest = "") => `/groups/${encodeURIComponent(group.id)}${rest}${of(organisation)}`;
  const create = async ({ name }) => {
    await own("POST", `/groups${of(organisation)}`, { name });
    setMaking(false);
    await groups.reload();
  };
  const add = async ({ email }) => {
    await own("POST", at(adding, "/members"), { email });
    setAdding(null);
    say(t("Saved"));
    await groups.reload();
  };
  const emails = (users.data || []).map((row) => row.email).filter((email) => !adding || !adding.members.includes(email));
  return html`
    ${making && html`<${Dialog} title=${t("New group")} close=${() => setMaking(false)}><${Form} values=${{}} save=${create} label=${t("Create")} cancel=${() => setMaking(false)}
      fields=${[{ name: "name", label: t("Name"), required: true, maxlength: 200 }]} /><//>`}
    ${adding && html`<${Dialog} title=${t("Into the group {name}", { name: adding.name })} close=${() => setAdding(null)}><${Form} values=${{}} save=${add} label=${t("Add")} cancel=${() => setAdding(null)}
      fields=${[{ name: "email", label: t("E-mail"), type: "email", required: true, suggestions: emails }]} /><//>`}
    <${Loaded} of=${groups}>${(rows) => html`<${List} label=${t("Groups")} rows=${rows} empty=${t("No group yet.")} columns=${[
      { name: t("Name"), show: (row) => row.name },
      { name: t("Members"), text: (row) => row.members.join(" "), show: (row) => (row.members.length === 0 ? html`<span class="dim">${t("nobody yet")}</span>` : html`<ul class="plain">${row.members.map((email) => html`<li>${email}
        <${Sure} label=${t("Remove {email} from {name}", { email, name: row.name })} ask=${t("What is shared with the group is shared with {email} no more.", { email })}
          does=${async () => { await own("DELETE", at(row, `/members/${encodeURIComponent(email)}`)); await groups.reload(); }}>${t("Remove")}<//></li>`)}</ul>`) },
      { name: t("Since"), show: (row) => html`<${Time} at=${row.createdAt} />`, text: (row) => row.createdAt },
    ]} actions=${(row) => html`
      <button type="button" aria-label=${t("Add somebody to {name}", { name: row.name })} onClick=${() => setAdding(row)}>${t("Add")}</button>
      <${Sure} label=${t("Delete the group {name}", { name: row.name })} ask=${t("What is shared with the group is shared with its members no more.")}
        does=${async () => { await own("DELETE", at(row)); await groups.reload(); }}>${t("Delete")}<//>`}>
      <button type="button" class="main" onClick=${() => setMaking(true)}>${t("New group")}</button><//>`}<//>`;
}
