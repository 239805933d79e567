// The client of Smalruby's editor, made as the editor makes it.
import { AUTH_TYPE, AWSAppSyncClient } from "aws-appsync";
import gql from "graphql-tag";
import WebSocket from "ws";

/** The text frames of every socket, oldest first: `{url, from, frame}`. */
export const frames = [];

// Node has no WebSocket of its own. This one also notes what is said.
globalThis.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    this.on("message", (data) => frames.push({ url: this.url, from: "server", frame: JSON.parse(String(data)) }));
  }

  send(data, ...rest) {
    frames.push({ url: this.url, from: "client", frame: JSON.parse(String(data)) });
    super.send(data, ...rest);
  }
};

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
        next: ({ data }) => inbox.hear(data.onMessageInGroup),
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
      client.stop();
    },
  };
}
