// What a session sends: one call at a time, in the order in which the program set and fired.
import { MeshError, NetworkError } from "./errors.js";
import { pauseAfter, sleep } from "./timing.js";
import type { EventInput, Variable } from "./types.js";

/** From the start of a call to the next: below the server's rate of a steady connection, 25 a second. */
const PACE_MS = 50;
/** For how long an event is sent again: after 10 s the server no longer knows that it has it. */
const EVENT_MS = 8_000;
/** Variables and events that wait. */
const WAITING_MAX = 2_000;
/** Variables or events of one call, and their characters: the server takes up to 64 KB of variables. */
const CALL_MAX = 100;
const CALL_CHARACTERS = 16_000;

interface Fired {
  input: EventInput;
  at: number;
  sent: (error?: Error) => void;
}

/** Variables that may go together, or events. */
type Job = { values: Map<string, string>; events?: undefined } | { events: Fired[]; values?: undefined };

export interface OutboxHandlers {
  report(data: Variable[]): Promise<unknown>;
  fire(events: EventInput[]): Promise<unknown>;
  /** The server's time. */
  now(): number;
  onError(error: Error): void;
}

export class Outbox {
  #jobs: Job[] = [];
  #waiting = 0;
  #isRunning = false;
  #isClosed = false;
  #orderKey = Date.now();

  constructor(readonly handlers: OutboxHandlers) {}

  /** Reports a variable. While it waits, a newer value takes its place. */
  set(key: string, value: string) {
    const last = this.#jobs[this.#jobs.length - 1];
    const values = last?.values ?? new Map<string, string>();
    if (!values.has(key) && !this.#admit()) return this.handlers.onError(full());
    values.set(key, value);
    if (!last?.values) this.#jobs.push({ values });
    void this.#run();
  }

  /** Fires an event, after all variables that were set before. */
  fire(eventName: string, payload: string): Promise<void> {
    const fired = new Promise<void>((resolve, reject) => {
      if (!this.#admit()) return reject(full());
      const orderKey = String(++this.#orderKey).padStart(16, "0");
      const input = { eventName, payload, firedAt: new Date(this.handlers.now()).toISOString(), orderKey };
      const sent = (error?: Error) => (error ? reject(error) : resolve());
      const last = this.#jobs[this.#jobs.length - 1];
      const one = { input, at: Date.now(), sent };
      if (last?.events) last.events.push(one);
      else this.#jobs.push({ events: [one] });
      void this.#run();
    });
    // A program that does not await it is notified by `onError`.
    fired.catch((error) => this.handlers.onError(error));
    return fired;
  }

  close() {
    this.#isClosed = true;
    this.#refuse(new NetworkError("The session has ended"), () => true);
    this.#jobs = [];
  }

  #admit() {
    if (this.#isClosed || this.#waiting >= WAITING_MAX) return false;
    this.#waiting += 1;
    return true;
  }

  async #run() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    await Promise.resolve(); // what is set in one go is one report
    for (let job = this.#next(); job; job = this.#next()) {
      const pace = sleep(PACE_MS);
      await (job.values ? this.#report(job.values) : this.#fire(job.events));
      await pace;
    }
    this.#isRunning = false;
  }

  /** As much as fits a call; the rest stays in its place. */
  #next(): Job | undefined {
    const job = this.#jobs[0];
    if (!job) return undefined;
    const items = job.values ? [...job.values] : job.events;
    let characters = 0;
    let count = 0;
    for (const item of items) {
      const texts = "input" in item ? [item.input.eventName, item.input.payload ?? ""] : item;
      characters += texts[0]!.length + texts[1]!.length;
      if (count > 0 && (characters > CALL_CHARACTERS || count >= CALL_MAX)) break;
      count += 1;
    }
    this.#waiting -= count;
    if (count === items.length) return this.#jobs.shift();
    if (job.events) return { events: job.events.splice(0, count) };
    const values = new Map([...job.values].slice(0, count));
    for (const key of values.keys()) job.values.delete(key);
    return { values };
  }

  async #report(values: Map<string, string>) {
    const data = [...values].map(([key, value]) => ({ key, value }));
    for (let failures = 1; !this.#isClosed; failures += 1) {
      try {
        return void (await this.handlers.report(data));
      } catch (error) {
        if (!mayRepeat(error) && !isPaused(error)) {
          if (!isPartly(error, data)) return this.handlers.onError(error as Error);
          for (const half of halves([...values])) await this.#report(new Map(half));
          return;
        }
        // In a pause events are refused; variables arrive when it ends.
        if (isPaused(error)) this.#refuse(error as Error, () => true);
        else this.#refuse(error as Error, ({ at }) => Date.now() - at > EVENT_MS);
        await sleep((error as MeshError).retryAfterMs ?? pauseAfter(failures));
      }
    }
  }

  async #fire(events: Fired[]) {
    const inputs = events.map(({ input }) => input);
    for (let failures = 1; ; failures += 1) {
      const error = await this.handlers.fire(inputs).then(
        () => undefined,
        (error: Error) => error,
      );
      if (isPartly(error, events)) {
        for (const half of halves(events)) await this.#fire(half);
        return;
      }
      const isOld = Date.now() - events[0]!.at > EVENT_MS;
      if (!error || !mayRepeat(error) || isOld || this.#isClosed) return events.forEach(({ sent }) => sent(error));
      await sleep(pauseAfter(failures));
    }
  }

  #refuse(error: Error, which: (event: Fired) => boolean) {
    for (const job of this.#jobs) {
      if (!job.events) continue;
      const refused = job.events.filter(which);
      job.events = job.events.filter((event) => !refused.includes(event));
      this.#waiting -= refused.length;
      for (const { sent } of refused) sent(error);
    }
    this.#jobs = this.#jobs.filter(({ events }) => events?.length !== 0);
  }
}

const full = () => new MeshError("LimitExceeded", "Too much is waiting to be sent, or the session has ended");

const isPaused = (error: unknown) => error instanceof MeshError && error.type === "Paused";

/** Whether one of several may be the reason: the server took none of them. */
const isPartly = (error: unknown, items: unknown[]) =>
  items.length > 1 && error instanceof MeshError && (error.type === "ValidationError" || error.type === "LimitExceeded");

const halves = <T>(items: T[]) => [items.slice(0, items.length / 2), items.slice(items.length / 2)];

/** Whether the call may arrive later, and does nothing if it did already. */
function mayRepeat(error: unknown): boolean {
  if (!(error instanceof MeshError)) return error instanceof NetworkError;
  return error.type === "RateLimited" || error.type === "InternalFailure";
}
