export type Source = "link" | "poll";

/**
 * Which events were delivered, so that none comes twice when the source changes: over a connection and in
 * a poll, an event has the same time of the server, in one order.
 */
export class Delivered {
  #source: Source = "link";
  /** The newest time, and how often each event of that time was delivered. */
  #newest = "";
  #all = new Map<string, number>();
  /** Of these, what came in polls and not over a connection. */
  #polled = new Map<string, number>();
  /** What this source may repeat: all before this time, and these of it. */
  #until = "";
  #repeated = new Map<string, number>();

  /** Whether the event is a new one; it is known afterwards. */
  add(source: Source, time: string, event: string): boolean {
    if (source !== this.#source) this.#cross(source);
    if (time < this.#until) return false;
    if (time === this.#until && take(this.#repeated, event)) return false;
    if (time > this.#newest) {
      this.#newest = time;
      this.#all.clear();
      this.#polled.clear();
    }
    if (time === this.#newest) {
      put(this.#all, event);
      if (source === "poll") put(this.#polled, event);
    }
    return true;
  }

  #cross(source: Source) {
    this.#source = source;
    this.#until = this.#newest;
    // A poll begins with all events of the newest time; a connection resumes after its own last one.
    this.#repeated = source === "poll" ? new Map(this.#all) : this.#polled;
  }
}

function put(counts: Map<string, number>, event: string) {
  counts.set(event, (counts.get(event) ?? 0) + 1);
}

function take(counts: Map<string, number>, event: string): boolean {
  const count = counts.get(event) ?? 0;
  if (count > 0) counts.set(event, count - 1);
  return count > 0;
}
