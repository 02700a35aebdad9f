// What every view shares: the connection, who this box is, the time of the box, refusals.

import { computed, effect, signal } from "@preact/signals";
import { Refused, ask, liveAddress } from "./api.mjs";
import { Live } from "./live.mjs";
import { firstView } from "./route.mjs";
import { proposeLang } from "./settings.mjs";
import { readVocabulary } from "./vocabulary.mjs";
import { pick } from "./words.mjs";

export const live = new Live(liveAddress());
export const info = signal(null);
export const signedOut = signal(false);
export const tick = signal(Date.now()); // twice a second, for ages and bars

setInterval(() => { tick.value = Date.now(); }, 500);

export const mayOperate = computed(() => info.value?.access === "operator");
/** A plant alone: machines, and no gateway that collects from them. */
export const isPlant = computed(() => info.value?.role === "plant");
export const offered = computed(() => info.value?.views ?? ["overview"]);

/** What people call a production line; its name where it has no label. */
export const lineWord = (line) => pick(info.value?.lines?.[line], line ?? "");

/** The time of the box now; whoever asks is drawn again each second. */
export const boxNow = () => tick.value + live.clockOffset.value;

/** Milliseconds since a time of the box; null where there was none yet. Ages grow on a frozen page, too. */
export const ageOf = (timeMs) => (timeMs ? Math.max(0, boxNow() - timeMs) : null);

/** The state of a topic: undefined until its snapshot has come. */
export const topicState = (name) => live.topic(name).state.value;
export const topicError = (name) => live.topic(name).error.value;

/** Ask who this box is, until it answers. */
export async function introduce() {
  try {
    info.value = await ask("info");
    signedOut.value = false;
    if (info.value.views.length > 0 && !info.value.views.includes("overview")) firstView.value = info.value.views[0];
    proposeLang(info.value.lang);
    await readVocabulary();
  } catch (error) {
    if (error instanceof Refused && (error.status === 401 || error.status === 403)) signedOut.value = true;
    else setTimeout(introduce, 2000);
  }
}

/** No reader more is accepted, although the API answers. */
export const full = signal(false);

/** The socket was closed before its first message: the session has ended, or there are too many readers. */
effect(() => {
  if (!live.refused.value) {
    full.value = false;
    return;
  }
  ask("info").then(
    () => { full.value = live.refused.peek(); },
    (error) => { if (error instanceof Refused && error.status === 401) signedOut.value = true; },
  );
});

/** A request of a view: a session that has ended leads to the form, everything else to the caller. */
export async function request(path, options) {
  try {
    return await ask(path, options);
  } catch (error) {
    if (error instanceof Refused && error.status === 401) signedOut.value = true;
    throw error;
  }
}
