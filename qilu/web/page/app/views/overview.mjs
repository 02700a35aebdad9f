// Overview: the road of the data as four boxes, and the devices as tiles, worst first.

import { topicState } from "../app.mjs";
import { duration, number } from "../format.mjs";
import { html } from "../html.mjs";
import { LevelGlyph, State } from "../parts/glyph.mjs";
import { Age, Name, Value, isStale } from "../parts/value.mjs";
import { link } from "../route.mjs";
import { lang } from "../settings.mjs";
import { reasonWord } from "../vocabulary.mjs";
import { say } from "../words.mjs";

const MOST_TILES = 48;
const ORDER = { fault: 0, warning: 1, unknown: 2, normal: 3 };

/** Names of the devices, worst first, then by line and name as they came. */
export function worstFirst(devices) {
  return Object.keys(devices).sort((a, b) => (ORDER[devices[a].level] ?? 2) - (ORDER[devices[b].level] ?? 2));
}

function Box({ name, title, level, children, note, href }) {
  return html`<li class="box" data-level=${level} data-box=${name}><a href=${href}>
    <span class="box-title"><${LevelGlyph} level=${level} />${title}</span>
    <span class="box-number figures">${children}</span>
    <span class="box-note figures">${note}</span></a></li>`;
}

export function Road({ road }) {
  const { machines, gateway, broker, store } = road;
  return html`<ol class="road" aria-label=${say("road")}>
    <${Box} name="machines" title=${say("road.machines")} level=${machines.level} href="#/devices" note=${say("road.machines.unit")}
      >${machines.answering}<small> / ${machines.expected}</small><//>
    <${Box} name="gateway" title=${say("road.gateway")} level=${gateway.level} href="#/devices"
      note=${say("road.gateway.note", number(gateway.skipped_polls))}>${number(gateway.readings_per_s, 1)}<small> ${say("road.gateway.unit")}</small><//>
    <${Box} name="broker" title=${say("road.broker")} level=${broker.level} href="#/delivery" note=${broker.address}
      >${say(broker.connected ? "road.broker.on" : "road.broker.off")}<//>
    <${Box} name="store" title=${say("road.store")} level=${store.level} href="#/delivery"
      note=${(store.names ?? []).join(", ") || "–"}>${store.durable_delay_ms === null || store.durable_delay_ms === undefined
      ? "–" : number(store.durable_delay_ms)}<small> ms ${say("road.store.unit")}</small><//>
    </ol>`;
}

/** What waits in the spool, and how long there is room. */
export function Kept({ spool }) {
  const room = spool.hours_left === null || spool.hours_left === undefined ? "–" : duration(spool.hours_left * 3600, lang.value);
  return html`<span class="spool figures" id="spool">${say("road.spool", number(spool.records), room)}</span>`;
}

export function Tile({ id, device }) {
  const { value } = device;
  return html`<li class="tile" data-level=${device.level} data-device=${id}><a href=${link("device", id)}>
    <span class="tile-name"><${Name} id=${id} label=${device.label} /></span>
    <span class="tile-state"><${State} state=${device.state} /><${Age} time=${device.time_ms} short /></span>
    ${device.level !== "normal" && device.reason
      ? html`<span class="tile-reason">${reasonWord(device.reason)}</span>`
      : html`<span class="tile-value">${value ? html`<${Value} ...${value} stale=${isStale(device.time_ms, device.period_ms)} />` : "–"}</span>`}
  </a></li>`;
}

export function Overview() {
  const overview = topicState("overview");
  if (!overview) return html`<p class="empty" aria-busy="true">${say("loading")}</p>`;
  const names = worstFirst(overview.devices);
  const abnormal = names.filter((name) => overview.devices[name].level !== "normal").length;
  return html`<${Road} road=${overview.road} />
    <h2 class="strip">${say("devices.count", names.length)} <small>${abnormal > 0 && html`<b class="counted-text">${say("devices.abnormal", abnormal)}</b> · `}${say("devices.worst")}</small>
      <${Kept} spool=${overview.road.spool} /></h2>
    ${names.length === 0 && html`<p class="empty">${say("empty.devices")}</p>`}
    <ul class="tiles">${names.slice(0, MOST_TILES).map((name) => html`<${Tile} key=${name} id=${name} device=${overview.devices[name]} />`)}</ul>
    ${names.length > MOST_TILES && html`<p><a class="button" href="#/devices">${say("more", names.length - MOST_TILES)}</a></p>`}`;
}
