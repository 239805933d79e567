/**
 * Which events were delivered, so that none comes twice when the way by which they come changes:
 * over a subscription and in a poll, an event has the same time of the server, in one order.
 */
export class Delivered {
  /** The newest time, and how often each event of that time was delivered. */
  #newest = "";
  #counts = new Map<string, number>();
  /** What a former way delivered: all before this time, and these of it. */
  #until = "";
  #known = new Map<string, number>();

  /** From now on, events come another way, which may repeat some. */
  cross() {
    this.#until = this.#newest;
    this.#known = new Map(this.#counts);
  }

  /** Whether the event is a new one; it is known afterwards. */
  add(time: string, event: string): boolean {
    if (time < this.#until) return false;
    const known = time === this.#until ? (this.#known.get(event) ?? 0) : 0;
    if (known > 0) {
      this.#known.set(event, known - 1);
      return false;
    }
    if (time > this.#newest) {
      this.#newest = time;
      this.#counts.clear();
    }
    if (time === this.#newest) this.#counts.set(event, (this.#counts.get(event) ?? 0) + 1);
    return true;
  }
}
