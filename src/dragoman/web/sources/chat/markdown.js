// Markdown to markup that cannot run: links are opened on a click only, and pictures from elsewhere are links.
import DOMPurify from "dompurify";
import { marked } from "marked";
import { display, inline } from "./formulas.js";

const own = location.origin;

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A" && node.hasAttribute("href")) {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
  }
  if (node.tagName === "IMG") {
    const source = node.getAttribute("src") || "";
    if (!inner(source)) node.remove();
    else if (!node.hasAttribute("alt")) node.setAttribute("alt", "");
  }
});

// Only pictures that cannot tell anybody that they were looked at.
const inner = (source) => /^data:image\//.test(source) || /^\/(?!\/)/.test(source) || source.startsWith(own + "/");

const renderer = {
  code({ text, lang }) {
    const language = (lang || "").split(/\s/)[0].toLowerCase();
    return `<pre><code data-language="${escaped(language)}">${escaped(text)}\n</code></pre>`;
  },
  image({ href, text }) {
    if (inner(href))
      return `<img src="${escaped(href)}" alt="${escaped(text)}" loading="lazy">`;
    return `<a href="${escaped(href)}">${escaped(text || href)}</a>`;
  },
};
const math = (token) =>
  `<span data-math="${escaped(token.formula)}" data-display="${token.display}">${escaped(token.raw.trim())}</span>`;
marked.use({ renderer, gfm: true, breaks: true });
marked.use({ extensions: [display, inline].map((extension) => ({ ...extension, renderer: math })) });

function escaped(text) {
  return text.replace(/[&<>"'[]/g, (c) => ({ "[": "&#91;", "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c]);
}

const OPTIONS = {
  USE_PROFILES: { html: true, mathMl: true },
  FORBID_TAGS: ["style", "form", "input", "textarea", "select", "button", "iframe", "audio", "video", "dialog"],
  FORBID_ATTR: ["style", "class", "id", "name", "action", "ping"],
  ADD_ATTR: ["target"],
  RETURN_TRUSTED_TYPE: true,
};

// Marks like [3] become buttons when there is a passage of that number.
export function rendered(text, numbers) {
  const marked_ = marked.parse(text, { async: false });
  const linked = numbers.size
    ? marked_.replace(/\[(\d{1,3})\](?![^<]*<\/(?:code|pre|a)>)/g, (whole, n) =>
        numbers.has(Number(n)) ? `<a href="#source-${n}" data-source="${n}">[${n}]</a>` : whole)
    : marked_;
  return DOMPurify.sanitize(linked, OPTIONS);
}
