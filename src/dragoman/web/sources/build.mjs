// Builds ../static from the sources here. Run at release: npm ci && npm run build.
import { build } from "esbuild";

const shared = { bundle: true, minify: true, target: "es2019", legalComments: "none", outdir: "../static" };
await build({ ...shared, entryPoints: ["chat/chat.js"], format: "iife" });
await build({ ...shared, entryPoints: ["chat/highlight.js"], format: "esm" });
await build({ ...shared, entryPoints: ["embed/embed.js", "embed/frame.js"], format: "iife" });
await build({ ...shared, entryPoints: ["chat/chat.css"] });
