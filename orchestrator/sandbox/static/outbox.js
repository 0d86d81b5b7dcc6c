// Messages on their way from the phones: one after the other for each phone, as a phone sends.

import * as api from "./api.js";
import { keep, kept } from "./kept.js";
import * as model from "./model.js";

export class Outbox {
  #items = kept("outgoing", []).map((item) => ({
    ...item,
    reason: item.reason ?? "the page was reloaded meanwhile; it may have arrived",
  }));
  #lines = new Map();
  #published;
  #onChange;
  #onSent;

  /**
   * `published(key, body)` counts the messages of a phone that say this; `onChange()` follows every change here,
   * `onSent()` (awaited) every message the sandbox has taken in.
   */
  constructor(published, onChange, onSent) {
    this.#published = published;
    this.#onChange = onChange;
    this.#onSent = onSent;
  }

  /** What this phone has not sent. A message that is published before its own answer comes is not shown twice. */
  of(phone) {
    const key = model.phoneKey(phone);
    const arrived = (item) => item.reason === null && this.#published(key, item.body) > item.before;
    return this.#items.filter((item) => item.key === key && !arrived(item));
  }

  send(phone, body) {
    const item = { id: crypto.randomUUID(), key: model.phoneKey(phone), phone, body };
    this.#start(item);
    this.#items.push(item);
    this.#changed();
  }

  retry(id) {
    this.#start(this.#items.find((item) => item.id === id));
    this.#changed();
  }

  discard(id) {
    this.#items = this.#items.filter((item) => item.id !== id);
    this.#changed();
  }

  #start(item) {
    const alike = (other) => other !== item && other.key === item.key && other.body === item.body && other.reason === null;
    item.before = this.#published(item.key, item.body) + this.of(item.phone).filter(alike).length;
    item.reason = null;
    const line = this.#lines.get(item.key) ?? Promise.resolve();
    this.#lines.set(item.key, line.then(() => this.#post(item)));
  }

  async #post({ id, phone, body }) {
    try {
      await api.sendInbound(phone.number, phone.channel, body);
    } catch (refused) {
      this.#items.find((item) => item.id === id).reason = reasonFor(refused);
      this.#changed();
      return;
    }
    await this.#onSent();
    this.discard(id);
  }

  #changed() {
    keep("outgoing", this.#items);
    this.#onChange();
  }
}

function reasonFor(refused) {
  if (refused.status === 409) return "the service rejected it";
  if (refused.status === 0) return "the sandbox did not answer; it may have arrived";
  return refused.message;
}
