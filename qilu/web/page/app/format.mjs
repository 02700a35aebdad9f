// Numbers, durations, sizes and times for people. Pure; the language is handed in.

const DURATIONS = { zh: ["毫秒", "秒", "分钟", "小时", "天"], en: ["ms", "s", "min", "h", "d"] };
const STEPS = [[0.001, 1], [1, 120], [60, 7200], [3600, 259200], [86400, Infinity]];

/** As qilu/contract/display/durations.py: one unit, never rounded up. */
export function duration(seconds, lang) {
  const length = Math.max(seconds, 0);
  const index = STEPS.findIndex(([, end]) => length < end);
  return `${Math.floor(length / STEPS[index][0] + 1e-9)} ${DURATIONS[lang][index]}`;
}

/** An age in a list: tenths below 10 s, so that a live value is seen to be live. */
export function age(ms, lang) {
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} ${DURATIONS[lang][1]}`;
  return duration(ms / 1000, lang);
}

export function number(value, decimals = 0) {
  const text = value.toFixed(decimals);
  const plain = Number(text) === 0 ? text.replace("-", "") : text;
  const [whole, part] = plain.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
  return part ? `${grouped}.${part}` : grouped;
}

/** Decimals for a value without any stated: four significant digits. */
export function guessDecimals(value) {
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 1000) return 0;
  return size >= 100 ? 1 : size >= 1 ? 2 : 3;
}

export function bytes(size) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let index = 0;
  let value = size;
  while (value >= 1000 && index < units.length - 1) {
    value /= 1000;
    index += 1;
  }
  return `${index === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[index]}`;
}

const two = (value) => String(value).padStart(2, "0");

export function clock(ms) {
  const date = new Date(ms);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export function day(ms) {
  const date = new Date(ms);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** With the day where it is another one than that of `now`. */
export function moment(ms, now = Date.now()) {
  return day(ms) === day(now) ? clock(ms) : `${day(ms).slice(5)} ${clock(ms)}`;
}

export function zone(now = new Date()) {
  const minutes = -now.getTimezoneOffset();
  const sign = minutes < 0 ? "−" : "+";
  const size = Math.abs(minutes);
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
  return `UTC${sign}${two(Math.floor(size / 60))}:${two(size % 60)}${name && name !== "UTC" ? ` ${name}` : ""}`;
}

export function simulated(seconds) {
  const whole = Math.floor(seconds);
  return `${two(Math.floor(whole / 3600))}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}
