import { Emitter } from "./emitter.js";
import { MeshError } from "./errors.js";
import { type Connection, Feed, type MeshEvent } from "./feed.js";
import type { Mesh } from "./mesh.js";
import { Outbox } from "./outbox.js";
import { jittered } from "./timing.js";
import type { CreateGroup, Group, GroupRef, Member, Status } from "./types.js";
import { type Value, Values } from "./values.js";

/** How often a node says that it is there, at the latest; the server may want it more often. */
const HEARTBEAT_MS = 12_000;
/** The fewest milliseconds between two reads of the members. */
const MEMBERS_MS = 3_000;

/** Why a session ended: the group is over, its host removed this node, or the program left. */
export type Ending = "over" | "removed" | "left";

export interface SessionEvents {
  /** A variable has a newer value; the program's own included. */
  value: Value;
  /** An event was fired; the program's own included. */
  event: MeshEvent;
  /** Who is in the group was read again. */
  members: Member[];
  connection: Connection;
  end: Ending;
  /** What was sent did not arrive, and is not sent again. */
  error: Error;
}

interface Identity {
  /** The node's id and secret. With those of an earlier session, it is the same node. */
  nodeId?: string;
  nodeToken?: string;
}

export interface JoinOptions extends Identity {
  /** A name for others to read, of 1 to 20 characters. */
  nickname?: string;
}

export interface HostOptions extends Identity, Partial<Omit<CreateGroup, "hostId" | "hostToken">> {}

export class Session extends Emitter<SessionEvents> {
  connection: Connection = "connecting";
  ending?: Ending;
  members: Member[] = [];
  readonly nodeId: string;
  readonly #as: GroupRef & { nodeId: string; nodeToken: string };
  readonly #values = new Values((value) => this.emit("value", value));
  readonly #outbox: Outbox;
  readonly #feed: Feed;
  #heart?: ReturnType<typeof setTimeout>;
  #membersAt = 0;
  /** How the server knows that this member receives messages. */
  #joinedAs: Connection = "websocket";
  #isReady = () => {};
  readonly #ready = new Promise<void>((resolve) => (this.#isReady = resolve));

  private constructor(
    readonly mesh: Mesh,
    readonly group: Group,
    identity: Required<Identity>,
    /** Whether this is the group's host. */
    readonly isHost: boolean,
    readonly nickname?: string,
  ) {
    super();
    this.nodeId = identity.nodeId;
    this.#as = { groupId: group.id, domain: group.domain, ...identity };
    this.#outbox = new Outbox({
      report: (data) => this.#checked(mesh.call("reportDataByNode", { ...this.#as, data })),
      fire: (events) =>
        this.#checked(mesh.call(group.useWebSocket ? "fireEventsByNode" : "recordEventsByNode", { ...this.#as, events })),
      now: () => mesh.now(),
      onError: (error) => this.emit("error", error),
    });
    this.#feed = new Feed(mesh, this.#as, {
      onConnection: (connection) => this.#moved(connection),
      onSnapshot: (statuses, since) => this.#seen(statuses, () => this.#values.replace(statuses, since)),
      onStatus: (status) => this.#seen([status], () => this.#values.add(status)),
      onEvents: (events) => events.forEach((event) => this.emit("event", event)),
      onEnd: () => this.#end("over"),
      onRefused: (error) => this.#refused(error),
    });
  }

  static async join(mesh: Mesh, code: string, { nickname, ...identity }: JoinOptions): Promise<Session> {
    const group = await mesh.withCode(code).call("groupByJoinCode", { code });
    if (!group) throw new MeshError("GroupNotFound", "No group has this code");
    const session = new Session(mesh.withCode(group.joinCode ?? code), group, complete(identity), false, nickname);
    await session.#join(true);
    return session.#start();
  }

  static async host(mesh: Mesh, options: HostOptions): Promise<Session> {
    const { nodeId, nodeToken, ...wish } = options;
    const self = complete({ nodeId, nodeToken });
    const domain = wish.domain ?? (await mesh.call("createDomain"));
    const made = { name: "mesh", nameIsJoinCode: !wish.name, useWebSocket: true, ...wish, domain };
    const group = await mesh.call("createGroup", { ...made, hostId: self.nodeId, hostToken: self.nodeToken });
    return new Session(mesh.withCode(group.joinCode ?? undefined), group, self, true).#start();
  }

  /** The code by which others join. */
  get code(): string {
    return this.group.joinCode ?? this.mesh.code ?? "";
  }

  /** The newest value of each variable, whoever wrote it. */
  get values(): ReadonlyMap<string, Value> {
    return this.#values.newest;
  }

  /** The newest value of a variable; of one node's, if a node is named. */
  value(key: string, nodeId?: string): string | undefined {
    return this.#values.of(key, nodeId)?.value;
  }

  /** A node's nickname, or its id. */
  nameOf(nodeId: string): string {
    return this.members.find(({ id }) => id === nodeId)?.nickname || nodeId;
  }

  /** Shares a variable. Of many values in a row, the last one is sent. */
  set(key: string, value: string | number | boolean) {
    this.#outbox.set(key, String(value));
  }

  /** Fires an event, after the variables that were set before. */
  fire(name: string, payload: string | number = ""): Promise<void> {
    return this.#outbox.fire(name, String(payload));
  }

  ping = () => this.mesh.ping();

  /** Leaves the group; its host ends it for all. */
  async leave() {
    this.#end("left");
    await (this.isHost ? this.mesh.call("dissolveGroup", this.#asHost()) : this.mesh.call("leaveGroup", this.#as)).catch(
      () => {}, // it ends by itself
    );
  }

  // What only the host may (docs/api.md, Controls of a lesson).
  lock = (locked: boolean) => this.mesh.call("lockGroup", { ...this.#asHost(), locked });
  pause = (seconds: number) => this.mesh.call("pauseGroup", { ...this.#asHost(), seconds });
  mute = (muted: boolean) => this.mesh.call("muteChat", { ...this.#asHost(), muted });
  remove = (nodeId: string) => this.mesh.call("removeNode", { ...this.#asHost(), nodeId });
  clear = () => this.mesh.call("clearGroupData", this.#asHost());

  /** Reads who is in the group. */
  async readMembers() {
    this.#membersAt = Date.now();
    const { groupId, domain } = this.#as;
    this.members = await this.mesh.call("listNodesInGroup", { groupId, domain });
    if (!this.ending) this.emit("members", this.members);
  }

  #asHost() {
    const { groupId, domain, nodeId, nodeToken } = this.#as;
    return { groupId, domain, hostId: nodeId, hostToken: nodeToken };
  }

  #join(useWebSocket: boolean) {
    return this.mesh.call("joinGroup", { ...this.#as, useWebSocket, nickname: this.nickname });
  }

  /** When messages arrive, or will: whoever has the session misses none. */
  async #start(): Promise<this> {
    this.#feed.start();
    this.#beatLater();
    await Promise.all([this.#ready, this.readMembers().catch(() => {})]);
    return this;
  }

  #end(why: Ending) {
    if (this.ending) return;
    this.ending = why;
    this.#feed.stop();
    this.#outbox.close();
    clearTimeout(this.#heart);
    this.#isReady();
    this.emit("end", why);
  }

  #moved(connection: Connection) {
    if (connection === this.connection) return;
    // Events are kept for a member that polls, and only for such a one.
    const isOther = (connection === "polling") !== (this.#joinedAs === "polling");
    this.connection = connection;
    if (connection !== "connecting") {
      this.#isReady();
      if (isOther && !this.isHost) this.#checked(this.#join(connection !== "polling")).catch(() => {});
      this.#joinedAs = connection;
    }
    this.emit("connection", connection);
  }

  #seen(statuses: Status[], write: () => void) {
    write();
    const isKnown = (nodeId: string) => this.members.some(({ id }) => id === nodeId);
    const isNew = !statuses.every(({ nodeId }) => nodeId === this.nodeId || nodeId === this.group.hostId || isKnown(nodeId));
    if (isNew && Date.now() - this.#membersAt > MEMBERS_MS) this.readMembers().catch(() => {});
  }

  #refused({ type }: MeshError) {
    if (type === "GroupNotFound") this.#end("over");
    else if (type === "Unauthorized") this.#end("removed");
  }

  async #checked<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      if (error instanceof MeshError) this.#refused(error);
      throw error;
    }
  }

  #beatLater() {
    const most = (this.group.heartbeatIntervalSeconds ?? 15) * 1_000;
    this.#heart = setTimeout(() => void this.#beat(), Math.min(most, jittered(HEARTBEAT_MS / 2)));
  }

  async #beat() {
    try {
      if (this.isHost) await this.#checked(this.mesh.call("renewHeartbeat", this.#asHost()));
      else await this.#checked(this.mesh.call("sendMemberHeartbeat", this.#as));
      await this.readMembers();
    } catch (error) {
      // A member that was away too long is one again by joining.
      if (error instanceof MeshError && error.type === "NodeNotFound") {
        await this.#checked(this.#join(this.connection !== "polling")).catch(() => {});
      }
    }
    if (!this.ending) this.#beatLater();
  }
}

const complete = ({ nodeId = randomHex(16), nodeToken = randomHex(16) }: Identity) => ({ nodeId, nodeToken });

/** As many random bytes, in hexadecimal. */
const randomHex = (bytes: number) =>
  [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
