// The frame of every view: header, the sentence, the bars of a frozen page and of wrong clocks, the view itself.

import { useEffect, useState } from "preact/hooks";
import { full, info, introduce, isPlant, live, offered, signedOut, tick, topicState } from "./app.mjs";
import { ask } from "./api.mjs";
import { clock, duration, zone } from "./format.mjs";
import { html } from "./html.mjs";
import { Sentence } from "./parts/sentence.mjs";
import { Story } from "./parts/story.mjs";
import { link, route } from "./route.mjs";
import { chooseLang, chooseScheme, lang, scheme } from "./settings.mjs";
import { Day } from "./views/day.mjs";
import { Delivery } from "./views/delivery.mjs";
import { Device } from "./views/device.mjs";
import { Devices } from "./views/devices.mjs";
import { Events } from "./views/events.mjs";
import { Factory, plantSentence } from "./views/factory.mjs";
import { Overview } from "./views/overview.mjs";
import { SignIn } from "./views/sign_in.mjs";
import { Wall } from "./views/wall.mjs";
import { pick, say } from "./words.mjs";

const VIEWS = {
  overview: Overview, devices: Devices, device: Device, delivery: Delivery, events: Events, factory: Factory,
  day: Day, wall: Wall,
};
const IN_HEADER = ["overview", "devices", "delivery", "events", "factory", "day"];
const CLOCKS_DIFFER_MS = 5000;

function Navigation() {
  const shown = route.value.view === "device" ? "devices" : route.value.view;
  const views = IN_HEADER.filter((view) => offered.value.includes(view));
  return html`<nav class="nav" aria-label=${say("nav")}>
    ${views.map((view) => html`<a key=${view} href=${view === "day" ? link("day", "") : link(view)}
      data-nav=${view} aria-current=${view === shown ? "page" : undefined}>${say(`view.${view}`)}</a>`)}
  </nav>`;
}

function Identity() {
  const edge = topicState("overview")?.edge ?? info.value;
  if (!edge) return html`<a class="identity" href="#/"><b>Qilu</b></a>`;
  const name = pick(edge.label, edge.edge);
  return html`<a class="identity" href="#/" title=${[edge.enterprise, edge.site].filter(Boolean).join(" · ")}>
    <b>${name}</b>${name !== edge.edge && html`<small>${edge.edge}</small>`}</a>`;
}

async function signOut() {
  await ask("session", { method: "DELETE" }).catch(() => null);
  location.reload();
}

function Header() {
  const time = tick.value + live.clockOffset.value;
  return html`<header class="head">
    <a class="skip" href="#content" onClick=${skip}>${say("skip")}</a>
    <${Identity} />
    <${Navigation} />
    <div class="tools">
      <span class="time" title=${say("zone", zone())}><b class="figures">${clock(time)}</b> <small>${zone().split(" ")[0]}<span class="place"> ${zone().split(" ").slice(1).join(" ")}</span></small></span>
      <button class="quiet" data-do="lang" lang=${lang.value === "zh" ? "en" : "zh"}
        onClick=${() => chooseLang(lang.value === "zh" ? "en" : "zh")}>${say("lang.other")}</button>
      <button class="quiet" data-do="scheme" onClick=${() => chooseScheme(scheme.value === "dark" ? "light" : "dark")}
        >${say(scheme.value === "dark" ? "scheme.light" : "scheme.dark")}</button>
      ${info.value?.session && html`<button class="quiet" onClick=${signOut}>${say("sign.out")}</button>`}
    </div>
  </header>`;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("content").focus();
}

function Bars() {
  const silence = live.silence.value;
  const offset = live.clockOffset.value;
  const now = tick.value;
  const frozen = Boolean(silence);
  useEffect(() => { document.documentElement.toggleAttribute("data-frozen", frozen); }, [frozen]);
  return html`
    <div role="status">${full.value && html`<p class="bar" id="full">${say("refused.full")}</p>`}${silence && html`<p class="bar" id="frozen"><span aria-hidden="true">⚠</span> ${live.everHeard
      ? say("frozen", Math.max(3, Math.floor((now - silence.since_ms) / 1000)), clock(silence.since_ms + offset))
      : say("frozen.empty", Math.max(3, Math.floor((now - silence.since_ms) / 1000)))}</p>`}</div>
    ${!silence && Math.abs(offset) > CLOCKS_DIFFER_MS && html`<p class="bar" id="clocks"><span aria-hidden="true">⚠</span> ${say("clocks",
      duration(Math.abs(offset) / 1000, lang.value), clock(now + offset), clock(now))}</p>`}`;
}

function Footer() {
  return html`<footer class="foot">
    ${offered.value.includes("day") && html`<a href=${link("day", "")}>${say("view.day")}</a>`} <a href="#/wall">${say("view.wall")}</a>
    ${info.value && html`<span>Qilu ${info.value.version}</span> <span>${say(`access.${info.value.access}`)}</span>`}
  </footer>`;
}

/** An error inside a view is told in its place, and the rest of the page goes on. */
function Missing() {
  return html`<p class="empty">${say("refused.view")}</p>`;
}

export function Shell() {
  const { view, parts } = route.value;
  if (info.value?.access === "wall" && view !== "wall") location.replace("#/wall");
  const refused = info.value && IN_HEADER.includes(view) && !offered.value.includes(view);
  const View = (!refused && VIEWS[view]) || Missing;
  useEffect(() => { document.title = `${say(`view.${view === "device" ? "devices" : view}`)} · Qilu`; });
  if (signedOut.value) return html`<${SignIn} done=${introduce} />`;
  if (view === "wall") return html`<${Bars} /><${Wall} />`;
  return html`<${Header} /><${Bars} /><${Story} />
    <${Sentence} sentence=${isPlant.value ? plantSentence(topicState("factory")) : topicState("overview")?.sentence} />
    <main id="content" tabindex="-1" class="view view-${view}"><${View} key=${parts[0] ?? ""} parts=${parts} /></main>
    <${Footer} />`;
}
