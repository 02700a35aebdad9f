// What can go wrong with a machine or its line, with a plain name and what to expect; one click injects it.

import { useEffect, useRef, useState } from "preact/hooks";
import { mayOperate, request } from "../app.mjs";
import { html } from "../html.mjs";
import { pick, say } from "../words.mjs";

const described = (entry) => (typeof entry === "string" ? { fault: entry } : entry);

export function FaultDialog({ machine, faults, act, close }) {
  const dialog = useRef(null);
  const [offers, setOffers] = useState(null);
  useEffect(() => {
    const element = dialog.current;
    element.showModal();
    request(`factory/faults/${encodeURIComponent(machine.device)}`).then(
      (answer) => setOffers((answer.faults ?? answer).map(described)),
      (error) => { act(() => Promise.reject(error)); setOffers([]); },
    );
    return () => element.close();
  }, [machine.device]);
  const inject = async (offer) => {
    const done = await act(() => request("factory/faults", { method: "POST", body: { device: machine.device, fault: offer.fault } }),
      say("factory.injected", pick(offer.label, offer.fault)));
    if (done) close();
  };
  const active = new Set(faults.filter((fault) => fault.device === machine.device).map((fault) => fault.fault));
  const groups = Object.entries(Object.groupBy ? Object.groupBy(offers ?? [], (offer) => offer.kind ?? "machine") : { machine: offers ?? [] });
  return html`<dialog ref=${dialog} class="dialog" aria-labelledby="dialog-title" onClose=${close} onClick=${(event) => event.target === dialog.current && close()}>
    <div class="dialog-inside"><div class="dialog-head"><h2 id="dialog-title">${say("factory.inject.to", pick(machine.label, machine.device))}</h2>
      <button class="button" onClick=${close}>${say("factory.close")}</button></div>
    ${!mayOperate.value && html`<p class="refusal">${say("refused.operator")}</p>`}
    ${offers === null && html`<p class="empty" aria-busy="true">${say("loading")}</p>`}
    ${offers?.length === 0 && html`<p class="empty">${say("factory.noeffect")}</p>`}
    ${groups.map(([kind, entries]) => entries.length > 0 && html`<h3 key=${kind}>${say(`factory.${kind === "wire" ? "wire" : "machine"}`)}</h3><ul class="offers">
      ${entries.map((offer) => html`<li key=${offer.fault}><button data-fault=${offer.fault} disabled=${!mayOperate.value || active.has(offer.fault)} onClick=${() => inject(offer)}>
        <b>${pick(offer.label, offer.fault)}</b><small>${offer.fault}</small><span>${pick(offer.expect)}</span></button></li>`)}</ul>`)}</div></dialog>`;
}
