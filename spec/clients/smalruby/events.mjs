// Events as the editor sends and replays them.

const QUEUE = 100; // events that wait to be sent
const WINDOW_MS = 33; // of events' time that one frame replays

/** Events that wait for the next batch. */
export class EventQueue {
  #events = [];
  #count = 0;

  /** Begins to count anew, as in a new group. */
  restart() {
    this.#count = 0;
  }

  /** An event that waits already is not queued twice; the oldest makes place. */
  push(eventName, payload = "") {
    if (this.#events.some((event) => event.eventName === eventName && event.payload === payload)) return;
    if (this.#events.length >= QUEUE) this.#events.shift();
    const now = new Date();
    this.#events.push({ eventName, payload, firedAt: now.toISOString(), orderKey: this.#orderKey(now) });
  }

  takeAll = () => this.#events.splice(0);

  /** Local time and a counter, such as 20260401093000-0000001. */
  #orderKey(now) {
    const two = (number) => String(number).padStart(2, "0");
    const parts = [now.getMonth() + 1, now.getDate(), now.getHours(), now.getMinutes(), now.getSeconds()];
    this.#count += 1;
    return `${now.getFullYear()}${parts.map(two).join("")}-${String(this.#count).padStart(7, "0")}`;
  }
}

/** By time, then by orderKey; else as they came. */
function inOrder(one, other) {
  const apart = Date.parse(one.timestamp) - Date.parse(other.timestamp);
  if (apart !== 0) return apart;
  if (!one.orderKey || !other.orderKey || one.orderKey === other.orderKey) return 0;
  return one.orderKey < other.orderKey ? -1 : 1;
}

/** Received events that are replayed at the distances at which they were fired. */
export class Replay {
  #waiting = []; // {event, offset}
  #began;

  clear() {
    this.#waiting = [];
    this.#began = undefined;
  }

  push(events) {
    const sorted = events.toSorted(inOrder);
    for (const event of sorted) {
      this.#waiting.push({ event, offset: Date.parse(event.timestamp) - Date.parse(sorted[0].timestamp) });
    }
    this.#began ??= Date.now();
  }

  /** The events of this frame: those that are due, of 33 ms of their time at most. */
  frame() {
    if (this.#waiting.length === 0) this.#began = undefined;
    const elapsed = Date.now() - (this.#began ?? Date.now());
    const end = Math.min(elapsed, (this.#waiting[0]?.offset ?? 0) + WINDOW_MS - 1);
    const later = this.#waiting.findIndex(({ offset }) => offset > end);
    return this.#waiting.splice(0, later < 0 ? this.#waiting.length : later).map(({ event }) => event);
  }
}
