// Loaded when an answer has a formula.
import katex from "katex";

// Puts MathML in the place of a formula's text, node by node, so that no markup is ever parsed.
export function formula(element) {
  const options = { output: "mathml", displayMode: element.dataset.display === "true", throwOnError: true, maxSize: 20, maxExpand: 200 };
  const text = element.textContent;
  try {
    katex.render(element.dataset.math, element, options);
  } catch (error) {
    // What is no formula stays as it was written.
    element.textContent = text;
    if (!(error instanceof katex.ParseError)) throw error;
  }
}
