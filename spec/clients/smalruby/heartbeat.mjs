// The heartbeats of an editor, and its timer to the end of its group.
import { RENEW_HEARTBEAT, SEND_MEMBER_HEARTBEAT } from "../common/documents.mjs";

export class Heartbeat {
  #seconds = { host: 60, member: 120 };
  #timer;
  #end;

  /** `editor` has `role`, `nodeId`, `asks`, `mayLeave` and `leave`. */
  constructor(editor) {
    this.editor = editor;
  }

  /** `answer` is that of createGroup or joinGroup. */
  start(answer) {
    this.#follows(answer);
    this.#restart();
    this.#waitsFor(answer.expiresAt);
  }

  stop() {
    clearInterval(this.#timer);
    clearTimeout(this.#end);
  }

  #follows({ heartbeatIntervalSeconds }) {
    const { role } = this.editor;
    const before = this.#seconds[role];
    this.#seconds[role] = heartbeatIntervalSeconds || before;
    return this.#seconds[role] !== before;
  }

  #restart() {
    clearInterval(this.#timer);
    const { role } = this.editor;
    this.#timer = setInterval(role === "host" ? this.#renew : this.#beat, this.#seconds[role] * 1_000);
  }

  #waitsFor(expiresAt) {
    clearTimeout(this.#end);
    this.#end = setTimeout(() => this.editor.leave(), Date.parse(expiresAt) - Date.now());
  }

  #renew = () =>
    this.#sends(async ({ asks, nodeId }) => {
      const { renewHeartbeat } = await asks(RENEW_HEARTBEAT, { hostId: nodeId });
      if (this.#follows(renewHeartbeat)) this.#restart();
      this.#waitsFor(renewHeartbeat.expiresAt);
    });

  /** Its answer has the member's end, not the group's: the timer stays. */
  #beat = () => this.#sends(({ asks, nodeId }) => asks(SEND_MEMBER_HEARTBEAT, { nodeId }));

  async #sends(run) {
    if (this.editor.group) await run(this.editor).catch(this.editor.mayLeave);
  }
}
