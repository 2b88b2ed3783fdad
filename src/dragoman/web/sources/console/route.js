// Where the user is. Links to the console's own pages load nothing.
import { signal } from "@preact/signals";

const BASE = "/console";
const here = () => location.pathname.replace(/\/+$/, "").slice(BASE.length) || "/";

export const route = signal(here());
// What must not be lost without a question: text to ask with, or empty.
export const unsaved = signal("");

export const href = (path) => BASE + (path === "/" ? "" : path);

export function go(path, { replace = false } = {}) {
  if (unsaved.value && !confirm(unsaved.value)) return;
  unsaved.value = "";
  history[replace ? "replaceState" : "pushState"](null, "", href(path));
  route.value = here();
  scrollTo(0, 0);
}

addEventListener("popstate", () => {
  unsaved.value = "";
  route.value = here();
});
addEventListener("beforeunload", (event) => unsaved.value && event.preventDefault());
document.addEventListener("click", (event) => {
  const link = event.target.closest && event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (link.pathname !== BASE && !link.pathname.startsWith(BASE + "/")) return;
  if (link.pathname.startsWith(`${BASE}/api/`) || link.pathname.startsWith(`${BASE}/via/`) || link.pathname.startsWith(`${BASE}/oidc/`) || link.hash) return;
  event.preventDefault();
  go((link.pathname.slice(BASE.length) || "/") + link.search);
});
