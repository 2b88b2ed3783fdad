// Builds ../static from the sources here. Run at release: npm ci && npm run build.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const shared = { bundle: true, minify: true, target: "es2019", legalComments: "none", outdir: "../static" };
await build({ ...shared, entryPoints: ["chat/chat.js"], format: "iife" });
await build({ ...shared, entryPoints: ["chat/highlight.js", "chat/maths.js"], format: "esm" });
await build({ ...shared, entryPoints: ["embed/embed.js", "embed/frame.js"], format: "iife" });
await build({ ...shared, entryPoints: ["chat/chat.css"] });
await build({ ...shared, entryPoints: ["console/console.js"], format: "iife" });
await build({ ...shared, entryPoints: ["console/console.css"] });
gatherTexts("console");

// Every sentence of a page in one catalogue, as what a translation starts from.
function gatherTexts(folder) {
  const found = new Set();
  for (const name of readdirSync(folder, { recursive: true }).filter((one) => one.endsWith(".js"))) {
    for (const [, text] of readFileSync(join(folder, name), "utf8").matchAll(/\bt\("((?:[^"\\]|\\.)*)"/g)) found.add(JSON.parse(`"${text}"`));
  }
  const sorted = Object.fromEntries([...found].sort().map((text) => [text, text]));
  writeFileSync(join(folder, "texts.json"), JSON.stringify(sorted, null, 2) + "\n");
}
