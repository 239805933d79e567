// The pace of reports: one in flight, an interval between two, what waits is merged by its key.
import { setTimeout as sleep } from "node:timers/promises";

export class Reporter {
  #waiting; // {items, promise, resolve, reject}
  #lastSent = 0;
  #isBusy = false;

  /** `send(items)` sends a report. */
  constructor(interval, send) {
    Object.assign(this, { interval, send });
  }

  /** Resolves once a report with these items is answered. */
  report(items) {
    this.#waiting ??= pending();
    for (const item of items) {
      this.#waiting.items.delete(item.key);
      this.#waiting.items.set(item.key, item);
    }
    const { promise } = this.#waiting;
    this.#flush();
    return promise;
  }

  async #flush() {
    if (this.#isBusy) return;
    this.#isBusy = true;
    while (this.#waiting) {
      await sleep(Math.max(0, this.#lastSent + this.interval - Date.now()));
      const { items, resolve, reject } = this.#waiting;
      this.#waiting = undefined;
      try {
        const answer = await this.send([...items.values()]);
        this.#lastSent = Date.now();
        resolve(answer);
      } catch (error) {
        reject(error);
      }
    }
    this.#isBusy = false;
  }
}

function pending() {
  const waiting = { items: new Map() };
  waiting.promise = new Promise((resolve, reject) => Object.assign(waiting, { resolve, reject }));
  return waiting;
}
