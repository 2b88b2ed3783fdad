// Loaded when an answer has code.
import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import cpp from "highlight.js/lib/languages/cpp";
import csharp from "highlight.js/lib/languages/csharp";
import css from "highlight.js/lib/languages/css";
import go from "highlight.js/lib/languages/go";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import php from "highlight.js/lib/languages/php";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";

const languages = { bash, cpp, csharp, css, go, java, javascript, json, php, python, rust, sql, typescript, xml, yaml };
for (const [name, language] of Object.entries(languages)) hljs.registerLanguage(name, language);

// Puts spans into the element by its text alone, so that no markup is ever parsed.
export function highlight(element) {
  const language = element.dataset.language;
  const known = language && hljs.getLanguage(language);
  const text = element.textContent;
  const result = known ? hljs.highlight(text, { language }) : hljs.highlightAuto(text);
  if (!known && result.relevance < 5) return;
  element.replaceChildren(nodes(result._emitter.rootNode));
}

function nodes(node) {
  const fragment = document.createDocumentFragment();
  for (const child of node.children) {
    if (typeof child === "string") {
      fragment.append(child);
    } else {
      const span = document.createElement("span");
      if (child.scope) span.className = "hl-" + child.scope.split(".")[0];
      span.append(nodes(child));
      fragment.append(span);
    }
  }
  return fragment;
}
