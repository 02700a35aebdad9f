// The address of a view is the fragment: #/devices, #/device/pump-1/registers, #/day/2026-11-30, #/wall.

import { computed, signal } from "@preact/signals";

const fragment = signal(location.hash);
addEventListener("hashchange", () => { fragment.value = location.hash; });

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const route = computed(() => {
  const [view = "", ...parts] = fragment.value.replace(/^#\/?/, "").split("/");
  return { view: view || "overview", parts: parts.map(decoded) };
});

export const link = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;
