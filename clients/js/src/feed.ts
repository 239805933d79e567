// What happens in a group, as it comes: over a WebSocket, over SSE, or by polling where neither gets through.
import { type MeshError, NetworkError } from "./errors.js";
import { Inbox, type MeshEvent } from "./inbox.js";
import type { OpenLink, Position } from "./link.js";
import type { Mesh } from "./mesh.js";
import { isAnswer, Poller } from "./poller.js";
import { openSocket } from "./socket.js";
import { openStream } from "./stream.js";
import { jittered, pauseAfter, sleep } from "./timing.js";
import type { GroupRef, Status } from "./types.js";

/** How messages come now. */
export type Connection = "connecting" | "websocket" | "sse" | "polling";

export interface FeedHandlers {
  onConnection(connection: Connection): void;
  /** All variables of the group, as they were at some time since then. */
  onSnapshot(statuses: Status[], since: number): void;
  onStatus(status: Status): void;
  onEvents(events: MeshEvent[]): void;
  onEnd(message: string): void;
  onRefused(error: MeshError): void;
  /** Events may be missing: those of a break could not be read. */
  onMissed?(error: Error): void;
}

/** The ways of a subscription, the best first. */
const WAYS: { connection: Connection; open: OpenLink }[] = [
  { connection: "websocket", open: openSocket },
  { connection: "sse", open: openStream },
];
/** Failures in a row of a way that worked before, until the next one is tried; of one that never did, 1. */
const TRIES = 2;
/** How often the events of a break are asked for: over 7 to 15 s, of the minute for which the server keeps them. */
const CATCH_UP_TRIES = 5;

export class Feed {
  #isStopped = false;
  /** The way that is in use or being tried; past the last one, polling. */
  #way: number;
  #worked = new Set<number>();
  #failures = 0;
  /** Failures of this way while calls got through. */
  #blocked = 0;
  /** Whether the server itself wants the client to wait. */
  #isTooFast = false;
  #position: Position = {};
  #close = () => {};
  /** Another try of the better ways, while a lesser one is in use. */
  #again?: ReturnType<typeof setTimeout>;
  #closeAgain = () => {};
  #retry?: ReturnType<typeof setTimeout>;
  /** Counts the changes of the link, so that what began before a change does not go on after it. */
  #changes = 0;
  /** Counts the gaps: one catch-up, the last one, reads what is missing of all. */
  #gaps = 0;
  /** Whether messages may be missing if the next connection cannot resume. */
  #hasStarted = false;
  #inbox: Inbox;
  #poller: Poller;

  constructor(
    readonly mesh: Mesh,
    readonly group: GroupRef,
    readonly handlers: FeedHandlers,
  ) {
    this.#inbox = new Inbox(handlers, (timestamp) => this.#poller.goOnAfter(timestamp));
    this.#poller = new Poller(mesh, group, {
      onSnapshot: (statuses, since) => this.#isStopped || handlers.onSnapshot(statuses, since),
      onEvents: (events) => this.#isStopped || this.#inbox.poll(events),
      onRefused: (error) => this.#isStopped || handlers.onRefused(error),
      onReached: (isReached) => {
        handlers.onConnection(isReached ? "polling" : "connecting");
        if (isReached) this.#tryBetter(this.#best);
      },
    });
    this.#way = this.#best;
  }

  start() {
    this.#poller.goOnAfter(new Date(this.mesh.now()).toISOString());
    this.handlers.onConnection("connecting");
    this.#connect();
  }

  stop() {
    this.#isStopped = true;
    this.#poller.stop();
    clearTimeout(this.#retry);
    clearTimeout(this.#again);
    this.#close();
    this.#closeAgain();
  }

  /** Reads all variables. */
  async refresh() {
    const since = Date.now();
    try {
      const { groupId, domain } = this.group;
      const statuses = await this.mesh.call("listGroupStatuses", { groupId, domain });
      if (!this.#isStopped) this.handlers.onSnapshot(statuses, since);
    } catch {
      // The next message or connection brings them.
    }
  }

  #connect() {
    if (this.#isStopped) return;
    this.#close();
    const way = this.#way;
    if (way >= WAYS.length) return this.#startPolling();
    this.#close = this.#open(way, () => this.#use(way), () => void this.#lost());
  }

  #open(way: number, onReady: () => void, onClosed: () => void) {
    return WAYS[way]!.open(this.mesh, this.group, this.#position, {
      onReady,
      onClosed,
      onGap: () => void this.#catchUp(),
      onMessage: (message) => {
        this.#hasStarted = true;
        if (!this.#isStopped) this.#inbox.receive(message);
      },
      onRefused: (error) => {
        this.#isTooFast = error.type === "RateLimited";
        this.handlers.onRefused(error);
      },
    });
  }

  #use(way: number) {
    this.#changes += 1;
    clearTimeout(this.#retry);
    this.#failures = this.#blocked = 0;
    this.#worked.add(way);
    this.#poller.stop();
    this.#way = way;
    this.handlers.onConnection(WAYS[way]!.connection);
    if (way > this.#best) this.#tryBetterLater();
  }

  get #best() {
    return this.mesh.WebSocket ? 0 : 1;
  }

  async #lost() {
    if (this.#isStopped) return;
    const change = ++this.#changes;
    this.handlers.onConnection("connecting");
    // From now on the server keeps events: they are read if the next connection cannot resume, or if
    // there is none. If no call gets through either, the way is not the reason.
    this.#hasStarted = true;
    const isReached = isAnswer(await this.#poller.probe());
    if (this.#isStopped || change !== this.#changes) return;
    this.#failures += 1;
    this.#blocked = isReached && !this.#isTooFast ? this.#blocked + 1 : 0;
    this.#isTooFast = false;
    if (this.#blocked >= (this.#worked.has(this.#way) ? TRIES : 1)) {
      this.#failures = this.#blocked = 0;
      this.#way += 1;
      return this.#connect();
    }
    this.#retry = setTimeout(() => this.#connect(), pauseAfter(this.#failures));
  }

  #startPolling() {
    this.handlers.onConnection("polling");
    this.#poller.start();
    this.#tryBetterLater();
  }

  #tryBetterLater() {
    clearTimeout(this.#again);
    this.#again = setTimeout(() => this.#tryBetter(this.#best), jittered(this.mesh.tryBetterAfterMs));
  }

  /** Tries a better way beside the one in use, which goes on until the better one is ready. */
  #tryBetter(way: number) {
    if (this.#isStopped) return;
    clearTimeout(this.#again);
    this.#closeAgain();
    if (way >= this.#way) return this.#tryBetterLater();
    let isInUse = false;
    const close = this.#open(
      way,
      () => {
        isInUse = true;
        this.#close();
        this.#close = close;
        this.#closeAgain = () => {};
        this.#use(way);
      },
      () => (isInUse ? void this.#lost() : this.#tryBetter(way + 1)),
    );
    this.#closeAgain = close;
  }

  /** Reads what may be missing before the next message. */
  async #catchUp() {
    if (!this.#hasStarted) {
      this.#hasStarted = true;
      return this.refresh();
    }
    this.#inbox.hold();
    const gap = ++this.#gaps;
    for (let tries = 1; ; tries += 1) {
      const error = await this.#poller.poll();
      if (this.#isStopped || gap !== this.#gaps) return;
      if (error && tries < CATCH_UP_TRIES) {
        await sleep(pauseAfter(tries));
        continue;
      }
      if (error) this.handlers.onMissed?.(new NetworkError(`Events may be missing: ${error.message}`, { cause: error }));
      return this.#inbox.release();
    }
  }
}
