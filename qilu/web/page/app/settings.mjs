// What this reader prefers, kept in the browser: language, colour scheme, density of the lists.

import { effect, signal } from "@preact/signals";

function kept(key) {
  try {
    return localStorage.getItem(`qilu.${key}`);
  } catch {
    return null; // storage can be forbidden; the choice then lasts as long as the page
  }
}

function keep(key, value) {
  try {
    localStorage.setItem(`qilu.${key}`, value);
  } catch {
    /* see above */
  }
}

const darkQuery = matchMedia("(prefers-color-scheme: dark)");

export const lang = signal(kept("lang") ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en"));
export const scheme = signal(kept("scheme") ?? (darkQuery.matches ? "dark" : "light"));
export const narrow = signal(innerWidth < 700);

darkQuery.addEventListener("change", (event) => {
  if (!kept("scheme")) scheme.value = event.matches ? "dark" : "light";
});
addEventListener("resize", () => { narrow.value = innerWidth < 700; });

export function chooseLang(value) {
  lang.value = value;
  keep("lang", value);
}

export function chooseScheme(value) {
  scheme.value = value;
  keep("scheme", value);
}

/** The language of the box, unless this reader has chosen one. */
export function proposeLang(value) {
  if (value && !kept("lang")) lang.value = value;
}

effect(() => {
  document.documentElement.lang = lang.value === "zh" ? "zh-CN" : "en";
  document.documentElement.dataset.scheme = scheme.value;
});
