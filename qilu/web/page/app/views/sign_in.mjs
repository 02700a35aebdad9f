// The form for a token: a page without a session shows nothing else.

import { useState } from "preact/hooks";
import { ask } from "../api.mjs";
import { html } from "../html.mjs";
import { live } from "../app.mjs";
import { chooseLang, lang } from "../settings.mjs";
import { say } from "../words.mjs";

export function SignIn({ done }) {
  const [fault, setFault] = useState("");
  const [busy, setBusy] = useState(false);
  const enter = async (event) => {
    event.preventDefault();
    const token = event.target.elements.token.value.trim();
    setBusy(true);
    try {
      await ask("session", { method: "POST", body: { token } });
      await done();
      live.socket?.close();
    } catch (error) {
      setFault([error.message, error.remedy].filter(Boolean).join(" "));
    }
    setBusy(false);
  };
  const [before, after] = say("refused.text", "\u0000").split("\u0000");
  return html`<main class="sign-in" id="content"><form onSubmit=${enter}>
    <h1>Qilu · ${say("refused.title")}</h1>
    <p>${before}<code>qilu console token viewer</code>${after}</p>
    <label for="token">${say("refused.token")}</label>
    <input id="token" name="token" type="password" autocomplete="off" required autofocus />
    ${fault && html`<p class="refusal" role="alert">${fault}</p>`}
    <div class="row"><button class="button strong" disabled=${busy}>${say("refused.enter")}</button>
    <button type="button" class="button" onClick=${() => chooseLang(lang.value === "zh" ? "en" : "zh")}>${say("lang.other")}</button></div>
  </form></main>`;
}
