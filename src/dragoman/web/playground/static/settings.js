// The fields of agent_config as a form. Only what differs from the default is sent.
const text = (path, label, more = {}) => ({ path, label, kind: "text", ...more });
const long = (path, label, more = {}) => ({ path, label, kind: "long", ...more });
const number = (path, label, usual, min, max, step = 0.05) => ({ path, label, kind: "number", placeholder: String(usual), min, max, step });
const choice = (path, label, options) => ({ path, label, kind: "choice", options });
const flag = (path, label, usual) => ({ path, label, kind: "flag", usual });

export const GROUPS = [
  ["Agent", [
    text("agent.full_name", "Name", { placeholder: "Assistant" }), long("agent.welcome_text", "Welcome"),
    long("agent.description", "Role"), text("agent.language", "Language", { placeholder: "en" }),
  ]],
  ["Thinking", [
    text("llm.model.model", "Model or gateway"), text("llm.model.base_url", "Address"), text("llm.model.api_key", "Key", { secret: true }),
    long("llm.system_prompt", "Instructions", { placeholder: "A friendly assistant" }), number("llm.temperature", "Temperature", 0.5, 0, 2, 0.1), number("llm.max_tokens", "Most tokens", 60, 1, 4096, 1),
  ]],
  ["Voice", [
    text("tts.voice", "Voice", { placeholder: "alloy" }),
    choice("tts.speed", "Speed", ["medium", "x-slow", "slow", "fast", "x-fast"]),
    choice("tts.volume", "Volume", ["medium", "silent", "x-soft", "soft", "loud", "x-loud"]),
    choice("tts.emotion.emotion", "Emotion", ["", "anger", "positivity", "surprise", "sadness", "curiosity"]),
    text("tts.language", "Language"), text("tts.model.base_url", "Address"), text("tts.model.model", "Model"), text("tts.model.api_key", "Key", { secret: true }),
    flag("background_noise_enabled", "Sound of a room", false),
  ]],
  ["Listening", [
    text("stt.language", "Language"), flag("stt.detect_language", "Find out the language", false), flag("stt.interim_results", "Partial transcripts", true),
    flag("stt.punctuate", "Punctuation", true), text("stt.model.base_url", "Address"), text("stt.model.model", "Model"), text("stt.model.api_key", "Key", { secret: true }),
  ]],
  ["Turns (seconds)", [
    number("min_endpointing_delay", "Wait after speech", 0.5, 0, 60), flag("end_of_turn_detection", "Listen for the end of a thought", true),
    flag("allow_interruptions", "May be interrupted", true), number("interrupt_speech_duration", "Speech that interrupts", 0.5, 0, 60),
    number("interrupt_min_words", "Words that interrupt", 0, 0, 100, 1), flag("preemptive_synthesis", "Speak early", false),
  ]],
  ["Detection of speech (seconds)", [
    number("vad.min_speech_duration", "Least speech", 0.05, 0, 60), number("vad.min_silence_duration", "Silence that ends", 0.55, 0, 60),
    number("vad.prefix_padding_duration", "Kept from before", 0.5, 0, 60), number("vad.max_buffered_speech", "Longest speech", 60, 1, 3600, 1),
    number("vad.activation_threshold", "Threshold", 0.5, 0, 1), choice("vad.sample_rate", "Rate", ["16000", "8000"]),
  ]],
];
const KEPT = "dragoman.voice.settings";

export function build(form) {
  for (const [title, fields] of GROUPS) {
    const set = form.appendChild(document.createElement("fieldset"));
    set.appendChild(document.createElement("legend")).textContent = title;
    for (const field of fields) set.appendChild(control(field));
  }
  const kept = JSON.parse(localStorage.getItem(KEPT) || "{}");
  for (const [path, value] of Object.entries(kept)) {
    const input = form.elements[path];
    if (input) { if (input.type === "checkbox") input.checked = value; else input.value = value; }
  }
  form.addEventListener("change", () => {
    const values = {};
    for (const input of form.elements) {
      if (input.name && input.type !== "password") values[input.name] = input.type === "checkbox" ? input.checked : input.value;
    }
    localStorage.setItem(KEPT, JSON.stringify(values));
  });
}

export function reset(form) { localStorage.removeItem(KEPT); form.reset(); for (const [, fields] of GROUPS) for (const f of fields) if (f.kind === "flag") form.elements[f.path].checked = f.usual; }

function control(field) {
  const label = document.createElement("label");
  label.append(field.label);
  let input;
  if (field.kind === "choice") {
    input = document.createElement("select");
    for (const option of field.options) input.add(new Option(option || "none", option));
  } else if (field.kind === "long") {
    input = document.createElement("textarea");
    Object.assign(input, { rows: 2, placeholder: field.placeholder || "" });
  } else {
    input = document.createElement("input");
    input.type = { text: field.secret ? "password" : "text", number: "number", flag: "checkbox" }[field.kind];
    if (field.kind === "number") Object.assign(input, { min: field.min, max: field.max, step: field.step });
    if (field.kind === "flag") input.checked = field.usual;
    if (field.placeholder) input.placeholder = field.placeholder;
    input.autocomplete = "off";
  }
  input.name = field.path;
  label.append(input);
  return label;
}

export function collect(form) {
  const config = {};
  for (const [, fields] of GROUPS) {
    for (const field of fields) {
      const input = form.elements[field.path];
      const value = valueOf(field, input);
      if (value !== undefined) put(config, field.path.split("."), value);
    }
  }
  for (const part of ["llm", "tts", "stt"]) if (config[part]?.model?.base_url) config[part].model.provider = "openai";
  return config;
}

function valueOf(field, input) {
  if (field.kind === "flag") return input.checked === field.usual ? undefined : input.checked;
  if (input.value === "" || (field.kind === "choice" && input.value === field.options[0])) return undefined;
  if (field.kind === "number" || field.path === "vad.sample_rate") return Number(input.value);
  return input.value;
}

function put(target, [name, ...rest], value) {
  if (!rest.length) { target[name] = value; return; }
  put(target[name] ??= {}, rest, value);
}
