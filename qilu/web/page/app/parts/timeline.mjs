// The states of a device as a strip, drawn over the same stretch of time as the charts below it.

import { useEffect, useRef } from "preact/hooks";
import { duration } from "../format.mjs";
import { html } from "../html.mjs";
import { lang, scheme } from "../settings.mjs";
import { reasonWord, stateColor, stateWord, vocabulary } from "../vocabulary.mjs";
import { pick, say } from "../words.mjs";
import { AXIS_WIDTH } from "./chart.mjs";
import { FONT, cssColor, hatch, labelInside } from "./hatch.mjs";
import { stateSpans } from "./series.mjs";

const HEIGHT = 26;

const SPELLINGS = { standby: "idle", stopped: "off", alarm: "fault", "set-up": "setup" };

/** The state that a code of the profile means. */
export function stateOfCode(code, labels) {
  const label = labels?.[String(code)];
  const states = vocabulary.value.states;
  const english = (label?.en ?? "").toLowerCase();
  const found = Object.keys(states).find((name) => name === english || name === SPELLINGS[english] || states[name].label.zh === label?.zh);
  return found ?? "unknown";
}

function draw(canvas, series, labels) {
  const ratio = devicePixelRatio;
  const width = canvas.clientWidth;
  canvas.width = width * ratio;
  canvas.height = HEIGHT * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const left = AXIS_WIDTH;
  const room = width - left - 8;
  const place = (ms) => left + Math.min(1, Math.max(0, (ms - series.from_ms) / (series.to_ms - series.from_ms))) * room;
  context.fillStyle = cssColor("unknown");
  context.fillRect(left, 0, room, HEIGHT);
  for (const span of stateSpans(series)) {
    const state = stateOfCode(span.code, labels);
    const [from, to] = [place(span.from_ms), place(span.to_ms)];
    context.fillStyle = stateColor(state);
    context.fillRect(from, 0, Math.max(to - from, 1), HEIGHT);
    const light = ["idle", "unknown", "offline"].includes(state);
    labelInside(context, pick(labels?.[String(span.code)], stateWord(state)), from, 6, to - from, light ? "#1d262e" : "#ffffff", `13px ${FONT}`);
  }
  for (const gap of series.gaps) {
    const [from, to] = [place(gap.from_ms), place(gap.to_ms)];
    if (to <= from) continue;
    context.fillStyle = cssColor("unknown");
    context.fillRect(from, 0, to - from, HEIGHT);
    hatch(context, from, 0, to - from, HEIGHT, cssColor("edge-strong"), 6);
    labelInside(context, reasonWord(gap.reason), from, 6, to - from, cssColor("text"), `13px ${FONT}`, cssColor("panel"));
  }
}

function totals(series, labels) {
  const sums = new Map();
  for (const span of stateSpans(series)) {
    const key = String(span.code);
    sums.set(key, (sums.get(key) ?? 0) + span.to_ms - span.from_ms);
  }
  return [...sums].sort((a, b) => b[1] - a[1]).map(([code, ms]) => ({ code, ms, state: stateOfCode(code, labels), label: labels?.[code] }));
}

export function Timeline({ id, series, point, register }) {
  const canvas = useRef(null);
  const sums = totals(series, point.enum);
  useEffect(() => {
    const element = canvas.current;
    const again = () => draw(element, series, point.enum);
    const resize = new ResizeObserver(again);
    again();
    resize.observe(element);
    register(id, element);
    return () => {
      resize.disconnect();
      register(id, null);
    };
  }, [series, scheme.value, lang.value]);
  const text = sums.map(({ state, label, ms }) => `${pick(label, stateWord(state))} ${duration(ms / 1000, lang.value)}`).join(", ");
  return html`<figure class="timeline" data-point=${id}><figcaption><b>${say("chart.states")}</b> <small class="figures">${text}</small></figcaption>
    <canvas ref=${canvas} class="strip-canvas" role="img" aria-label=${text}></canvas></figure>`;
}
