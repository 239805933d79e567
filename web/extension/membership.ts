// The group that this project is in.
import { type JoinOptions, Mesh, MeshError, type Session } from "../../clients/js/src";
import type { Arrived } from "./hats";
import { labelOf } from "../pages/common/code";
import { hex } from "../pages/common/kept";
import { isBlocked, parsePlace, publicKey } from "./server";
import type { State } from "./texts";

/** The fewest milliseconds between two reads of the members, and between two pings. */
const MEMBERS_MS = 3_000;
const PING_MS = 1_000;
const NICKNAME_CHARACTERS = 20;
/** For how long the connection's state says why something was not sent. */
const TROUBLE_MS = 3_000;

const STATES = { connecting: "connecting", websocket: "connected", sse: "connected", polling: "polling" } as const;
const ENDINGS = { over: "over", removed: "removed", left: "none" } as const;

export interface MembershipHandlers {
  /** A group was joined, which knows nothing of this project yet. */
  onJoined(): void;
  onEvent(event: Arrived): void;
}

export class Membership {
  session?: Session;
  #problem: State = "none";
  /** What was asked for last, and what came of it. */
  #wish = "";
  #joined: Promise<void> = Promise.resolve();
  /** One node for all groups of this project: whom a teacher removed stays removed. */
  #self: JoinOptions = { nodeId: random(8), nodeToken: random(16) };
  #membersAt = 0;
  #pingAt = 0;
  #ping: Promise<number | ""> = Promise.resolve("");
  #trouble?: State;
  #troubleAt = 0;

  constructor(
    readonly ownServer: URL | undefined,
    readonly handlers: MembershipHandlers,
  ) {}

  get state(): State {
    const { session } = this;
    if (!session) return this.#problem;
    if (session.ending) return ENDINGS[session.ending];
    if (this.#trouble && Date.now() - this.#troubleAt < TROUBLE_MS) return this.#trouble;
    return STATES[session.connection];
  }

  get isConnected(): boolean {
    const { session } = this;
    return session !== undefined && !session.ending && session.connection !== "connecting";
  }

  get nickname(): string {
    return this.session?.nickname ?? "";
  }

  /** Joins, unless this project is in that group under that name; leaves another one. */
  join(code: string, name: string): Promise<void> {
    const nickname = name.trim();
    const wish = JSON.stringify([code, nickname]);
    const isIn = this.session ? !this.session.ending : this.#problem === "connecting";
    if (wish !== this.#wish || !isIn) {
      const left = this.leave();
      this.#wish = wish;
      this.#problem = "connecting";
      this.#joined = left.then(() => this.#join(wish, code, nickname));
    }
    return this.#joined;
  }

  async leave() {
    const { session } = this;
    this.session = undefined;
    this.#wish = "";
    this.#problem = "none";
    if (session && !session.ending) await session.leave();
  }

  nameOf(nodeId: string): string {
    return this.session?.members.find(({ id }) => id === nodeId)?.nickname || labelOf(nodeId);
  }

  members(): string[] {
    if (!this.session || this.session.ending) return [];
    if (Date.now() - this.#membersAt > MEMBERS_MS) {
      this.#membersAt = Date.now();
      this.session.readMembers().catch(() => {}); // they are read again at the next heartbeat
    }
    return this.session.members.map(({ id }) => this.nameOf(id));
  }

  /** Milliseconds to the server and back; empty without a group. */
  ping(): Promise<number | ""> {
    const { session } = this;
    if (!session || session.ending) return Promise.resolve("");
    if (Date.now() - this.#pingAt > PING_MS) {
      this.#pingAt = Date.now();
      this.#ping = session.ping().catch(() => "");
    }
    return this.#ping;
  }

  async #join(wish: string, code: string, nickname: string) {
    const found = await this.#session(code, nickname).catch(stateOf);
    if (wish !== this.#wish) return typeof found === "string" ? undefined : found.leave();
    if (typeof found === "string") return void (this.#problem = found);
    this.session = found;
    found.on("event", ({ nodeId, name, payload }) => {
      if (nodeId !== found.nodeId && found === this.session) {
        this.handlers.onEvent({ name, payload, sender: this.nameOf(nodeId) });
      }
    });
    found.on("error", (error) => {
      if (!(error instanceof MeshError) || !["Paused", "RateLimited"].includes(error.type)) return;
      this.#trouble = error.type === "Paused" ? "paused" : "busy";
      this.#troubleAt = Date.now();
    });
    this.handlers.onJoined();
  }

  async #session(text: string, nickname: string): Promise<Session | State> {
    const place = parsePlace(text, this.ownServer);
    if (typeof place === "string") return place;
    if ([...nickname].length > NICKNAME_CHARACTERS) return "nickname";
    if (isBlocked(place.server, globalThis.location?.protocol === "https:")) return "insecure";
    const key = await publicKey(place.server);
    if (key === null) return "noKey";
    const mesh = new Mesh({ url: place.server, key });
    return mesh.join(place.code, { ...this.#self, ...(nickname && { nickname }) });
  }
}

const random = (bytes: number) => hex(crypto.getRandomValues(new Uint8Array(bytes)));

/** What a pupil reads about an error. */
function stateOf(error: unknown): State {
  if (!(error instanceof MeshError)) return "offline";
  switch (error.type) {
    case "GroupNotFound":
      return "unknownCode";
    case "Locked":
      return "locked";
    case "LimitExceeded":
      return "full";
    case "Unauthorized":
      return "removed";
    case "RateLimited":
      return "busy";
    case "ValidationError":
      return error.message.includes("nickname") ? "nickname" : "other";
    default:
      return "other";
  }
}
