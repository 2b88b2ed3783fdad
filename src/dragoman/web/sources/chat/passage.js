// The passage that a citation stands for, marked in its document, in a dialog over the conversation.
import { html } from "htm/preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { passage } from "./state.js";

export const sourceName = (one, says) => `${one.document_name || one.name || ""}${one.page ? `, ${says("pageLabel")} ${one.page}` : ""}`;

export function Passage({ says }) {
  return passage.value && html`<${Opened} says=${says} source=${passage.value.source} found=${passage.value.found} />`;
}

function Opened({ says, source, found }) {
  const place = useRef(null);
  const mark = useRef(null);
  useLayoutEffect(() => place.current.showModal(), []);
  useLayoutEffect(() => mark.current.scrollIntoView({ block: "center" }), [found]);
  const close = () => place.current.close();
  const name = sourceName(source, says);
  return html`
    <dialog class="passage" ref=${place} aria-labelledby="passage-title" onClose=${() => (passage.value = null)}
      onClick=${(event) => event.target === place.current && close()}>
      <div class="top">
        <h2 id="passage-title">[${source.number}] ${name}</h2>
        <button type="button" class="quiet" onClick=${close}>${says("closeLabel")}</button>
      </div>
      <div class="body" tabindex="0" role="group" aria-labelledby="passage-title">
        ${found && found.headings.length > 0 && html`<p class="where">${found.headings.join(" › ")}</p>`}
        <p class="text">${found && found.before}<mark ref=${mark}>${found ? found.text : source.text}</mark>${found && found.after}</p>
        ${found && found.page_image && html`<${Picture} address=${found.page_image} name=${name} />`}
      </div>
    </dialog>`;
}

function Picture({ address, name }) {
  const [gone, setGone] = useState(false);
  return !gone && html`<img class="page" src=${address} alt=${name} onError=${() => setGone(true)} />`;
}
