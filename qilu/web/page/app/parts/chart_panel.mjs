// The charts of a device: one range for all, read again while it is live, saved as a picture or as a table.

import { useEffect, useRef, useState } from "preact/hooks";
import { live, request } from "../app.mjs";
import { address, device as devicePath } from "../api.mjs";
import { day, moment, zone } from "../format.mjs";
import { html } from "../html.mjs";
import { lang } from "../settings.mjs";
import { reasonWord, shownUnit } from "../vocabulary.mjs";
import { pick, say } from "../words.mjs";
import { Chart } from "./chart.mjs";
import { gapNote, savePicture } from "./picture.mjs";
import { withGaps } from "./series.mjs";
import { Timeline, stateOfCode } from "./timeline.mjs";

const RANGES = [["10 min", 600], ["1 h", 3600], ["8 h", 28800], ["24 h", 86400], ["7 d", 604800], ["30 d", 2592000]];
const RANGE_WORDS = { "10 min": "10 分钟", "1 h": "1 小时", "8 h": "8 小时", "24 h": "24 小时", "7 d": "7 天", "30 d": "30 天" };

const LEAST_MS = 60000;

const clockOfBox = () => Date.now() + live.clockOffset.peek();

/** A box that has just started has little in memory: the live chart begins where its data do, a minute at least. */
function startOf(answers, from, to) {
  if (answers.length === 0 || answers.some((answer) => answer.source !== "recent" || answer.t.length === 0)) return from;
  const first = Math.min(...answers.map((answer) => Math.min(answer.t[0], ...answer.gaps.map((gap) => gap.from_ms), ...answer.bad.map((bad) => bad.from_ms))));
  return Math.max(from, Math.min(first, to - LEAST_MS));
}

/** Reads the series of points again and again while the range is live; [series by point, fault]. */
function useSeries(name, points, range) {
  const [state, setState] = useState({ series: {}, fault: null });
  const key = points.join("\n");
  useEffect(() => {
    let over = false;
    let timer = 0;
    const abort = new AbortController();
    const read = async () => {
      const to = range.to ?? clockOfBox();
      const from = range.to ? range.from : to - range.seconds * 1000;
      try {
        const answers = await Promise.all(points.map((point) => request(`${devicePath(name)}/points/${encodeURIComponent(point)}/series`, {
          query: { from_ms: Math.round(from), to_ms: Math.round(to), pixels: 800 }, signal: abort.signal })));
        const start = range.to ? from : startOf(answers, from, to);
        if (!over) setState({ series: Object.fromEntries(points.map((point, index) => [point, withGaps({ ...answers[index], from_ms: start, to_ms: to })])), fault: null });
      } catch (fault) {
        if (!over) setState((former) => ({ ...former, fault }));
      }
      if (!over && !range.to) timer = setTimeout(read, Math.min(60000, Math.max(2000, range.seconds * 1000 / 400)));
    };
    read();
    return () => {
      over = true;
      abort.abort();
      clearTimeout(timer);
    };
  }, [name, key, range]);
  return state;
}

function Buttons({ range, setRange, back, picture, csv }) {
  return html`<div class="ranges" role="group" aria-label=${say("chart.range")}>
    ${RANGES.map(([word, seconds]) => html`<button key=${word} class="button" aria-pressed=${!range.to && range.seconds === seconds} onClick=${() => setRange({ seconds })}>${lang.value === "zh" ? RANGE_WORDS[word] : word}</button>`)}
    ${range.to && html`<button class="button" onClick=${back}>‹ ${say("chart.back")}</button>`}
    <span class="push"></span><button class="button" data-do="png" onClick=${picture}>${say("chart.png")}</button><a class="button" href=${csv} download>${say("chart.csv")}</a></div>`;
}

export function ChartPanel({ name, description, chosen }) {
  const [history, setHistory] = useState([{ seconds: 600 }]);
  const range = history.at(-1);
  const setRange = (next) => setHistory(next.to ? [...history, next].slice(-20) : [next]);
  const back = () => setHistory((former) => (former.length > 1 ? former.slice(0, -1) : former));
  const statePoint = description.points.find((point) => point.enum && Object.keys(point.enum).some((code) => stateOfCode(code, point.enum) !== "unknown"));
  const wanted = [...new Set([...(statePoint ? [statePoint.point] : []), ...chosen])];
  const { series, fault } = useSeries(name, wanted, range);
  const canvases = useRef(new Map());
  const register = (id, canvas) => (canvas ? canvases.current.set(id, canvas) : canvases.current.delete(id));
  const byName = Object.fromEntries(description.points.map((point) => [point.point, point]));
  const some = Object.values(series)[0];
  const picture = () => {
    const ids = ["timeline", ...chosen].filter((id) => canvases.current.has(id));
    if (!some || ids.length === 0) return;
    const gaps = [...new Set(Object.values(series).flatMap((entry) => entry.gaps.map((gap) => gapNote(gap, reasonWord(gap.reason)))))];
    savePicture({
      name: `${name}-${day(some.from_ms)}.png`, title: `${pick(description.label, name)} (${name})`,
      range: `${day(some.from_ms)} ${moment(some.from_ms, some.from_ms)} – ${day(some.to_ms)} ${moment(some.to_ms, some.to_ms)}  ${zone()}`,
      parts: ids.map((id) => ({ canvas: canvases.current.get(id), title: id === "timeline" ? say("chart.states") : `${pick(byName[id].label, id)} (${shownUnit(byName[id].unit).unit})` })),
      notes: gaps.slice(0, 12),
    });
  };
  const csv = address(`${devicePath(name)}/csv`, { points: chosen.join(","), from_ms: Math.round(some?.from_ms ?? 0), to_ms: Math.round(some?.to_ms ?? 0), excel: 1, lang: lang.value }).href;
  return html`<section class="charts" aria-label=${say("device.chart")}>
    <${Buttons} range=${range} setRange=${setRange} back=${back} picture=${picture} csv=${csv} />
    ${fault && html`<p class="refusal" role="alert">${say("chart.failed", fault.message)}</p>`}
    ${statePoint && series[statePoint.point] && html`<${Timeline} id="timeline" series=${series[statePoint.point]} point=${statePoint} register=${register} />`}
    ${chosen.filter((id) => series[id] && byName[id]).map((id) => html`<${Chart} key=${id} id=${id} point=${byName[id]} series=${series[id]} zoom=${(from, to) => setRange({ from, to })} back=${back} register=${register} />`)}
    <p class="hint"><small>${say("chart.choose", 4)} ${say("chart.hint")}</small></p></section>`;
}
