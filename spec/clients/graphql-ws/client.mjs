// graphql-ws: everything, also queries and mutations, goes over one socket.
import { createClient } from "graphql-ws";
import WebSocket from "ws";

export function open({ apiKey }, url) {
  const client = createClient({
    url: url.replace(/^http/, "ws"),
    webSocketImpl: WebSocket,
    connectionParams: { "x-api-key": apiKey },
  });

  return {
    client,
    send(query, variables) {
      return new Promise((resolve, reject) => {
        let answer;
        client.subscribe(
          { query, variables },
          {
            next: (result) => (answer = result),
            error: reject,
            complete: () => (answer?.errors ? reject(answer.errors) : resolve(answer?.data)),
          },
        );
      });
    },
    refusal: (errors) => errors?.[0],
    listen(query, variables, inbox) {
      return client.subscribe(
        { query, variables },
        {
          next: ({ data, errors }) => (errors ? inbox.fail(errors) : inbox.receive(data.onMessageInGroup)),
          error: inbox.fail,
          complete: () => {},
        },
      );
    },
    close: () => client.dispose(),
  };
}
