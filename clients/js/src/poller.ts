// Reads a group's events and variables again and again.
import { MeshError } from "./errors.js";
import type { Mesh } from "./mesh.js";
import { sleep } from "./timing.js";
import type { GroupRef, PolledEvent, Status } from "./types.js";

const POLL_MS = 2_000;
/** The most events of one answer: when there are as many, there may be more. */
const PAGE = 100;
/** Answers that are read in a row. */
const PAGES = 50;

export interface PollHandlers {
  onSnapshot(statuses: Status[], since: number): void;
  onEvents(events: PolledEvent[]): void;
  onRefused(error: MeshError): void;
  /** Whether the server answers, when that changes. */
  onReached(isReached: boolean): void;
}

export class Poller {
  /** Counts the times that it was started; 0 while it is not. */
  #running = 0;
  #starts = 0;
  #since = "";
  /** Polls run one after the other. */
  #last: Promise<Error | undefined> = Promise.resolve(undefined);

  constructor(
    readonly mesh: Mesh,
    readonly group: GroupRef,
    readonly handlers: PollHandlers,
  ) {}

  /** The next poll reads the events of this time and later ones. */
  goOnAfter(time: string) {
    this.#since = `EVENT#${time}`;
  }

  start() {
    void this.#run((this.#running = ++this.#starts));
  }

  stop() {
    this.#running = 0;
  }

  /** Reads what there is since the last event. The answer is the error that ended it, if any. */
  poll(): Promise<Error | undefined> {
    return (this.#last = this.#last.then(() => this.#try(() => this.#read())));
  }

  /** Polls and delivers nothing: the server keeps events for a minute after it. */
  probe(): Promise<Error | undefined> {
    return this.#try(() => this.#page());
  }

  async #run(start: number) {
    for (let wasReached = true; this.#running === start; await sleep(POLL_MS)) {
      const isReached = isAnswer(await this.poll());
      if (isReached !== wasReached && this.#running === start) this.handlers.onReached(isReached);
      wasReached = isReached;
    }
  }

  async #read() {
    for (let pages = 0, count = PAGE; pages < PAGES && count >= PAGE; pages += 1) {
      const began = Date.now();
      const { events, nodeStatuses } = await this.#page();
      this.#since = events[events.length - 1]?.cursor ?? this.#since;
      // A node's variables come before the event that it fired after them.
      this.handlers.onSnapshot(nodeStatuses, began);
      if (events.length > 0) this.handlers.onEvents(events);
      count = events.length;
    }
  }

  #page() {
    const { groupId, domain } = this.group;
    return this.mesh.call("pollGroupData", { groupId, domain, since: this.#since });
  }

  async #try(read: () => Promise<unknown>): Promise<Error | undefined> {
    try {
      await read();
      return undefined;
    } catch (error) {
      if (error instanceof MeshError) this.handlers.onRefused(error);
      return error as Error;
    }
  }
}

/** Whether the server answered: a refusal is an answer too. */
export const isAnswer = (error: Error | undefined) => !error || error instanceof MeshError;
