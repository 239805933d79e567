// The teacher's lesson: the host of its group.
import { type Connection, Feed, type Group, Mesh, MeshError } from "../../../clients/js/src";
import { ClassState } from "../common/class";
import { onMachine } from "../common/kept";
import { Model } from "../common/model";
import { ROOT } from "../common/server";
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
  const mesh = new Mesh({ url: ROOT, key: teacher.key, code: place?.code });
  const createDomain = await mesh.call("createDomain");
  for (const domain of new Set([createDomain, place?.domain ?? createDomain])) {
    const found = await groupOfHost(mesh, teacher, domain).catch((error) => {
      // Another network's domain is refused when its lesson is over.
      if (error instanceof MeshError && domain !== createDomain) return null;
      throw error;
    });
    if (found) return new Lesson(mesh, teacher, found);
  }
  return undefined;
}

const groupOfHost = (mesh: Mesh, teacher: Teacher, domain: string) =>
  mesh.call("groupOfHost", { domain, ...asHost(teacher) });

export async function startLesson(teacher: Teacher, minutes: number): Promise<Lesson> {
  const mesh = new Mesh({ url: ROOT, key: teacher.key });
  const domain = await mesh.call("createDomain");
  const group = await mesh.call("createGroup", {
    name: "lesson",
    nameIsJoinCode: true,
    domain,
    ...asHost(teacher),
    maxConnectionTimeSeconds: minutes * 60,
    hostTtlSeconds: HOST_TTL_SECONDS,
    useWebSocket: true,
  });
  return new Lesson(mesh, teacher, group);
}

export class Lesson extends Model {
  readonly state = new ClassState();
  connection: Connection = "connecting";
  over = false;
  /** Whether the last call reached the server. */
  reached = true;
  #feed: Feed;
  #timer?: ReturnType<typeof setInterval>;
  #renewedAt = Date.now();
  #groupAt = Date.now();

  constructor(
    readonly mesh: Mesh,
    readonly teacher: Teacher,
    public group: Group,
  ) {
    super();
    const { domain, joinCode } = group;
    mesh.code = joinCode ?? undefined;
    onMachine.setJson("lesson", { domain, code: joinCode });
    this.#feed = new Feed(mesh, { groupId: group.id, domain }, {
      onConnection: (connection) => {
        this.connection = connection;
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
      onRefused: ({ type }) => type === "GroupNotFound" && this.#end(),
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
    return until > this.mesh.now() ? until : undefined;
  }

  lock = (locked: boolean) => this.#control(this.mesh.call("lockGroup", { ...this.#self, locked }));
  pause = (seconds: number) => this.#control(this.mesh.call("pauseGroup", { ...this.#self, seconds }));
  mute = (muted: boolean) => this.#control(this.mesh.call("muteChat", { ...this.#self, muted }));

  async remove(nodeId: string) {
    await this.mesh.call("removeNode", { ...this.#self, nodeId });
    await Promise.all([this.#members(), this.#feed.refresh()]);
  }

  /** Nobody is notified that variables are gone: the page reads them again. */
  async clear() {
    await this.mesh.call("clearGroupData", this.#self);
    await this.#feed.refresh();
  }

  async end() {
    await this.mesh.call("dissolveGroup", this.#self);
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
  async #control(call: Promise<Group>) {
    this.group = { ...(await call), joinCode: this.group.joinCode };
    this.changed();
  }

  async #look() {
    const now = Date.now();
    try {
      if (now - this.#renewedAt >= RENEW_MS) {
        this.#renewedAt = now;
        await this.mesh.call("renewHeartbeat", this.#self);
      }
      if (now - this.#groupAt >= GROUP_MS) {
        this.#groupAt = now;
        const found = await groupOfHost(this.mesh, this.teacher, this.group.domain);
        if (found?.id !== this.group.id) return this.#end();
        this.group = found;
      }
      await this.#members();
      this.reached = true;
    } catch (error) {
      // A renewal that did not arrive is repeated with the next look.
      if (this.#renewedAt === now) this.#renewedAt = 0;
      if (error instanceof MeshError && error.type === "GroupNotFound") this.#end();
      else this.reached = error instanceof MeshError;
    }
    this.changed();
  }

  async #members() {
    const { id, domain } = this.group;
    this.state.members = await this.mesh.call("listNodesInGroup", { groupId: id, domain });
    this.changed();
  }

  get #self() {
    const { id, domain } = this.group;
    return { groupId: id, domain, ...asHost(this.teacher) };
  }
}
