// The first line of every view: the worst thing, since when, what it costs, what to do.

import { useState } from "preact/hooks";
import { html } from "../html.mjs";
import { pick, say } from "../words.mjs";
import { LevelGlyph } from "./glyph.mjs";

export function Sentence({ sentence }) {
  const [open, setOpen] = useState(false);
  if (!sentence) return html`<p class="sentence" data-level="unknown" id="sentence"><span class="words">${say("loading")}</span></p>`;
  const more = sentence.more ?? [];
  return html`<div class="sentence" data-level=${sentence.level} data-code=${sentence.code} id="sentence">
    <${LevelGlyph} level=${sentence.level} />
    <h1 class="words">${pick(sentence)}</h1>
    ${more.length > 0 && html`<button class="quiet more" aria-expanded=${open} aria-controls="more"
      onClick=${() => setOpen(!open)}>${open ? say("less") : say("more", more.length)}</button>`}
    ${open && more.length > 0 && html`<ul id="more">${more.map((other) => html`<li key=${`${other.code} ${other.subject}`} data-level=${other.level}>
      <${LevelGlyph} level=${other.level} /> <span>${pick(other)}</span></li>`)}</ul>`}
  </div>`;
}
