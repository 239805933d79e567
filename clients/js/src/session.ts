import { Emitter } from "./emitter.js";
import { MeshError } from "./errors.js";
import { type Connection, Feed } from "./feed.js";
import type { MeshEvent } from "./inbox.js";
import type { Mesh } from "./mesh.js";
import { Outbox } from "./outbox.js";
import { type Identity, Presence } from "./presence.js";
import type { CreateGroup, Group, Member, Status } from "./types.js";
import { type Value, Values } from "./values.js";

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
  /**
   * What was sent did not arrive, and is not sent again; or the server refuses to deliver, and is asked again; or
   * the events of a break could not be read.
   */
  error: Error;
}

export interface JoinOptions extends Partial<Identity> {
  /** A name for others to read, of 1 to 20 characters. */
  nickname?: string;
}

export interface HostOptions extends Partial<Identity>, Partial<Omit<CreateGroup, "hostId" | "hostToken">> {}

export class Session extends Emitter<SessionEvents> {
  connection: Connection = "connecting";
  ending?: Ending;
  readonly #presence: Presence;
  readonly #values = new Values((value) => this.emit("value", value));
  readonly #outbox: Outbox;
  readonly #feed: Feed;
  #isStopped = false;
  #isReady = () => {};
  readonly #ready = new Promise<void>((resolve) => (this.#isReady = resolve));

  private constructor(
    readonly mesh: Mesh,
    readonly group: Group,
    identity: Identity,
    /** Whether this is the group's host. */
    readonly isHost: boolean,
    nickname?: string,
  ) {
    super();
    this.#presence = new Presence(mesh, group, identity, isHost, nickname, {
      onMembers: (members) => this.emit("members", members),
      onRefused: (error) => this.#refused(error),
    });
    const { as } = this.#presence;
    this.#outbox = new Outbox({
      report: (data) => this.#checked(mesh.call("reportDataByNode", { ...as, data })),
      fire: (events) =>
        this.#checked(mesh.call(group.useWebSocket ? "fireEventsByNode" : "recordEventsByNode", { ...as, events })),
      now: () => mesh.now(),
      onError: (error) => this.emit("error", error),
    });
    this.#feed = new Feed(mesh, as, {
      onConnection: (connection) => this.#moved(connection),
      onSnapshot: (statuses, since) => this.#seen(statuses, () => this.#values.replace(statuses, since)),
      onStatus: (status) => this.#seen([status], () => this.#values.add(status)),
      onEvents: (events) => events.forEach((event) => this.emit("event", event)),
      onEnd: () => this.#end("over"),
      onRefused: (error) => {
        this.#refused(error);
        if (!this.#isStopped && error.type !== "RateLimited") this.emit("error", error);
      },
      onMissed: (error) => this.emit("error", error),
    });
  }

  static async join(mesh: Mesh, code: string, { nickname, ...identity }: JoinOptions): Promise<Session> {
    const group = await mesh.withCode(code).call("groupByJoinCode", { code });
    if (!group) throw new MeshError("GroupNotFound", "No group has this code");
    const session = new Session(mesh.withCode(group.joinCode ?? code), group, complete(identity), false, nickname);
    await session.#presence.join();
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

  /** The newest value of each variable, of all nodes. */
  get values(): ReadonlyMap<string, Value> {
    return this.#values.newest;
  }

  /** The newest value of a variable; of one node's, if a node is named. */
  value(key: string, nodeId?: string): string | undefined {
    return this.#values.of(key, nodeId)?.value;
  }

  get nodeId(): string {
    return this.#presence.as.nodeId;
  }

  get nickname(): string | undefined {
    return this.#presence.nickname;
  }

  get members(): readonly Member[] {
    return this.#presence.members;
  }

  /** Reads who is in the group. */
  readMembers = (): Promise<void> => this.#presence.read();

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
    if (this.#isStopped) return;
    this.#stop();
    const left = this.isHost ? this.mesh.call("dissolveGroup", this.#host) : this.mesh.call("leaveGroup", this.#presence.as);
    await left.catch(() => {}); // a node that is silent leaves by itself
    this.#end("left");
  }

  // What only the host may (docs/api.md, Controls of a lesson).
  lock = (locked: boolean) => this.mesh.call("lockGroup", { ...this.#host, locked });
  pause = (seconds: number) => this.mesh.call("pauseGroup", { ...this.#host, seconds });
  mute = (muted: boolean) => this.mesh.call("muteChat", { ...this.#host, muted });
  remove = (nodeId: string) => this.mesh.call("removeNode", { ...this.#host, nodeId });
  clear = () => this.mesh.call("clearGroupData", this.#host);

  get #host() {
    return this.#presence.host;
  }

  /** Ends when messages arrive, or will: a program that has the session misses none. */
  async #start(): Promise<this> {
    this.#feed.start();
    this.#presence.start();
    await Promise.all([this.#ready, this.readMembers().catch(() => {})]);
    return this;
  }

  #end(why: Ending) {
    if (this.ending) return;
    this.#stop();
    this.ending = why;
    this.emit("end", why);
  }

  #stop() {
    this.#isStopped = true;
    this.#feed.stop();
    this.#outbox.close();
    this.#presence.stop();
    this.#isReady();
  }

  #moved(connection: Connection) {
    if (connection === this.connection) return;
    this.connection = connection;
    if (connection !== "connecting") {
      this.#isReady();
      this.#presence.receivesBy(connection);
    }
    this.emit("connection", connection);
  }

  #seen(statuses: Status[], write: () => void) {
    write();
    this.#presence.meet(statuses.map(({ nodeId }) => nodeId));
  }

  #refused({ type }: MeshError) {
    if (this.#isStopped) return;
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
}

const complete = ({ nodeId = randomHex(16), nodeToken = randomHex(16) }: Partial<Identity>): Identity => ({ nodeId, nodeToken });

/** As many random bytes, in hexadecimal. */
const randomHex = (bytes: number) =>
  [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
