import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { enter, may, me, own } from "../api.js";
import { Act, Badge, Copy, Dialog, Facts, Form, List, Loaded, Once, Page, Sure, Time, say, useLoad } from "../parts.js";
import { t } from "../texts.js";

const ROLES = () => [["viewer", t("viewer – uses what there is")], ["editor", t("editor – makes and changes things")], ["admin", t("admin – administers the organisation")], ["owner", t("owner – everything")]];
const roles = () => ROLES().filter(([role]) => role !== "owner" || me.value.user.role === "owner");

const Link = ({ link, close }) => html`<${Once} title=${t("Setup link")} text=${link.url} close=${close}
  note=${t("Give this link to {email}. It lets them set a password, once, for a short time; it is not shown again.", { email: link.email })} />`;

export const Users = () => html`<${Page} title=${t("Users")}><${People} /><//>`;

// The users of one's own organisation, or for who runs the server those of another.
export function People({ organisation }) {
  const mine = (row) => row.id === me.value.user.id;
  const at = (rest = "") => `/users${rest}${organisation ? `?organisation=${encodeURIComponent(organisation)}` : ""}`;
  const users = useLoad(() => own("GET", at()), [organisation]);
  const [inviting, setInviting] = useState(false);
  const [changing, setChanging] = useState(null);
  const [link, setLink] = useState(null);
  const invite = async (values) => {
    const made = await own("POST", at(), { email: values.email, role: values.role, name: values.name || null });
    setInviting(false);
    setLink(made.link);
    await users.reload();
  };
  const change = async (values) => {
    await own("PATCH", at(`/${changing.id}`), { role: values.role });
    setChanging(null);
    say(t("Saved"));
    if (mine(changing)) await enter();
    await users.reload();
  };
  const patch = (row, values) => async () => {
    await own("PATCH", at(`/${row.id}`), values);
    await users.reload();
  };
  const above = (row) => row.role === "owner" && me.value.user.role !== "owner";
  return html`
    ${link && html`<${Link} link=${link} close=${() => setLink(null)} />`}
    ${inviting && html`<${Dialog} title=${t("Invite somebody")} close=${() => setInviting(false)}><${Form} values=${{ role: "editor" }} save=${invite} label=${t("Make the user and a setup link")} cancel=${() => setInviting(false)} fields=${[
      { name: "email", label: t("E-mail"), type: "email", required: true }, { name: "name", label: t("Name"), maxlength: 200 }, { name: "role", label: t("Role"), type: "select", options: roles() },
    ]} /><//>`}
    ${changing && html`<${Dialog} title=${t("Role of {email}", { email: changing.email })} close=${() => setChanging(null)}><${Form} values=${{ role: changing.role }} save=${change} cancel=${() => setChanging(null)}
      fields=${[{ name: "role", label: t("Role"), type: "select", options: roles() }]} /><//>`}
    <${Loaded} of=${users}>${(rows) => html`<${List} label=${t("Users")} rows=${rows} empty=${t("Nobody yet.")} columns=${[
      { name: t("E-mail"), show: (row) => html`${row.email}${mine(row) ? ` (${t("you")})` : ""}`, text: (row) => row.email },
      { name: t("Name"), show: (row) => row.name || "–" },
      { name: t("Role"), show: (row) => row.role },
      { name: t("State"), show: (row) => (row.disabled ? html`<${Badge} kind="bad">${t("locked out")}<//>` : row.hasPassword ? html`<${Badge} kind="good">${t("has a password")}<//>` : html`<${Badge} kind="warn">${t("no password yet")}<//>`), text: (row) => (row.disabled ? t("locked out") : row.hasPassword ? t("has a password") : t("no password yet")) },
      { name: t("Since"), show: (row) => html`<${Time} at=${row.createdAt} />`, text: (row) => row.createdAt },
    ]} actions=${(row) => !above(row) && html`
      <button type="button" aria-label=${t("Change the role of {email}", { email: row.email })} onClick=${() => setChanging(row)}>${t("Role")}</button>
      <${Act} label=${t("Make a setup link for {email}", { email: row.email })} does=${async () => setLink(await own("POST", at(`/${row.id}/setup-link`)))}>${t("Setup link")}<//>
      ${!mine(row) && html`<${Sure} label=${t("Sign out {email} everywhere", { email: row.email })} ask=${t("All sessions of {email} end; keys still hold.", { email: row.email })} done=${t("All their sessions have ended.")}
        does=${() => own("DELETE", at(`/${row.id}/sessions`))}>${t("Sign out")}<//>`}
      ${!mine(row) && (row.disabled
        ? html`<${Act} label=${t("Let in {email} again", { email: row.email })} does=${patch(row, { disabled: false })}>${t("Let in")}<//>`
        : html`<${Sure} label=${t("Lock out {email}", { email: row.email })} ask=${t("Keys and sessions of {email} hold no more.", { email: row.email })} does=${patch(row, { disabled: true })}>${t("Lock out")}<//>`)}`}>
      <button type="button" class="main" onClick=${() => setInviting(true)}>${t("Invite somebody")}</button><//>`}<//>`;
}

export function Keys() {
  const keys = useLoad(() => own("GET", "/keys"), []);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState(null);
  const create = async (values) => {
    const given = { label: values.label, kind: values.kind, ...(values.days ? { days: Number(values.days) } : {}) };
    const key = await own("POST", "/keys", given);
    setMaking(false);
    setMade(key.key);
    await keys.reload();
  };
  const over = (row) => row.expiresAt && new Date(row.expiresAt) < new Date();
  return html`<${Page} title=${t("API keys")} actions=${html`<button type="button" class="main" onClick=${() => setMaking(true)}>${t("New key")}</button>`}>
    ${made && html`<${Once} title=${t("Your new key")} text=${made} note=${t("Keep it somewhere safe: it is shown this once.")} close=${() => setMade(null)} />`}
    ${making && html`<${Dialog} title=${t("New key")} close=${() => setMaking(false)}><${Form} values=${{ kind: "private" }} save=${create} label=${t("Make the key")} cancel=${() => setMaking(false)} fields=${[
      { name: "label", label: t("What it is for"), required: true, maxlength: 200 },
      { name: "days", label: t("Days until it expires"), type: "number", min: 1, max: 36500, help: t("Empty: it does not expire.") },
      { name: "kind", label: t("Kind"), type: "select", options: [["private", t("private – all that you may do")], ["public", t("public – asks gateways only, for pages of your own")]] },
    ]} /><//>`}
    <${Loaded} of=${keys}>${(rows) => html`<${List} label=${t("API keys")} rows=${rows} empty=${t("No key yet. Programs that ask this server need one.")} columns=${[
      { name: t("For"), show: (row) => row.label },
      { name: t("Ends with"), show: (row) => html`<code>${row.lastSix}</code>`, text: (row) => row.lastSix },
      may("manage") && { name: t("User"), show: (row) => row.email },
      { name: t("Kind"), show: (row) => row.kind },
      { name: t("Used last"), show: (row) => html`<${Time} at=${row.usedAt} />`, text: (row) => row.usedAt },
      { name: t("Expires"), show: (row) => html`<${Time} at=${row.expiresAt} />${over(row) && html` <${Badge} kind="bad">${t("expired")}<//>`}`, text: (row) => row.expiresAt },
    ].filter(Boolean)} actions=${(row) => html`<${Sure} label=${t("Revoke the key {label}", { label: row.label })} ask=${t("Clients that use this key are refused at once.")}
      does=${async () => { await own("DELETE", `/keys/${row.id}`); await keys.reload(); }}>${t("Revoke")}<//>`} />`}<//><//>`;
}

// What a browser calls itself, in words; the whole of it is long and says little more.
function browser(program) {
  const known = [["Edg", "Edge"], ["OPR", "Opera"], ["Firefox", "Firefox"], ["Chrome", "Chrome"], ["Safari", "Safari"]].find(([mark]) => program.includes(mark));
  const system = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "macOS"], ["Linux", "Linux"]].find(([mark]) => program.includes(mark));
  if (!known) return program.slice(0, 60);
  return system ? t("{browser} on {system}", { browser: known[1], system: system[1] }) : known[1];
}

const WAYS = () => ({ password: t("password"), key: t("API key"), "setup link": t("setup link"), oidc: t("single sign-on"), certificate: t("client certificate") });

export function Account() {
  const sessions = useLoad(() => own("GET", "/sessions"), []);
  const { user, hasPassword } = me.value;
  const save = async ({ old, fresh, again }) => {
    if (fresh !== again) throw Object.assign(new Error(t("The two passwords are not the same.")), { param: "again" });
    await own("PUT", "/password", { old, new: fresh });
    await sessions.reload();
  };
  return html`<${Page} title=${t("My account")}>
    <${Facts} of=${[[t("E-mail"), user.email], [t("Organisation"), user.organisation], [t("Role"), user.role], [t("Id"), html`<code>${user.id}</code> <${Copy} text=${user.id} />`]]} />
    <h2>${t("Password")}</h2>
    ${hasPassword ? html`<${Form} values=${{}} save=${save} done=${t("The password was changed.")} label=${t("Change the password")} fields=${[
      { name: "old", label: t("Present password"), type: "password", required: true, autocomplete: "current-password" },
      { name: "fresh", label: t("New password"), type: "password", required: true, minlength: 10, autocomplete: "new-password", help: t("At least 10 characters. Your other sessions end.") },
      { name: "again", label: t("The same again"), type: "password", required: true, autocomplete: "new-password" },
    ]} />` : html`<p>${t("You have none; an administrator can make you a setup link.")}</p>`}
    <h2>${t("Sessions")}</h2>
    <p class="dim">${t("Browsers in which you are signed in.")}</p>
    <${Loaded} of=${sessions}>${(rows) => html`<${List} label=${t("Sessions")} rows=${rows} filterable=${false} columns=${[
      { name: t("Browser"), show: (row) => html`<span title=${row.program}>${browser(row.program) || "–"}</span>${row.own && html` <${Badge} kind="good">${t("this one")}<//>`}` },
      { name: t("Address"), show: (row) => row.address },
      { name: t("By"), show: (row) => (row.way ? WAYS()[row.way] || row.way : "–") },
      { name: t("Signed in"), show: (row) => html`<${Time} at=${row.createdAt} />` },
      { name: t("Used last"), show: (row) => html`<${Time} at=${row.seenAt} />` },
    ]} actions=${(row) => !row.own && html`<${Sure} label=${t("End the session of {program}", { program: browser(row.program) })} ask=${t("It has to sign in again.")}
      does=${async () => { await own("DELETE", `/sessions/${row.id}`); await sessions.reload(); }}>${t("End")}<//>`} />
      <div class="buttons"><${Sure} ask=${t("All your sessions end, this one too. Keys still hold.")} does=${async () => { await own("DELETE", "/sessions"); me.value = null; }}>${t("Sign out everywhere")}<//></div>`}<//><//>`;
}
