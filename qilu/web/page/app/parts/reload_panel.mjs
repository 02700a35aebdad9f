// Other settings for the running gateway: an operator sees the plan first, and then lets the gateway take it.

import { useState } from "preact/hooks";
import { mayOperate, request } from "../app.mjs";
import { html } from "../html.mjs";
import { say } from "../words.mjs";

const Row = ({ fate, name, keys }) => html`<li><b>${say(`reload.${fate}`)}</b> ${name} ${keys.length > 0 && html`<small>${keys.join(", ")}</small>`}</li>`;

function Changes({ plan }) {
  return html`<p><b>${say(`reload.${plan.outcome}`)}</b> ${plan.text}</p><ul class="records">
    ${plan.endpoints.map((entry) => html`<${Row} key=${entry.url} fate=${entry.fate} name=${entry.url} keys=${entry.keys} />`)}
    ${plan.devices.map((entry) => html`<${Row} key=${entry.device} fate=${entry.fate} name=${entry.device} keys=${entry.keys} />`)}</ul>`;
}

export function ReloadPanel() {
  const [plan, setPlan] = useState(null);
  const [lastGood, setLastGood] = useState(false);
  const [failure, setFailure] = useState("");
  const ask = async (act) => {
    setFailure("");
    try {
      setPlan(await act());
    } catch (error) {
      setPlan(null);
      setFailure(say("failed", [error.message, error.remedy].filter(Boolean).join(" ")));
    }
  };
  const look = () => ask(() => request("commands/reload", { query: { last_good: lastGood ? 1 : 0 } }));
  const take = () => ask(() => request("commands/reload", { method: "POST", body: { last_good: lastGood } }));
  const choose = (event) => {
    setLastGood(event.target.checked);
    setPlan(null);
  };
  const refused = mayOperate.value ? "" : say("refused.operator");
  return html`<section class="panel"><h2>${say("reload.title")}</h2>
    <label class="choice"><input type="checkbox" checked=${lastGood} disabled=${!mayOperate.value} onChange=${choose} /> ${say("reload.last")}</label>
    <div class="row"><button class="button" disabled=${!mayOperate.value} title=${refused} onClick=${look}>${say("reload.plan")}</button>
    <button class="button" disabled=${!mayOperate.value || plan?.outcome !== "hot"} title=${refused || (plan?.outcome === "hot" ? "" : say("reload.first"))} onClick=${take}>${say("reload.take")}</button></div>
    ${plan && html`<${Changes} plan=${plan} />`}<p role="status">${failure}</p></section>`;
}
