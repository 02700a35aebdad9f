// From the answer of the API to the columns of a chart: gaps cut the line, lone samples are found. Pure.

/** So much at the begin of a range is no gap: a poll may be due. */
const NEW_MS = 15000;

/** Gaps that do not cut a line: what a deadband held back is known to be near the last value. */
const BRIDGED = new Set(["suppressed"]);

/** The series with a gap for each stretch in which every poll failed, and before what memory keeps: nothing is left unexplained. */
export function withGaps(series) {
  const failed = series.bad.filter((bad) => bad.quality === "bad" && !series.t.some((time) => time >= bad.from_ms && time <= bad.to_ms));
  const known = (bad) => series.gaps.some((gap) => gap.from_ms <= bad.from_ms && gap.to_ms >= bad.to_ms);
  const gaps = failed.filter((bad) => !known(bad)).map(({ from_ms, to_ms, reason }) => ({ from_ms, to_ms, reason }));
  const first = Math.min(series.t[0] ?? series.to_ms, ...series.bad.map((bad) => bad.from_ms), ...series.gaps.map((gap) => gap.from_ms));
  if (series.source === "recent" && first - series.from_ms > NEW_MS) gaps.push({ from_ms: series.from_ms, to_ms: first, reason: "not_in_memory" });
  return { ...series, gaps: [...series.gaps, ...gaps].sort((a, b) => a.from_ms - b.from_ms) };
}

/** {data: [t, last, min, max] with t in seconds, gaps, bad} of a series. */
export function chartColumns(series) {
  const cuts = series.gaps.filter((gap) => !BRIDGED.has(gap.reason)).map((gap) => (gap.from_ms + gap.to_ms) / 2);
  const data = [[], [], [], []];
  const sources = [series.last, series.min, series.max];
  let next = 0;
  series.t.forEach((time, index) => {
    let cut = false;
    while (next < cuts.length && cuts[next] < time) {
      cut = true;
      next += 1;
    }
    if (cut && data[0].length > 0) {
      const previous = data[0].at(-1) * 1000;
      data[0].push((previous + time) / 2000);
      for (let column = 1; column < 4; column += 1) data[column].push(null);
    }
    data[0].push(time / 1000);
    sources.forEach((values, column) => data[column + 1].push(values[index] ?? null));
  });
  return data;
}

/** Indices of samples with no neighbour: a line cannot show them. */
export function loneIndices(values) {
  const lone = [];
  values.forEach((value, index) => {
    if (value !== null && (values[index - 1] ?? null) === null && (values[index + 1] ?? null) === null) lone.push(index);
  });
  return lone;
}

/** The range of the values with a margin; never that of `limits`. */
export function valueRange(low, high) {
  if (low === null || high === null || low === undefined || high === undefined) return [0, 1];
  const margin = high === low ? Math.max(Math.abs(high) * 0.05, 0.5) : (high - low) * 0.08;
  return [low - margin, high + margin];
}

/** Spans of equal states: [{from_ms, to_ms, code}], cut at gaps. */
export function stateSpans(series) {
  const gaps = series.gaps.filter((gap) => !BRIDGED.has(gap.reason));
  const spans = [];
  series.t.forEach((time, index) => {
    const code = series.last[index];
    if (code === null || code === undefined) return;
    const end = series.t[index + 1] ?? Math.min(series.to_ms, time + Math.max(series.bucket_ms ?? 0, 1000));
    const gap = gaps.find((found) => found.from_ms < end && found.to_ms > time);
    const to = gap ? Math.max(time, gap.from_ms) : end;
    const former = spans.at(-1);
    if (former && former.code === code && former.to_ms >= time - 1) former.to_ms = to;
    else spans.push({ from_ms: time, to_ms: to, code });
  });
  return spans;
}
