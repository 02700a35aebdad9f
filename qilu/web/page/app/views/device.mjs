// One device: its points, charts of any of them over any range, states, read plan and registers.

import { useEffect, useState } from "preact/hooks";
import { info, request, topicError, topicState } from "../app.mjs";
import { device as devicePath } from "../api.mjs";
import { duration, moment } from "../format.mjs";
import { html } from "../html.mjs";
import { ChartPanel } from "../parts/chart_panel.mjs";
import { LevelGlyph, State } from "../parts/glyph.mjs";
import { Plan } from "../parts/plan.mjs";
import { Registers } from "../parts/registers.mjs";
import { Age, Name, Value, isStale } from "../parts/value.mjs";
import { link } from "../route.mjs";
import { lang, narrow } from "../settings.mjs";
import { qualityWord, reasonWord } from "../vocabulary.mjs";
import { pick, say } from "../words.mjs";

export const MOST_CHARTS = 4;
const TABS = ["points", "plan", "registers"];

/** A point without codes has none, not an empty table of them. */
function readable(description) {
  const coded = (point) => (point.enum && Object.keys(point.enum).length > 0 ? point.enum : null);
  return { ...description, points: description.points.map((point) => ({ ...point, enum: coded(point) })) };
}

function useDescription(name) {
  const [state, setState] = useState({ description: null, fault: null });
  useEffect(() => {
    let over = false;
    request(devicePath(name)).then(
      (description) => { if (!over) setState({ description: readable(description), fault: null }); },
      (fault) => { if (!over) setState({ description: null, fault }); },
    );
    return () => { over = true; };
  }, [name]);
  return state;
}

function Heading({ description, live, name }) {
  return html`<div class="device-head"><a class="button" href="#/devices">‹ ${say("device.back")}</a>
    <h2><${Name} id=${name} label=${description?.label ?? live?.label} /></h2>
    ${live && html`<span class="device-state" data-level=${live.level}><${LevelGlyph} level=${live.level} /><${State} state=${live.state} />
      ${live.since_ms > 0 && html`<small class="figures">${say("since", moment(live.since_ms))}</small>`}</span>`}
    <small class="facts figures">${[typeof description?.place === "object" ? pick(description.place) : description?.place, description?.profile, description?.endpoint,
      description?.endpoint && say("device.unit_id", description.unit_id)].filter(Boolean).join(" · ")}</small></div>`;
}

function Counters({ counters }) {
  const errors = Object.entries(counters.errors ?? {}).filter(([reason, count]) => count > 0 && reason !== "timeout");
  return html`<p class="counters figures">${["polls", "skipped", "timeouts"].map((key) => html`<span key=${key} class=${key !== "polls" && counters[key] > 0 ? "counted" : ""}>${say(`counters.${key}`)} <b>${counters[key] ?? 0}</b></span>`)}
    <span>${say("counters.round_trip_ms")} <b>${counters.round_trip_ms === null || counters.round_trip_ms === undefined ? "–" : `${Math.round(counters.round_trip_ms)} ms`}</b></span>
    ${errors.map(([reason, count]) => html`<span key=${reason} class="counted">${reasonWord(reason)} <b>${count}</b></span>`)}</p>`;
}

function PointRow({ point, state, group, chosen, toggle, full }) {
  const value = state ?? { value: null, quality: "bad", reason: null };
  const stale = isStale(group?.time_ms, (group?.period_s ?? 0) * 1000);
  const text = pick(point.label, point.point);
  const worse = value.quality === "good" ? "" : [qualityWord(value.quality), reasonWord(value.reason)].filter(Boolean).join(" · ");
  return html`<tr data-point=${point.point} data-quality=${value.quality}>
    <td class="p-draw"><label><input type="checkbox" checked=${chosen} disabled=${!chosen && full} onChange=${toggle} aria-label=${say("point.draw", text)} /></label></td>
    <th scope="row"><${Name} id=${point.point} label=${point.label} />${worse && html`<small class="narrow-only counted">${worse}</small>`}</th>
    <td class="p-value"><${Value} value=${value.value} unit=${point.unit} quality=${value.quality} reason=${value.reason} decimals=${point.decimals} labels=${point.enum} stale=${stale} /></td>
    <td class="p-quality">${worse ? html`<span class="counted">${worse}</span>` : qualityWord("good")}</td>
    <td class="p-age figures ${stale ? "late" : ""}">${group ? html`<${Age} time=${value.time_ms ?? group.time_ms} short />` : "–"}</td></tr>`;
}

function Points({ description, live, chosen, setChosen }) {
  const toggle = (name) => setChosen(chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name]);
  const groups = [...new Set(description.points.map((point) => point.group))];
  const period = (group) => live?.groups?.[group]?.period_s ?? description.groups?.[group]?.period_s;
  return html`<div class="points"><table class="grid"><thead><tr><th scope="col"><span class="unseen">${say("device.chart")}</span></th><th scope="col">${say("point")}</th><th scope="col">${say("point.value")}</th>
    <th scope="col">${say("point.quality")}</th><th scope="col" class="p-age">${say("point.age")}</th></tr></thead>
    ${groups.map((group) => html`<tbody key=${group}><tr class="group-row"><td colspan=${narrow.value ? 4 : 5}>${say("group", group, period(group) === undefined ? "–" : duration(period(group), lang.value))}${
      live?.groups?.[group]?.reason ? html` · <span class="counted">${reasonWord(live.groups[group].reason)}</span>` : ""}</td></tr>
      ${description.points.filter((point) => point.group === group).map((point) => html`<${PointRow} key=${point.point} point=${point} state=${live?.points?.[point.point]}
        group=${live?.groups?.[group]} chosen=${chosen.includes(point.point)} full=${chosen.length >= MOST_CHARTS} toggle=${() => toggle(point.point)} />`)}</tbody>`)}</table></div>`;
}

/** What a reader wants to see before choosing: the value of the tile, or the first measured one. */
function firstChoice(points, name) {
  const lead = topicState("overview")?.devices?.[name]?.value?.point;
  if (points.some((point) => point.point === lead)) return lead;
  const measured = points.filter((point) => point.unit && !point.enum && !point.counter && point.type !== "string");
  return (measured.find((point) => point.normal) ?? measured[0] ?? points[0])?.point;
}

export function Device({ parts: [name, tab = "points"] }) {
  const { description, fault } = useDescription(name);
  const live = topicState(`device/${name}`);
  const [chosen, setChosen] = useState(null);
  if (fault?.status === 404 || topicError(`device/${name}`)) return html`<p class="empty">${say("device.unknown", name)}</p><a class="button" href="#/devices">‹ ${say("device.back")}</a>`;
  const isStore = info.value?.role === "store"; // a store has values, and nothing that polls
  const points = description?.points ?? [];
  const drawn = chosen ?? [firstChoice(points, name)].filter(Boolean);
  return html`<${Heading} description=${description} live=${live} name=${name} />
    ${live?.counters && !isStore && html`<${Counters} counters=${live.counters} />`}
    <nav class="tabs" aria-label=${name}>${(isStore ? ["points"] : TABS).map((entry) => html`<a key=${entry} href=${link("device", name, entry)} aria-current=${entry === tab ? "page" : undefined}>${say(`device.${entry}`)}</a>`)}</nav>
    ${fault && html`<p class="refusal" role="alert">${say("failed", fault.message)}</p>`}
    ${!description && !fault && html`<p class="empty" aria-busy="true">${say("loading")}</p>`}
    ${description && tab === "points" && html`<div class="device-body">
      <${Points} description=${description} live=${live} chosen=${drawn} setChosen=${setChosen} />
      <${ChartPanel} name=${name} description=${description} chosen=${drawn} /></div>`}
    ${description && tab === "plan" && html`<${Plan} plan=${live?.plan} points=${points} />`}
    ${description && tab === "registers" && html`<${Registers} name=${name} points=${points} />`}`;
}
