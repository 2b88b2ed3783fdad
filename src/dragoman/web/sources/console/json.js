// JSON that people write: where it is wrong, and where the part is that an error is about.
import { t } from "./texts.js";

const about = (message, param, range) => Object.assign(new Error(message), { param, range });
const line = (text, at) => text.slice(0, at).split("\n").length;

// What the text says. An error is about the field of that name.
export function readJson(text, field) {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Not every browser tells where.
    const found = /position (\d+)/.exec(error.message);
    if (!found) throw about(t("This is no JSON: {why}", { why: error.message }), field, null);
    const at = Math.min(Number(found[1]), text.length);
    throw about(t("Line {line} is no JSON: {why}", { line: line(text, at), why: error.message }), field, [at, Math.min(at + 1, text.length)]);
  }
}

// Gives an error about a member of the text back as one about the field, with the place of the member in it.
export function inJson(error, text, field) {
  let at = 0;
  let range = null;
  for (const name of (error.param || "").split(/[.[\]]+/)) {
    const found = text.indexOf(`"${name}"`, at);
    if (found < 0) continue;
    at = found + name.length + 2;
    range = [found, at];
  }
  if (!range) return error;
  return about(t("Line {line}: {why}", { line: line(text, range[0]), why: error.message }), field, range);
}
