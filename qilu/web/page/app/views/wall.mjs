// The wall: read from three metres, without controls; its pages turn by themselves and stop on the worst.

import { useEffect, useState } from "preact/hooks";
import { info, isPlant, live, tick, topicState } from "../app.mjs";
import { clock } from "../format.mjs";
import { html } from "../html.mjs";
import { LevelGlyph, State } from "../parts/glyph.mjs";
import { Name, Value } from "../parts/value.mjs";
import { pick, say } from "../words.mjs";
import { reasonWord } from "../vocabulary.mjs";
import { plantSentence } from "./factory.mjs";
import { Kept, Road, worstFirst } from "./overview.mjs";

const TURN_MS = 20000;

/** Tiles that fit: those of 300 by 170 pixels on what the head leaves. */
const tilesOfPage = () => Math.max(1, Math.floor((innerWidth - 48) / 320)) * Math.max(1, Math.floor((innerHeight - 250) / 196));

/** What the wall shows of a plant without a gateway. */
function overviewOf(factory) {
  if (!factory) return null;
  const level = (state) => (state === "fault" || state === "offline" ? "fault" : "normal");
  const machines = [...factory.lines.flatMap((line) => line.machines), ...factory.utilities.map((utility) => ({ ...utility, value: { value: utility.value, unit: utility.unit } }))];
  return {
    edge: { edge: info.value?.edge ?? factory.plant, label: info.value?.label },
    sentence: plantSentence(factory),
    devices: Object.fromEntries(machines.map((machine) => [machine.device, { ...machine, level: level(machine.state) }])),
  };
}

function WallTile({ id, device }) {
  return html`<li class="tile" data-level=${device.level} data-device=${id}><span class="tile-name">${pick(device.label, id)}</span>
    <span class="tile-state"><${State} state=${device.state} /></span>
    <span class="tile-value">${device.level !== "normal" && device.reason ? reasonWord(device.reason) : device.value ? html`<${Value} ...${device.value} />` : "–"}</span></li>`;
}

export function Wall() {
  const overview = isPlant.value ? overviewOf(topicState("factory")) : topicState("overview");
  const [turn, setTurn] = useState(0);
  const names = overview ? worstFirst(overview.devices) : [];
  const size = tilesOfPage();
  const first = overview?.road ? 1 : 0; // a plant alone has no road of data
  const pages = first + Math.max(1, Math.ceil(names.length / size));
  const faulty = names.some((name) => overview.devices[name].level === "fault");
  useEffect(() => {
    const timer = setInterval(() => setTurn((former) => former + 1), TURN_MS);
    return () => clearInterval(timer);
  }, []);
  if (!overview) return html`<main class="wall" id="content"><p aria-busy="true">${say("loading")}</p></main>`;
  const page = faulty ? first : turn % pages; // the first page of tiles has the worst
  const { sentence } = overview;
  return html`<main class="wall" id="content">
    <div class="sentence" data-level=${sentence.level} data-code=${sentence.code} id="sentence"><${LevelGlyph} level=${sentence.level} /><h1 class="words">${pick(sentence)}</h1></div>
    ${page < first ? html`<${Road} road=${overview.road} /><${Kept} spool=${overview.road.spool} />`
      : html`<ul class="tiles">${names.slice((page - first) * size, (page - first + 1) * size).map((name) => html`<${WallTile} key=${name} id=${name} device=${overview.devices[name]} />`)}</ul>`}
    <footer class="wall-foot"><${Name} id=${overview.edge.edge} label=${overview.edge.label} /><span class="figures">${say("wall.page", page + 1, pages)}</span>
      <b class="figures">${clock(tick.value + live.clockOffset.value)}</b></footer></main>`;
}
