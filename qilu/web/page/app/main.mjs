// Starts the page: one connection, one tree, the topics that the shown view needs.

import { effect } from "@preact/signals";
import { render } from "preact";
import { introduce, isPlant, live, offered } from "./app.mjs";
import { html } from "./html.mjs";
import { STORY } from "./parts/story.mjs";
import { route } from "./route.mjs";
import { Shell } from "./shell.mjs";

const TOPICS = {
  devices: () => ["devices"],
  device: ([name]) => [`device/${name}`],
  delivery: () => ["delivery"],
  events: () => ["events"],
  factory: () => ["factory"],
};

effect(() => {
  const { view, parts } = route.value;
  const story = offered.value.includes(STORY) ? [STORY] : [];
  const topics = isPlant.value ? ["factory"] : ["overview", ...(TOPICS[view]?.(parts) ?? []), ...story];
  if (topics.join() !== live.wanted.join()) live.subscribe(topics);
  document.documentElement.dataset.view = view;
});

live.start();
introduce();
render(html`<${Shell} />`, document.getElementById("app"));
