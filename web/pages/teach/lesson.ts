// The teacher's lesson: the host of its group.
import { Api, ApiError } from "../common/api";
import { ClassState } from "../common/class";
import {
  CLEAR,
  CREATE_DOMAIN,
  CREATE_GROUP,
  DISSOLVE,
  GROUP_OF_HOST,
  type Group,
  LOCK,
  MEMBERS,
  MUTE,
  type Member,
  PAUSE,
  REMOVE,
  RENEW,
} from "../common/documents";
import { Feed, type Transport } from "../common/feed";
import { onMachine } from "../common/kept";
import { Model } from "../common/model";
import type { Teacher } from "./sign-in";

/** How long a lesson lives without its host: a lid may be closed for some minutes. */
const HOST_TTL_SECONDS = 300;
/** How often it is renewed. */
const RENEW_MS = 30_000;
/** How often members are looked at; timers of a machine that slept go on here. */
const LOOK_MS = 3_000;
/** How often the group is looked at: another machine may have changed it. */
const GROUP_MS = 9_000;

/** Where the last lesson was: on another network its domain would not be found again. */
interface Place {
  domain: string;
  code: string;
}

const asHost = ({ hostId, hostToken }: Teacher) => ({ hostId, hostToken });

/** The teacher's living lesson, if there is one. */
export async function findLesson(teacher: Teacher): Promise<Lesson | undefined> {
  const place = onMachine.json<Place>("lesson");
  const api = new Api(teacher.key, place?.code);
  const { createDomain } = await api.call<{ createDomain: string }>(CREATE_DOMAIN);
  for (const domain of new Set([createDomain, place?.domain ?? createDomain])) {
    const found = await groupOfHost(api, teacher, domain).catch((error) => {
      // Another network's domain is refused when its lesson is over.
      if (error instanceof ApiError && domain !== createDomain) return null;
      throw error;
    });
    if (found) return new Lesson(api, teacher, found);
  }
  return undefined;
}

const groupOfHost = async (api: Api, teacher: Teacher, domain: string) =>
  (await api.call<{ groupOfHost: Group | null }>(GROUP_OF_HOST, { domain, ...asHost(teacher) })).groupOfHost;

export async function startLesson(teacher: Teacher, minutes: number): Promise<Lesson> {
  const api = new Api(teacher.key);
  const { createDomain: domain } = await api.call<{ createDomain: string }>(CREATE_DOMAIN);
  const variables = { domain, ...asHost(teacher), seconds: minutes * 60, ttl: HOST_TTL_SECONDS };
  const { createGroup } = await api.call<{ createGroup: Group }>(CREATE_GROUP, variables);
  return new Lesson(api, teacher, createGroup);
}

export class Lesson extends Model {
  readonly state = new ClassState();
  transport: Transport = "connecting";
  over = false;
  /** Whether the last call reached the server. */
  reached = true;
  #feed: Feed;
  #timer?: ReturnType<typeof setInterval>;
  #renewedAt = Date.now();
  #groupAt = Date.now();

  constructor(
    readonly api: Api,
    readonly teacher: Teacher,
    public group: Group,
  ) {
    super();
    const { domain, joinCode } = group;
    api.code = joinCode ?? undefined;
    onMachine.setJson("lesson", { domain, code: joinCode });
    this.#feed = new Feed(api, group, {
      onTransport: (transport) => {
        this.transport = transport;
        this.changed();
      },
      onSnapshot: (statuses, since) => {
        this.state.snapshot(statuses, since);
        this.changed();
      },
      onStatus: (status) => {
        this.state.report(status);
        this.changed();
      },
      onEvents: (events) => {
        this.state.fired(events);
        this.changed();
      },
      onEnd: () => this.#end(),
      onRefused: (type) => type === "GroupNotFound" && this.#end(),
    });
  }

  /** Shows and renews it until the answer is called. */
  run(): () => void {
    const look = () => void this.#look();
    this.#timer = setInterval(look, LOOK_MS);
    // When the lid opens or the network is back, at once.
    for (const name of ["online", "focus", "pageshow"]) addEventListener(name, look);
    this.#feed.start();
    void this.#feed.refresh();
    look();
    return () => {
      clearInterval(this.#timer);
      for (const name of ["online", "focus", "pageshow"]) removeEventListener(name, look);
      this.#feed.stop();
    };
  }

  get code() {
    return this.group.joinCode ?? "";
  }

  /** When the pause ends; undefined if there is none. */
  get pausedUntil(): number | undefined {
    const until = Date.parse(this.group.pausedUntil ?? "");
    return until > this.api.now() ? until : undefined;
  }

  lock = (locked: boolean) => this.#control(LOCK, { locked });
  pause = (seconds: number) => this.#control(PAUSE, { seconds });
  mute = (muted: boolean) => this.#control(MUTE, { muted });

  async remove(nodeId: string) {
    await this.#call(REMOVE, { nodeId });
    await Promise.all([this.#members(), this.#feed.refresh()]);
  }

  /** Nobody is notified that variables are gone: the page reads them again. */
  async clear() {
    await this.#call(CLEAR);
    await this.#feed.refresh();
  }

  async end() {
    await this.#call(DISSOLVE);
    this.#end();
  }

  #end() {
    if (this.over) return;
    this.over = true;
    onMachine.remove("lesson");
    clearInterval(this.#timer);
    this.#feed.stop();
    this.changed();
  }

  /** Every change answers the group as it is then. */
  async #control(document: string, variables: object) {
    const answer = await this.#call<Record<string, Group>>(document, variables);
    this.group = { ...this.group, ...Object.values(answer)[0], joinCode: this.group.joinCode };
    this.changed();
  }

  async #look() {
    const now = Date.now();
    try {
      if (now - this.#renewedAt >= RENEW_MS) {
        this.#renewedAt = now;
        await this.#call(RENEW);
      }
      if (now - this.#groupAt >= GROUP_MS) {
        this.#groupAt = now;
        const found = await groupOfHost(this.api, this.teacher, this.group.domain);
        if (found?.id !== this.group.id) return this.#end();
        this.group = found;
      }
      await this.#members();
      this.reached = true;
    } catch (error) {
      // A renewal that did not arrive is repeated with the next look.
      if (this.#renewedAt === now) this.#renewedAt = 0;
      if (error instanceof ApiError && error.type === "GroupNotFound") this.#end();
      else this.reached = error instanceof ApiError;
    }
    this.changed();
  }

  async #members() {
    const { id, domain } = this.group;
    const found = await this.api.call<{ listNodesInGroup: Member[] }>(MEMBERS, { groupId: id, domain });
    this.state.members = found.listNodesInGroup;
    this.changed();
  }

  #call<T>(document: string, variables: object = {}) {
    const { id, domain } = this.group;
    return this.api.call<T>(document, { groupId: id, domain, ...asHost(this.teacher), ...variables });
  }
}
