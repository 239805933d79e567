// AppSync's realtime protocol (docs/compatibility.md, Realtime protocol), and no other.
import { WebSocketServer } from "ws";
import { Invalid, prepare } from "./engine.mjs";
import { unauthorized } from "./http.mjs";

const PROTOCOL = "graphql-ws";
const KEEP_ALIVE_MS = 60_000;
const SUBSCRIPTIONS = 100;
/** A larger payload is not delivered, and nobody is told (docs/compatibility.md, Realtime protocol). */
const PAYLOAD_BYTES = 240 * 1024;

/** Serves upgrades at both paths of an endpoint; answers how to hang up on everybody. */
export function acceptRealtime(stage, server) {
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => offered.has(PROTOCOL) && PROTOCOL });
  server.on("upgrade", (request, socket, head) => {
    const known = ["/graphql", "/graphql/realtime"].includes(new URL(request.url, "http://localhost").pathname);
    if (!known) return socket.destroy();
    sockets.handleUpgrade(request, socket, head, (open) => new Session(stage, request, open));
  });
  return () => sockets.clients.forEach((socket) => socket.terminate());
}

class Session {
  #subscriptions = new Map();
  #introduced = false;
  #says;
  #stage;
  #socket;
  #why;

  constructor(stage, request, socket) {
    [this.#stage, this.#socket] = [stage, socket];
    this.#says = (message) => socket.send(JSON.stringify(message));
    if (socket.protocol !== PROTOCOL) return this.#refuses({ message: "SubProtocolNotSupportedError", errorCode: 400 });
    this.#why = unauthorized(stage, keyOf(request));
    const signs = setInterval(() => this.#introduced && this.#says({ type: "ka" }), KEEP_ALIVE_MS);
    socket.on("message", (data) => this.#hears(String(data)));
    socket.on("error", () => socket.terminate());
    socket.on("close", () => {
      clearInterval(signs);
      this.#subscriptions.forEach((end) => end());
    });
  }

  #refuses(error) {
    this.#says({ type: "connection_error", payload: { errors: [error] } });
    this.#socket.close();
  }

  #hears(text) {
    const message = object(text);
    if (message.type === "connection_init") return this.#introduces();
    if (!this.#introduced) return; // AppSync ignores what comes before its acknowledgement
    if (message.type === "start") return this.#starts(message);
    if (message.type === "stop") return this.#stops(message.id);
    this.#says(error({ errorType: "UnsupportedOperation", message: "unknown not supported through the realtime channel" }));
  }

  #introduces() {
    if (this.#why) return this.#refuses({ errorType: "UnauthorizedException", message: this.#why, errorCode: 401 });
    this.#introduced = true;
    this.#says({ type: "connection_ack", payload: { connectionTimeoutMs: 300_000 } });
    this.#says({ type: "ka" });
  }

  #starts({ id, payload }) {
    const refuse = (errorType, message) => this.#says(error({ errorType, message }, id));
    const shown = keyIn(payload?.extensions?.authorization);
    const why = shown === undefined ? undefined : unauthorized(this.#stage, shown);
    if (why) return refuse("UnauthorizedException", why);
    if (this.#subscriptions.has(id)) return refuse("DuplicatedOperationError", "This id is in use.");
    if (this.#subscriptions.size >= SUBSCRIPTIONS) {
      return refuse("MaxSubscriptionsReachedError", `Max number of ${SUBSCRIPTIONS} subscriptions reached`);
    }
    const asked = object(payload?.data);
    if (typeof asked.query !== "string") return refuse("BadRequestException", "Unable to parse GraphQL query.");
    const prepared = attempt(() => prepare(asked));
    if (prepared instanceof Invalid) return this.#says(error({ message: prepared.errors[0].message }, id));
    const { operation } = prepared.operation;
    if (operation !== "subscription") {
      return refuse("UnsupportedOperation", `${operation} not supported through the realtime channel`);
    }
    const tell = (told) => {
      if (Buffer.byteLength(JSON.stringify(told)) <= PAYLOAD_BYTES) this.#says({ id, type: "data", payload: told });
    };
    this.#subscriptions.set(id, this.#stage.listeners.add(prepared, tell));
    this.#says({ id, type: "start_ack" });
  }

  #stops(id) {
    if (!this.#subscriptions.has(id)) return;
    this.#subscriptions.get(id)();
    this.#subscriptions.delete(id);
    this.#says({ id, type: "complete" });
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
