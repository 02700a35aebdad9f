// Devices: a thousand of them, filtered, sorted and grouped in the browser; only rows in view are in the document.

import { useEffect, useMemo, useState } from "preact/hooks";
import { info, lineWord, request, topicState } from "../app.mjs";
import { html } from "../html.mjs";
import { errorCount, filterRows, groupRows, readRows, sortRows } from "../parts/device_rows.mjs";
import { State } from "../parts/glyph.mjs";
import { Sparkline } from "../parts/sparkline.mjs";
import { Age, Name, Value, isStale } from "../parts/value.mjs";
import { useWindow } from "../parts/window.mjs";
import { link } from "../route.mjs";
import { narrow } from "../settings.mjs";
import { reasonWord, stateWord, vocabulary } from "../vocabulary.mjs";
import { pick, say } from "../words.mjs";

const COLUMNS = ["device", "state", "value", "trend", "time_ms", "polls_per_min", "skipped", "errors", "round_trip_ms", "line", "endpoint"];
const SORTABLE = new Set(["device", "state", "time_ms", "polls_per_min", "skipped", "errors", "round_trip_ms", "line", "endpoint"]);
const [ROW, ROW_NARROW] = [36, 68];
const TREND_MS = 15000;

/** The last values of the devices in view, asked for by the API and kept while they are seen. */
function useTrends(names) {
  const [trends, setTrends] = useState({});
  const key = names.join("\n");
  useEffect(() => {
    if (names.length === 0) return undefined;
    let over = false;
    const read = async () => {
      try {
        const answer = await request("sparklines", { query: { devices: names.slice(0, 60).join(",") } });
        if (!over) setTrends(answer);
      } catch {
        /* a list without trends is still a list; the next round asks again */
      }
    };
    const soon = setTimeout(read, 250);
    const again = setInterval(read, TREND_MS);
    return () => {
      over = true;
      clearTimeout(soon);
      clearInterval(again);
    };
  }, [key]);
  return trends;
}

function errorText(errors) {
  if (typeof errors !== "object" || errors === null) return String(errors ?? 0);
  return Object.entries(errors).filter(([, count]) => count > 0).map(([reason, count]) => `${reasonWord(reason)} ${count}`).join(say("list.join"));
}


function Cells({ row, trend }) {
  const stale = isStale(row.time_ms, row.period_ms);
  const value = row.value;
  return html`
    <span role="cell" class="c-device"><a href=${link("device", row.device)}><${Name} id=${row.device} label=${row.label} /></a></span>
    <span role="cell" class="c-state"><${State} state=${row.state} />${row.level !== "normal" && row.reason && html`<small class="reason"> ${reasonWord(row.reason)}</small>`}</span>
    <span role="cell" class="c-value" title=${value ? pick(value.label, value.point) : ""}>${value ? html`<${Value} ...${value} stale=${stale} />` : "–"}</span>
    <span role="cell" class="c-trend"><${Sparkline} values=${trend?.values} /></span>
    <span role="cell" class=${`c-time_ms ${stale ? "late" : ""}`}><${Age} time=${row.time_ms} /></span>
    <span role="cell" class="c-polls_per_min figures">${row.polls_per_min === null || row.polls_per_min === undefined ? "–" : Math.round(row.polls_per_min)}</span>
    <span role="cell" class=${`c-skipped figures ${row.skipped ? "counted" : "none"}`}>${row.skipped ?? 0}</span>
    <span role="cell" class=${`c-errors figures ${errorCount(row.errors) ? "counted" : "none"}`} title=${errorText(row.errors)}>${errorCount(row.errors)}</span>
    <span role="cell" class="c-round_trip_ms figures">${row.round_trip_ms === null || row.round_trip_ms === undefined ? "–" : `${Math.round(row.round_trip_ms)} ms`}</span>
    <span role="cell" class="c-line">${lineWord(row.line)}</span>
    <span role="cell" class="c-endpoint figures">${row.endpoint ?? ""}${row.endpoint ? ` · ${row.unit_id}` : ""}</span>`;
}

function NarrowCells({ row }) {
  const stale = isStale(row.time_ms, row.period_ms);
  return html`<span role="cell" class="narrow-cell"><a href=${link("device", row.device)}>
    <span class="narrow-top"><${Name} id=${row.device} label=${row.label} />${row.value && html`<${Value} ...${row.value} stale=${stale} />`}</span>
    <span class="narrow-low"><${State} state=${row.state} /><span class=${stale ? "late" : ""}><${Age} time=${row.time_ms} /></span></span></a></span>`;
}

function Row({ item, index, top, trend }) {
  const height = narrow.value ? ROW_NARROW : ROW;
  const style = { transform: `translateY(${top}px)`, height: `${height}px` };
  if (item.heading !== undefined) {
    return html`<div role="row" class="row-line" style=${style} aria-rowindex=${index + 2}><span role="cell" class="c-heading">
      <b>${lineWord(item.heading) || say("devices.noline")}</b> ${say("devices.count", item.count)}${item.abnormal > 0 && ` · ${say("devices.abnormal", item.abnormal)}`}</span></div>`;
  }
  return html`<div role="row" class="row-device" data-level=${item.level} data-device=${item.device} style=${style} aria-rowindex=${index + 2}>
    ${narrow.value ? html`<${NarrowCells} row=${item} />` : html`<${Cells} row=${item} trend=${trend} />`}</div>`;
}

function Heading({ sort, setSort }) {
  return html`<div role="row" class="row-head">${COLUMNS.map((column) => {
    const active = sort.column === column;
    const turned = active ? (sort.descending ? "descending" : "ascending") : undefined;
    return html`<span role="columnheader" key=${column} class=${`c-${column}`} aria-sort=${turned}>${SORTABLE.has(column)
      ? html`<button onClick=${() => setSort({ column, descending: active ? !sort.descending : column !== "device" && column !== "line" && column !== "state" && column !== "endpoint" && column !== "time_ms" })}
        >${say(`col.${column}`)}<span aria-hidden="true">${active ? (sort.descending ? " ▾" : " ▴") : ""}</span></button>`
      : say(`col.${column}`)}</span>`;
  })}</div>`;
}

function Filters({ filter, setFilter, group, setGroup, shown, total }) {
  const change = (part) => setFilter({ ...filter, ...part });
  return html`<div class="filters" role="search">
    <input type="search" id="filter" value=${filter.text} placeholder=${say("devices.filter")} aria-label=${say("devices.filter")}
      onInput=${(event) => change({ text: event.target.value })} />
    <label class="choice"><input type="checkbox" id="abnormal" checked=${filter.abnormal} onChange=${(event) => change({ abnormal: event.target.checked })} /> ${say("devices.onlyabnormal")}</label>
    <label class="choice"><input type="checkbox" id="group" checked=${group} onChange=${(event) => setGroup(event.target.checked)} /> ${say("devices.group")}</label>
    <label class="choice"><span class="unseen">${say("col.state")}</span><select id="state" value=${filter.state} onChange=${(event) => change({ state: event.target.value })}>
      <option value="">${say("devices.all")}</option>${Object.keys(vocabulary.value.states).map((name) => html`<option value=${name}>${stateWord(name)}</option>`)}</select></label>
    <span class="count figures" aria-live="polite">${say("devices.of", shown, total)}</span></div>`;
}

export function Devices() {
  const table = topicState("devices");
  const [filter, setFilter] = useState({ text: "", abnormal: false, state: "" });
  const [sort, setSort] = useState({ column: "state", descending: false });
  const [group, setGroup] = useState(false);
  const rows = useMemo(() => (table ? readRows(table, info.value?.lines) : []), [table, info.value]);
  const items = useMemo(() => {
    const sorted = sortRows(filterRows(rows, filter), sort.column, sort.descending);
    return group ? groupRows(sorted) : sorted;
  }, [rows, filter, sort, group]);
  const height = narrow.value ? ROW_NARROW : ROW;
  const [ref, first, end] = useWindow(items.length, height);
  const seen = items.slice(first, end);
  const trends = useTrends(narrow.value ? [] : seen.filter((item) => item.device).map((item) => item.device));
  const shown = items.filter((item) => item.device).length;
  return html`<${Filters} filter=${filter} setFilter=${setFilter} group=${group} setGroup=${setGroup} shown=${shown} total=${rows.length} />
    <div class="table" role="table" aria-label=${say("devices.table")} aria-rowcount=${items.length + 1}>
      ${!narrow.value && html`<div role="rowgroup" class="head-rows"><${Heading} sort=${sort} setSort=${setSort} /></div>`}
      <div class="rows" ref=${ref} role="rowgroup" tabindex="0" aria-label=${say("devices.table")}>
        <div class="rows-all" role="presentation" style=${{ height: `${items.length * height}px` }}>
          ${seen.map((item, index) => html`<${Row} key=${item.device ?? `line ${lineWord(item.heading)}`} item=${item} index=${first + index}
            top=${(first + index) * height} trend=${trends[item.device]} />`)}
        </div>
      </div>
    </div>
    ${!table && html`<p class="empty" aria-busy="true">${say("loading")}</p>`}
    ${table && items.length === 0 && html`<p class="empty">${say(rows.length ? "empty.filter" : "empty.devices")}</p>`}`;
}
