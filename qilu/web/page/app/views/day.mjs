// The day report: one A4 page of what was due, what came, what was missing and why; printed by the browser.

import { useEffect, useState } from "preact/hooks";
import { info, request } from "../app.mjs";
import { clock, day, duration, number, zone } from "../format.mjs";
import { html } from "../html.mjs";
import { StateGlyph } from "../parts/glyph.mjs";
import { Name } from "../parts/value.mjs";
import { lang } from "../settings.mjs";
import { reasonWord, stateColor, stateWord, vocabulary } from "../vocabulary.mjs";
import { pick, say } from "../words.mjs";

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const SHOWN = ["due", "good", "uncertain", "bad"];

function useReport(date) {
  const [state, setState] = useState({ report: null, fault: null });
  useEffect(() => {
    let over = false;
    setState({ report: null, fault: null });
    request(`report/day/${date}`).then(
      (report) => { if (!over) setState({ report, fault: null }); },
      (fault) => { if (!over) setState({ report: null, fault }); },
    );
    return () => { over = true; };
  }, [date]);
  return state;
}

const missingOf = (device) => Object.values(device.missing ?? {}).reduce((sum, count) => sum + count, 0);

/** Good and uncertain values of those due, never rounded up to 100 %. */
export function completeness({ due, good, uncertain, suppressed = 0 }) {
  const wanted = due - suppressed;
  if (!(wanted > 0)) return "–";
  const share = Math.floor(((good + uncertain) / wanted) * 10000) / 100;
  return `${Math.min(share, 100).toFixed(2)} %`;
}

const hoursOf = ({ running_ms: hours }, state) => (Object.keys(hours ?? {}).length > 0 ? ((hours[state] ?? 0) / 3600000).toFixed(1) : "–");

function StateBar({ hours }) {
  const states = Object.keys(vocabulary.value.states).filter((state) => hours[state] > 0);
  const total = states.reduce((sum, state) => sum + hours[state], 0);
  let x = 0;
  const text = states.map((state) => `${stateWord(state)} ${(hours[state] / 3600000).toFixed(1)} ${say("hours")}`).join(say("list.join"));
  if (total === 0) return "–";
  return html`<svg class="day-bar" viewBox="0 0 120 10" width="120" height="10" preserveAspectRatio="none" role="img" aria-label=${text}><title>${text}</title>${states.map((state) => {
    const width = (hours[state] / total) * 120;
    x += width;
    return html`<rect key=${state} x=${x - width} y="0" width=${width} height="10" fill=${stateColor(state)} />`;
  })}</svg>`;
}

function Devices({ devices }) {
  const sum = (pickOf) => devices.reduce((total, device) => total + pickOf(device), 0);
  const total = { ...Object.fromEntries(SHOWN.map((key) => [key, sum((device) => device[key] ?? 0)])), suppressed: sum((device) => device.suppressed ?? 0) };
  return html`<table class="grid figures day-table"><thead><tr><th scope="col">${say("day.device")}</th>${SHOWN.map((key) => html`<th scope="col" class="n" key=${key}>${say(`day.${key}`)}</th>`)}
    <th scope="col">${say("day.missing")}</th><th scope="col" class="n">${say("day.completeness")}</th><th scope="col" class="n">${say("day.running")}</th><th scope="col">${say("day.hours")}</th></tr></thead>
    <tbody>${devices.map((device) => html`<tr key=${device.device}><th scope="row"><${Name} id=${device.device} label=${device.label} /></th>
      ${SHOWN.map((key) => html`<td class=${`n ${key === "bad" && device[key] > 0 ? "counted" : ""}`} key=${key}>${number(device[key] ?? 0)}</td>`)}
      <td class=${missingOf(device) > 0 ? "counted" : ""}>${missingOf(device) === 0 ? "0" : Object.entries(device.missing).filter(([, count]) => count > 0).map(([reason, count]) => `${reasonWord(reason)} ${number(count)}`).join(say("list.join"))}</td>
      <td class="n">${completeness(device)}</td><td class="n">${hoursOf(device, "running")}</td><td><${StateBar} hours=${device.running_ms ?? {}} /></td></tr>`)}</tbody>
    <tfoot><tr><th scope="row">${say("day.total")}</th>${SHOWN.map((key) => html`<td class="n" key=${key}>${number(total[key])}</td>`)}<td>${number(sum(missingOf))}</td><td class="n">${completeness(total)}</td><td></td><td></td></tr></tfoot></table>`;
}

function Outages({ outages }) {
  return html`<section><h2>${say("day.outages")}</h2>${outages.length === 0 ? html`<p>${say("day.nooutage")}</p>` : html`<ul class="outages figures">${outages.map((outage, index) => html`<li key=${index}>
    <b>${outage.device}</b> ${clock(outage.from_ms)}–${outage.to_ms ? clock(outage.to_ms) : say("day.now")} ${outage.to_ms ? `(${duration((outage.to_ms - outage.from_ms) / 1000, lang.value)})` : ""} ${reasonWord(outage.reason)}</li>`)}</ul>`}</section>`;
}

function Legend({ devices }) {
  const seen = Object.keys(vocabulary.value.states).filter((state) => devices.some((device) => device.running_ms?.[state] > 0));
  return html`<ul class="legend">${seen.map((state) => html`<li key=${state}><svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true"><rect width="14" height="14" fill=${stateColor(state)} /></svg> <${StateGlyph} state=${state} />${stateWord(state)} <span class="figures">${number(devices.reduce((sum, device) => sum + (device.running_ms?.[state] ?? 0), 0) / 3600000, 1)} ${say("hours")}</span></li>`)}</ul>`;
}

export function Day({ parts: [wanted] }) {
  const date = DAY.test(wanted ?? "") ? wanted : day(Date.now());
  const { report, fault } = useReport(date);
  const go = (event) => { if (DAY.test(event.target.value)) location.hash = `#/day/${event.target.value}`; };
  return html`<div class="filters no-print"><label class="choice">${say("day.date")} <input type="date" value=${date} onChange=${go} /></label>
      <button class="button" onClick=${() => print()}>${say("day.print")}</button></div>
    ${fault && html`<p class="refusal" role="alert">${say("failed", [fault.message, fault.remedy].filter(Boolean).join(" "))}</p>`}
    ${!report && !fault && html`<p class="empty" aria-busy="true">${say("loading")}</p>`}
    ${report && html`<article class="paper" tabindex="0"><header class="paper-head"><h2>${say("day.title")} · ${report.day}</h2>
        <p>${[info.value?.enterprise, info.value?.site, pick(info.value?.label, report.edge), report.edge].filter(Boolean).join(" · ")} · ${zone()}</p></header>
      <${Devices} devices=${report.devices} /><${Legend} devices=${report.devices} /><${Outages} outages=${report.outages} />
      <footer class="paper-foot">${say("day.version", report.version)}</footer></article>`}`;
}
