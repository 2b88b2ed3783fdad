// For everybody: talking to what there is.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { own, via } from "../api.js";
import { Loaded, Page, useLoad } from "../parts.js";
import { leaving } from "../route.js";
import { t } from "../texts.js";
import { TestChat } from "./testchat.js";

const KEPT = "dragoman-talks-to";

export function Talk() {
  const found = useLoad(async () => {
    const [models, gateways] = await Promise.all([own("GET", "/models"), via("GET", "/api/v1/ai-gateways?limit=10000")]);
    return { models: models.models.filter((one) => !one.unavailable), gateways };
  }, []);
  const [chosen, setChosen] = useState(localStorage.getItem(KEPT) || "");
  const choose = (event) => {
    if (!leaving()) return;
    localStorage.setItem(KEPT, event.target.value);
    setChosen(event.target.value);
  };
  return html`<${Page} title=${t("Chat")}><${Loaded} of=${found}>${({ models, gateways }) => {
    const names = [...gateways.map((one) => one.slug), ...models.map((one) => one.name)];
    if (names.length === 0) return html`<p class="empty">${t("There is no model to talk to.")}</p>`;
    const first = models.find((one) => one.inForce) || models[0];
    const model = names.includes(chosen) ? chosen : gateways.length ? gateways[0].slug : first.name;
    return html`
      <div class="filter"><label for="talk-to">${t("Talk to")}</label><select id="talk-to" onChange=${choose}>
        ${gateways.length > 0 && html`<optgroup label=${t("Gateways")}>${gateways.map((one) => html`<option value=${one.slug} selected=${one.slug === model}>${one.name}</option>`)}</optgroup>`}
        <optgroup label=${t("Models")}>${models.map((one) => html`<option value=${one.name} selected=${one.name === model}>${one.name}</option>`)}</optgroup></select></div>
      <${TestChat} key=${model} model=${model} />`;
  }}<//><//>`;
}
