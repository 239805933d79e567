// AppSync's realtime protocol (docs/compatibility.md, Realtime protocol), and no other.
import { WebSocketServer } from "ws";
import { Invalid, prepare, run } from "./engine.mjs";
import { fields, unauthorized } from "./http.mjs";

const PROTOCOL = "graphql-ws";
const KEEP_ALIVE_MS = 60_000;
const SUBSCRIPTIONS = 100;
/** A larger payload is not delivered, without an error (docs/compatibility.md, Realtime protocol). */
const PAYLOAD_BYTES = 240 * 1024;

/** Serves upgrades at both paths of an endpoint; returns what disconnects all clients. */
export function acceptRealtime(api, server) {
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => offered.has(PROTOCOL) && PROTOCOL });
  server.on("upgrade", (request, socket, head) => {
    const known = ["/graphql", "/graphql/realtime"].includes(new URL(request.url, "http://localhost").pathname);
    if (!known) return socket.destroy();
    sockets.handleUpgrade(request, socket, head, (open) => new Session(api, request, open));
  });
  return () => sockets.clients.forEach((socket) => socket.terminate());
}

class Session {
  #subscriptions = new Map();
  #isInitialized = false;
  #send;
  #api;
  #request;
  #socket;
  #why;

  constructor(api, request, socket) {
    [this.#api, this.#request, this.#socket] = [api, request, socket];
    this.#send = (message) => socket.send(JSON.stringify(message));
    if (socket.protocol !== PROTOCOL) return this.#refuse({ message: "SubProtocolNotSupportedError", errorCode: 400 });
    this.#why = unauthorized(api, keyOf(request));
    const keepAlive = setInterval(() => this.#isInitialized && this.#send({ type: "ka" }), KEEP_ALIVE_MS);
    socket.on("message", (data) => this.#receive(String(data)));
    socket.on("error", () => socket.terminate());
    socket.on("close", () => {
      clearInterval(keepAlive);
      this.#subscriptions.forEach((end) => end());
    });
  }

  #refuse(error) {
    this.#send({ type: "connection_error", payload: { errors: [error] } });
    this.#socket.close();
  }

  #receive(text) {
    const message = object(text);
    if (message.type === "connection_init") return this.#initialize();
    if (!this.#isInitialized) return; // AppSync ignores what comes before its acknowledgement
    if (message.type === "start") return this.#start(message);
    if (message.type === "stop") return this.#stop(message.id);
    this.#send(error({ errorType: "UnsupportedOperation", message: "unknown not supported through the realtime channel" }));
  }

  #initialize() {
    if (this.#why) return this.#refuse({ errorType: "UnauthorizedException", message: this.#why, errorCode: 401 });
    this.#isInitialized = true;
    this.#send({ type: "connection_ack", payload: { connectionTimeoutMs: 300_000 } });
    this.#send({ type: "ka" });
  }

  #start({ id, payload }) {
    const refuse = (errorType, message) => this.#send(error({ errorType, message }, id));
    const shown = keyIn(payload?.extensions?.authorization);
    const why = shown === undefined ? undefined : unauthorized(this.#api, shown);
    if (why) return refuse("UnauthorizedException", why);
    if (this.#subscriptions.has(id)) return refuse("DuplicatedOperationError", "This id is in use.");
    if (this.#subscriptions.size >= SUBSCRIPTIONS) {
      return refuse("MaxSubscriptionsReachedError", `Max number of ${SUBSCRIPTIONS} subscriptions reached`);
    }
    const asked = object(payload?.data);
    if (typeof asked.query !== "string") return refuse("BadRequestException", "Unable to parse GraphQL query.");
    const prepared = attempt(() => prepare(asked));
    if (prepared instanceof Invalid) return this.#send(error({ message: prepared.errors[0].message }, id));
    const { operation } = prepared.operation;
    if (operation !== "subscription") {
      return refuse("UnsupportedOperation", `${operation} not supported through the realtime channel`);
    }
    if (this.#api.resolvesSubscriptions) return this.#resolve(id, prepared, payload.extensions?.authorization);
    this.#subscribe(id, prepared);
  }

  /** The subscription's own resolver may refuse it; what it answers is not delivered. */
  async #resolve(id, prepared, authorization) {
    const request = { headers: { ...this.#request.headers, ...lowered(authorization) }, socket: this.#request.socket };
    const { errors } = await run(prepared, fields(this.#api, request, prepared, {}));
    if (errors) this.#send(error(errors[0], id));
    else this.#subscribe(id, prepared);
  }

  #subscribe(id, prepared) {
    const deliver = (payload) => {
      if (Buffer.byteLength(JSON.stringify(payload)) <= PAYLOAD_BYTES) this.#send({ id, type: "data", payload });
    };
    this.#subscriptions.set(id, this.#api.subscribers.add(prepared, deliver));
    this.#send({ id, type: "start_ack" });
  }

  #stop(id) {
    if (!this.#subscriptions.has(id)) return;
    this.#subscriptions.get(id)();
    this.#subscriptions.delete(id);
    this.#send({ id, type: "complete" });
  }
}

const error = (one, id) => ({ ...(id !== undefined && { id }), type: "error", payload: { errors: [one] } });

/** A JSON object, or an empty one for whatever else a text is. */
function object(text) {
  const value = attempt(() => JSON.parse(text));
  return value !== null && typeof value === "object" && !(value instanceof Error) ? value : {};
}

function attempt(act) {
  try {
    return act();
  } catch (error) {
    return error;
  }
}

/** A start's authorization: its members are the headers that the subscription's resolver gets. */
function lowered(authorization) {
  return Object.fromEntries(Object.entries(authorization ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
}

/** The key in an authorization object: names count in any case. */
function keyIn(authorization) {
  const found = Object.entries(authorization ?? {}).find(([name]) => name.toLowerCase() === "x-api-key");
  return found?.[1];
}

/** The key that an upgrade shows: in its query, its sub-protocols or its headers. */
function keyOf(request) {
  const inQuery = /[?&]header=([^&]*)/.exec(request.url)?.[1];
  const protocols = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((it) => it.trim());
  const inProtocol = protocols.find((it) => it.startsWith("header-"))?.slice("header-".length);
  // A + of raw base64 stands for itself: this is no form.
  const encoded = inQuery === undefined ? inProtocol : attempt(() => decodeURIComponent(inQuery));
  const shown = object(Buffer.from(String(encoded), "base64").toString("utf8"));
  return keyIn(shown) ?? request.headers["x-api-key"];
}
