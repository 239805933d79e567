// The WebSocket as an editor uses it: the handshake of AppSync realtime, a subscription, and two
// events that must arrive at once. A page sees of a refused upgrade only that it was refused.
import { ROOT } from "../common/server";
import { type Finding, finding } from "./advice";
import type { Group } from "./group";
import type { Requests } from "./requests";

/** How long an editor waits for the upgrade when it chooses between WebSocket and polling. */
const EDITOR_MS = 3000;
/** From when a message is late. */
const SLOW_MS = 2000;
/** So many times a request's time is no sign of buffering: the whole network is slow then. */
const SLOW_NETWORK = 3;

/** Whether a message took so long that something must have held it. */
export const isLate = (ms: number, requestMs: number) => ms > SLOW_MS && ms > requestMs * SLOW_NETWORK;

const SUBSCRIPTION = `subscription OnMessageInGroup($groupId: ID!, $domain: String!) {
  onMessageInGroup(groupId: $groupId, domain: $domain) { groupId domain batchEvent { events { name } } } }`;

interface Message {
  type: string;
  payload?: { errors?: { errorType?: string; message?: string }[] };
}

export interface Tried {
  finding: Finding;
  /** By how much the server's clock is ahead, in milliseconds. */
  ahead?: number;
}

const seconds = (ms: number) => (ms / 1000).toFixed(1);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Tries it with a group, or only its handshake. */
export async function trySocket(
  requests: Requests,
  group: Group | undefined,
  pauseMs: number,
  requestMs: number,
): Promise<Tried> {
  const began = performance.now();
  const authorization = { host: ROOT.host, "x-api-key": requests.key };
  const inbox = new Inbox(open(authorization), requests.waitMs);
  try {
    if (!(await inbox.opens())) return { finding: finding(inbox.closed ? "ws-closed" : "ws-no-answer") };
    const opened = performance.now();
    const closed = () => finding("ws-cut", { seconds: seconds(performance.now() - opened), why: inbox.closed! });
    const silent = () => finding("ws-silent", { seconds: seconds(requests.waitMs) });

    inbox.send({ type: "connection_init" });
    const acknowledged = await inbox.wait(({ type }) => type === "connection_ack" || type === "connection_error");
    if (!acknowledged) return { finding: inbox.closed ? closed() : finding("ws-swallowed") };
    if (acknowledged.type === "connection_error") return { finding: rejected(acknowledged) };
    let latest = performance.now() - opened;
    if (!group) return { finding: finding("ws-opens") };

    const data = JSON.stringify({ query: SUBSCRIPTION, variables: { groupId: group.id, domain: group.domain } });
    const started = performance.now();
    inbox.send({ id: "doctor", type: "start", payload: { data, extensions: { authorization } } });
    const subscribed = await inbox.wait(({ type }) => type === "start_ack" || type === "error");
    if (!subscribed) return { finding: inbox.closed ? closed() : silent() };
    if (subscribed.type === "error") return { finding: rejected(subscribed) };
    latest = Math.max(latest, performance.now() - started);

    let ahead: number | undefined;
    for (const name of ["doctor-1", "doctor-2"]) {
      if (name === "doctor-2") await pause(pauseMs);
      const sent = Date.now();
      const time = Date.parse((await group.fire(name)) ?? "");
      if (time) ahead = time - (sent + Date.now()) / 2;
      // The server publishes before it answers.
      const answered = performance.now();
      const arrived = await inbox.wait((it) => it.type === "data" && JSON.stringify(it.payload).includes(name));
      if (!arrived) return { finding: inbox.closed ? closed() : silent(), ahead };
      latest = Math.max(latest, performance.now() - answered);
    }
    if (isLate(latest, requestMs)) {
      return { finding: finding("ws-buffered", { seconds: seconds(latest) }), ahead };
    }
    if (opened - began > EDITOR_MS) {
      return { finding: finding("ws-slow", { seconds: seconds(opened - began) }), ahead };
    }
    return { finding: finding("ws-ok", { ms: Math.round(latest), pause: seconds(pauseMs) }), ahead };
  } catch (error) {
    return { finding: finding("ws-rejected", { message: String(error) }) };
  } finally {
    inbox.socket.close();
  }
}

function open(authorization: object) {
  const url = new URL("graphql/realtime", ROOT);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.search = `?header=${btoa(JSON.stringify(authorization))}&payload=e30=`;
  return new WebSocket(url.href, "graphql-ws");
}

function rejected({ payload }: Message) {
  const error = payload?.errors?.[0];
  return finding("ws-rejected", { message: `${error?.errorType ?? ""} ${error?.message ?? ""}`.trim() });
}

/** What arrived on a socket, and waiting for it. */
class Inbox {
  /** Why it is closed, if it is. */
  closed?: string;
  readonly #messages: Message[] = [];
  #changed = () => {};

  constructor(
    readonly socket: WebSocket,
    readonly waitMs: number,
  ) {
    socket.onopen = () => this.#changed();
    socket.onclose = ({ code, reason }) => {
      this.closed = `${code} ${reason}`.trim();
      this.#changed();
    };
    socket.onmessage = ({ data }) => {
      try {
        this.#messages.push(JSON.parse(data));
      } catch {
        // Nothing of the server's.
      }
      this.#changed();
    };
  }

  send(message: object) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  async opens() {
    await this.#until(() => this.socket.readyState === WebSocket.OPEN);
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** The first message that fits; undefined if none comes in time or the socket is closed. */
  async wait(fits: (message: Message) => boolean): Promise<Message | undefined> {
    await this.#until(() => this.#messages.some(fits));
    return this.#messages.find(fits);
  }

  async #until(done: () => boolean) {
    const end = performance.now() + this.waitMs;
    while (!done() && this.closed === undefined && performance.now() < end) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(end - performance.now(), 0));
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
