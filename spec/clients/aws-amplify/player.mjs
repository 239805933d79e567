// Amplify in a process of its own: Node reads the certificate to trust
// (NODE_EXTRA_CA_CERTS) only when it starts. The parent says what to do.
import { Amplify } from "aws-amplify";
import { generateClient } from "aws-amplify/api";
import WebSocket from "ws";

globalThis.WebSocket = WebSocket; // Node has none of its own
process.on("disconnect", () => process.exit());

const [endpoint, apiKey] = process.argv.slice(2);
Amplify.configure({
  API: { GraphQL: { endpoint, region: "ap-northeast-1", defaultAuthMode: "apiKey", apiKey } },
});
const client = generateClient();
const subscriptions = new Map();

/** A rejection, as far as it can be sent to the parent. */
const told = (error) => ({
  name: error?.name,
  message: error?.message,
  errors: error?.errors?.map(({ name, message, errorType }) => ({ name, message, errorType })),
});

process.on("message", async ({ order, id, query, variables }) => {
  if (order === "send") {
    try {
      const { data } = await client.graphql({ query, variables });
      process.send({ id, data });
    } catch (error) {
      process.send({ id, error: told(error) });
    }
  } else if (order === "listen") {
    const subscription = client.graphql({ query, variables }).subscribe({
      next: ({ data, errors }) => process.send({ id, heard: data?.onMessageInGroup, error: errors && told({ errors }) }),
      error: (error) => process.send({ id, error: told(error) }),
    });
    subscriptions.set(id, subscription);
  } else if (order === "end") {
    subscriptions.get(id)?.unsubscribe();
    subscriptions.delete(id);
  }
});
process.send({ ready: true });
