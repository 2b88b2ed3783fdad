// Labels of collections, and where text under each may not go.
import { html } from "htm/preact";
import { own, via } from "../api.js";
import { Badge, List, Loaded, Page, useLoad } from "../parts.js";
import { href } from "../route.js";
import { t } from "../texts.js";

export function Labels() {
  const found = useLoad(async () => {
    const [labels, collections] = await Promise.all([own("GET", "/labels"), via("GET", "/api/v1/collections?limit=10000")]);
    return { labels, collections };
  }, []);
  return html`<${Page} title=${t("Labels")}>
    <p class="dim">${t("A collection under a label binds its text, and conversations and memories made of it. Labels are described in the settings of the server; a collection's own page puts it under one.")}</p>
    <${Loaded} of=${found}>${({ labels, collections }) => {
      const bearing = (label) => collections.filter((one) => labels.collections[one.id] && labels.collections[one.id].label === label);
      const others = Object.values(labels.collections).filter((one) => !one.described && !labels.labels.some((known) => known.label === one.label));
      const rows = [...labels.labels, ...new Map(others.map((one) => [one.label, one])).values()];
      return html`<${List} label=${t("Labels")} rows=${rows} keyed=${(row) => row.label} empty=${t("No label is described.")} columns=${[
        { name: t("Label"), show: (row) => html`${row.label}${!row.described && html` <${Badge} kind="bad">${t("not described")}<//>`}`, text: (row) => row.label },
        { name: t("Shown as"), show: (row) => row.banner },
        { name: t("Its text goes"), text: (row) => row.forbids.join(" "), show: (row) => html`<ul class="plain">${row.forbids.map((one) => html`<li>${one}</li>`)}</ul>` },
        { name: t("Collections"), text: (row) => bearing(row.label).map((one) => one.name).join(" "), show: (row) => (bearing(row.label).length === 0 ? "–" : html`<ul class="plain">${bearing(row.label).map((one) => html`<li><a href=${href(`/collections/${one.id}`)}>${one.name}</a></li>`)}</ul>`) },
      ]} />`;
    }}<//><//>`;
}
