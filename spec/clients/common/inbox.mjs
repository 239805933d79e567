// What one subscriber received, in its order.
import { setTimeout as sleep } from "node:timers/promises";

export class Inbox {
  messages = [];
  failures = [];

  receive = (message) => this.messages.push(message);
  fail = (error) => this.failures.push(error);

  /** Waits for the first message that passes the check, and returns it. */
  async first(check, what, patience = 10_000) {
    const deadline = Date.now() + patience;
    for (;;) {
      const found = this.messages.find(check);
      if (found) return found;
      if (this.failures.length > 0) throw new Error(`waiting for ${what}: the subscription failed: ${say(this.failures[0])}`);
      if (Date.now() > deadline) {
        const last = this.messages.slice(-5).map((message) => JSON.stringify(message));
        throw new Error(`did not receive ${what}; received ${this.messages.length} messages, the last: ${last.join("\n") || "none"}`);
      }
      await sleep(10);
    }
  }
}

/** An error of any client, as text. */
export function say(error) {
  if (error instanceof Error) return `${error.name}: ${error.message}`;
  return JSON.stringify(error) ?? String(error);
}

/** The value of the variable that this node reported with this message, if it did. */
export function reported(message, nodeId, key) {
  if (message.nodeStatus?.nodeId !== nodeId) return undefined;
  return message.nodeStatus.data.find((item) => item.key === key)?.value;
}

/** The names of the events that this node fired with this message. */
export function fired(message, nodeId) {
  return (message.batchEvent?.events ?? []).filter((event) => event.firedByNodeId === nodeId).map((event) => event.name);
}

/** A copy without the `__typename`s that some clients ask for. */
export function plain(value) {
  return JSON.parse(JSON.stringify(value, (key, inner) => (key === "__typename" ? undefined : inner)));
}
