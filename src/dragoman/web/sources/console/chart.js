// Bars in a row, one a day, each of stacked parts. The same numbers stand in a table for those who cannot see it.
import { html } from "htm/preact";
import { t } from "./texts.js";

const WIDTH = 720;
const HEIGHT = 200;
const BOTTOM = 22;
const COLOURS = 6;

// `days` are labels, `parts` are [name, values by day], largest first; further parts than there are colours become one.
export function Bars({ label, days, parts, shown }) {
  const few = parts.length > COLOURS
    ? [...parts.slice(0, COLOURS - 1), [t("Others"), days.map((_, at) => parts.slice(COLOURS - 1).reduce((sum, [, values]) => sum + values[at], 0))]]
    : parts;
  const totals = days.map((_, at) => few.reduce((sum, [, values]) => sum + values[at], 0));
  const most = Math.max(...totals, 0);
  const step = WIDTH / Math.max(days.length, 1);
  const wide = Math.max(1, step * 0.8);
  const scale = most ? (HEIGHT - BOTTOM) / most : 0;
  const every = Math.ceil(days.length / 8);
  return html`<figure class="chart">
    <figcaption>${label} <span class="dim">${t("most on one day: {most}", { most: shown(most) })}</span></figcaption>
    <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${`${label}. ${t("The table below has the numbers.")}`}>
      <line x1="0" x2=${WIDTH} y1=${HEIGHT - BOTTOM} y2=${HEIGHT - BOTTOM} class="axis" />
      ${days.map((day, at) => {
        let top = HEIGHT - BOTTOM;
        return html`<g>${few.map(([name, values], place) => {
          const tall = values[at] * scale;
          top -= tall;
          return tall > 0 && html`<rect class=${`c${place}`} x=${at * step + (step - wide) / 2} y=${top} width=${wide} height=${tall}>
            <title>${`${day} ${name}: ${shown(values[at])}`}</title></rect>`;
        })}${at % every === 0 && html`<text x=${at === 0 ? 0 : at * step + step / 2} y=${HEIGHT - 6} text-anchor=${at === 0 ? "start" : "middle"}>${day.slice(5)}</text>`}</g>`;
      })}
    </svg>
    <ul class="legend">${few.map(([name, values], place) => html`<li><span class=${`dot c${place}`}></span>${name}:
      ${" "}${shown(values.reduce((sum, value) => sum + value, 0))}</li>`)}</ul>
  </figure>`;
}
