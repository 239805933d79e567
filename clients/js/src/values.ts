import type { Status } from "./types.js";

/** Variables that are kept: more than a class has. */
const VALUES_MAX = 10_000;

export interface Value {
  key: string;
  value: string;
  /** Who wrote it. */
  nodeId: string;
  /** When, by the server's clock. */
  timestamp: string;
}

/** The variables of a group, each with its newest value. */
export class Values {
  /** Of each variable's name, of all nodes. */
  readonly newest = new Map<string, Value>();
  #ofNodes = new Map<string, Value & { at: number }>();

  constructor(readonly onValue: (value: Value) => void) {}

  of(key: string, nodeId?: string): Value | undefined {
    return nodeId === undefined ? this.newest.get(key) : this.#ofNodes.get(JSON.stringify([nodeId, key]));
  }

  add({ nodeId, data, timestamp }: Status) {
    const isOld = (known: Value) => known.timestamp > timestamp;
    for (const { key, value } of data) {
      const name = JSON.stringify([nodeId, key]);
      const known = this.#ofNodes.get(name);
      if (!known && this.#ofNodes.size >= VALUES_MAX) continue;
      if (known && (isOld(known) || (known.timestamp === timestamp && known.value === value))) continue;
      const found = { key, value, nodeId, timestamp, at: Date.now() };
      this.#ofNodes.set(name, found);
      const newest = this.newest.get(key);
      if (!newest || !isOld(newest)) this.newest.set(key, found);
      this.onValue(found);
    }
  }

  /** All variables, as read since then: what is not among them, and did not come meanwhile, is gone. */
  replace(statuses: Status[], since: number) {
    const present = new Set(statuses.flatMap(({ nodeId, data }) => data.map(({ key }) => JSON.stringify([nodeId, key]))));
    const gone = [...this.#ofNodes].filter(([name, { at }]) => at < since && !present.has(name));
    for (const [name, value] of gone) {
      this.#ofNodes.delete(name);
      if (this.newest.get(value.key) === value) this.#findNewest(value.key);
    }
    for (const status of statuses) this.add(status);
  }

  #findNewest(key: string) {
    this.newest.delete(key);
    for (const value of this.#ofNodes.values()) {
      if (value.key === key && (this.newest.get(key)?.timestamp ?? "") <= value.timestamp) this.newest.set(key, value);
    }
  }
}
