// A small line of the last values of a device; a missing value is a gap in it.

import { html } from "../html.mjs";

const WIDTH = 96;
const HEIGHT = 22;

export function sparkPath(values, width = WIDTH, height = HEIGHT) {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return "";
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const span = high - low || 1;
  const step = width / Math.max(values.length - 1, 1);
  let path = "";
  let down = false;
  values.forEach((value, index) => {
    if (value === null) {
      down = false;
      return;
    }
    const y = high === low ? height / 2 : height - 2 - ((value - low) / span) * (height - 4);
    const alone = !down && (values[index + 1] ?? null) === null;
    path += `${down ? "L" : "M"}${(index * step).toFixed(1)} ${y.toFixed(1)}${alone ? "h1.5" : ""}`;
    down = true;
  });
  return path;
}

export function Sparkline({ values }) {
  if (!values) return html`<svg class="spark" width=${WIDTH} height=${HEIGHT} aria-hidden="true" />`;
  return html`<svg class="spark" width=${WIDTH} height=${HEIGHT} viewBox="0 0 ${WIDTH} ${HEIGHT}" aria-hidden="true"
    ><path d=${sparkPath(values)} fill="none" stroke="currentColor" stroke-width="1.5" /></svg>`;
}
