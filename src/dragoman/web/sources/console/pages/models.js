import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { own } from "../api.js";
import { Badge, Dialog, List, Loaded, Page, useLoad } from "../parts.js";
import { t } from "../texts.js";
import { TestChat } from "./testchat.js";

export function Models() {
  const models = useLoad(() => own("GET", "/models"), []);
  const [testing, setTesting] = useState(null);
  return html`<${Page} title=${t("Models")}>
    ${testing && html`<${Dialog} wide title=${t("Test {name}", { name: testing })} close=${() => setTesting(null)}><${TestChat} model=${testing} /><//>`}
    <${Loaded} of=${models}>${(data) => html`
      <${List} label=${t("Models")} rows=${data.models} keyed=${(row) => row.name} columns=${[
        { name: t("Name"), show: (row) => html`<code>${row.name}</code>`, text: (row) => row.name },
        { name: t("From"), show: (row) => row.owner },
        { name: t("State"), text: (row) => row.unavailable || "", show: (row) => html`${row.unavailable ? html`<${Badge} kind="bad">${t("not there")}<//> ${row.unavailable}` : html`<${Badge} kind="good">${t("ready")}<//>`}
          ${row.inForce && html` <${Badge}>${t("answers when none is named")}<//>`}${row.grounded && html` <${Badge}>${t("answers from documents only")}<//>`}${row.demo && html` <${Badge} kind="warn">${t("for trying out")}<//>`}` },
      ]} actions=${(row) => !row.unavailable && html`<button type="button" aria-label=${t("Test {name}", { name: row.name })} onClick=${() => setTesting(row.name)}>${t("Test")}</button>`} />
      <h2>${t("Providers")}</h2>
      <${List} label=${t("Providers")} rows=${data.providers} keyed=${(row) => row.name} filterable=${false} empty=${t("No provider is set up.")} columns=${[
        { name: t("Name"), show: (row) => row.name }, { name: t("Address"), show: (row) => html`<code>${row.address}</code>` },
        { name: t("Data"), show: (row) => (row.leavesServer ? html`<${Badge} kind="warn">${t("leaves the server")}<//>` : html`<${Badge} kind="good">${t("stays inside")}<//>`) },
      ]} />
      <p class="dim">${t("Providers are part of the server's settings (models.providers), as they hold for everybody; a gateway can name an address and a key of its own.")}</p>
      <h2>${t("Other names")}</h2>
      <${List} label=${t("Other names of models")} rows=${Object.entries(data.aliases)} keyed=${(row) => row[0]} empty=${t("None.")} columns=${[
        { name: t("Name"), show: (row) => html`<code>${row[0]}</code>`, text: (row) => row[0] }, { name: t("Stands for"), show: (row) => html`<code>${row[1]}</code>`, text: (row) => row[1] },
      ]} />`}<//><//>`;
}
