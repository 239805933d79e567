// graphql-sse: everything, also queries and mutations, is an event stream.
import { createClient } from "graphql-sse";

/** With `singleConnection` all operations share one stream. */
export const openWith = (options) => ({ apiKey }, url) => {
  const client = createClient({ url: `${url}/stream`, headers: () => ({ "x-api-key": apiKey }), ...options });

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
};
