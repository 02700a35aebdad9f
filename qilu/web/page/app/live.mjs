// One WebSocket for the page: subscribed topics, sequence numbers, silence, reconnect with jitter.

import { signal } from "@preact/signals";
import { applyChanges } from "./merge.mjs";

export const SILENCE_MS = 3000;
const GIVE_UP_MS = 9000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10000;

/** The state of the connection and of every subscribed topic, as signals. */
export class Live {
  constructor(address, { open = (url) => new WebSocket(url), now = Date.now, random = Math.random } = {}) {
    this.address = address;
    this.open = open;
    this.now = now;
    this.random = random;
    this.hello = signal(null);
    this.silence = signal(null); // {since_ms} while no message has come for SILENCE_MS
    this.clockOffset = signal(0); // clock of the box minus clock of the browser, in ms
    this.refused = signal(false); // the server closes before hello: signed out, or too many readers
    this.topics = new Map(); // name -> {seq, state: signal, error: signal, asked}
    this.wanted = [];
    this.failures = 0;
    this.heard = this.now();
    this.everHeard = false;
    this.socket = null;
  }

  start() {
    this.connect();
    this.timer = setInterval(() => this.watch(), 500);
  }

  topic(name) {
    if (!this.topics.has(name)) {
      this.topics.set(name, { seq: 0, state: signal(undefined), error: signal(null), asked: false });
    }
    return this.topics.get(name);
  }

  subscribe(names) {
    this.wanted = names;
    for (const name of [...this.topics.keys()]) if (!names.includes(name)) this.topics.delete(name);
    for (const name of names) this.topic(name);
    this.send({ subscribe: names });
  }

  send(message) {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(message));
  }

  connect() {
    const socket = this.open(this.address);
    this.socket = socket;
    this.opened = this.now();
    let greeted = false;
    socket.onopen = () => this.send({ subscribe: this.wanted });
    socket.onmessage = (event) => {
      greeted = true;
      this.receive(JSON.parse(event.data));
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.failures += 1;
      this.refused.value = !greeted && this.failures > 1;
      const delay = Math.min(FIRST_DELAY_MS * 2 ** (this.failures - 1), LONGEST_DELAY_MS);
      this.retry = setTimeout(() => this.connect(), delay * (0.5 + this.random() / 2));
    };
  }

  receive(message) {
    this.heard = this.now();
    this.everHeard = true;
    this.failures = 0;
    if (this.silence.value) this.silence.value = null;
    if (this.refused.value) this.refused.value = false;
    if (message.hello) {
      this.hello.value = message.hello;
      for (const topic of this.topics.values()) topic.seq = 0;
    }
    const time = message.now_ms ?? message.hello?.now_ms;
    if (time) this.setClock(time - this.heard);
    if (message.topic && this.topics.has(message.topic)) this.take(message, this.topics.get(message.topic));
  }

  setClock(offset) {
    // jitter of the line is no difference of clocks
    if (Math.abs(offset - this.clockOffset.value) > 400) this.clockOffset.value = offset;
  }

  take(message, topic) {
    if (message.error) {
      topic.error.value = message.error;
    } else if (message.snapshot !== undefined) {
      topic.asked = false;
      topic.seq = message.seq;
      topic.error.value = null;
      topic.state.value = message.snapshot;
    } else if (topic.state.value !== undefined && message.seq === topic.seq + 1) {
      topic.seq = message.seq;
      topic.state.value = applyChanges(topic.state.value, message.changes);
    } else if (!topic.asked) {
      topic.asked = true;
      this.send({ resync: message.topic });
    }
  }

  watch() {
    const silent = this.now() - this.heard;
    if (silent > SILENCE_MS && !this.silence.value) this.silence.value = { since_ms: this.heard };
    // a socket may stay open to a process that does not answer
    if (this.socket && silent > GIVE_UP_MS && this.now() - this.opened > GIVE_UP_MS) {
      const former = this.socket;
      former.onmessage = former.onclose = null;
      former.close();
      this.socket = null;
      this.connect();
    }
  }
}
