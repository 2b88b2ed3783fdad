// Coming in: by password, by key, by a setup link.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { enter, own } from "../api.js";
import { Form, Loaded, Notice, useLoad } from "../parts.js";
import { go } from "../route.js";
import { t } from "../texts.js";

const Entry = ({ title, children }) => html`<main class="entry" id="main"><p class="brand">Dragoman</p><h1>${title}</h1>${children}</main>`;

export function Login() {
  const [by, setBy] = useState("password");
  const save = async (values) => {
    await own("POST", "/session", by === "key" ? { key: values.key.trim() } : { email: values.email, password: values.password });
    await enter();
  };
  const fields = by === "key"
    ? [{ name: "key", label: t("API key"), type: "password", required: true, autocomplete: "current-password" }]
    : [
      { name: "email", label: t("E-mail"), type: "email", required: true, autocomplete: "username" },
      { name: "password", label: t("Password"), type: "password", required: true, autocomplete: "current-password" },
    ];
  document.title = `${t("Sign in")} – Dragoman`;
  return html`<${Entry} title=${t("Sign in")}>
    <${Form} key=${by} fields=${fields} values=${{}} save=${save} label=${t("Sign in")} />
    <p><button type="button" class="link" onClick=${() => setBy(by === "key" ? "password" : "key")}>
      ${by === "key" ? t("Sign in with e-mail and password") : t("Sign in with an API key")}</button></p>
    <p class="dim">${t("No password yet, or forgotten? An administrator makes a setup link on the page Users, or on the server with: dragoman users setup-link EMAIL")}</p>
  <//>`;
}

export function Setup() {
  const [token] = useState(() => location.hash.slice(1));
  const look = useLoad(() => own("POST", "/setup/look", { token }), [token]);
  document.title = `${t("Set a password")} – Dragoman`;
  const save = async ({ password, again }) => {
    if (password !== again) throw Object.assign(new Error(t("The two passwords are not the same.")), { param: "again" });
    await own("POST", "/setup", { token, password });
    await enter();
    go("/", { replace: true });
  };
  return html`<${Entry} title=${t("Set a password")}>
    <${Loaded} of=${look}>${({ email }) => html`
      <p>${t("This sets the password of {email}.", { email })}</p>
      <input type="hidden" name="username" value=${email} autocomplete="username" />
      <${Form} values=${{}} save=${save} label=${t("Set the password and go on")} fields=${[
        { name: "password", label: t("New password"), type: "password", required: true, minlength: 10, maxlength: 200, autocomplete: "new-password", help: t("At least 10 characters.") },
        { name: "again", label: t("The same again"), type: "password", required: true, autocomplete: "new-password" },
      ]} />`}<//>
    ${look.error && html`<${Notice}>${t("Setup links hold once and for a short time. On the server, make another with: dragoman users setup-link EMAIL")}<//>`}
    <p><a href="/console">${t("Sign in")}</a></p>
  <//>`;
}
