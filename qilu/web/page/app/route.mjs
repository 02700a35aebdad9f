// The address of a view is the fragment: #/devices, #/device/pump-1/registers, #/day/2026-11-30, #/wall.

import { computed, signal } from "@preact/signals";

/** The view of an empty fragment; the plant of a simulator has no overview. */
export const firstView = signal("overview");


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
  return { view: view || firstView.value, parts: parts.map(decoded) };
});

export const link = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;
