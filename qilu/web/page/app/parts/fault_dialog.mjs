// What can go wrong with a machine or its line, with a plain name and what to expect; one click injects it.

import { useEffect, useRef, useState } from "preact/hooks";
import { mayOperate, request } from "../app.mjs";
import { html } from "../html.mjs";
import { pick, say } from "../words.mjs";

const KINDS = ["machine", "sensor", "network"];

/** A fault of a sensor is injected into a point, which is chosen beside it. */
function Offer({ offer, lead, locked, inject }) {
  const [point, setPoint] = useState(offer.points?.includes(lead) ? lead : offer.points?.[0]);
  return html`<li>${offer.points?.length > 0 && html`<label class="choice"><span class="unseen">${say("factory.point")}</span>
      <select value=${point} onChange=${(event) => setPoint(event.target.value)}>${offer.points.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>`}
    <button data-fault=${offer.fault} disabled=${locked} onClick=${() => inject(offer, point)}>
      <b>${pick(offer.label, offer.fault)}</b><small>${offer.fault}</small><span>${pick(offer.expect)}</span></button></li>`;
}

export function FaultDialog({ machine, faults, act, close }) {
  const dialog = useRef(null);
  const [offers, setOffers] = useState(null);
  useEffect(() => {
    const element = dialog.current;
    element.showModal();
    request(`factory/faults/${encodeURIComponent(machine.device)}`).then(
      (answer) => setOffers(answer.possible ?? answer.faults ?? []),
      (error) => { act(() => Promise.reject(error)); setOffers([]); },
    );
    return () => element.close();
  }, [machine.device]);
  const inject = async (offer, point) => {
    const done = await act(() => request("factory/faults", { method: "POST", body: { device: machine.device, fault: offer.fault, ...offer.defaults, ...(point ? { point } : {}) } }),
      say("factory.injected", pick(offer.label, offer.fault)));
    if (done) close();
  };
  const active = new Set(faults.filter((fault) => fault.device === machine.device).map((fault) => fault.fault));
  const groups = KINDS.map((kind) => [kind, (offers ?? []).filter((offer) => (KINDS.includes(offer.kind) ? offer.kind : "machine") === kind)]);
  return html`<dialog ref=${dialog} class="dialog" aria-labelledby="dialog-title" onClose=${close} onClick=${(event) => event.target === dialog.current && close()}>
    <div class="dialog-inside"><div class="dialog-head"><h2 id="dialog-title">${say("factory.inject.to", pick(machine.label, machine.device))}</h2>
      <button class="button" onClick=${close}>${say("factory.close")}</button></div>
    ${!mayOperate.value && html`<p class="refusal">${say("refused.operator")}</p>`}
    ${offers === null && html`<p class="empty" aria-busy="true">${say("loading")}</p>`}
    ${offers?.length === 0 && html`<p class="empty">${say("factory.noeffect")}</p>`}
    ${groups.map(([kind, entries]) => entries.length > 0 && html`<section key=${kind}><h3>${say(`factory.${kind}`)}</h3><ul class="offers">
      ${entries.map((offer) => html`<${Offer} key=${offer.fault} offer=${offer} lead=${machine.value?.point ?? machine.point} locked=${!mayOperate.value || active.has(offer.fault)} inject=${inject} />`)}</ul></section>`)}</div></dialog>`;
}
