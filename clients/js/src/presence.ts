// A node's part in its group: it stays a member or the host, and knows who else is there.
import type { Connection } from "./feed.js";
import { MeshError } from "./errors.js";
import type { Mesh } from "./mesh.js";
import { jittered } from "./timing.js";
import type { Group, GroupRef, Member } from "./types.js";

/** How often a node says that it is there, at the latest; the server may want it more often. */
const HEARTBEAT_MS = 12_000;
/** The fewest milliseconds between two reads of the members because of a new node. */
const MEMBERS_MS = 3_000;

/** The node's id and secret. With those of an earlier session, it is the same node. */
export interface Identity {
  nodeId: string;
  nodeToken: string;
}

export interface PresenceHandlers {
  onMembers(members: Member[]): void;
  onRefused(error: MeshError): void;
}

export class Presence {
  members: Member[] = [];
  /** The arguments of this node's calls. */
  readonly as: GroupRef & Identity;
  #isStopped = false;
  #timer?: ReturnType<typeof setTimeout>;
  #readAt = 0;
  /** How often the server wants a heartbeat: of a host as its group says, of a member as the answer to joining says. */
  #seconds: number;
  /** As the server knows it: it keeps events for a member that polls, and only for such a one. */
  #polls = false;

  constructor(
    readonly mesh: Mesh,
    readonly group: Group,
    identity: Identity,
    readonly isHost: boolean,
    readonly nickname: string | undefined,
    readonly handlers: PresenceHandlers,
  ) {
    this.#seconds = group.heartbeatIntervalSeconds ?? 15;
    this.as = { groupId: group.id, domain: group.domain, ...identity };
  }

  /** The arguments of the host's calls. */
  get host() {
    const { groupId, domain, nodeId, nodeToken } = this.as;
    return { groupId, domain, hostId: nodeId, hostToken: nodeToken };
  }

  async join() {
    const self = await this.mesh.call("joinGroup", { ...this.as, useWebSocket: !this.#polls, nickname: this.nickname });
    this.#seconds = self.heartbeatIntervalSeconds ?? this.#seconds;
  }

  start() {
    this.#timer = setTimeout(() => void this.#beat(), Math.min(this.#seconds * 1_000, jittered(HEARTBEAT_MS / 2)));
  }

  stop() {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  receivesBy(connection: Connection) {
    const polls = connection === "polling";
    if (polls === this.#polls || this.isHost) return;
    this.#polls = polls;
    void this.#joinAgain();
  }

  async read() {
    this.#readAt = Date.now();
    const { groupId, domain } = this.as;
    this.members = await this.mesh.call("listNodesInGroup", { groupId, domain });
    if (!this.#isStopped) this.handlers.onMembers(this.members);
  }

  /** Reads the members if one of these nodes is new. */
  meet(nodeIds: string[]) {
    const known = new Set([this.as.nodeId, this.group.hostId, ...this.members.map(({ id }) => id)]);
    if (nodeIds.every((nodeId) => known.has(nodeId)) || Date.now() - this.#readAt < MEMBERS_MS) return;
    this.read().catch(() => {}); // the next heartbeat reads them
  }

  async #beat() {
    try {
      await (this.isHost ? this.mesh.call("renewHeartbeat", this.host) : this.mesh.call("sendMemberHeartbeat", this.as));
      await this.read();
    } catch (error) {
      // A member that was away too long is one again by joining.
      if (error instanceof MeshError && error.type === "NodeNotFound") await this.#joinAgain();
      else if (error instanceof MeshError) this.handlers.onRefused(error);
    }
    if (!this.#isStopped) this.start();
  }

  async #joinAgain() {
    try {
      await this.join();
    } catch (error) {
      if (error instanceof MeshError) this.handlers.onRefused(error);
    }
  }
}
