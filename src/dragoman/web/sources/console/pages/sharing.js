// Which collections are shared with whom.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { may, own } from "../api.js";
import { Act, Badge, Dialog, Form, List, Loaded, Page, Sure, say, useLoad } from "../parts.js";
import { href } from "../route.js";
import { t } from "../texts.js";

const HELD = () => ({ read: t("may search"), edit: t("may search and change"), admin: t("may also share"), owner: t("owner") });

const named = (grant) => (grant.kind === "group" ? t("group {name}", { name: grant.who }) : grant.who);

export function Sharing() {
  const found = useLoad(() => own("GET", "/sharing"), []);
  const whole = (row) => (row.opened ? [t("everybody of the organisation")] : []).concat(row.grants.map(named));
  return html`<${Page} title=${t("Sharing")}>
    <p class="dim">${t("Collections that you may search, and with whom those are shared that you may share. Gateways belong to who made them and are not shared; clients ask them with a key.")}</p>
    <${Loaded} of=${found}>${(rows) => html`<${List} label=${t("Collections and who may use them")} rows=${rows} empty=${t("There is no collection that you may search.")} columns=${[
      { name: t("Collection"), show: (row) => html`<a href=${href(`/collections/${row.id}`)}>${row.name}</a>`, text: (row) => row.name },
      { name: t("You"), show: (row) => HELD()[row.permission] },
      { name: t("Shared with"), text: (row) => whole(row).join(" "), show: (row) => (whole(row).length ? whole(row).join(", ") : html`<span class="dim">${row.mayShare ? t("nobody") : "–"}</span>`) },
    ]} />`}<//><//>`;
}

export function Shares({ id }) {
  const found = useLoad(() => own("GET", `/collections/${id}/sharing`), [id]);
  const [giving, setGiving] = useState(null);
  const at = `/collections/${id}/sharing`;
  const give = async ({ who, kind, permission }) => {
    await own("PUT", at, { who, kind, permission });
    setGiving(null);
    say(t("Saved"));
    await found.reload();
  };
  const open = (opened) => async () => {
    await own("PUT", `${at}/everybody`, { opened });
    await found.reload();
  };
  const permissions = () => ["read", "edit", "admin"].map((one) => [one, HELD()[one]]);
  const fields = (data, kind) => [
    kind === "group"
      ? { name: "who", label: t("Group"), type: "select", required: true, options: data.groupNames.map((one) => [one, one]) }
      : { name: "who", label: t("E-mail of a colleague"), type: "email", required: true },
    { name: "permission", label: t("They"), type: "select", options: permissions() },
  ];
  return html`<h2>${t("Sharing")}</h2>
    <${Loaded} of=${found}>${(data) => {
      const able = data.mayShare && may("create");
      return html`
        <p>${t("You: {held}.", { held: HELD()[data.permission] })} ${!data.mayShare && t("Its owner and those who may also share it decide with whom it is shared.")}</p>
        ${giving && html`<${Dialog} title=${giving === "group" ? t("Share with a group") : t("Share with a colleague")} close=${() => setGiving(null)}>
          <${Form} key=${giving} fields=${fields(data, giving)} values=${{ permission: "read", who: giving === "group" ? data.groupNames[0] : "" }} cancel=${() => setGiving(null)} save=${(values) => give({ ...values, kind: giving })} /><//>`}
        ${data.mayShare && html`
          <p>${data.opened ? html`<${Badge} kind="warn">${t("open")}<//> ${t("Everybody of the organisation may search it.")}` : t("Only those named here may use it, beside its owner.")}</p>
          ${able && html`<div class="buttons">
            <${Act} does=${open(!data.opened)}>${data.opened ? t("Close it") : t("Open it to everybody of the organisation")}<//>
            <button type="button" onClick=${() => setGiving("user")}>${t("Share with a colleague")}</button>
            ${data.groupNames.length > 0 && html`<button type="button" onClick=${() => setGiving("group")}>${t("Share with a group")}</button>`}</div>`}
          <${List} label=${t("Shared with")} rows=${data.grants} keyed=${(row) => `${row.kind} ${row.who}`} empty=${t("It is shared with nobody.")} columns=${[
            { name: t("Who"), show: named, text: named }, { name: t("What they may do"), show: (row) => HELD()[row.permission] },
          ]} actions=${able && ((row) => html`<${Sure} label=${t("Remove {who} from those it is shared with", { who: named(row) })} ask=${t("They can use it no more.")}
            does=${async () => { await own("DELETE", `${at}/${row.kind}/${encodeURIComponent(row.who)}`); await found.reload(); }}>${t("Remove")}<//>`)} />`}`;
    }}<//>`;
}
