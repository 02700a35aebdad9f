// The caption of a scripted story of the demo: which step it is, and what happens.

import { offered, topicState } from "../app.mjs";
import { html } from "../html.mjs";
import { pick, say } from "../words.mjs";

export const STORY = "story";

export function Story() {
  const story = offered.value.includes(STORY) ? topicState(STORY) : null;
  if (!story?.step) return null;
  const dots = Array.from({ length: story.steps }, (_, index) => index + 1);
  return html`<section class="story" id="story" data-step=${story.step} data-clean=${story.result?.clean} role="status" aria-label=${say("story")}>
    <b class="story-step">${say("story.step", story.step, story.steps)}</b>
    <p>${pick(story)}</p>
    <span class="story-dots" aria-hidden="true">${dots.map((step) => html`<i key=${step} class=${step <= story.step ? "done" : ""}></i>`)}</span>
  </section>`;
}
