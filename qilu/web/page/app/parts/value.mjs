// A value with its unit and quality, and a name with its id.

import { ageOf } from "../app.mjs";
import { age } from "../format.mjs";
import { html } from "../html.mjs";
import { lang } from "../settings.mjs";
import { qualityWord, reasonWord, shownValue } from "../vocabulary.mjs";
import { pick, say } from "../words.mjs";
import { QualityTick } from "./glyph.mjs";

export const STALE_PERIODS = 3;
export function isStale(time, periodMs) {
  const ms = ageOf(time);
  return periodMs > 0 && ms !== null && ms > STALE_PERIODS * periodMs;
}

/** Number and unit; struck and grey where it is older than three periods, with a tick where it is not good. */
export function Value({ value, unit, quality = "good", reason, decimals, labels, stale = false, lead = false }) {
  const [text, shown] = shownValue(value, unit, { decimals, labels });
  const worse = quality === "bad" || quality === "uncertain";
  return html`<span class="value ${stale ? "stale" : ""} ${lead ? "lead" : ""}" data-quality=${quality}
    >${worse && html`<${QualityTick} quality=${quality} />`}<span class="figures">${text}</span
    >${shown && html`<span class="unit"> ${shown}</span>`}${worse && html`<span class="unseen"> ${qualityWord(quality)} ${reasonWord(reason)}</span>`}</span>`;
}

/** The label of a device and, beside it, its id. */
export function Name({ id, label }) {
  const text = pick(label, id);
  return html`<span class="name"><b>${text}</b>${text !== id && html`<small>${id}</small>`}</span>`;
}

/** How old the reading of a time is; `short` without the word "ago". */
export function Age({ time, short = false }) {
  const ms = ageOf(time);
  const text = ms === null ? "" : age(ms, lang.value);
  return html`<span class="figures age">${ms === null ? say("never") : short ? text : say("age", text)}</span>`;
}
