// What happens in a group, as it comes: over a WebSocket, or by polling where none gets through.
import { type Api, ApiError } from "./api";
import { POLL, STATUSES, SUBSCRIBE } from "./documents";
import { type Position, subscribe } from "./socket";

/** Connections that fail in a row before the page polls. */
const TRIES = 2;
/** How long a polling page waits until it tries a WebSocket again. */
const AGAIN_MS = 60_000;
const POLL_MS = 2_000;
/** Pauses between connections, with as much jitter: a class reconnects together. */
const PAUSES_MS = [500, 1_000, 2_000, 4_000, 8_000];
/** The clock of the first poll may be off by the second to which it is known. */
const POLL_MARGIN_MS = 2_000;

export interface GroupRef {
  id: string;
  domain: string;
}

export interface Status {
  nodeId: string;
  data: { key: string; value: string }[];
  timestamp: string;
}

export interface FeedEvent {
  name: string;
  payload: string | null;
  timestamp: string;
  firedByNodeId: string;
}

interface Message {
  nodeStatus: Status | null;
  batchEvent: { firedByNodeId: string; events: Omit<FeedEvent, "firedByNodeId">[] } | null;
  groupDissolve: { message: string } | null;
}

export type Transport = "connecting" | "WebSocket" | "polling";

export interface FeedHandlers {
  onTransport(transport: Transport): void;
  /** All variables of the group, as they were at some time since then. */
  onSnapshot(statuses: Status[], since: number): void;
  onStatus(status: Status): void;
  onEvents(events: FeedEvent[]): void;
  onEnd(): void;
  onRefused(type: string): void;
}

export class Feed {
  #stop = () => {};
  #stopped = false;
  #failures = 0;
  #position: Position = {};
  /** Counts the times that the page began to poll; 0 while it does not. */
  #polling = 0;
  #polls = 0;
  #cursor = "";

  constructor(
    readonly api: Api,
    readonly group: GroupRef,
    readonly handlers: FeedHandlers,
  ) {}

  start() {
    this.handlers.onTransport("connecting");
    this.#connect();
  }

  stop() {
    this.#stopped = true;
    this.#polling = 0;
    this.#stop();
  }

  /** Reads all variables. */
  async refresh() {
    const since = Date.now();
    try {
      const variables = { groupId: this.group.id, domain: this.group.domain };
      const { listGroupStatuses } = await this.api.call<{ listGroupStatuses: Status[] }>(STATUSES, variables);
      if (!this.#stopped) this.handlers.onSnapshot(listGroupStatuses, since);
    } catch {
      // The next message or connection brings them.
    }
  }

  #connect() {
    if (this.#stopped) return;
    const variables = { groupId: this.group.id, domain: this.group.domain };
    this.#stop = subscribe(this.api, SUBSCRIBE, variables, this.#position, {
      onReady: () => {
        this.#failures = 0;
        this.#polling = 0;
        this.handlers.onTransport("WebSocket");
      },
      onGap: () => void this.refresh(),
      onMessage: (message) => this.#received(message as Message),
      onRefused: (type) => this.handlers.onRefused(type),
      onClosed: () => this.#lost(),
    });
  }

  #lost() {
    if (this.#stopped) return;
    this.#failures += 1;
    if (this.#failures >= TRIES && !this.#polling) {
      this.#polling = ++this.#polls;
      this.handlers.onTransport("polling");
      void this.#poll(this.#polling);
    } else if (!this.#polling) this.handlers.onTransport("connecting");
    const pause = this.#polling ? AGAIN_MS : PAUSES_MS[Math.min(this.#failures, PAUSES_MS.length) - 1]!;
    const timer = setTimeout(() => this.#connect(), pause * (1 + Math.random()));
    this.#stop = () => clearTimeout(timer);
  }

  #received({ nodeStatus, batchEvent, groupDissolve }: Message) {
    if (nodeStatus) this.handlers.onStatus(nodeStatus);
    if (batchEvent) {
      const { firedByNodeId, events } = batchEvent;
      this.handlers.onEvents(events.map((event) => ({ ...event, firedByNodeId })));
    }
    if (groupDissolve) this.handlers.onEnd();
  }

  async #poll(turn: number) {
    this.#cursor = new Date(this.api.now() - POLL_MARGIN_MS).toISOString();
    while (this.#polling === turn) {
      const since = Date.now();
      try {
        const variables = { groupId: this.group.id, domain: this.group.domain, since: this.#cursor };
        const { pollGroupData } = await this.api.call<{
          pollGroupData: { events: (FeedEvent & { cursor: string })[]; nodeStatuses: Status[] };
        }>(POLL, variables);
        if (this.#polling !== turn) return;
        const { events, nodeStatuses } = pollGroupData;
        this.#cursor = events[events.length - 1]?.cursor ?? this.#cursor;
        this.handlers.onSnapshot(nodeStatuses, since);
        if (events.length > 0) this.handlers.onEvents(events);
      } catch (error) {
        if (error instanceof ApiError) this.handlers.onRefused(error.type);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}
