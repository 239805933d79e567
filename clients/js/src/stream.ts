// A subscription over a response that does not end: GraphQL over SSE, in its distinct mode.
import { type OpenLink, type Result, receive, refusal, subscription } from "./link.js";

/** How long the first byte may take: a filter may keep the response until it ends. */
const READY_MS = 5_000;
/** How long the server may be silent; its comments come every 12 to 20 s. */
const SILENT_MS = 45_000;
/** The longest event, in characters; the server sends up to 240 KB. */
const EVENT_MAX = 2_000_000;

export const openStream: OpenLink = (mesh, group, position, handlers) => {
  const abort = new AbortController();
  let closed = false;
  let isReady = false;
  const close = (silently = false) => {
    if (closed) return;
    closed = true;
    clearTimeout(deadline);
    abort.abort();
    if (!silently) handlers.onClosed();
  };
  let deadline = setTimeout(close, READY_MS);

  /** The server is alive; with its first byte, the subscription stands. */
  const isAlive = () => {
    clearTimeout(deadline);
    deadline = setTimeout(close, SILENT_MS);
    if (!isReady) handlers.onReady();
    isReady = true;
  };

  const receiveEvent = (text: string) => {
    const value = (name: string) => text.match(new RegExp(`^${name}: ?(.*)`, "m"))?.[1];
    if (value("event") === "complete") close();
    else if (value("event") === "next" && !receive(JSON.parse(value("data")!) as Result, position, handlers)) close();
  };

  const read = async () => {
    const response = await mesh.fetch(new URL("graphql/stream", mesh.url), {
      method: "POST",
      headers: { ...mesh.headers, accept: "text/event-stream" },
      body: JSON.stringify(subscription(group, position)),
      signal: abort.signal,
    });
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
      const { errors } = await response.json();
      if (response.status !== 404 && !closed) handlers.onRefused(refusal(errors));
      return;
    }
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done || closed) return;
      isAlive();
      const events = (rest + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/);
      rest = events.pop()!;
      if (rest.length > EVENT_MAX) return;
      for (const event of events) if (!closed) receiveEvent(event);
    }
  };
  // What is no event of ours closes it too.
  read().catch(() => {}).then(() => close());
  return () => close(true);
};
