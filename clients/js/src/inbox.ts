// Brings messages and polled events into one order, each once.
import { Delivered, type Source } from "./delivered.js";
import type { Message } from "./link.js";
import type { PolledEvent, Status } from "./types.js";

/** Messages that wait while missed events are read. */
const HELD_MAX = 10_000;

export interface MeshEvent {
  name: string;
  payload: string;
  /** Who fired it. */
  nodeId: string;
  /** The server's time. */
  timestamp: string;
}

export interface InboxHandlers {
  onStatus(status: Status): void;
  onEvents(events: MeshEvent[]): void;
  onEnd(message: string): void;
}

export class Inbox {
  #delivered = new Delivered();
  #held?: Message[];

  constructor(
    readonly handlers: InboxHandlers,
    /** Notes where a poll would go on. */
    readonly onTime: (timestamp: string) => void,
  ) {}

  /** Messages wait until `release`: what is polled meanwhile comes before them. */
  hold() {
    this.#held ??= [];
  }

  release() {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const message of held) this.receive(message);
  }

  receive(message: Message) {
    if (this.#held && this.#held.length < HELD_MAX) return void this.#held.push(message);
    if (this.#held) this.release();
    const { nodeStatus, batchEvent, groupDissolve } = message;
    if (nodeStatus) this.handlers.onStatus(nodeStatus);
    if (batchEvent) {
      const { firedByNodeId, timestamp, events } = batchEvent;
      this.#deliver("link", events.map((event) => ({ ...event, firedByNodeId, timestamp })));
      this.onTime(timestamp);
    }
    if (groupDissolve) this.handlers.onEnd(groupDissolve.message);
  }

  poll(events: PolledEvent[]) {
    this.#deliver("poll", events);
  }

  #deliver(source: Source, events: Omit<PolledEvent, "cursor">[]) {
    const found: MeshEvent[] = [];
    for (const { name, payload, firedByNodeId, timestamp, orderKey } of events) {
      // Only in polls does an empty payload differ from none.
      const event = { name, payload: payload ?? "", nodeId: firedByNodeId, timestamp };
      if (this.#delivered.add(source, timestamp, JSON.stringify([event, orderKey || ""]))) found.push(event);
    }
    if (found.length > 0) this.handlers.onEvents(found);
  }
}
