// States, qualities, reasons, units: the server's vocabulary, and how a value is shown by it.

import { signal } from "@preact/signals";
import { ask } from "./api.mjs";
import { guessDecimals, number } from "./format.mjs";
import { lang } from "./settings.mjs";
import { hasWord, pick, say } from "./words.mjs";

const state = (zh, en, color, hatched = false) => ({ label: { zh, en }, color, hatched });

/** Until the server has answered, and for what it does not name. */
const BUILT_IN = {
  states: {
    running: state("运行", "running", "#4C8C6B"),
    idle: state("待机", "idle", "#A8B0B8"),
    setup: state("换型", "setup", "#3F7CBF"),
    fault: state("故障", "fault", "#D13B3B"),
    maintenance: state("维护", "maintenance", "#8A63B8"),
    off: state("停机", "off", "#5F6770"),
    offline: state("离线", "offline", "#C9CED4", true),
    unknown: state("未知", "unknown", "#E4E7EA"),
  },
  qualities: {
    good: { label: { zh: "好", en: "good" }, color: "#4C8C6B" },
    uncertain: { label: { zh: "存疑", en: "uncertain" }, color: "#B9A66A" },
    bad: { label: { zh: "坏", en: "bad" }, color: "#E0A100" },
  },
  reasons: {},
  terms: {},
  units: {},
};

export const vocabulary = signal(BUILT_IN);

export async function readVocabulary() {
  const answer = await ask("vocabulary");
  vocabulary.value = { ...BUILT_IN, ...answer, states: { ...BUILT_IN.states, ...answer.states } };
}

export const stateWord = (name) => pick(vocabulary.value.states[name]?.label, name);
export const stateColor = (name) => vocabulary.value.states[name]?.color ?? "#E4E7EA";
export const qualityWord = (name) => pick(vocabulary.value.qualities[name]?.label, name);

export function reasonWord(name) {
  if (!name) return "";
  const found = vocabulary.value.reasons[name];
  if (found) return pick(found.label ?? found, name);
  const key = ["gap", "ack"].map((kind) => `${kind}.${name.replaceAll(" ", "_")}`).find(hasWord);
  return key ? say(key) : name.replaceAll("_", " ");
}

/** {unit, factor, offset} of the reader's language for a unit of a profile. */
export function shownUnit(unit) {
  const found = vocabulary.value.units[unit ?? ""]?.[lang.value];
  return { unit: found?.unit ?? unit ?? "", factor: found?.factor ?? 1, offset: found?.offset ?? 0 };
}

/** The decimals of a point in the shown unit: 0.01 bar is 0.001 MPa. */
export function shownDecimals(decimals, unit) {
  if (decimals === undefined || decimals === null) return null;
  const { factor } = shownUnit(unit);
  return Math.max(0, Math.min(6, decimals - Math.round(Math.log10(Math.abs(factor) || 1))));
}

export function toShown(value, unit) {
  const { factor, offset } = shownUnit(unit);
  return value * factor + offset;
}

/** [text, unit] of a value as the reader sees it; a dash where there is none. */
export function shownValue(value, unit, { decimals = null, labels = null } = {}) {
  if (value === null || value === undefined) return ["–", ""];
  if (labels) {
    const label = labels[String(Number(value))] ?? labels[String(value)];
    if (label) return [pick(label, String(value)), ""];
  }
  if (typeof value === "boolean") return [value ? "1" : "0", ""];
  if (typeof value !== "number") return [String(value), ""];
  const shown = toShown(value, unit);
  const places = shownDecimals(decimals, unit) ?? guessDecimals(shown);
  return [number(shown, places), shownUnit(unit).unit];
}
