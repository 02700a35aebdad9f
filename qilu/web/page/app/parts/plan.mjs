// The read plan of a device: its blocks, and what was learned of it.

import { moment } from "../format.mjs";
import { html } from "../html.mjs";
import { reasonWord } from "../vocabulary.mjs";
import { pick, say } from "../words.mjs";

export function Plan({ plan, points }) {
  const labels = Object.fromEntries(points.map((point) => [point.point, point]));
  const blocks = plan?.blocks ?? [];
  const learned = plan?.learned ?? [];
  return html`<div class="panels">
    <section class="panel wide"><h3>${say("device.plan")}</h3>${blocks.length === 0 ? html`<p>${say("plan.empty")}</p>` : html`<div class="scroll" tabindex="0" role="region" aria-label=${say("device.plan")}><table class="grid figures">
      <thead><tr>${["group", "table", "address", "count", "points"].map((key) => html`<th scope="col" key=${key}>${say(`plan.${key}`)}</th>`)}</tr></thead>
      <tbody>${blocks.map((block, index) => html`<tr key=${index}><td>${block.group}</td><td>${block.table}</td>
        <td>${block.address}–${block.address + block.count - 1}</td><td>${block.count}</td><td>${block.points}</td></tr>`)}</tbody></table></div>`}</section>
    <section class="panel"><h3>${say("plan.learned")}</h3>${learned.length === 0 ? html`<p>${say("plan.nothing")}</p>` : html`<ul class="learned">
      ${learned.map((entry, index) => html`<li key=${index}>${entry.point ? html`<b>${pick(labels?.[entry.point]?.label, entry.point)}</b> <small>${entry.point}</small> ${reasonWord(entry.reason)}` : typeof entry.text === "object" ? pick(entry.text) : entry.text}${entry.since_ms && html` <small class="figures">${say("since", moment(entry.since_ms))}</small>`}</li>`)}</ul>`}</section></div>`;
}
