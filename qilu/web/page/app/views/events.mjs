// Events, newest first: they follow what happens until the reader scrolls down, and are filtered in the browser.

import { useMemo, useState } from "preact/hooks";
import { request, topicState } from "../app.mjs";
import { moment } from "../format.mjs";
import { html } from "../html.mjs";
import { LevelGlyph } from "../parts/glyph.mjs";
import { link } from "../route.mjs";
import { pick, say } from "../words.mjs";

function useOlder(events) {
  const [older, setOlder] = useState([]);
  const [said, setSaid] = useState("");
  const ask = async () => {
    const last = older.at(-1) ?? events.at(-1);
    try {
      const answer = await request("events", { query: { before: last?.id, limit: 100 } });
      setOlder([...older, ...(answer.events ?? answer)]);
    } catch (error) {
      setSaid(say("failed", error.message));
    }
  };
  return [older, ask, said];
}

const textOf = (event) => `${event.device ?? ""} ${event.kind} ${event.text.zh} ${event.text.en}`.toLowerCase();

export function Events() {
  const state = topicState("events");
  const live = state?.events ?? [];
  const known = topicState("overview")?.devices ?? {};
  const [kept, setKept] = useState(null); // the list as it was when the reader stopped it
  const [text, setText] = useState("");
  const [level, setLevel] = useState("");
  const [older, askOlder, said] = useOlder(live);
  const all = useMemo(() => {
    const known = new Set();
    return [...(kept ?? live), ...older].filter((event) => !known.has(event.id) && known.add(event.id));
  }, [kept, live, older]);
  const shown = all.filter((event) => (!level || event.level === level) && textOf(event).includes(text.toLowerCase()));
  const fresh = kept ? live.filter((event) => !kept.some((former) => former.id === event.id)).length : 0;
  if (!state) return html`<p class="empty" aria-busy="true">${say("loading")}</p>`;
  return html`<div class="filters" role="search">
      <input type="search" id="filter" value=${text} placeholder=${say("events.filter")} aria-label=${say("events.filter")} onInput=${(event) => setText(event.target.value)} />
      <label class="choice"><span class="unseen">${say("events.level")}</span><select value=${level} onChange=${(event) => setLevel(event.target.value)}>
        <option value="">${say("devices.all")}</option>${["fault", "warning", "normal"].map((name) => html`<option value=${name}>${say(`level.${name}`)}</option>`)}</select></label>
      <label class="choice"><input type="checkbox" checked=${!kept} onChange=${(event) => setKept(event.target.checked ? null : live)} /> ${say("events.follow")}</label>
      <span class="count figures" aria-live="polite">${fresh > 0 ? say("events.held", fresh) : ""}</span></div>
    ${shown.length === 0 && html`<p class="empty">${say("empty.events")}</p>`}
    <ol class="events">${shown.map((event) => html`<li key=${event.id} data-level=${event.level}>
      <time class="figures" datetime=${new Date(event.time_ms).toISOString()}>${moment(event.time_ms)}</time>
      <${LevelGlyph} level=${event.level} />
      ${event.device && known[event.device] ? html`<a href=${link("device", event.device)}>${event.device}</a>` : html`<span class="event-subject">${event.device}</span>`}
      <span class="event-text">${pick(event.text)}</span></li>`)}</ol>
    <p role="status">${said}</p>
    ${all.length > 0 && html`<button class="button" onClick=${askOlder}>${say("events.older")}</button>`}`;
}
