// The event stream, as a program uses it that does not get a WebSocket: its beginning and an
// event must arrive at once, each in a piece of its own.
import { ROOT } from "../common/server";
import { type Finding, finding } from "./advice";
import type { Group } from "./group";
import type { Requests } from "./requests";
import { isLate } from "./socket";

const SUBSCRIPTION = `subscription OnMessageInGroup($groupId: ID!, $domain: String!) {
  onMessageInGroup(groupId: $groupId, domain: $domain) { batchEvent { events { name } } } }`;
const NAME = "doctor-stream";

/** Opens an event stream and sends an event. */
export async function tryStream(requests: Requests, group: Group, requestMs: number): Promise<Finding> {
  const abort = new AbortController();
  let timer = 0;
  const expect = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), requests.waitMs);
  };
  try {
    expect();
    const response = await fetch(new URL("graphql/stream", ROOT), {
      method: "POST",
      headers: { accept: "text/event-stream", "content-type": "application/json", "x-api-key": requests.key },
      body: JSON.stringify({ query: SUBSCRIPTION, variables: { groupId: group.id, domain: group.domain } }),
      cache: "no-store",
      signal: abort.signal,
    });
    const kind = response.headers.get("content-type") ?? "";
    if (response.status !== 200 || !kind.startsWith("text/event-stream")) return finding("sse-absent");
    const arrives = reader(response.body!);
    expect();
    let latest = await arrives(":");
    await group.fire(NAME);
    expect();
    // The server publishes before it answers.
    latest = Math.max(latest, await arrives(NAME));
    if (isLate(latest, requestMs)) return finding("sse-buffered", { seconds: (latest / 1000).toFixed(1) });
    return finding("sse-ok", { ms: Math.round(latest) });
  } catch (error) {
    // Some relays hold even the head.
    if (abort.signal.aborted) return finding("sse-silent", { seconds: requests.waitMs / 1000 });
    return finding("sse-broken", { why: String(error) });
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

/** Waits until a text has arrived; answers how long that took. */
function reader(body: ReadableStream<Uint8Array>) {
  const pieces = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  return async (wanted: string) => {
    const began = performance.now();
    while (!text.includes(wanted)) {
      const { done, value } = await pieces.read();
      if (done) throw new Error("the stream ended");
      text += decoder.decode(value, { stream: true });
    }
    return performance.now() - began;
  };
}
