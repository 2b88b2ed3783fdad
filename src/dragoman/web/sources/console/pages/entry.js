// Coming in: by password, by key, by a setup link.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { enter, me, own, signedInAgain } from "../api.js";
import { Act, Dialog, Form, Loaded, Notice, useLoad } from "../parts.js";
import { go } from "../route.js";
import { t } from "../texts.js";

const Entry = ({ title, children }) => html`<main class="entry" id="main"><p class="brand">Dragoman</p><h1>${title}</h1>${children}</main>`;

// Why somebody was sent back from where they wanted to sign in.
const REFUSED = () => ({
  oidc_off: t("Signing in that way is not set up."),
  oidc_issuer: t("The server that keeps your account cannot be reached, or is not set up rightly. An administrator finds more in the log."),
  oidc_busy: t("Too many sign-ins are under way; try again in a few minutes."),
  oidc_state: t("That sign-in was not begun here, or is over. Begin anew."),
  oidc_declined: t("The server that keeps your account did not sign you in."),
  oidc_code: t("The server that keeps your account did not confirm the sign-in. Begin anew."),
  oidc_token: t("The proof of who you are does not hold."),
  oidc_no_email: t("The server that keeps your account names no verified e-mail of yours."),
  oidc_domain: t("People with an e-mail of your domain are not let in here."),
  oidc_group: t("Your groups do not let you in here."),
  oidc_no_role: t("Your groups give you no role here."),
  oidc_unknown_user: t("You have no account here: ask an administrator for an invitation."),
  oidc_other_account: t("Your e-mail belongs to another account here: ask an administrator."),
  oidc_locked_out: t("You are locked out here: ask an administrator."),
  oidc_no_organisation: t("The organisation of new users is not there: an administrator has to look at the settings."),
  too_many_logins: t("Too many attempts to sign in; try again later."),
});

// The fields to sign in with, by a password or a key.
function Credentials({ email, entered }) {
  const [by, setBy] = useState("password");
  const save = async (values) => {
    await own("POST", "/session", by === "key" ? { key: values.key.trim() } : { email: values.email, password: values.password });
    await entered();
  };
  const fields = by === "key"
    ? [{ name: "key", label: t("API key"), type: "password", required: true, autocomplete: "current-password" }]
    : [
      { name: "email", label: t("E-mail"), type: "email", required: true, autocomplete: "username" },
      { name: "password", label: t("Password"), type: "password", required: true, autocomplete: "current-password" },
    ];
  return html`<${Form} key=${by} asks fields=${fields} values=${{ email }} save=${save} label=${t("Sign in")} />
    <p><button type="button" class="link" onClick=${() => setBy(by === "key" ? "password" : "key")}>
      ${by === "key" ? t("Sign in with e-mail and password") : t("Sign in with an API key")}</button></p>`;
}

// Over the page on which somebody was at work when their session ended: what they typed stays, and what they began goes on.
export function Again() {
  const leave = () => (me.value = null);
  return html`<${Dialog} title=${t("Sign in again")} close=${leave}>
    <p>${t("Your session has ended. What you typed is kept: sign in, and it goes on.")}</p>
    <${Credentials} email=${me.value.user.email} entered=${signedInAgain} />
    <p class="dim">${t("Who signs in another way does so in another tab and comes back to this one.")} <a href="/console" target="_blank" rel="noopener">${t("Open another tab")}</a></p><//>`;
}

export function Login() {
  const [refused] = useState(() => new URLSearchParams(location.search).get("refused"));
  const ways = useLoad(() => own("GET", "/ways"), []);
  document.title = `${t("Sign in")} – Dragoman`;
  return html`<${Entry} title=${t("Sign in")}>
    ${refused && html`<${Notice} kind="bad">${REFUSED()[refused] || t("You could not be signed in.")}<//>`}
    ${ways.data && ways.data.oidc && html`<p><a class="button main" href="/console/oidc/start">${t("Sign in with {name}", { name: ways.data.oidc })}</a></p>`}
    ${ways.data && ways.data.certificate && html`<p><${Act} kind="main" does=${async () => { await own("POST", "/session", { certificate: true }); await enter(); }}>${t("Sign in with the certificate of {email}", { email: ways.data.certificate })}<//></p>`}
    <${Credentials} entered=${enter} />
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
      <${Form} asks values=${{}} save=${save} label=${t("Set the password and go on")} fields=${[
        { name: "password", label: t("New password"), type: "password", required: true, minlength: 10, maxlength: 200, autocomplete: "new-password", help: t("At least 10 characters.") },
        { name: "again", label: t("The same again"), type: "password", required: true, autocomplete: "new-password" },
      ]} />`}<//>
    ${look.error && html`<${Notice}>${t("Setup links hold once and for a short time. On the server, make another with: dragoman users setup-link EMAIL")}<//>`}
    <p><a href="/console">${t("Sign in")}</a></p>
  <//>`;
}
