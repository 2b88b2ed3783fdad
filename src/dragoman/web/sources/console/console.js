import { html } from "htm/preact";
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { enter, expired, may, me, own } from "./api.js";
import { Act, announced, Page } from "./parts.js";
import { go, href, leaving, route } from "./route.js";
import { t } from "./texts.js";
import { Approvals, Memories, Run, Runs, Skills } from "./pages/agents.js";
import { Audit } from "./pages/audit.js";
import { Chat, Chats, Conversations } from "./pages/chats.js";
import { Again, Login, Setup } from "./pages/entry.js";
import { Gateway, Gateways, NewGateway } from "./pages/gateways.js";
import { Files } from "./pages/files.js";
import { Home } from "./pages/home.js";
import { Labels } from "./pages/labels.js";
import { Collection, Collections, Document, Ingestion } from "./pages/knowledge.js";
import { Limits, Receipt, Receipts } from "./pages/limits.js";
import { Models } from "./pages/models.js";
import { Groups, Organisation, Organisations } from "./pages/organisations.js";
import { Account, Keys, Users } from "./pages/people.js";
import { Sharing } from "./pages/sharing.js";
import { System } from "./pages/system.js";
import { Talk } from "./pages/talk.js";
import { Personas, Plugins, ToolServers, VoiceAgents } from "./pages/tools.js";
import { Usage } from "./pages/usage.js";

// Each group of the menu: its name, then path, name, page and, where not everybody may see it, the right it needs.
const MENU = () => [
  ["", [["/", t("Home"), Home], ["/chat", t("Chat"), Talk]]],
  [t("Agents"), [
    ["/gateways", t("Gateways"), Gateways], ["/models", t("Models"), Models], ["/personas", t("Personas"), Personas],
    ["/skills", t("Skills"), Skills], ["/plugins", t("Plugins"), Plugins], ["/tool-servers", t("Tool servers"), ToolServers], ["/voice", t("Voice agents"), VoiceAgents], ["/memories", t("Memories"), Memories],
    ["/approvals", t("Approvals"), Approvals], ["/runs", t("Runs"), Runs], ["/files", t("Sandbox files"), Files],
  ]],
  [t("Customers"), [["/chats", t("Web chats"), Chats], ["/conversations", t("Conversations"), Conversations]]],
  [t("Knowledge"), [["/collections", t("Collections"), Collections], ["/ingestion", t("Ingestion"), Ingestion], ["/sharing", t("Sharing"), Sharing], ["/labels", t("Labels"), Labels]]],
  [t("Administration"), [
    ["/usage", t("Usage"), Usage], ["/limits", t("Limits"), Limits], ["/receipts", t("Receipts"), Receipts], ["/users", t("Users"), Users, "manage"], ["/groups", t("Groups"), Groups, "manage"], ["/keys", t("API keys"), Keys], ["/audit", t("Audit"), Audit, "manage"], ["/organisations", t("Organisations"), Organisations, "found"], ["/system", t("System"), System, "operate"],
  ]],
];

// Pages of one thing: the path with names in it, and the page that is given them.
const INNER = [
  ["/gateways/new", NewGateway], ["/gateways/:id", Gateway],
  ["/collections/:id", Collection], ["/collections/:collection/documents/:id", Document],
  ["/chats/:id", Chat], ["/runs/:id", Run], ["/receipts/:id", Receipt], ["/account", Account], ["/organisations/:id", Organisation, "found"],
];

function found(path) {
  for (const [, pages] of MENU()) for (const [at, , page, right] of pages) if (at === path) return !right || may(right) ? [page, {}] : [Refused, {}];
  for (const [pattern, page, right] of INNER) {
    const wanted = pattern.split("/");
    const given = path.split("/");
    if (wanted.length !== given.length) continue;
    const values = {};
    if (wanted.every((word, at) => (word[0] === ":" ? given[at] && (values[word.slice(1)] = decodeURIComponent(given[at])) : word === given[at]))) return !right || may(right) ? [page, values] : [Refused, {}];
  }
  return [Missing, {}];
}

const Missing = () => html`<${Page} title=${t("Nothing here")}><p>${t("There is no such page.")} <a href=${href("/")}>${t("Home")}</a></p><//>`;
const Refused = () => html`<${Page} title=${t("Not for your role")}><p>${t("An administrator of your organisation can see this page.")}</p><//>`;

function Menu({ open, close, keyed }) {
  const path = route.value;
  const isHere = (at) => (at === "/" ? path === "/" : path === at || path.startsWith(`${at}/`));
  return html`<nav id="menu" class=${open ? "open" : ""} aria-label=${t("Pages")} onKeyDown=${keyed}>${MENU().map(([group, pages]) => html`
    ${group && html`<p class="group">${group}</p>`}
    <ul>${pages.filter(([, , , right]) => !right || may(right)).map(([at, name]) => html`<li><a href=${href(at)} aria-current=${isHere(at) ? "page" : undefined} onClick=${close}>${name}</a></li>`)}</ul>`)}
  </nav>`;
}

const THEMES = ["", "light", "dark"];

function dress(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  localStorage.setItem("dragoman-theme", theme);
}

function Theme() {
  const [theme, setTheme] = useState(localStorage.getItem("dragoman-theme") || "");
  const names = { "": t("as the system"), light: t("light"), dark: t("dark") };
  const choose = (event) => {
    setTheme(event.target.value);
    dress(event.target.value);
  };
  return html`<label class="theme"><span>${t("Colours")}</span> <select onChange=${choose}>${THEMES.map((one) => html`<option value=${one} selected=${one === theme}>${names[one]}</option>`)}</select></label>`;
}

async function leave() {
  if (!leaving()) return;
  const told = await own("DELETE", "/session").catch((error) => {
    if (error.status !== 401) throw error;
  });
  me.value = null;
  if (told && told.next) location.assign(told.next);
}

function Console() {
  const [open, setOpen] = useState(false);
  const [page, values] = found(route.value);
  useEffect(() => setOpen(false), [route.value]);
  const menuButton = useRef(null);
  const closes = (event) => {
    if (event.key !== "Escape" || !open) return;
    setOpen(false);
    menuButton.current.focus();
  };
  return html`
    <a class="skip" href="#main">${t("Skip to the page")}</a>
    <header class="bar" onKeyDown=${closes}>
      <button type="button" class="menu-button" ref=${menuButton} aria-expanded=${open} aria-controls="menu" onClick=${() => setOpen(!open)}>${t("Menu")}</button>
      <p class="brand">Dragoman</p>
      <p class="who"><a href=${href("/account")}>${me.value.user.email}</a></p>
      <${Act} does=${leave}>${t("Sign out")}<//>
    </header>
    <div class="body">
      <${Menu} open=${open} close=${() => setOpen(false)} keyed=${closes} />
      <main id="main" tabindex="-1"><${page} key=${route.value} ...${values} /></main>
    </div>
    <footer class="foot"><${Theme} /> <span>Dragoman ${me.value.version}</span></footer>`;
}

function Waiting() {
  if (!failure.value) return html`<main><p role="status">${t("Loading…")}</p></main>`;
  const again = () => {
    failure.value = "";
    return begin();
  };
  return html`<main class="entry"><h1>Dragoman</h1><p class="notice bad" role="alert">${failure.value}</p><button type="button" onClick=${again}>${t("Try again")}</button></main>`;
}

function Whole() {
  const inside = route.value === "/setup" ? html`<${Setup} />` : me.value === undefined ? html`<${Waiting} />` : me.value ? html`<${Console} />` : html`<${Login} />`;
  return html`${inside}${me.value && expired.value && html`<${Again} />`}<div class="unseen" aria-live="polite">${announced.value}</div>`;
}

const failure = signal("");

dress(localStorage.getItem("dragoman-theme") || "");
render(html`<${Whole} />`, document.getElementById("console"));
if (route.value === "/setup" && !location.hash) go("/", { replace: true });
const begin = () => enter().catch((error) => (failure.value = error.message));
begin();
