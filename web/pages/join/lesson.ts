// A pupil's part in a lesson: joins, stays, sends, and knows what the teacher did.
import { type Connection, Feed, type Group, type Mesh, MeshError, type MeshEvent, NetworkError, type Status } from "../../../clients/js/src";
import { BUZZ, CHAT, ClassState } from "../common/class";
import { inTab, randomHex } from "../common/kept";
import { Model } from "../common/model";

/** How often the group is looked at: what the teacher sets is in no message. */
const LOOK_MS = 5_000;
/** At each of so many looks at the group, all variables are read. */
const LOOKS_PER_REFRESH = 2;
/** How often the node says that it is there; the server may want it less often. */
const HEARTBEAT_MS = 12_000;
/** The fewest milliseconds between two reads of the members' names. */
const NAMES_MS = 3_000;

/** Why a pupil is in no lesson. */
export type Ending = "over" | "removed" | "left";
/** Why a call failed, as far as a pupil can do something about it. */
export type Trouble = "paused" | "muted" | "offline" | "locked" | "full" | "name" | "gone" | "busy" | "other";

/** The node of this tab for a code: a reload is the same node. */
interface Self {
  code: string;
  nodeId: string;
  nodeToken: string;
  nickname: string;
}

export function remembered(code: string): Self | undefined {
  const self = inTab.json<Self>("self");
  return self?.code === code ? self : undefined;
}

export const findGroup = (mesh: Mesh) => mesh.call("groupByJoinCode", { code: mesh.code ?? "" });

export class Lesson extends Model {
  readonly state = new ClassState();
  connection: Connection = "connecting";
  ending?: Ending;
  #feed: Feed;
  #timers: ReturnType<typeof setInterval>[] = [];
  /** Whether the server knows this member as one that polls. */
  #polls = false;
  #namesAt = 0;
  #looks = 0;
  #orderKey = Date.now();

  private constructor(
    readonly mesh: Mesh,
    public group: Group,
    readonly self: Self,
  ) {
    super();
    this.#feed = new Feed(mesh, ref(group), {
      onConnection: (connection) => this.#moved(connection),
      onSnapshot: (statuses, since) => this.#seen(statuses, () => this.state.snapshot(statuses, since)),
      onStatus: (status) => this.#seen([status], () => this.state.report(status)),
      onEvents: (events) => this.#fired(events),
      onEnd: () => this.#end("over"),
      onRefused: (error) => this.#refused(error),
    });
  }

  /** Joins the group of a code under a nickname. */
  static async join(mesh: Mesh, group: Group, nickname: string): Promise<Lesson> {
    const code = mesh.code ?? "";
    const known = remembered(code);
    const self = { nodeId: randomHex(8), nodeToken: randomHex(16), ...known, code, nickname };
    const lesson = new Lesson(mesh, group, self);
    await lesson.#join(true);
    inTab.setJson("self", self);
    lesson.#start();
    return lesson;
  }

  /** When the pause ends; undefined if there is none. */
  get pausedUntil(): number | undefined {
    const until = Date.parse(this.group.pausedUntil ?? "");
    return until > this.mesh.now() ? until : undefined;
  }

  buzz = () => this.#fire(BUZZ, "");
  say = (text: string) => this.#fire(CHAT, text);

  report = (key: string, value: string) =>
    this.#sent(this.mesh.call("reportDataByNode", { ...this.#self, data: [{ key, value }] }));

  async leave() {
    this.#end("left");
    await this.mesh.call("leaveGroup", this.#self).catch(() => {});
  }

  #join(useWebSocket: boolean) {
    return this.mesh.call("joinGroup", { ...this.#self, useWebSocket, nickname: this.self.nickname });
  }

  #start() {
    this.#timers.push(setInterval(() => void this.#look(), LOOK_MS));
    const beat = Math.min(HEARTBEAT_MS, (this.group.heartbeatIntervalSeconds ?? 15) * 1_000);
    this.#timers.push(setInterval(() => void this.#heartbeat(), beat));
    this.#feed.start();
    void this.#feed.refresh();
    void this.#names();
  }

  #end(why: Ending) {
    if (this.ending) return;
    this.ending = why;
    this.#feed.stop();
    this.#timers.forEach(clearInterval);
    inTab.remove("self");
    this.changed();
  }

  #moved(connection: Connection) {
    this.connection = connection;
    const polls = connection === "polling";
    // Events are kept for a member that polls, and only for such a one.
    if (connection !== "connecting" && polls !== this.#polls) {
      this.#polls = polls;
      this.#join(!polls).catch((error) => this.#failed(error));
    }
    this.changed();
  }

  #seen(statuses: Status[], write: () => void) {
    write();
    if (!statuses.every(({ nodeId }) => this.state.knows(nodeId))) void this.#names();
    this.changed();
  }

  #fired(events: MeshEvent[]) {
    // What is written while the chat is off does not appear afterwards.
    const shown = this.group.chatMuted ? events.filter(({ name }) => name !== CHAT) : events;
    this.state.fired(shown);
    if (!events.every(({ nodeId }) => this.state.knows(nodeId))) void this.#names();
    this.changed();
  }

  #refused({ type }: MeshError) {
    if (type === "GroupNotFound") this.#end("over");
    else if (type === "Unauthorized") this.#end("removed");
  }

  async #names() {
    if (Date.now() - this.#namesAt < NAMES_MS) return;
    this.#namesAt = Date.now();
    try {
      this.state.members = await this.mesh.call("listNodesInGroup", ref(this.group));
      this.changed();
    } catch {
      // Labels stand in for names until the next message.
    }
  }

  async #look() {
    try {
      const group = await findGroup(this.mesh);
      if (!group) return this.#end("over");
      this.group = group;
      this.changed();
      // No message says that the teacher cleared values or removed somebody's.
      if (++this.#looks % LOOKS_PER_REFRESH === 0) void this.#feed.refresh();
    } catch {
      // The next look may succeed; the connection shows what is wrong.
    }
  }

  async #heartbeat() {
    try {
      await this.mesh.call("sendMemberHeartbeat", this.#self);
    } catch (error) {
      // A member that was away too long is one again by joining.
      if (error instanceof MeshError && error.type === "NodeNotFound") {
        await this.#join(!this.#polls).catch((again) => this.#failed(again));
      } else this.#failed(error);
    }
  }

  #failed(error: unknown) {
    if (error instanceof MeshError) this.#refused(error);
  }

  async #fire(eventName: string, payload: string) {
    const orderKey = String(++this.#orderKey).padStart(16, "0");
    const events = [{ eventName, payload, firedAt: new Date(this.mesh.now()).toISOString(), orderKey }];
    const field = this.group.useWebSocket ? "fireEventsByNode" : "recordEventsByNode";
    return this.#sent(this.mesh.call(field, { ...this.#self, events }));
  }

  /** Undefined if it was sent, else why not. */
  async #sent(call: Promise<unknown>): Promise<Trouble | undefined> {
    try {
      await call;
      return undefined;
    } catch (error) {
      this.#failed(error);
      if (error instanceof MeshError && error.type === "Paused") void this.#look();
      return troubleOf(error);
    }
  }

  get #self() {
    const { nodeId, nodeToken } = this.self;
    return { ...ref(this.group), nodeId, nodeToken };
  }
}

const ref = ({ id, domain }: Group) => ({ groupId: id, domain });

export function troubleOf(error: unknown): Trouble {
  if (error instanceof NetworkError) return "offline";
  if (!(error instanceof MeshError)) return "other";
  switch (error.type) {
    case "Paused":
      return "paused";
    case "Locked":
      return "locked";
    case "LimitExceeded":
      return "full";
    case "RateLimited":
      return "busy";
    case "GroupNotFound":
    case "Unauthorized":
      return "gone";
    case "ValidationError":
      return error.message.includes("nickname") ? "name" : "other";
    default:
      return "other";
  }
}
