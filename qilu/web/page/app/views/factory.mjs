// The factory: lines in flow order with their buffers, utilities, faults in two clicks, the clock of the plant.

import { useState } from "preact/hooks";
import { mayOperate, offered, request, topicState } from "../app.mjs";
import { clock, number, simulated } from "../format.mjs";
import { html } from "../html.mjs";
import { FaultDialog } from "../parts/fault_dialog.mjs";
import { State } from "../parts/glyph.mjs";
import { Name, Value } from "../parts/value.mjs";
import { pick, say } from "../words.mjs";

const SPEEDS = [1, 5, 20, 60];
const STEP_TICKS = 10;

function Clock({ factory, act }) {
  const set = (body) => act(() => request("factory/clock", { method: "POST", body }));
  const locked = !mayOperate.value;
  return html`<div class="factory-clock"><b class="figures">${say("factory.time", simulated(factory.seconds))}</b>
    <button class="button" data-do="pause" disabled=${locked} onClick=${() => set({ paused: !factory.paused })}>${say(factory.paused ? "factory.resume" : "factory.pause")}</button>
    <button class="button" data-do="step" disabled=${locked || !factory.paused} onClick=${() => set({ step: STEP_TICKS })}>${say("factory.step")}</button>
    <span class="speeds" role="group" aria-label=${say("factory.speed")}>${SPEEDS.map((speed) => html`<button key=${speed} class="button" disabled=${locked} aria-pressed=${factory.speed === speed}
      onClick=${() => set({ speed })}>${speed}×</button>`)}</span></div>`;
}

function Machine({ machine, faults, open }) {
  const own = faults.filter((fault) => fault.device === machine.device);
  const abnormal = own.length > 0 || machine.state === "fault" || machine.state === "offline";
  return html`<li class="machine" data-device=${machine.device} data-state=${machine.state} data-level=${machine.state === "fault" || machine.state === "offline" ? "fault" : abnormal ? "warning" : "normal"}>
    <button onClick=${open} title=${say("factory.inject")}>
      <span class="tile-name"><${Name} id=${machine.device} label=${machine.label} /></span>
      <span class="tile-state"><${State} state=${machine.state} /></span>
      <span class="tile-value">${machine.value ? html`<${Value} ...${machine.value} />` : "–"}</span>
      <span class="tile-parts figures">${machine.parts === null || machine.parts === undefined ? " " : `${number(machine.parts)} ${say("factory.parts")}`}</span>
    </button></li>`;
}

/** How full a buffer is: a bar from below, and the figures that say the same. */
function Buffer({ buffer }) {
  const share = buffer.capacity > 0 ? Math.min(1, Math.max(0, buffer.level / buffer.capacity)) : 0;
  const text = `${Math.round(buffer.level)}/${buffer.capacity}`;
  const sides = (side) => (Array.isArray(side) ? side.join(", ") : side);
  return html`<li class="buffer" data-full=${share >= 1 ? "full" : share <= 0 ? "empty" : ""} title=${say("factory.buffer", sides(buffer.from), sides(buffer.to))}>
    <svg viewBox="0 0 20 60" width="20" height="60" role="img" aria-label=${`${say("factory.buffer", sides(buffer.from), sides(buffer.to))}: ${text}`}>
      <rect class="buffer-back" x="1" y="1" width="18" height="58" /><rect class="buffer-fill" x="1" y=${59 - 58 * share} width="18" height=${58 * share} /><rect class="buffer-room" x="1" y="1" width="18" height="58" /></svg>
    <span class="figures">${text}</span></li>`;
}

const names = (side) => (Array.isArray(side) ? side : [side]);

/** Machines and buffers of a line in the order of the flow: a buffer stands before the first machine that takes from it. */
export function flow(line) {
  const left = [...(line.buffers ?? [])];
  const items = [];
  for (const machine of line.machines) {
    for (const buffer of left.filter((entry) => names(entry.to).includes(machine.device))) {
      items.push({ buffer });
      left.splice(left.indexOf(buffer), 1);
    }
    items.push({ machine });
  }
  return [...items, ...left.map((buffer) => ({ buffer }))];
}

function Line({ line, faults, open }) {
  return html`<section class="line" data-line=${line.line}><h2>${pick(line.label, line.line)}</h2>
    <ol class="flow">${flow(line).map(({ machine, buffer }, index) => (machine
      ? html`<${Machine} key=${machine.device} machine=${machine} faults=${faults} open=${() => open(machine)} />`
      : html`<${Buffer} key=${`buffer ${index}`} buffer=${buffer} />`))}</ol></section>`;
}

function Faults({ faults, act }) {
  const repair = (fault) => act(() => request(`factory/faults/${encodeURIComponent(fault.device)}/${encodeURIComponent(fault.fault)}`, { method: "DELETE" }));
  return html`<section class="panel faults"><h2>${say("factory.faults")}</h2>${faults.length === 0 && html`<p>${say("factory.nofault")}</p>`}
    <ul>${faults.map((fault) => html`<li key=${`${fault.device} ${fault.fault} ${fault.point} ${fault.begin}`}><span><b>${pick(fault.label, fault.fault)}</b> · ${[fault.device, fault.point].filter(Boolean).join(" · ")}${fault.severity > 0 && fault.severity < 1 ? ` · ${Math.round(fault.severity * 100)} %` : ""}</span>
      <button class="button" data-do="repair" disabled=${!mayOperate.value} onClick=${() => repair(fault)}>${say("factory.repair")}</button></li>`)}</ul></section>`;
}

/** The first line of a plant without a gateway: what was made to go wrong, or that nothing was. */
export function plantSentence(factory) {
  if (!factory) return null;
  const machines = factory.lines.reduce((sum, line) => sum + line.machines.length, factory.utilities.length);
  const [first, ...others] = factory.faults.map((fault) => ({
    code: "fault_injected", level: "warning", subject: `${fault.device} ${fault.fault} ${fault.point ?? ""}`, since_ms: 0,
    zh: `${fault.device}：${fault.label?.zh || fault.fault}（已注入）`, en: `${fault.device}: ${fault.label?.en || fault.fault} (injected)`,
  }));
  if (first) return { ...first, more: others };
  const state = factory.paused ? ["已暂停", "is paused"] : ["在运行", "runs"];
  return { code: "plant_runs", level: "normal", since_ms: 0, more: [],
    zh: `工厂${state[0]}：${machines} 台设备，没有注入故障`, en: `The plant ${state[1]}: ${machines} machines, no fault is injected` };
}

export function Factory() {
  const factory = topicState("factory");
  const [open, setOpen] = useState(null);
  const [said, setSaid] = useState("");
  const act = async (attempt, done = "") => {
    try {
      await attempt();
      setSaid(done);
      return true;
    } catch (error) {
      setSaid(say("failed", [error.message, error.remedy].filter(Boolean).join(" ")));
      return false;
    }
  };
  if (!factory) return html`<p class="empty" aria-busy=${offered.value.includes("factory")}>${say(offered.value.includes("factory") ? "loading" : "refused.view")}</p>`;
  return html`<${Clock} factory=${factory} act=${act} /><p class="said" role="status">${said}</p>
    ${factory.lines.length === 0 && html`<p class="empty">${say("empty.factory")}</p>`}
    ${factory.lines.map((line) => html`<${Line} key=${line.line} line=${line} faults=${factory.faults} open=${setOpen} />`)}
    ${factory.utilities.length > 0 && html`<section class="line"><h2>${say("factory.utilities")}</h2><ul class="utilities">${factory.utilities.map((utility) => html`<li key=${`${utility.device} ${utility.point}`} data-device=${utility.device}>
      <button class="utility" onClick=${() => setOpen(utility)}><${Name} id=${utility.device} label=${utility.label} />${utility.state && utility.state !== "running" && html`<${State} state=${utility.state} />`}<${Value} value=${utility.value} unit=${utility.unit} /></button></li>`)}</ul></section>`}
    <div class="panels"><${Faults} faults=${factory.faults} act=${act} />
    <details class="panel causes"><summary>${say("factory.causes")}</summary><ol class="causes-list">${(factory.causes ?? []).map((cause, index) => html`<li key=${index}>
      <span class="figures">${clock(cause.time_ms)}</span> ${pick(cause.text)}</li>`)}</ol></details></div>
    ${open && html`<${FaultDialog} key=${open.device} machine=${open} faults=${factory.faults} act=${act} close=${() => setOpen(null)} />`}`;
}
