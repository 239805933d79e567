// One subscription over one WebSocket, by the protocol graphql-transport-ws. When the connection
// breaks, the next one resumes where it ended (docs/protocols.md, Resuming).
import type { Api, Variables } from "./api";
import { ROOT } from "./server";

/** How long a connection may take to be acknowledged: a filter may swallow its frames. */
const ACK_MS = 5_000;
const PING_MS = 15_000;
const PONG_MS = 10_000;

export interface Position {
  epoch?: string;
  offset?: number;
}

interface Next {
  data?: unknown;
  errors?: { errorType?: string; message: string }[];
  extensions?: { mesh?: Position & { recovered?: boolean } };
}

export interface SocketHandlers {
  /** The server accepted the subscription. */
  onReady(): void;
  /** Messages may be missing: what is known has to be read again. */
  onGap(): void;
  onMessage(data: unknown): void;
  /** The server refuses the subscription. */
  onRefused(type: string): void;
  /** The connection ended, or never began. */
  onClosed(): void;
}

/** Connects and subscribes; the answer closes it. */
export function subscribe(
  api: Api,
  query: string,
  variables: Variables,
  position: Position,
  handlers: SocketHandlers,
): () => void {
  const url = new URL("graphql/realtime", ROOT);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(url.href, "graphql-transport-ws");
  const send = (message: object) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message));
  let closed = false;
  const close = () => {
    if (closed) return;
    closed = true;
    clearTimeout(deadline);
    clearInterval(pings);
    socket.close();
    handlers.onClosed();
  };
  let deadline = setTimeout(close, ACK_MS);
  const pings = setInterval(() => {
    send({ type: "ping" });
    clearTimeout(deadline);
    deadline = setTimeout(close, PONG_MS);
  }, PING_MS);

  socket.onopen = () => {
    const payload = { "x-api-key": api.key, ...(api.code && { joinCode: api.code }) };
    send({ type: "connection_init", payload });
  };
  socket.onclose = close;
  socket.onmessage = ({ data }) => {
    if (closed) return;
    const message = JSON.parse(data);
    if (message.type === "connection_ack") {
      clearTimeout(deadline);
      send({ id: "1", type: "subscribe", payload: { query, variables, extensions: { mesh: position } } });
      // Operations run in order: the answer to this one means that the subscription stands.
      send({ id: "2", type: "subscribe", payload: { query: "{ __typename }" } });
    } else if (message.type === "ping") send({ type: "pong" });
    else if (message.type === "pong") clearTimeout(deadline);
    else if (message.id === "2" && message.type === "next") handlers.onReady();
    else if (message.id === "1") received(message.type, message.payload);
  };

  function received(type: string, payload: unknown) {
    if (type === "error") {
      handlers.onRefused((payload as { errorType?: string }[])[0]?.errorType ?? "");
      return close();
    }
    if (type !== "next") return;
    const { data, errors, extensions } = payload as Next;
    const mesh = extensions?.mesh;
    if (errors?.[0]) {
      handlers.onRefused(errors[0].errorType ?? "");
      return close();
    }
    if (mesh) Object.assign(position, { epoch: mesh.epoch, offset: mesh.offset });
    const value = Object.values(data as object)[0];
    if (value) handlers.onMessage(value);
    else handlers.onGap();
  }

  return () => {
    handlers = { ...handlers, onClosed: () => {} };
    close();
  };
}
