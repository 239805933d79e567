// The client of Smalruby's editor, made as the editor makes it.
import { AUTH_TYPE, AWSAppSyncClient } from "aws-appsync";
import gql from "graphql-tag";
import { EventEmitter, once } from "node:events";
import WebSocket from "ws";

/** The types of the server's messages on all sockets, oldest first. */
export const said = [];
const saying = new EventEmitter();

// Node has no WebSocket of its own. This one also notes the messages of the server.
globalThis.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    this.on("message", (data) => {
      const { type } = JSON.parse(String(data));
      if (type !== "data") said.push(type);
      saying.emit(type);
    });
  }
};

/** Waits for the next start_ack. */
export const startAck = () => once(saying, "start_ack", { signal: AbortSignal.timeout(5_000) });

export function open({ apiKey }, url) {
  const client = new AWSAppSyncClient({
    url,
    region: "ap-northeast-1",
    auth: { type: AUTH_TYPE.API_KEY, apiKey },
    disableOffline: true,
  });
  const subscriptions = new Set();

  return {
    async send(text, variables) {
      const document = gql(text);
      const answer =
        document.definitions[0].operation === "mutation"
          ? await client.mutate({ mutation: document, variables })
          : await client.query({ query: document, variables, fetchPolicy: "network-only" });
      return answer.data;
    },
    refusal: (error) => error.graphQLErrors?.[0],
    listen(text, variables, inbox) {
      const subscription = client.subscribe({ query: gql(text), variables }).subscribe({
        next: ({ data }) => inbox.receive(data.onMessageInGroup),
        error: inbox.fail,
      });
      subscriptions.add(subscription);
      return () => {
        subscriptions.delete(subscription);
        subscription.unsubscribe();
      };
    },
    close() {
      for (const subscription of subscriptions) subscription.unsubscribe();
      subscriptions.clear();
    },
  };
}
