// One chart of one point: line, band of min and max, gaps with their reason, ticks of bad values, zoom and hover.

import { useEffect, useRef, useState } from "preact/hooks";
import { clock, moment, number } from "../format.mjs";
import { html } from "../html.mjs";
import { lang, scheme } from "../settings.mjs";
import { qualityWord, reasonWord, shownDecimals, shownUnit, shownValue, toShown } from "../vocabulary.mjs";
import { pick, say } from "../words.mjs";
import { FONT, cssColor, hatch, labelInside } from "./hatch.mjs";
import { chartColumns, loneIndices, valueRange } from "./series.mjs";

export const AXIS_WIDTH = 64;
const SHORTEST_MS = 1000;
let library = null;

/** uPlot is loaded with the first chart. */
const loadPlot = () => (library ??= import("uplot").then((module) => module.default));

const timeLabels = (_, splits) => splits.map((seconds, index) => {
  const close = splits.length > 1 && splits[1] - splits[0] < 60;
  const far = splits.length > 1 && splits[1] - splits[0] >= 43200;
  const text = clock(seconds * 1000);
  if (far) return moment(seconds * 1000, 0).slice(0, 5);
  return close ? text : index === 0 ? text.slice(0, 5) : text.slice(0, 5);
});

function drawBehind(plot, { series, point }) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const normal = point.normal;
  if (normal && (normal.min ?? normal.max) !== null) {
    const place = (value, edge) => (value === null || value === undefined ? edge : plot.valToPos(toShown(value, point.unit), "y", true));
    const top = Math.max(bbox.top, place(normal.max, bbox.top));
    const bottom = Math.min(bbox.top + bbox.height, place(normal.min, bbox.top + bbox.height));
    if (bottom > top) {
      ctx.fillStyle = cssColor("normal-band");
      ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
    }
  }
  for (const gap of series.gaps) {
    const [left, right] = [gap.from_ms, gap.to_ms].map((ms) => Math.min(bbox.left + bbox.width, Math.max(bbox.left, plot.valToPos(ms / 1000, "x", true))));
    if (right <= left) continue;
    const width = Math.max(right - left, 2 * ratio);
    ctx.fillStyle = cssColor("unknown");
    ctx.fillRect(left, bbox.top, width, bbox.height);
    hatch(ctx, left, bbox.top, width, bbox.height, cssColor("edge-strong"), 7 * ratio);
    labelInside(ctx, reasonWord(gap.reason), left, bbox.top + 4 * ratio, width, cssColor("text"), `${13 * ratio}px ${FONT}`, cssColor("panel"));
  }
}

function drawTicks(plot, { series }) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const bottom = bbox.top + bbox.height;
  for (const bad of series.bad) {
    const [left, right] = [bad.from_ms, bad.to_ms].map((ms) => plot.valToPos(ms / 1000, "x", true));
    if (right < bbox.left || left > bbox.left + bbox.width) continue;
    ctx.fillStyle = bad.quality === "uncertain" ? "#B9A66A" : "#E0A100";
    ctx.fillRect(left - ratio, bottom - 9 * ratio, Math.max(right - left, 2 * ratio), 9 * ratio);
    ctx.beginPath();
    ctx.moveTo(left - 4 * ratio, bottom - 15 * ratio);
    ctx.lineTo(left + 4 * ratio, bottom - 15 * ratio);
    ctx.lineTo(left, bottom - 8 * ratio);
    ctx.fill();
  }
}

function hoverText(series, point, ms) {
  const gap = series.gaps.find((found) => ms >= found.from_ms && ms <= found.to_ms);
  const near = (series.to_ms - series.from_ms) / 150;
  const bad = series.bad.find((found) => ms >= found.from_ms - near && ms <= found.to_ms + near);
  const parts = [];
  let best = -1;
  series.t.forEach((time, index) => { if (best < 0 || Math.abs(time - ms) < Math.abs(series.t[best] - ms)) best = index; });
  if (best >= 0 && !gap && Math.abs(series.t[best] - ms) < Math.max(near * 4, series.bucket_ms ?? 0)) {
    const value = series.last[best];
    const [text, unit] = shownValue(value, point.unit, { decimals: point.decimals, labels: point.enum });
    parts.push(moment(series.t[best]), `${text} ${unit}`.trim());
    if (unit && unit !== point.unit && typeof value === "number") parts.push(`(${number(value, point.decimals ?? 2)} ${point.unit})`);
    if (series.n[best] > 1) parts.push(`n ${series.n[best]}`);
    if (!bad) parts.push(qualityWord("good"));
  } else parts.push(moment(ms));
  if (gap) parts.push(say("chart.gap", reasonWord(gap.reason)));
  if (bad) parts.push(say(`chart.${bad.quality === "uncertain" ? "uncertain" : "bad"}`, reasonWord(bad.reason)));
  return parts.join(" · ");
}

function options(uPlot, width, shared) {
  const axis = { stroke: cssColor("soft"), font: `13px ${FONT}`, grid: { stroke: cssColor("edge"), width: 1 }, ticks: { show: false } };
  const trace = cssColor("trace");
  const places = shownDecimals(shared.point.decimals, shared.point.unit);
  const labels = shared.point.enum;
  return {
    width, height: 190, legend: { show: false }, padding: [8, 8, 0, 0],
    cursor: { sync: { key: "charts" }, drag: { x: true, y: false, setScale: false }, points: { size: 7 }, y: false },
    scales: { x: { time: true, range: () => [shared.series.from_ms / 1000, shared.series.to_ms / 1000] }, y: { range: (_, low, high) => valueRange(low, high) } },
    axes: [{ ...axis, values: timeLabels, space: 84, size: 28 }, { ...axis, size: AXIS_WIDTH, space: 34, incrs: steps(labels ? 0 : places ?? 6),
      values: (_, splits) => splits.map((value) => (labels?.[value] ? pick(labels[value]) : number(value, Math.min(places ?? 6, decimalsOfSteps(splits))))) }],
    series: [{}, { stroke: trace, width: 1.6, spanGaps: false, points: { show: true, size: 6, fill: trace,
      filter: (plot) => loneIndices(plot.data[1]) } }, { stroke: "transparent", points: { show: false } }, { stroke: "transparent", points: { show: false } }],
    bands: [{ series: [3, 2], fill: `${trace}30` }],
    hooks: {
      drawClear: [(plot) => drawBehind(plot, shared)],
      draw: [(plot) => drawTicks(plot, shared)],
      setSelect: [(plot) => {
        if (plot.select.width < 4) return;
        const [from, to] = [plot.select.left, plot.select.left + plot.select.width].map((x) => plot.posToVal(x, "x") * 1000);
        plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        if (to - from >= SHORTEST_MS) shared.zoom(from, to);
      }],
      setCursor: [(plot) => {
        const { left } = plot.cursor;
        shared.hover(left === null || left === undefined || left < 0 ? "" : hoverText(shared.series, shared.point, plot.posToVal(left, "x") * 1000));
      }],
    },
  };
}

/** 1, 2 and 5 with every power of ten, none finer than the point resolves. */
const steps = (places) => Array.from({ length: 14 + places }, (_, index) => 10 ** (index - places))
  .flatMap((power) => [power, 2 * power, 5 * power]);

function decimalsOfSteps(splits) {
  const step = splits.length > 1 ? Math.abs(splits[1] - splits[0]) : 1;
  return step >= 1 || step === 0 ? 0 : Math.min(6, Math.ceil(-Math.log10(step) - 1e-9));
}

const shownColumns = (series, unit) => chartColumns(series).map((column, index) => (index === 0 ? column
  : column.map((value) => (value === null ? null : toShown(Number(value), unit)))));

/** `register(point, canvas or null)` hands the canvas to whoever writes the picture. */
export function Chart({ id, point, series, zoom, back, register }) {
  const place = useRef(null);
  const plot = useRef(null);
  const shared = useRef({});
  const [hover, setHover] = useState("");
  Object.assign(shared.current, { series, point, zoom, hover: setHover });
  const look = `${scheme.value} ${lang.value} ${point.unit}`;
  useEffect(() => {
    let over = false;
    const element = place.current;
    const resize = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: 190 }));
    loadPlot().then((uPlot) => {
      if (over) return;
      plot.current = new uPlot(options(uPlot, element.clientWidth, shared.current), shownColumns(shared.current.series, point.unit), element);
      plot.current.over.addEventListener("dblclick", back);
      register(id, plot.current.ctx.canvas);
      resize.observe(element);
    });
    return () => {
      over = true;
      resize.disconnect();
      plot.current?.destroy();
      plot.current = null;
      register(id, null);
    };
  }, [look]);
  useEffect(() => { plot.current?.setData(shownColumns(series, point.unit)); }, [series]);
  const { unit } = shownUnit(point.unit);
  return html`<figure class="chart" data-point=${id}>
    <figcaption><b>${pick(point.label, id)}</b> ${unit && html`<span class="unit">(${unit})</span>`} <small>${say("chart.source", say(`source.${series.source}`))}</small>
      <output class="hover figures">${hover}</output></figcaption>
    <div class="plot" ref=${place} role="img" aria-label=${describe(point, series)}></div>
    ${series.t.length === 0 && series.gaps.length === 0 && html`<p class="empty-chart">${say("empty.chart")}</p>`}</figure>`;
}

function describe(point, series) {
  const [text, unit] = shownValue(series.last.at(-1), point.unit, { decimals: point.decimals, labels: point.enum });
  const gaps = series.gaps.map((gap) => `${moment(gap.from_ms)} ${say("chart.gap", reasonWord(gap.reason))}`).slice(0, 5);
  return [pick(point.label), `${text} ${unit}`, ...gaps].join("; ");
}
