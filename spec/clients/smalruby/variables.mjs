// The variables of a group as the editor keeps them: per node and key, with the server's time.

export class Variables {
  #queued = new Map(); // own values as they were last queued
  #confirmed = new Map(); // and as the server last confirmed them
  #nodes = new Map(); // node → key → {value, time}

  constructor(ownId) {
    this.ownId = ownId;
  }

  clear() {
    for (const values of [this.#queued, this.#confirmed, this.#nodes]) values.clear();
  }

  /** The items that changed since they were queued; they can be read at once. */
  queue(items) {
    const changed = items.filter(({ key, value, isForced }) => isForced || this.#queued.get(key) !== value);
    for (const { key, value } of changed) {
      this.#queued.set(key, value);
      this.#of(this.ownId).set(key, { value, time: Date.now() });
    }
    return changed;
  }

  /** The items that the server does not have yet. */
  unconfirmed = (items) => items.filter(({ key, value, isForced }) => isForced || this.#confirmed.get(key) !== value);

  confirm(items) {
    for (const { key, value } of items) this.#confirmed.set(key, value);
  }

  /** Takes a status from a subscription, a poll or a list. An own value that is not the latest is stale. */
  take = ({ nodeId, data, timestamp }) => {
    const values = this.#of(nodeId);
    const time = Date.parse(timestamp);
    for (const { key, value } of data) {
      const isStale = nodeId === this.ownId && values.has(key) && values.get(key).value !== value;
      if (!isStale) values.set(key, { value, time });
    }
  };

  /** The newest value over all nodes. */
  read(key) {
    let newest = { time: 0 };
    for (const values of this.#nodes.values()) {
      const found = values.get(key);
      if (found && found.time > newest.time) newest = found;
    }
    return newest.value;
  }

  #of(nodeId) {
    if (!this.#nodes.has(nodeId)) this.#nodes.set(nodeId, new Map());
    return this.#nodes.get(nodeId);
  }
}
