// A subscription over a WebSocket, by the protocol graphql-transport-ws.
import { type OpenLink, type Result, receive, refusal, subscription } from "./link.js";

/** How long a connection may take to be acknowledged: a filter may swallow its frames. */
const ACK_MS = 5_000;
const PING_MS = 15_000;
const PONG_MS = 10_000;
/** `WebSocket.OPEN`. */
const OPEN = 1;

/** What is used of a WebSocket: the browser's, or that of the package `ws`. */
export interface SocketLike {
  readyState: number;
  send(text: string): void;
  close(): void;
  onopen: unknown;
  onmessage: unknown;
  onclose: unknown;
  onerror: unknown;
}
export type SocketClass = new (url: string, protocol: string) => SocketLike;

interface Frame {
  type: string;
  id?: string;
  payload?: unknown;
}

/** None where the page may open none. */
function connect(Socket: SocketClass, url: URL): SocketLike | undefined {
  try {
    return new Socket(url.href, "graphql-transport-ws");
  } catch {
    return undefined;
  }
}

export const openSocket: OpenLink = (mesh, group, position, handlers) => {
  const url = new URL("graphql/realtime", mesh.url);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = connect(mesh.WebSocket!, url);
  if (!socket) {
    const timer = setTimeout(() => handlers.onClosed());
    return () => clearTimeout(timer);
  }
  const send = (frame: Frame) => socket.readyState === OPEN && socket.send(JSON.stringify(frame));
  let closed = false;
  const close = (silently = false) => {
    if (closed) return;
    closed = true;
    clearTimeout(deadline);
    clearInterval(pings);
    socket.close();
    if (!silently) handlers.onClosed();
  };
  const isLate = () => close();
  let deadline = setTimeout(isLate, ACK_MS);
  const pings = setInterval(() => {
    send({ type: "ping" });
    clearTimeout(deadline);
    deadline = setTimeout(isLate, PONG_MS);
  }, PING_MS);

  const receiveFrame = ({ type, id, payload }: Frame) => {
    if (type === "connection_ack") {
      send({ id: "1", type: "subscribe", payload: subscription(group, position) });
      // Operations run in order: the answer to this one means that the subscription stands.
      send({ id: "2", type: "subscribe", payload: { query: "{ __typename }" } });
    } else if (type === "ping") send({ type: "pong" });
    else if (type === "pong") clearTimeout(deadline);
    else if (id === "2" && type === "next") {
      clearTimeout(deadline);
      handlers.onReady();
    } else if (id === "1" && type === "next") {
      if (!receive(payload as Result, position, handlers)) close();
    } else if (id === "1") {
      if (type === "error") handlers.onRefused(refusal(payload as []));
      close();
    }
  };

  socket.onopen = () => {
    const code = mesh.code && { joinCode: mesh.code };
    send({ type: "connection_init", payload: { "x-api-key": mesh.key, ...code } });
  };
  socket.onmessage = ({ data }: { data: string }) => {
    if (closed) return;
    try {
      receiveFrame(JSON.parse(data));
    } catch {
      close(); // something between answered in the server's place
    }
  };
  socket.onerror = () => {}; // a close follows
  socket.onclose = isLate;
  return () => close(true);
};
