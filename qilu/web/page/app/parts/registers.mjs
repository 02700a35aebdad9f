// Registers: the raw words of each block, and beside them every decoding, the profile's choice marked.

import { useEffect, useState } from "preact/hooks";
import { request } from "../app.mjs";
import { device as devicePath } from "../api.mjs";
import { clock } from "../format.mjs";
import { html } from "../html.mjs";
import { pick, say } from "../words.mjs";
import { ORDERS, TYPES, binary, characters, decode, decodedText, hex, orderName, sizeOf } from "./decode.mjs";

const AGAIN_MS = 2000;

function useRegisters(name) {
  const [state, setState] = useState({ blocks: null, fault: "" });
  useEffect(() => {
    let over = false;
    const read = async () => {
      try {
        const answer = await request(`${devicePath(name)}/registers`);
        const blocks = answer.blocks.filter((block) => block.words.length > 0);
        if (!over) setState({ blocks, fault: "" });
      } catch (error) {
        if (!over) setState((former) => ({ ...former, fault: error.message }));
      }
    };
    read();
    const timer = setInterval(read, AGAIN_MS);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, [name]);
  return state;
}

const isBits = (block) => block.table === "coil" || block.table === "discrete";

const pointAt = (block, address) => block.points.find((point) => address >= point.address
  && address < point.address + (typeof point.words === "number" ? point.words : sizeOf(point.type)));

function Words({ block, chosen, choose, labels }) {
  return html`<section class="panel"><h3>${block.group} · ${block.table} ${block.address}–${block.address + block.words.length - 1}
    <small class="figures">${say("registers.read", clock(block.time_ms))}</small></h3>
    <ul class="words-list">${block.words.map((word, index) => {
      const address = block.address + index;
      const point = pointAt(block, address);
      return html`<li key=${address}><button class="word figures" aria-pressed=${chosen === address} onClick=${() => choose(address)}>
        <span>${address}</span><b>${isBits(block) ? word : hex(word)}</b><span>${isBits(block) ? "" : word}</span><small>${point ? (point.address === address ? pick(labels[point.point]?.label, point.point) : "″") : ""}</small></button></li>`;
    })}</ul></section>`;
}

function Decodings({ block, address, labels }) {
  const words = block.words.slice(address - block.address);
  const point = pointAt(block, address);
  const start = point?.address === address;
  const own = point && start ? orderName(point.byte_order, point.word_order) : "";
  return html`<section class="panel decodings"><h3>${say("registers.decodings", address)}</h3>
    ${point && html`<p><b>${pick(labels[point.point]?.label, point.point)}</b> ${point.type} ${isBits(block) ? "" : `${own} ${say("registers.scaled", point.scale ?? 1, point.offset ?? 0)}`}</p>`}
    ${isBits(block) ? html`<p class="figures"><b>${words[0]}</b></p>` : html`<div class="scroll" tabindex="0" role="region" aria-label=${say("registers.decodings", address)}><table class="grid figures"><thead><tr><th scope="col">${say("registers.type")}</th>${ORDERS.map((order) => html`<th scope="col" key=${order}>${order}</th>`)}</tr></thead>
    <tbody>${TYPES.map((type) => html`<tr key=${type}><th scope="row">${type}</th>${ORDERS.map((order) => {
      const single = sizeOf(type) === 1;
      if (single && (order === "CDAB" || order === "DCBA")) return html`<td key=${order}></td>`;
      const match = start && type === point.type && (own === order || (single && own[0] === order[0]) || (single && own === "CDAB" && order === "ABCD") || (single && own === "DCBA" && order === "BADC"));
      return html`<td key=${order} class=${match ? "own" : ""} title=${match ? say("registers.profile") : ""}>${match && html`<span aria-hidden="true">◀ </span>`}${decodedText(decode(words, type, order))}${match && html`<span class="unseen"> ${say("registers.profile")}</span>`}</td>`;
    })}</tr>`)}
    <tr><th scope="row">bits</th><td colspan="4">${binary(words[0])}</td></tr>
    <tr><th scope="row">ASCII</th><td colspan="4">${characters(words.slice(0, 8))}</td></tr></tbody></table></div>
    <p><small>◀ ${say("registers.profile")}</small></p>`}</section>`;
}

export function Registers({ name, points }) {
  const { blocks, fault } = useRegisters(name);
  const [chosen, choose] = useState(null);
  const labels = Object.fromEntries(points.map((point) => [point.point, point]));
  if (fault) return html`<p class="refusal" role="alert">${say("failed", fault)}</p>`;
  if (!blocks) return html`<p class="empty" aria-busy="true">${say("loading")}</p>`;
  if (blocks.length === 0) return html`<p class="empty">${say("registers.none")}</p>`;
  const index = Math.max(0, blocks.findIndex((entry) => !isBits(entry)));
  const at = chosen ?? { index, address: blocks[index].points[0]?.address ?? blocks[index].address };
  const block = blocks[at.index] ?? blocks[0];
  return html`<div class="registers"><div>${blocks.map((entry, index) => html`<${Words} key=${`${entry.table}${entry.address}`} block=${entry} labels=${labels}
      chosen=${index === at.index ? at.address : null} choose=${(address) => choose({ index, address })} />`)}</div>
    <${Decodings} block=${block} address=${Math.min(at.address, block.address + block.words.length - 1)} labels=${labels} /></div>`;
}
