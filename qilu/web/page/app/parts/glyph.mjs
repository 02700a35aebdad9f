// Signs of states and levels: each has a shape of its own, so that none is told by colour alone.

import { html } from "../html.mjs";
import { stateWord } from "../vocabulary.mjs";
import { say } from "../words.mjs";

const SHAPES = {
  running: html`<path d="M4 2.5v11l9-5.5z" />`,
  idle: html`<path d="M4 3h3v10H4zM9 3h3v10H9z" />`,
  setup: html`<path d="M8 1.5 14.5 8 8 14.5 1.5 8z" />`,
  fault: html`<path fill-rule="evenodd" d="M2 2h12v12H2zM7 4v5h2V4zM7 10.5v2h2v-2z" />`,
  maintenance: html`<path d="M5 2h6l3 6-3 6H5L2 8z" />`,
  off: html`<path fill-rule="evenodd" d="M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zm0 2a4 4 0 1 0 0 8 4 4 0 0 0 0-8z" />`,
  offline: html`<path d="m3.4 2 4.6 4.6L12.6 2 14 3.4 9.4 8l4.6 4.6-1.4 1.4L8 9.4 3.4 14 2 12.6 6.6 8 2 3.4z" />`,
  unknown: html`<path d="M6.8 11.5h2.4V14H6.8zM8 2c2.3 0 4 1.3 4 3.3 0 2.4-2.6 2.7-2.7 4.7H6.8c0-3 2.7-3.2 2.7-4.6 0-.7-.6-1.2-1.5-1.2-1 0-1.6.6-1.7 1.6H4C4.1 3.5 5.7 2 8 2z" />`,
};

const LEVELS = {
  normal: html`<path d="m2.5 8.2 3.6 3.8 7.4-8" fill="none" stroke="currentColor" stroke-width="2.2" />`,
  warning: html`<path fill-rule="evenodd" d="M8 1 15.5 14.5H.5zM7 6v4.5h2V6zM7 11.5v1.8h2v-1.8z" />`,
  fault: SHAPES.fault,
  unknown: SHAPES.unknown,
};

function Sign({ shape, kind, name }) {
  return html`<svg class="glyph glyph-${kind}" viewBox="0 0 16 16" width="16" height="16" fill="currentColor"
    aria-hidden="true" data-name=${name}>${shape}</svg>`;
}

export const StateGlyph = ({ state }) => html`<${Sign} shape=${SHAPES[state] ?? SHAPES.unknown} kind=${state} name=${state} />`;

export const LevelGlyph = ({ level }) => html`<span class="level level-${level}"><${Sign} shape=${LEVELS[level] ?? LEVELS.unknown}
  kind="level" name=${level} /><span class="unseen">${say(`level.${level}`)}</span></span>`;

/** Sign and word of a state. */
export function State({ state }) {
  return html`<span class="state state-${state}"><${StateGlyph} state=${state} />${stateWord(state)}</span>`;
}

/** The tick of a bad or uncertain value. */
export const QualityTick = ({ quality }) => html`<svg class="glyph tick tick-${quality}" viewBox="0 0 16 16" width="12" height="12"
  fill="currentColor" aria-hidden="true"><path d=${quality === "bad" ? "M1 2h14L8 14z" : "M8 2 14 8 8 14 2 8z"} /></svg>`;
