// The legacy client. As its users do, it subscribes over the socket and sends
// everything else over HTTP.
import { SubscriptionClient } from "subscriptions-transport-ws";
import WebSocket from "ws";

/** What the server said on every socket, oldest first. */
export const frames = [];

class Noting extends WebSocket {
  constructor(...args) {
    super(...args);
    this.on("message", (data) => frames.push(JSON.parse(String(data))));
  }
}

export function open({ apiKey }, url, connectionCallback) {
  const client = new SubscriptionClient(
    url.replace(/^http/, "ws"),
    { reconnect: true, connectionParams: { "x-api-key": apiKey }, connectionCallback },
    Noting,
  );

  return {
    client,
    async send(query, variables) {
      const answer = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", "x-api-key": apiKey },
        body: JSON.stringify({ query, variables }),
        signal: AbortSignal.timeout(10_000),
      });
      const { data, errors } = await answer.json();
      if (errors) throw errors;
      return data;
    },
    refusal: (errors) => errors?.[0],
    listen(query, variables, inbox) {
      const { unsubscribe } = client.request({ query, variables }).subscribe({
        next: ({ data, errors }) => (errors ? inbox.fail(errors) : inbox.receive(data.onMessageInGroup)),
        error: inbox.fail,
      });
      return unsubscribe;
    },
    close: () => client.close(),
  };
}
