// Delivery: broker, spool, stores and quarantine; what only an engineer needs is under "Details", closed.

import { useState } from "preact/hooks";
import { mayOperate, request, topicState } from "../app.mjs";
import { bytes, duration, moment, number } from "../format.mjs";
import { html } from "../html.mjs";
import { LevelGlyph } from "../parts/glyph.mjs";
import { lang } from "../settings.mjs";
import { reasonWord } from "../vocabulary.mjs";
import { hasWord, say } from "../words.mjs";

const Figure = ({ title, children, abnormal }) => html`<div class=${`figure ${abnormal ? "counted" : ""}`}><dt>${title}</dt><dd class="figures">${children}</dd></div>`;

function Broker({ delivery }) {
  return html`<section class="panel" data-level=${delivery.connected ? "normal" : "fault"}><h2><${LevelGlyph} level=${delivery.connected ? "normal" : "fault"} />${say("delivery.broker")}</h2>
    <dl><${Figure} title=${delivery.address}>${say(delivery.connected ? "road.broker.on" : "road.broker.off")}<//>
    ${delivery.problem && html`<${Figure} title=${say("delivery.problem")}>${delivery.problem}<//>`}
    <${Figure} title=${say("delivery.since")}>${delivery.since_ms ? moment(delivery.since_ms) : "–"}<//>
    <${Figure} title=${say("delivery.disconnects")}>${number(delivery.disconnects ?? 0)}<//></dl></section>`;
}

function Spool({ spool }) {
  const share = spool.max_bytes ? Math.min(1, spool.bytes / spool.max_bytes) : 0;
  const hours = spool.hours_left;
  return html`<section class="panel"><h2>${say("delivery.spool")}</h2>
    <p class="meter-text figures">${say("delivery.used", bytes(spool.bytes), bytes(spool.max_bytes ?? 0))}</p>
    <meter class="meter" min="0" max="1" high="0.8" value=${share} aria-label=${say("delivery.spool")}>${Math.round(share * 100)} %</meter>
    <dl><${Figure} title=${say("delivery.records")}>${number(spool.records)}<//>
    <${Figure} title=${say("delivery.room")}>${hours === null || hours === undefined ? "–" : duration(hours * 3600, lang.value)}<//>
    <${Figure} title=${say("delivery.oldest")}>${spool.oldest_age_s === null || spool.oldest_age_s === undefined ? "–" : duration(spool.oldest_age_s, lang.value)}<//>
    <${Figure} title=${say("delivery.dropped")} abnormal=${spool.dropped > 0}>${number(spool.dropped ?? 0)}<//>
    <${Figure} title=${say("delivery.blocked")} abnormal=${Boolean(spool.blocked)}>${spool.blocked ? reasonWord(String(spool.blocked)) : say("no")}<//>
    <${Figure} title=${say("delivery.held")} abnormal=${spool.held > 0}>${number(spool.held ?? 0)}<//></dl></section>`;
}

function Stores({ delivery }) {
  const stores = delivery.stores ?? [];
  return html`<section class="panel"><h2>${say("delivery.stores")}</h2>${stores.length === 0 && html`<p>${say("delivery.nostore")}</p>`}
    ${stores.map((store) => html`<dl key=${store.store}><${Figure} title=${store.store}><small>${say("delivery.lastack")}</small> ${store.last_ack_ms ? moment(store.last_ack_ms) : "–"}<//></dl>`)}
    <dl><${Figure} title=${say("delivery.durable")}>${number(delivery.durable_records ?? 0)}<//><${Figure} title=${say("delivery.lastdurable")}>${delivery.last_durable_ms ? moment(delivery.last_durable_ms) : "–"}<//></dl></section>`;
}

const refused = () => (mayOperate.value ? "" : say("refused.operator"));

function Rejected({ record }) {
  const [code, ...text] = record.reason.split(": ");
  return html`<li class="figures">${moment(record.time_ms)} ${record.device} ${record.group}
    <p><strong>${reasonWord(code)}</strong> <small>${text.join(": ")}</small></p>
    <details><summary>${say("delivery.content")}</summary><code>${record.body}</code></details></li>`;
}

function Quarantine({ quarantine }) {
  const [records, setRecords] = useState(null);
  const [said, setSaid] = useState("");
  const attempt = async (act) => {
    try {
      await act();
    } catch (error) {
      setSaid(say("failed", [error.message, error.remedy].filter(Boolean).join(" ")));
    }
  };
  const look = () => attempt(async () => {
    setRecords((await request("quarantine", { query: { limit: 50 } })).records);
  });
  const again = () => attempt(async () => {
    const { records: sent } = await request("commands/requeue", { method: "POST", body: { all: true } });
    setSaid(say("delivery.requeued", number(sent)));
    setRecords(null);
  });
  const reasons = Object.entries(quarantine.reasons ?? {});
  return html`<section class="panel" data-level=${quarantine.records > 0 ? "warning" : "normal"}>
    <h2>${quarantine.records > 0 && html`<${LevelGlyph} level="warning" />`}${say("delivery.quarantine")}</h2>
    ${quarantine.records === 0 ? html`<p>${say("delivery.quarantine.none")}</p>` : html`
      <dl><${Figure} title=${say("delivery.records")} abnormal=true>${number(quarantine.records)}<//>
      ${reasons.map(([code, count]) => html`<${Figure} key=${code} title=${reasonWord(code)}>${number(count)}<//>`)}</dl>
      <div class="row"><button class="button" onClick=${look}>${say("delivery.look")}</button>
      <button class="button" disabled=${!mayOperate.value} title=${refused()} onClick=${again}>${say("delivery.requeue")}</button></div>`}
    <p role="status">${said}</p>
    ${records && html`<ul class="records">${records.map((record) => html`<${Rejected} key=${`${record.stream} ${record.offset}`} record=${record} />`)}</ul>`}</section>`;
}

/** The plan first, then the gateway takes the settings. */
function Settings() {
  const [plan, setPlan] = useState({});
  const ask = (options) => request("commands/reload", options).then(setPlan, (error) => setPlan({ text: { [lang.value]: say("failed", error.message) } }));
  return html`<section class="panel"><h2>${say("reload.title")}</h2>
      <div class="row"><button class="button" disabled=${!mayOperate.value} title=${refused()} onClick=${() => ask()}>${say("reload.plan")}</button>
      <button class="button" disabled=${plan.outcome !== "hot"} onClick=${() => ask({ method: "POST", body: {} })}>${say("reload.take")}</button></div>
    <p role="status">${plan.outcome && say(`reload.${plan.outcome}`)} ${plan.text?.[lang.value]}</p></section>`;
}

const plainText = (value) => (typeof value === "object" && value !== null
  ? Object.entries(value).map(([key, part]) => `${key.replaceAll("_", " ")} ${plainText(part)}`).join(" · ") : String(value ?? "–"));

function Details({ details }) {
  const entries = Object.entries(details);
  const title = (key) => (hasWord(`delivery.${key}`) ? say(`delivery.${key}`) : key.replaceAll("_", " "));
  const single = entries.filter(([, value]) => typeof value !== "object" || value === null);
  const many = entries.filter(([, value]) => typeof value === "object" && value !== null);
  return html`<details class="panel"><summary>${say("delivery.details")}</summary>
    <dl>${single.map(([key, value]) => html`<${Figure} key=${key} title=${title(key)}>${typeof value === "number" ? number(value) : plainText(value)}<//>`)}</dl>
    ${many.map(([key, value]) => html`<h3 key=${key}>${title(key)}</h3><ul class="records">${Object.entries(value).map(([name, entry]) => html`<li key=${name} class="figures">${Array.isArray(value) ? "" : `${name} `}${plainText(entry)}</li>`)}</ul>`)}</details>`;
}

export function Delivery() {
  const delivery = topicState("delivery");
  if (!delivery) return html`<p class="empty" aria-busy="true">${say("loading")}</p>`;
  return html`<div class="panels"><${Broker} delivery=${delivery} /><${Spool} spool=${delivery.spool} />
    <${Stores} delivery=${delivery} /><${Quarantine} quarantine=${delivery.quarantine} /><${Settings} /></div>
    <${Details} details=${delivery.details ?? {}} />`;
}
