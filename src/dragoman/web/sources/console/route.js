// Where the user is. Links to the console's own pages load nothing.
import { signal } from "@preact/signals";
import { t } from "./texts.js";

const BASE = "/console";
const here = () => location.pathname.replace(/\/+$/, "").slice(BASE.length) || "/";

export const route = signal(here());
// The forms in which something is typed that is not saved; nobody leaves them without being asked.
export const unsaved = new Set();

// What goes on when its page is left, but not when the window is closed.
export const underWay = new Set();

export function leaving() {
  if (unsaved.size && !confirm(t("What you typed here is not saved. Leave it?"))) return false;
  unsaved.clear();
  return true;
}

export const href = (path) => BASE + (path === "/" ? "" : path);

let place = 0;

export function go(path, { replace = false } = {}) {
  if (!leaving()) return;
  if (!replace) place += 1;
  history[replace ? "replaceState" : "pushState"]({ place }, "", href(path));
  route.value = here();
  scrollTo(0, 0);
}

addEventListener("popstate", (event) => {
  const to = (event.state && event.state.place) || 0;
  // Within a page, as the way past the menu is, nothing is left.
  if (to === place || here() === route.value) return;
  if (!leaving()) return history.go(place - to);
  place = to;
  route.value = here();
});
addEventListener("beforeunload", (event) => (unsaved.size || underWay.size) && event.preventDefault());
document.addEventListener("click", (event) => {
  const link = event.target.closest && event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (link.pathname !== BASE && !link.pathname.startsWith(BASE + "/")) return;
  if (link.pathname.startsWith(`${BASE}/api/`) || link.pathname.startsWith(`${BASE}/via/`) || link.pathname.startsWith(`${BASE}/oidc/`) || link.hash) return;
  event.preventDefault();
  go((link.pathname.slice(BASE.length) || "/") + link.search);
});
