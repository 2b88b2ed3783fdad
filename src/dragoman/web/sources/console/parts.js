// The parts that pages are made of.
import { signal } from "@preact/signals";
import { html } from "htm/preact";
import { useCallback, useEffect, useId, useRef, useState } from "preact/hooks";
import { expired } from "./api.js";
import { leaving, unsaved } from "./route.js";
import { moment, t } from "./texts.js";

export const announced = signal("");

export function say(text) {
  announced.value = "";
  setTimeout(() => (announced.value = text), 30);
}

// What a page has to fetch before it can show anything. `every` fetches again after so many milliseconds while it is set.
export function useLoad(fetching, needs, every = 0) {
  const [state, setState] = useState({ data: null, error: null, loading: true });
  const turn = useRef(0);
  const load = useCallback(async (quiet) => {
    const mine = ++turn.current;
    if (!quiet) setState((old) => ({ ...old, loading: true, error: null }));
    try {
      const data = await fetching();
      if (mine === turn.current) setState({ data, error: null, loading: false });
    } catch (error) {
      if (mine === turn.current) setState((old) => ({ ...old, error, loading: false }));
    }
  }, needs);
  useEffect(() => {
    load(false);
    return () => turn.current++;
  }, [load]);
  useEffect(() => {
    if (!every) return undefined;
    const timer = setInterval(() => expired.value || load(true), every);
    return () => clearInterval(timer);
  }, [load, every]);
  return { ...state, reload: () => load(true) };
}

export function Loaded({ of, children }) {
  if (of.error && !of.data) {
    return html`<div class="notice bad" role="alert"><p>${of.error.message}</p>
      <button type="button" onClick=${of.reload}>${t("Try again")}</button></div>`;
  }
  if (!of.data) return html`<p class="dim" role="status">${t("Loading…")}</p>`;
  return html`${of.error && html`<p class="notice bad" role="alert">${of.error.message}</p>`}${children(of.data)}`;
}

export function Page({ title, above, actions, children }) {
  const heading = useRef(null);
  useEffect(() => {
    document.title = `${title} – Dragoman`;
  }, [title]);
  useEffect(() => {
    if (document.activeElement === document.body || document.activeElement.closest("nav")) heading.current.focus();
  }, []);
  return html`
    <div class="head">
      <div>${above && html`<p class="above">${above}</p>`}<h1 tabindex="-1" ref=${heading}>${title}</h1></div>
      ${actions && html`<div class="actions">${actions}</div>`}
    </div>
    ${children}`;
}

export const Notice = ({ kind = "", children }) =>
  children ? html`<p class="notice ${kind}" role=${kind === "bad" ? "alert" : "status"}>${children}</p>` : null;

export const Badge = ({ kind = "", children }) => html`<span class="badge ${kind}">${children}</span>`;

export const Time = ({ at }) => (at ? html`<time datetime=${at}>${moment(at)}</time>` : html`<span class="dim">${t("never")}</span>`);

// A button that does something that takes a moment, and says when it failed.
export function Act({ does, children, kind = "", label, done, disabled, ...rest }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const click = async () => {
    setBusy(true);
    setError("");
    try {
      const told = await does();
      if (done && told !== false) say(done);
    } catch (problem) {
      setError(problem.message);
    } finally {
      setBusy(false);
    }
  };
  return html`<span class="act"><button type="button" class=${kind} aria-label=${label} disabled=${disabled || busy} aria-busy=${busy}
    onClick=${click} ...${rest}>${children}</button>${error && html`<span class="wrong" role="alert">${error}</span>`}</span>`;
}

export function Copy({ text, children }) {
  const [copied, setCopied] = useState(false);
  const click = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    say(t("Copied"));
    setTimeout(() => setCopied(false), 2000);
  };
  return html`<button type="button" onClick=${click}>${copied ? t("Copied") : children || t("Copy")}</button>`;
}

// The roles are said, for on narrow pages each row is a card and no browser takes that for a table.
// A table whose rows can be narrowed down by a text; `columns` have name, show(row), and text(row) where show gives markup.
export function List({ label, rows, columns, empty, actions, keyed = (row) => row.id, filterable = true, children }) {
  const [wanted, setWanted] = useState("");
  const id = useId();
  const textOf = (row) => columns.map((column) => String((column.text || column.show || (() => ""))(row) ?? "")).join("\n").toLowerCase();
  const shown = wanted ? rows.filter((row) => textOf(row).includes(wanted.toLowerCase())) : rows;
  return html`
    <div class="tools">
      ${filterable && rows.length > 0 && html`<div class="filter"><label for=${id}>${t("Filter")}</label>
        <input id=${id} type="search" value=${wanted} onInput=${(event) => setWanted(event.target.value)} autocomplete="off" /></div>`}
      ${children}
    </div>
    ${rows.length === 0
      ? html`<p class="empty">${empty || t("There is nothing here yet.")}</p>`
      : html`<div class="table" role="region" aria-label=${label} tabindex="0"><table role="table">
        <caption class="unseen">${label}</caption>
        <thead role="rowgroup"><tr role="row">${columns.map((column) => html`<th role="columnheader" scope="col" class=${column.kind || ""}>${column.name}</th>`)}
          ${actions && html`<th role="columnheader" scope="col"><span class="unseen">${t("Actions")}</span></th>`}</tr></thead>
        <tbody role="rowgroup">${shown.map((row) => html`<tr role="row" key=${keyed(row)}>
          ${columns.map((column, place) => place === 0
            ? html`<th role="rowheader" scope="row" class=${column.kind || ""}>${column.show(row)}</th>`
            : html`<td role="cell" class=${column.kind || ""} data-name=${column.name}><div>${column.show(row)}</div></td>`)}
          ${actions && html`<td role="cell" class="row-actions">${actions(row)}</td>`}</tr>`)}</tbody>
      </table></div>
      <p class="dim" role="status">${wanted ? t("{shown} of {all}", { shown: shown.length, all: rows.length }) : ""}</p>`}`;
}

// A form out of a list of fields; `fields` have name, label, type, help, required, options, rows and so on.
// `able` false: it may be looked at only. `asks`: it only asks for something, so that nothing is lost with it.
export function Form({ fields, values, save, label = t("Save"), done, cancel, children, able = true, asks = false }) {
  const [current, setCurrent] = useState(() => ({ ...values }));
  // What was put in last counts, also when the form is sent before it is drawn anew.
  const latest = useRef(current);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const form = useRef(null);
  const id = useId();
  const set = (name, value) => {
    if (!asks) unsaved.add(id);
    setCurrent((latest.current = { ...latest.current, [name]: value }));
  };
  useEffect(() => () => unsaved.delete(id), []);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    const typed = unsaved.delete(id);
    try {
      await save(latest.current);
      if (done) say(done);
    } catch (problem) {
      if (typed) unsaved.add(id);
      setError(problem);
      const wrong = fields.find((field) => concerns(problem, field));
      const target = wrong && form.current && form.current.querySelector(`[name="${wrong.name}"]`);
      if (target) target.focus();
      if (target && problem.range) target.setSelectionRange(...problem.range);
    } finally {
      setBusy(false);
    }
  };
  return html`<form ref=${form} onSubmit=${submit} data-unsaved=${id}>
    ${error && html`<p class="notice bad" role="alert">${error.message}</p>`}
    ${!able && html`<p class="notice" role="note">${t("Your role may look at this, but not change it.")}</p>`}
    <fieldset class="whole" disabled=${!able}>${fields.map((field) => html`<${Field} key=${field.name} field=${field} id=${`${id}-${field.name}`} value=${current[field.name]}
      wrong=${error && concerns(error, field) ? error.message : ""} set=${(value) => set(field.name, value)} all=${current} />`)}</fieldset>
    ${children && children(current, set)}
    <div class="buttons">${able && html`<button type="submit" class="main" disabled=${busy} aria-busy=${busy}>${label}</button>`}
      ${cancel && html`<button type="button" onClick=${() => { unsaved.delete(id); cancel(); }}>${t("Cancel")}</button>`}</div>
  </form>`;
}

// Whether an error names the field, as itself or within something, or something within it.
const concerns = (error, { name, param = name }) => Boolean(error.param) && error.param.split(/[.[\]]+/).includes(param);

export function Field({ field, id, value, set, wrong, all }) {
  if (field.when && !field.when(all)) return null;
  const help = field.help ? `${id}-help` : undefined;
  const told = wrong && html`<p class="wrong" id=${`${id}-wrong`}>${wrong}</p>`;
  const common = {
    id, name: field.name, required: field.required, "aria-invalid": wrong ? "true" : undefined,
    "aria-describedby": [wrong && `${id}-wrong`, help].filter(Boolean).join(" ") || undefined,
    autocomplete: field.autocomplete || "off",
  };
  const text = (event) => set(event.target.value);
  let input;
  if (field.type === "group") {
    const chosen = value || [];
    const toggle = (one) => set(chosen.includes(one) ? chosen.filter((other) => other !== one) : [...chosen, one]);
    return html`<fieldset class="field"><legend>${field.label}</legend>
      ${field.help && html`<p class="help" id=${help}>${field.help}</p>`}
      ${field.options.length === 0 && html`<p class="dim">${field.none || t("There is nothing to choose from.")}</p>`}
      <div class="choices">${field.options.map(([one, shown]) => html`<label class="check"><input type="checkbox" name=${field.name} value=${one}
        checked=${chosen.includes(one)} onChange=${() => toggle(one)} /> ${shown}</label>`)}</div>${told}</fieldset>`;
  }
  if (field.type === "check") {
    return html`<div class="field"><label class="check"><input ...${common} type="checkbox" checked=${Boolean(value)}
      onChange=${(event) => set(event.target.checked)} /> ${field.label}</label>
      ${told}${field.help && html`<p class="help" id=${help}>${field.help}</p>`}</div>`;
  }
  if (field.type === "select") {
    input = html`<select ...${common} value=${value ?? ""} onChange=${text}>
      ${field.options.map(([one, shown]) => html`<option value=${one} selected=${one === (value ?? "")}>${shown}</option>`)}</select>`;
  } else if (field.type === "file") {
    input = html`<input ...${common} type="file" onChange=${(event) => set(event.target.files[0] || null)} />`;
  } else if (field.type === "area" || field.type === "code") {
    input = html`<textarea ...${common} rows=${field.rows || 5} class=${field.type === "code" ? "code" : ""} spellcheck=${field.type !== "code"}
      value=${value ?? ""} onInput=${text}></textarea>`;
  } else {
    const list = field.suggestions ? `${id}-list` : undefined;
    input = html`<input ...${common} type=${field.type || "text"} value=${value ?? ""} min=${field.min} max=${field.max} step=${field.step}
      minlength=${field.minlength} maxlength=${field.maxlength} list=${list} onInput=${text} placeholder=${field.placeholder} />
      ${list && html`<datalist id=${list}>${field.suggestions.map((one) => html`<option value=${one} />`)}</datalist>`}`;
  }
  return html`<div class="field"><label for=${id}>${field.label}${field.required && html` <span class="dim">${t("(required)")}</span>`}</label>
    ${input}${told}${field.help && html`<p class="help" id=${help}>${field.help}</p>`}</div>`;
}

export function Dialog({ title, close: closes, children, wide }) {
  const dialog = useRef(null);
  const close = () => {
    const typed = [...dialog.current.querySelectorAll("[data-unsaved]")].map((form) => form.dataset.unsaved).filter((one) => unsaved.has(one));
    if (typed.length && !confirm(t("What you typed here is not saved. Leave it?"))) return;
    typed.forEach((one) => unsaved.delete(one));
    closes();
  };
  const id = useId();
  useEffect(() => {
    const back = document.activeElement;
    dialog.current.showModal();
    const fields = [...dialog.current.querySelectorAll("form :is(input, select, textarea)")].filter((field) => !field.disabled);
    const first = fields.find((field) => field.required && !field.value) || fields[0];
    if (first) first.focus();
    return () => back && back.focus && back.focus();
  }, []);
  return html`<dialog ref=${dialog} class=${wide ? "wide" : ""} aria-labelledby=${id} onCancel=${(event) => { event.preventDefault(); close(); }}>
    <div class="head"><h2 id=${id}>${title}</h2><button type="button" class="quiet" aria-label=${t("Close")} onClick=${close}>✕</button></div>
    ${children}</dialog>`;
}

// A button that asks before it does what cannot be undone.
export function Sure({ ask, does, children, label, done, kind = "danger" }) {
  const [open, setOpen] = useState(false);
  return html`<button type="button" class=${kind} aria-label=${label} onClick=${() => setOpen(true)}>${children}</button>
    ${open && html`<${Dialog} title=${label || children} close=${() => setOpen(false)}>
      <p>${ask}</p>
      <div class="buttons"><${Act} kind="danger main" done=${done} does=${async () => { await does(); setOpen(false); }}>${children}<//>
        <button type="button" onClick=${() => setOpen(false)}>${t("Cancel")}</button></div>
    <//>`}`;
}

// A secret that is shown once.
export const Once = ({ title, text, note, close }) => html`<${Dialog} title=${title} close=${close}>
  <p>${note}</p><p class="secret"><code>${text}</code></p>
  <div class="buttons"><${Copy} text=${text} /><button type="button" onClick=${close}>${t("Close")}</button></div><//>`;

export function Tabs({ label, tabs, at, choose }) {
  return html`<nav class="tabs" aria-label=${label}><ul>${tabs.map(([name, shown]) => html`<li><button type="button"
    aria-current=${name === at ? "page" : undefined} onClick=${() => name === at || (leaving() && choose(name))}>${shown}</button></li>`)}</ul></nav>`;
}

export const Facts = ({ of }) => html`<dl class="facts">${of.filter(Boolean).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
