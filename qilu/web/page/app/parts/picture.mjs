// The charts as one PNG: title, range, every strip and chart with its unit, and the reasons of the gaps.

import { moment } from "../format.mjs";
import { FONT, cssColor } from "./hatch.mjs";

const MARGIN = 16;

function save(canvas, name) {
  canvas.toBlob((blob) => {
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(blob);
    anchor.download = name;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 10000);
  }, "image/png");
}

/** `parts`: [{canvas, title}], `notes`: lines below. All sizes are in CSS pixels, drawn at the screen's ratio. */
export function savePicture({ name, title, range, parts, notes }) {
  const ratio = devicePixelRatio;
  const width = Math.max(...parts.map(({ canvas }) => canvas.width / ratio)) + 2 * MARGIN;
  const height = parts.reduce((sum, { canvas }) => sum + canvas.height / ratio + 34, 76) + notes.length * 20 + MARGIN;
  const picture = document.createElement("canvas");
  picture.width = width * ratio;
  picture.height = height * ratio;
  const context = picture.getContext("2d");
  context.scale(ratio, ratio);
  context.fillStyle = cssColor("raised");
  context.fillRect(0, 0, width, height);
  context.fillStyle = cssColor("text");
  context.textBaseline = "top";
  context.font = `600 18px ${FONT}`;
  context.fillText(title, MARGIN, MARGIN);
  context.font = `14px ${FONT}`;
  context.fillText(range, MARGIN, MARGIN + 26);
  let top = 76;
  for (const { canvas, title: heading } of parts) {
    context.font = `600 14px ${FONT}`;
    context.fillText(heading, MARGIN, top);
    context.drawImage(canvas, MARGIN, top + 22, canvas.width / ratio, canvas.height / ratio);
    top += canvas.height / ratio + 34;
  }
  context.font = `13px ${FONT}`;
  for (const note of notes) {
    context.fillText(note, MARGIN, top);
    top += 20;
  }
  save(picture, name);
}

export const gapNote = (gap, word) => `${moment(gap.from_ms)} – ${moment(gap.to_ms)}  ${word}`;
