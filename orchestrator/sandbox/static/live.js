// The stream of changes is a hint and the state is the truth: each change fetches the whole state again. The page is
// called live only while the stream is open and a state fetched since it opened has arrived.

import { fetchState } from "./api.js";

const AGAIN_MS = 1000;

export class Live {
  #onState;
  #onStatus;
  #stream = null;
  #running = Promise.resolve();
  #next = null;

  /** `onState(state)` gets every state; `onStatus` gets "live" or "reconnecting". */
  constructor(onState, onStatus) {
    this.#onState = onState;
    this.#onStatus = onStatus;
  }

  connect() {
    const stream = new EventSource("/sandbox/events");
    stream.addEventListener("open", () => {
      this.#stream = stream;
      this.refresh();
    });
    stream.addEventListener("change", () => this.refresh());
    stream.addEventListener("error", () => {
      // The browser gives up for good on some errors; opening anew treats all alike.
      stream.close();
      this.#stream = null;
      this.#onStatus("reconnecting");
      setTimeout(() => this.connect(), AGAIN_MS);
    });
  }

  /** Resolves after a fetch that began after this call; calls made during one fetch share the next. */
  refresh() {
    this.#next ??= this.#running.then(() => {
      this.#running = this.#next;
      this.#next = null;
      return this.#load();
    });
    return this.#next;
  }

  async #load() {
    const stream = this.#stream;
    let state;
    try {
      state = await fetchState();
    } catch {
      this.#onStatus("reconnecting");
      if (this.#stream) setTimeout(() => this.refresh(), AGAIN_MS);
      return;
    }
    this.#onState(state);
    if (stream && stream === this.#stream) this.#onStatus("live");
  }
}
