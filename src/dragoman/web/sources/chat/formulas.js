// Where a formula begins and ends in Markdown: $$...$$ and \[...\] apart, $...$ and \(...\) within a line.
const APART = [/^ {0,3}\$\$([\s\S]+?)\$\$[ \t]*(?:\n|$)/, /^ {0,3}\\\[([\s\S]+?)\\\][ \t]*(?:\n|$)/];
const WITHIN = [
  /^\$\$([^$\n]+?)\$\$/, /^\\\(([\s\S]+?)\\\)/, /^\\\[([\s\S]+?)\\\]/,
  // A price is no formula: no blank inside the signs, no digit after them.
  /^\$(?![\s$])((?:\\.|[^\\$\n])*?[^\s\\$])\$(?!\d)/,
];

function tokenizer(name, patterns, isDisplay) {
  return (source) => {
    for (const pattern of patterns) {
      const found = pattern.exec(source);
      if (found) return { type: name, raw: found[0], formula: found[1].trim(), display: isDisplay(found[0]) };
    }
  };
}

function first(source, pattern) {
  const found = pattern.exec(source);
  return found ? found.index : undefined;
}

export const display = {
  name: "display",
  level: "block",
  start: (source) => first(source, /^ {0,3}(?:\$\$|\\\[)/m),
  tokenizer: tokenizer("display", APART, () => true),
};

export const inline = {
  name: "formula",
  level: "inline",
  start: (source) => first(source, /\$|\\[([]/),
  tokenizer: tokenizer("formula", WITHIN, (raw) => raw.startsWith("$$") || raw.startsWith("\\[")),
};
