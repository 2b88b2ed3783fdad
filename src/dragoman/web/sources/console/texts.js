// Every sentence that people read goes through here. The English text is the key; build.mjs gathers all of them into
// texts.json, and a catalogue of another language has the same keys with other values.
let catalogue = {};

export const use = (other) => (catalogue = other);

export function t(text, values) {
  const said = catalogue[text] || text;
  return values ? said.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole)) : said;
}

const language = () => document.documentElement.lang || "en";

export const count = (value) => new Intl.NumberFormat(language()).format(value);

export const money = (value) =>
  new Intl.NumberFormat(language(), { style: "currency", currency: "USD", maximumFractionDigits: value && value < 1 ? 6 : 2 }).format(value);

export const bytes = (value) => {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${new Intl.NumberFormat(language(), { maximumFractionDigits: 1 }).format(value)} ${units[unit]}`;
};

export const moment = (iso) =>
  iso ? new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso)) : "–";
