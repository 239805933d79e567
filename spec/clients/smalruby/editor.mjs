// A scripted editor: what Smalruby's sends, when, and what it makes of the answers
// (docs/compatibility.md), with the library and the documents of the editor.
import { open } from "../aws-appsync/client.mjs";
import * as documents from "../common/documents.mjs";
import { newNodeId } from "../common/node.mjs";
import { EventQueue, Replay } from "./events.mjs";
import { Feed } from "./feed.mjs";
import { Heartbeat } from "./heartbeat.mjs";
import { Reporter } from "./reporter.mjs";
import { digits, isWebSocketAvailable, label, looksFiltered, reasonToLeave } from "./rules.mjs";
import { Variables } from "./variables.mjs";

const FRAME_MS = 33;
const POLLING_SECONDS = 2;
/** The editor's, in milliseconds; its build can shorten them to 100, 100 and 1000. */
const INTERVALS = { report: 1_000, events: 1_000, sync: 15_000 };

export class Editor {
  nodeId = newNodeId();
  state = "disconnected"; // or connected, error
  /** The events that it replayed, oldest first. */
  replayed = [];
  /** Its errors, oldest first. */
  logged = [];
  /** How often a batch was sent before the one before was answered: it may overtake it. */
  overlaps = 0;
  #queue = new EventQueue();
  #replay = new Replay();
  #lastReport = Promise.resolve();
  #timers = {};
  #sending = 0;

  /**
   * `server` has `url` and `apiKey`; `url` may be another way to it. `forcePolling` is `?mesh_polling=1`,
   * `domain` is `?mesh=`, `globals` are the project's global variables.
   */
  constructor(server, { url = server.url, domain, forcePolling = false, intervals, globals = {} } = {}) {
    Object.assign(this, { url, domain, forcePolling, globals: { ...globals } });
    this.intervals = { ...INTERVALS, ...intervals };
    this.useWebSocket = !forcePolling;
    this.client = open(server, url);
    this.variables = new Variables(this.nodeId);
    this.feed = new Feed(this, { status: this.variables.take, events: this.#takeEvents, end: () => this.#disconnects() });
    this.heartbeat = new Heartbeat(this);
    this.reporter = new Reporter(this.intervals.report, this.#report);
    this.#timers.frame = setInterval(this.#frame, FRAME_MS);
  }

  /** The groups that it shows, by their labels. */
  async scan() {
    await this.#knowDomain();
    const { listGroupsByDomain } = await this.#sends(documents.LIST_GROUPS_BY_DOMAIN, { domain: this.domain });
    return shown(listGroupsByDomain);
  }

  async search(hiragana) {
    const variables = { namePrefix: digits(hiragana), limit: 10 };
    const { searchGroupsByNamePrefix } = await this.#sends(documents.SEARCH_GROUPS_BY_NAME_PREFIX, variables);
    return shown(searchGroupsByNamePrefix);
  }

  async host() {
    await this.#knowDomain();
    this.useWebSocket = !this.forcePolling && (await isWebSocketAvailable(this.url));
    this.#begins();
    const { nodeId, domain, useWebSocket } = this;
    const made = { name: nodeId, hostId: nodeId, domain, useWebSocket };
    const { createGroup } = await this.#sends(documents.CREATE_GROUP, made);
    this.useWebSocket = createGroup.useWebSocket;
    await this.#connected("host", createGroup.id, createGroup);
    return createGroup;
  }

  async join({ id, domain }) {
    this.#begins();
    const { nodeId, useWebSocket } = this;
    const joins = { groupId: id, domain: domain ?? this.domain, nodeId, useWebSocket };
    const { joinGroup } = await this.#sends(documents.JOIN_GROUP, joins);
    this.useWebSocket = !this.forcePolling && joinGroup.useWebSocket;
    await this.#connected("member", id, joinGroup);
    await this.feed.resync();
    return joinGroup;
  }

  /** A block sets a global variable: it is reported, even if it had this value. */
  set(key, value) {
    this.globals[key] = value;
    return this.#reports([{ key, value: String(value), isForced: true }]);
  }

  /** The block `sensor value`. */
  read = (key) => this.variables.read(key) ?? "";

  /** The block `broadcast`. */
  broadcast(name) {
    if (this.group) this.#queue.push(name);
  }

  async leave() {
    if (!this.group) return;
    const { group, nodeId, role } = this;
    this.#disconnects();
    const [document, own] = role === "host" ? [documents.DISSOLVE_GROUP, "hostId"] : [documents.LEAVE_GROUP, "nodeId"];
    await this.client.send(document, { ...group, [own]: nodeId }).catch(this.log);
  }

  /** The tab is closed: nothing is sent. */
  close() {
    this.#cleanUp();
    clearInterval(this.#timers.frame);
    this.client.close();
  }

  asks = (document, variables) => this.client.send(document, { ...this.group, ...variables });

  log = (error) => this.logged.push(error);

  /** Whether it leaves after an error of a heartbeat, a report or an event. */
  mayLeave = (error) => {
    this.log(error);
    const reason = reasonToLeave(error);
    if (reason) this.#disconnects(reason);
    return reason !== undefined;
  };

  async #knowDomain() {
    this.domain ??= (await this.#sends(documents.CREATE_DOMAIN, {})).createDomain;
  }

  #begins() {
    this.feed.cursor = new Date().toISOString();
    this.#queue.restart();
  }

  async #connected(role, groupId, answer) {
    const { domain, pollingIntervalSeconds } = answer;
    Object.assign(this, { role, domain, group: { groupId, domain }, state: "connected" });
    if (this.useWebSocket) this.feed.subscribe(this.intervals.sync);
    else this.feed.poll((pollingIntervalSeconds || POLLING_SECONDS) * 1_000);
    this.heartbeat.start(answer);
    this.#timers.events = setInterval(this.#sendEvents, this.intervals.events);
    await this.#reports(Object.entries(this.globals).map(([key, value]) => ({ key, value: String(value) })));
  }

  #takeEvents = (events) => {
    const others = events.filter(({ firedByNodeId }) => firedByNodeId !== this.nodeId);
    if (others.length > 0) this.#replay.push(others);
  };

  #frame = () => {
    if (this.group) this.replayed.push(...this.#replay.frame());
  };

  async #reports(items) {
    const changed = this.group ? this.variables.queue(items) : [];
    if (changed.length === 0) return;
    try {
      this.#lastReport = this.reporter.report(changed);
      await this.#lastReport;
    } catch (error) {
      this.mayLeave(error);
    }
  }

  #report = async (items) => {
    const changed = this.group ? this.variables.unconfirmed(items) : [];
    if (changed.length === 0) return;
    const data = changed.map(({ key, value }) => ({ key, value }));
    try {
      this.#lastReport = this.asks(documents.REPORT_DATA_BY_NODE, { nodeId: this.nodeId, data });
      await this.#lastReport;
      this.variables.confirm(changed);
    } catch (error) {
      if (!this.mayLeave(error)) throw error;
    }
  };

  /** A batch follows the last report, and is lost with it. */
  #sendEvents = async () => {
    const events = this.#queue.takeAll();
    if (!this.group || events.length === 0) return;
    if (this.#sending > 0) this.overlaps += 1;
    this.#sending += 1;
    try {
      await this.#lastReport;
      const document = this.useWebSocket ? documents.FIRE_EVENTS_BY_NODE : documents.RECORD_EVENTS_BY_NODE;
      const { recordEventsByNode } = await this.asks(document, { nodeId: this.nodeId, events });
      this.feed.cursor = recordEventsByNode?.nextSince || this.feed.cursor;
    } catch (error) {
      this.mayLeave(error);
    } finally {
      this.#sending -= 1;
    }
  };

  /** Before and while it connects, it keeps the last error. */
  async #sends(document, variables) {
    try {
      return await this.client.send(document, variables);
    } catch (error) {
      this.lastError = error;
      throw error;
    }
  }

  #disconnects(reason = "unknown") {
    this.#cleanUp();
    this.reason = reason;
    this.state = reason === "GroupNotFound" || reason === "expired" ? "error" : "disconnected";
    this.isFiltered = looksFiltered(this.lastError);
  }

  #cleanUp() {
    this.feed.stop();
    this.heartbeat.stop();
    clearInterval(this.#timers.events);
    this.group = this.role = undefined;
    this.#replay.clear();
    this.variables.clear();
  }
}

/** The editor drops groups whose time is over by its own clock. */
function shown(groups) {
  const living = groups.filter(({ expiresAt }) => Date.parse(expiresAt) > Date.now());
  return living.map((group) => ({ ...group, label: label(group.name) }));
}
