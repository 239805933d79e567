// Starts scripts when events arrive.
import { ID } from "./blocks";
import type { Runtime, Target, Thread } from "./scratch";

/** Events that wait for their turn; past them, the oldest is dropped. */
const WAITING_MAX = 1_000;
/** Events of one frame: each is compared with every hat of every clone. */
const FRAME_MAX = 50;
/** For how long an editor that asks for each hat sees an event, and then none of the same name. */
const SHOWN_MS = 100;

/** An event of another project. */
export interface Arrived {
  name: string;
  payload: string;
  sender: string;
}

/** The name as hats compare it. */
const nameOf = ({ name }: Arrived) => name.toUpperCase();

function bounded(queue: Arrived[], event: Arrived) {
  queue.push(event);
  if (queue.length > WAITING_MAX) queue.shift();
}

/**
 * Starts hats in the VM. A hat that is started twice within a frame runs once, so a second event of a
 * name waits for the next frame, with all that follow it.
 */
export class VmHats {
  #queue: Arrived[] = [];
  #ofThreads = new WeakMap<Thread, Arrived>();

  constructor(
    readonly runtime: Runtime,
    readonly startHats: Runtime["startHats"],
  ) {}

  add = (event: Arrived) => bounded(this.#queue, event);

  /** The event that started a script. */
  of = (thread: Thread | undefined) => thread && this.#ofThreads.get(thread);

  /** At the begin of each frame. */
  step() {
    const started = new Set<string>();
    while (this.#queue[0] && started.size < FRAME_MAX && !started.has(nameOf(this.#queue[0]))) {
      const event = this.#queue.shift()!;
      started.add(nameOf(event));
      this.#start("event_whenbroadcastreceived", "BROADCAST_OPTION", event);
      this.#start(`${ID}_whenEvent`, "TEXT", event);
    }
  }

  #start(opcode: string, field: string, event: Arrived) {
    for (const target of [...this.runtime.targets]) {
      for (const thread of this.#startIn(target, opcode, { [field]: event.name })) this.#ofThreads.set(thread, event);
    }
  }

  #startIn(target: Target, opcode: string, fields: Record<string, string>): Thread[] {
    try {
      return this.startHats.call(this.runtime, opcode, fields, target) ?? [];
    } catch {
      return []; // a sprite in which a hat's name is a block: the VM cannot compare that
    }
  }
}

/** For an editor that asks for each hat whether its event is there: it starts when that turns true. */
export class AskedHats {
  #queues = new Map<string, { events: Arrived[]; until: number }>();

  constructor(readonly onShown: (event: Arrived) => void) {}

  add(event: Arrived) {
    const queue = this.#queues.get(nameOf(event));
    // No hat has asked for this name: nothing would empty its queue.
    if (queue) bounded(queue.events, event);
    else this.onShown(event);
  }

  isUp(name: string, now = Date.now()): boolean {
    const key = name.toUpperCase();
    const queue = this.#queues.get(key) ?? { events: [], until: 0 };
    if (!this.#queues.has(key) && this.#queues.size < WAITING_MAX) this.#queues.set(key, queue);
    // It was shown, and then for as long was not.
    if (now >= queue.until + SHOWN_MS && queue.events.length > 0) {
      queue.until = now + SHOWN_MS;
      this.onShown(queue.events.shift()!);
    }
    return now < queue.until;
  }
}
