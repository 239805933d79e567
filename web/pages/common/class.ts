// What a page knows of a group: its variables with their course, its newest events, its members.
import type { Member, MeshEvent, Status } from "../../../clients/js/src";
import { labelOf } from "./code";

/** Events that are shown. */
const EVENTS = 200;
/** Variables that are kept: more than a class has, and few enough to show. */
const VARIABLES = 1_000;
/** Characters of a value or an event that are shown. */
const SHOWN = 200;
/** Values of a variable in its sparkline. */
const POINTS = 60;
/** Over how many seconds rates are averaged. */
const RATE_SECONDS = 10;

/** What the pages send and show in a way of their own. */
export const CHAT = "chat";
export const BUZZ = "buzz";

export interface Variable {
  nodeId: string;
  key: string;
  value: string;
  timestamp: string;
  points: number[];
  /** When it arrived, by this machine's clock. */
  at: number;
}

export interface SeenEvent extends MeshEvent {
  number: number;
  /** When it arrived, by this machine's clock. */
  at: number;
}

/** Pupil 2 comes before pupil 10. */
const byName = new Intl.Collator(undefined, { numeric: true });

/** A text as far as it is shown: a project may send a whole picture in one. */
export const shown = (text: string | null) => (text && text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : (text ?? ""));

/** How often something happens, from a count for each of the last seconds. */
class Rate {
  #counts = new Map<number, number>();

  count(times: number) {
    const second = Math.floor(Date.now() / 1_000);
    this.#counts.set(second, (this.#counts.get(second) ?? 0) + times);
    for (const old of this.#counts.keys()) if (old <= second - RATE_SECONDS) this.#counts.delete(old);
  }

  perSecond(): number {
    this.count(0);
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0) / RATE_SECONDS;
  }
}

export class ClassState {
  readonly reports = new Rate();
  readonly fires = new Rate();
  variables = new Map<string, Variable>();
  events: SeenEvent[] = [];
  members: Member[] = [];
  #count = 0;

  nameOf(nodeId: string): string {
    return this.members.find(({ id }) => id === nodeId)?.nickname || labelOf(nodeId);
  }

  knows = (nodeId: string) => this.members.some(({ id }) => id === nodeId);

  /** All variables, read since then: the course of those that stay is kept, and what came meanwhile. */
  snapshot(statuses: Status[], since: number) {
    const former = this.variables;
    this.variables = new Map([...former].filter(([, { at }]) => at >= since));
    for (const status of statuses) {
      for (const { key } of status.data) {
        const name = JSON.stringify([status.nodeId, key]);
        const known = former.get(name);
        if (known) this.variables.set(name, known);
      }
    }
    for (const status of statuses) this.#write(status);
  }

  report(status: Status) {
    this.reports.count(1);
    this.#write(status);
  }

  #write({ nodeId, data, timestamp }: Status) {
    for (const { key, value } of data) {
      const name = JSON.stringify([nodeId, key]);
      const known = this.variables.get(name);
      if (known ? known.timestamp >= timestamp : this.variables.size >= VARIABLES) continue;
      const points = known?.points ?? [];
      const number = value.trim() === "" ? NaN : Number(value);
      if (Number.isFinite(number)) points.push(number);
      if (points.length > POINTS) points.shift();
      this.variables.set(name, { nodeId, key, value, timestamp, points, at: Date.now() });
    }
  }

  fired(events: MeshEvent[]) {
    const at = Date.now();
    this.fires.count(events.length);
    for (const event of events) this.events.push({ ...event, at, number: ++this.#count });
    this.events.splice(0, this.events.length - EVENTS);
  }

  chat = () => this.events.filter(({ name }) => name === CHAT);

  sorted(): Variable[] {
    const order = (it: Variable) => `${this.nameOf(it.nodeId)}\n${it.nodeId}\n${it.key}`;
    return [...this.variables.values()].sort((a, b) => byName.compare(order(a), order(b)));
  }

  sortedMembers(): Member[] {
    return [...this.members].sort((a, b) => byName.compare(this.nameOf(a.id), this.nameOf(b.id)));
  }
}
