// What an editor receives from its group: by a subscription and resyncs, or by polling.
import { LIST_GROUP_STATUSES, ON_MESSAGE_IN_GROUP, POLL_GROUP_DATA } from "../common/documents.mjs";

export class Feed {
  /** What the next poll asks for: a cursor, or the time at which it connected. */
  cursor = "";
  /** How often a poll began before the one before was answered. */
  overlaps = 0;
  #polling = 0;
  #timer;
  #unsubscribe;

  /** `editor` has `client`, `group` and `log`; `take` gets statuses and lists of events. */
  constructor(editor, take) {
    Object.assign(this, { editor, take });
  }

  /** Subscribes, and asks for all statuses at an interval. */
  subscribe(interval) {
    const { client, group, log } = this.editor;
    this.#unsubscribe = client.listen(ON_MESSAGE_IN_GROUP, group, { receive: this.#receive, fail: log });
    this.#timer = setInterval(this.resync, interval);
  }

  /** Polls at an interval. A poll does not wait for the one before: both may have the same events. */
  poll(interval) {
    this.#timer = setInterval(this.#poll, interval);
  }

  stop() {
    this.#unsubscribe?.();
    clearInterval(this.#timer);
    this.#unsubscribe = undefined;
    this.cursor = "";
  }

  resync = () =>
    this.#asks(async () => {
      const { listGroupStatuses } = await this.editor.asks(LIST_GROUP_STATUSES, {});
      listGroupStatuses.forEach(this.take.status);
    });

  #poll = () =>
    this.#asks(async () => {
      this.cursor ||= new Date().toISOString();
      if (this.#polling > 0) this.overlaps += 1;
      this.#polling += 1;
      const polled = this.editor.asks(POLL_GROUP_DATA, { since: this.cursor });
      const { pollGroupData } = await polled.finally(() => (this.#polling -= 1));
      pollGroupData.nodeStatuses.forEach(this.take.status);
      this.take.events(pollGroupData.events);
      this.cursor = pollGroupData.events.at(-1)?.cursor || this.cursor;
    });

  /** A failure is only logged. */
  async #asks(run) {
    if (this.editor.group) await run().catch(this.editor.log);
  }

  #receive = (message) => {
    if (message?.nodeStatus) this.take.status(message.nodeStatus);
    else if (message?.batchEvent) this.take.events(message.batchEvent.events);
    else if (message?.groupDissolve) this.take.end();
  };
}
