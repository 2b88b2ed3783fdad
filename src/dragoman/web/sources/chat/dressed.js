// What an answer needs beside its markup. The parts for it are loaded when there is something for them to do; the page names
// their addresses.
const parts = document.documentElement.dataset;

// Formulas stand as they were written until what sets them is there.
let formula = null;
export function typeset(element) {
  const set = () => element.querySelectorAll("[data-math]").forEach(formula);
  if (!element.querySelector("[data-math]")) return;
  if (formula) return set();
  import(parts.maths).then((loaded) => {
    formula = loaded.formula;
    set();
  }, () => {});
}

export function coloured(element) {
  const blocks = [...element.querySelectorAll("pre > code")];
  if (blocks.length) import(parts.highlight).then((loaded) => blocks.forEach(loaded.highlight), () => {});
}

// What may be wider than the page is moved by the keyboard, too.
export function scrollable(element) {
  for (const block of element.querySelectorAll("pre")) block.tabIndex = 0;
  for (const table of element.querySelectorAll("table")) {
    const frame = document.createElement("div");
    frame.className = "wide";
    frame.tabIndex = 0;
    table.replaceWith(frame);
    frame.append(table);
  }
}
