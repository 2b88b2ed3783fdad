// What scripts find beside the language itself. The host gives `host`, null where a script may ask nothing of it.
((host) => {
  "use strict";
  // A script may change what the language gives it; this goes on with what was there before.
  const { stringify, parse } = JSON;
  const MOST = 65536;
  const lines = [];
  let written = 0;

  const show = (value) => {
    if (typeof value === "string") return value;
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value === "function" || typeof value === "symbol" || value === undefined || value === null) return String(value);
    if (value instanceof Error) return describe(value);
    if (typeof value !== "object") return String(value);
    const above = [];
    const text = stringify(value, function (key, part) {
      if (typeof part === "bigint") return `${part}n`;
      if (typeof part === "function" || typeof part === "symbol") return String(part);
      if (part instanceof Map) part = Object.fromEntries(part);
      if (part instanceof Set) part = [...part];
      if (part instanceof Error) return String(part);
      if (typeof part !== "object" || part === null) return part;
      while (above.length > 0 && above.at(-1) !== this) above.pop();
      if (above.includes(part)) return "[circular]";
      above.push(part);
      return part;
    });
    return text === undefined ? String(value) : text;
  };

  const describe = (error) => {
    if (!(error instanceof Error)) return `Uncaught ${show(error)}`;
    const places = String(error.stack ?? "").split("\n").filter((line) => /\bscript\.js:\d+/.test(line));
    return [String(error), ...places.slice(0, 8).map((line) => `    at ${/script\.js:\d+(:\d+)?/.exec(line)[0]}`)].join("\n");
  };

  const write = (...values) => {
    if (written > MOST) return;
    const line = values.map(show).join(" ");
    written += line.length + 1;
    lines.push(written > MOST ? line.slice(0, Math.max(0, line.length - (written - MOST))) + " [cut]" : line);
  };
  globalThis.console = Object.fromEntries(
    ["log", "info", "warn", "error", "debug", "trace", "table", "dir"].map((name) => [name, write])
  );
  const written_lines = () => lines.join("\n");

  // Bytes travel to and from the host as text with a character for each byte.
  const to_text = (bytes) => {
    let text = "";
    for (let start = 0; start < bytes.length; start += 8192) text += String.fromCharCode(...bytes.subarray(start, start + 8192));
    return text;
  };
  const to_bytes = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));

  globalThis.TextEncoder = class TextEncoder {
    get encoding() { return "utf-8"; }
    encode(text = "") { return to_bytes(unescape(encodeURIComponent(String(text).toWellFormed()))); }
  };
  globalThis.TextDecoder = class TextDecoder {
    get encoding() { return "utf-8"; }
    decode(source = new Uint8Array()) {
      const bytes = view(source);
      let text = "";
      for (let at = 0; at < bytes.length; ) {
        const first = bytes[at];
        const size = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
        let code = size === 1 ? first : size === 2 ? first & 31 : size === 3 ? first & 15 : first & 7;
        let read = 1;
        while (read < size && (bytes[at + read] & 0xc0) === 0x80) code = (code << 6) | (bytes[at + read++] & 63);
        const least = [0, 0, 0x80, 0x800, 0x10000][size];
        const good = size > 0 && read === size && code >= least && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000);
        text += good ? String.fromCodePoint(code) : "\ufffd";
        at += good ? size : Math.max(1, read);
      }
      return text.startsWith("\ufeff") ? text.slice(1) : text;
    }
  };
  const view = (source) =>
    source instanceof ArrayBuffer ? new Uint8Array(source) : new Uint8Array(source.buffer, source.byteOffset, source.byteLength);

  const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  globalThis.btoa = (text) => {
    const bytes = Array.from(String(text), (character) => character.charCodeAt(0));
    if (bytes.some((byte) => byte > 255)) throw new Error("btoa takes characters up to U+00FF only");
    let encoded = "";
    for (let at = 0; at < bytes.length; at += 3) {
      const group = (bytes[at] << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
      encoded += LETTERS[group >> 18] + LETTERS[(group >> 12) & 63];
      encoded += at + 1 < bytes.length ? LETTERS[(group >> 6) & 63] : "=";
      encoded += at + 2 < bytes.length ? LETTERS[group & 63] : "=";
    }
    return encoded;
  };
  globalThis.atob = (text) => {
    const clean = String(text).replace(/[\t\n\f\r ]/g, "").replace(/={1,2}$/, "");
    if (/[^A-Za-z0-9+/]/.test(clean) || clean.length % 4 === 1) throw new Error("this is not base64");
    let bits = 0, held = 0, decoded = "";
    for (const letter of clean) {
      held = (held << 6) | LETTERS.indexOf(letter);
      bits += 6;
      if (bits >= 8) { bits -= 8; decoded += String.fromCharCode((held >> bits) & 255); }
    }
    return decoded;
  };

  class URLSearchParams {
    #pairs = [];
    #changed = () => {};
    constructor(from = "", changed) {
      if (typeof from === "string") {
        for (const part of from.replace(/^\?/, "").split("&").filter(Boolean)) {
          const [name, ...rest] = part.split("=");
          this.#pairs.push([decode(name), decode(rest.join("="))]);
        }
      } else {
        for (const [name, value] of from?.[Symbol.iterator] ? from : Object.entries(from)) this.#pairs.push([String(name), String(value)]);
      }
      if (typeof changed === "function") this.#changed = changed;
    }
    get size() { return this.#pairs.length; }
    get(name) { return this.#pairs.find(([held]) => held === String(name))?.[1] ?? null; }
    getAll(name) { return this.#pairs.filter(([held]) => held === String(name)).map(([, value]) => value); }
    has(name) { return this.#pairs.some(([held]) => held === String(name)); }
    append(name, value) { this.#pairs.push([String(name), String(value)]); this.#changed(); }
    set(name, value) {
      const at = this.#pairs.findIndex(([held]) => held === String(name));
      if (at < 0) return this.append(name, value);
      this.#pairs[at][1] = String(value);
      this.#pairs = this.#pairs.filter(([held], place) => held !== String(name) || place === at);
      this.#changed();
    }
    delete(name) { this.#pairs = this.#pairs.filter(([held]) => held !== String(name)); this.#changed(); }
    sort() { this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)); this.#changed(); }
    forEach(use) { for (const [name, value] of this.#pairs) use(value, name, this); }
    keys() { return this.#pairs.map(([name]) => name)[Symbol.iterator](); }
    values() { return this.#pairs.map(([, value]) => value)[Symbol.iterator](); }
    entries() { return this.#pairs.map((pair) => [...pair])[Symbol.iterator](); }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return this.#pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join("&"); }
  }
  const decode = (text) => { try { return decodeURIComponent(text.replace(/\+/g, " ")); } catch { return text; } };
  const encode = (text) =>
    encodeURIComponent(text).replace(/%20/g, "+").replace(/[!'()~]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);

  const WHOLE = /^([a-z][a-z0-9+.-]*):\/\/(?:([^/?#@:]*)(?::([^/?#@]*))?@)?(\[[0-9a-f:.]+\]|[^/?#:@\s]+)(?::(\d{1,5}))?([^?#]*)(\?[^#]*)?(#.*)?$/i;
  const PORTS = { "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21" };
  class URL {
    constructor(url, base) {
      let text = String(url).trim();
      if (base !== undefined && !/^[a-z][a-z0-9+.-]*:/i.test(text)) text = URL.#join(text, new URL(base));
      const found = WHOLE.exec(text);
      if (!found) throw new TypeError(`Invalid URL: ${url}`);
      const [, scheme, user = "", password = "", host, port = "", path, query = "", hash = ""] = found;
      this.protocol = `${scheme.toLowerCase()}:`;
      this.username = user;
      this.password = password;
      this.hostname = host.toLowerCase();
      this.port = port === PORTS[this.protocol] ? "" : port;
      this.pathname = URL.#straighten(path || "/").replace(/[^\x21-\x7e]/g, encodeURIComponent);
      this.search = query === "?" ? "" : query.replace(/[^\x21-\x7e]/g, encodeURIComponent);
      this.hash = hash === "#" ? "" : hash;
      const params = new URLSearchParams(this.search, () => { const now = params.toString(); this.search = now ? `?${now}` : ""; });
      Object.defineProperty(this, "searchParams", { value: params, enumerable: true });
    }
    static #join(text, base) {
      if (text.startsWith("//")) return base.protocol + text;
      if (text.startsWith("/")) return base.origin + text;
      if (text.startsWith("?")) return base.origin + base.pathname + text;
      if (text.startsWith("#")) return base.origin + base.pathname + base.search + text;
      return text === "" ? base.href : base.origin + base.pathname.replace(/[^/]*$/, "") + text;
    }
    static #straighten(path) {
      const kept = [];
      const steps = path.split("/");
      steps.forEach((step, at) => {
        const last = at === steps.length - 1;
        if (step === "..") { if (kept.length > 1) kept.pop(); if (last) kept.push(""); }
        else if (step === ".") { if (last) kept.push(""); }
        else kept.push(step);
      });
      return kept.join("/") || "/";
    }
    static canParse(url, base) { try { new URL(url, base); return true; } catch { return false; } }
    get host() { return this.hostname + (this.port ? `:${this.port}` : ""); }
    get origin() { return `${this.protocol}//${this.host}`; }
    get href() {
      const user = this.username ? `${this.username}${this.password ? `:${this.password}` : ""}@` : "";
      return `${this.protocol}//${user}${this.host}${this.pathname}${this.search}${this.hash}`;
    }
    toString() { return this.href; }
    toJSON() { return this.href; }
  }
  Object.assign(globalThis, { URL, URLSearchParams });

  const make_web = () => {
    class Headers {
      #held = new Map();
      constructor(from) {
        if (!from) return;
        for (const [name, value] of from[Symbol.iterator] ? from : Object.entries(from)) this.append(name, value);
      }
      append(name, value) {
        const key = header_name(name);
        const before = this.#held.get(key);
        this.#held.set(key, before === undefined ? String(value).trim() : `${before}, ${String(value).trim()}`);
      }
      set(name, value) { this.#held.set(header_name(name), String(value).trim()); }
      get(name) { return this.#held.get(header_name(name)) ?? null; }
      has(name) { return this.#held.has(header_name(name)); }
      delete(name) { this.#held.delete(header_name(name)); }
      forEach(use) { for (const [name, value] of this) use(value, name, this); }
      keys() { return [...this].map(([name]) => name)[Symbol.iterator](); }
      values() { return [...this].map(([, value]) => value)[Symbol.iterator](); }
      entries() { return this[Symbol.iterator](); }
      [Symbol.iterator]() { return [...this.#held].sort(([a], [b]) => (a < b ? -1 : 1))[Symbol.iterator](); }
    }
    const header_name = (name) => {
      const text = String(name);
      if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text)) throw new TypeError(`Invalid header name: ${text}`);
      return text.toLowerCase();
    };

    class Body {
      #bytes;
      #used = false;
      _fill(body, headers) {
        let kind = null;
        if (body === null || body === undefined) this.#bytes = null;
        else if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) this.#bytes = view(body).slice();
        else {
          kind = body instanceof URLSearchParams ? "application/x-www-form-urlencoded;charset=UTF-8" : "text/plain;charset=UTF-8";
          this.#bytes = new TextEncoder().encode(String(body));
        }
        if (kind && !headers.has("content-type")) headers.set("content-type", kind);
      }
      get _raw() { return this.#bytes ?? new Uint8Array(); }
      get bodyUsed() { return this.#used; }
      get body() { return this.#bytes; }
      async bytes() {
        if (this.#used) throw new TypeError("The body has already been read");
        this.#used = this.#bytes !== null;
        return this._raw;
      }
      async arrayBuffer() { const bytes = await this.bytes(); return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength); }
      async text() { return new TextDecoder().decode(await this.bytes()); }
      async json() { return parse(await this.text()); }
    }

    class Request extends Body {
      constructor(from, options = {}) {
        super();
        const other = from instanceof Request ? from : null;
        this.url = other ? other.url : new URL(from).href;
        this.method = String(options.method ?? other?.method ?? "GET").toUpperCase();
        this.headers = new Headers(options.headers ?? other?.headers);
        const body = "body" in options ? options.body : other?.body;
        if (body != null && ["GET", "HEAD"].includes(this.method)) throw new TypeError(`A ${this.method} request has no body`);
        this._fill(body, this.headers);
      }
      clone() { return new Request(this.url, { method: this.method, headers: this.headers, body: this.body }); }
    }

    class Response extends Body {
      constructor(body = null, options = {}) {
        super();
        this.status = Number(options.status ?? 200);
        if (!Number.isInteger(this.status) || this.status < 200 || this.status > 599) throw new RangeError("A status lies between 200 and 599");
        this.statusText = String(options.statusText ?? "");
        this.headers = new Headers(options.headers);
        this._fill(body, this.headers);
      }
      get ok() { return this.status < 300; }
      clone() { return new Response(this.body, { status: this.status, statusText: this.statusText, headers: this.headers }); }
      static json(value, options = {}) {
        const headers = new Headers(options.headers);
        if (!headers.has("content-type")) headers.set("content-type", "application/json");
        return new Response(stringify(value), { ...options, headers });
      }
      static redirect(url, status = 302) { return new Response(null, { status, headers: { location: String(url) } }); }
    }

    const exchange = (message) => stringify({
      url: message.url, method: message.method, status: message.status,
      headers: Object.fromEntries(message.headers), body: to_text(message._raw),
    });
    const fetch = async (from, options) => {
      const answer = parse(await host(exchange(new Request(from, options))));
      if (answer.error !== undefined) throw new TypeError(answer.error);
      const empty = [204, 205, 304].includes(answer.status);
      const response = new Response(empty ? null : to_bytes(answer.body), { status: answer.status, headers: answer.headers });
      Object.defineProperty(response, "url", { value: answer.url ?? "", enumerable: true });
      return response;
    };
    return { exchange, fetch, globals: { Headers, Request, Response } };
  };

  const settled = async (work) => {
    try {
      return stringify({ value: await work(), console: written_lines() });
    } catch (error) {
      return stringify({ error: describe(error), console: written_lines() });
    }
  };
  const run = (0, eval);

  const evaluate = (code, is_function) => settled(async () => {
    const value = run(`${code}\n//# sourceURL=script.js`);
    return show(await (is_function ? value() : value));
  });

  const handle = (code, request_json, env, may_fetch) => {
    const { exchange, fetch, globals } = web;
    Object.assign(globalThis, globals);
    const { Request, Response } = globals;
    if (may_fetch) globalThis.fetch = fetch;
    return settled(async () => {
      const exports = {};
      await run(`(async (__exports) => {"use strict";${code}\n})\n//# sourceURL=script.js`)(exports);
      const answering = exports.default?.fetch;
      if (typeof answering !== "function") throw new Error("The module has no `export default { async fetch(request, env) { ... } }`");
      const { url, method, headers, body } = parse(request_json);
      const request = new Request(url, { method, headers, body: body === "" ? null : to_bytes(body) });
      const response = await answering.call(exports.default, request, parse(env), { waitUntil() {}, passThroughOnException() {} });
      if (!(response instanceof Response)) throw new TypeError("fetch(request, env) has to return a Response");
      return exchange(response);
    });
  };

  // Made here, while nobody waits: the next request finds it ready.
  const web = make_web();
  return { evaluate, handle };
})
