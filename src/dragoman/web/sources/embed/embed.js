// <script src="<server>/embed.js" data-client="<web chat client id>" async></script> draws a button that opens the chat.
(() => {
  const script = document.currentScript;
  const client = script.dataset.client;
  if (!client) return console.error("embed.js: data-client is missing");
  const server = new URL(script.src).origin;
  const label = script.dataset.label || "Chat";
  const wanted = script.dataset.color || "";
  const color = CSS.supports("color", wanted) && !/[;{}]/.test(wanted) ? wanted : "#2f6f8f";
  const host = document.createElement("div");
  const shadow = host.attachShadow({ mode: "closed" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    button{position:fixed;inset-block-end:1rem;inset-inline-end:1rem;z-index:2147483000;min-width:3.5rem;height:3.5rem;padding:0 1.1rem;
      border:0;border-radius:2rem;background:${color};color:${ink()};font:600 1rem system-ui,sans-serif;
      cursor:pointer;box-shadow:0 2px 12px #0005}
    button:focus-visible{outline:3px solid #000;outline-offset:3px}
    iframe{position:fixed;inset-block-end:5.25rem;inset-inline-end:1rem;z-index:2147483000;width:min(26rem,calc(100vw - 2rem));
      height:min(42rem,calc(100vh - 7rem));border:1px solid #8886;border-radius:1rem;background:Canvas;box-shadow:0 6px 30px #0006}
    iframe[hidden]{display:none}`);
  shadow.adoptedStyleSheets = [sheet];
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.setAttribute("aria-expanded", "false");
  shadow.append(button);
  let frame = null;

  // Black or white, whichever is read better on the button's colour.
  function ink() {
    const pen = document.createElement("canvas").getContext("2d");
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    const [red, green, blue] = [...pen.getImageData(0, 0, 1, 1).data].map((part) => ((part / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
  }

  function show(open) {
    if (open && !frame) {
      frame = document.createElement("iframe");
      frame.title = label;
      frame.allow = "autoplay; clipboard-write; microphone";
      frame.src = `${server}/embed/${encodeURIComponent(client)}?host=${encodeURIComponent(location.origin)}`;
      shadow.append(frame);
    }
    if (frame) frame.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    (open ? frame : button).focus();
    dispatch("toggle", { open });
  }

  function dispatch(name, detail) {
    window.dispatchEvent(new CustomEvent(`dragoman:${name}`, { detail }));
  }

  button.addEventListener("click", () => show(!frame || frame.hidden));
  addEventListener("keydown", (event) => event.key === "Escape" && frame && !frame.hidden && show(false));
  addEventListener("message", (event) => {
    if (!frame || event.source !== frame.contentWindow || event.origin !== server) return;
    if (!event.data || event.data.source !== "dragoman") return;
    if (event.data.name === "close") return show(false);
    const { source, name, ...detail } = event.data;
    dispatch(name, detail);
  });
  window.dragoman = { open: () => show(true), close: () => frame && show(false) };
  const start = () => document.body.append(host);
  document.body ? start() : addEventListener("DOMContentLoaded", start);
})();
