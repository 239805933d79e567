// Amplify in a process of its own: Node reads the certificate to trust
// (NODE_EXTRA_CA_CERTS) only when it starts. The parent sends orders.
import { Amplify } from "aws-amplify";
import { generateClient } from "aws-amplify/api";
import { createInterface } from "node:readline";
import WebSocket from "ws";

globalThis.WebSocket = WebSocket; // Node has none of its own
const print = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

const [endpoint, apiKey] = process.argv.slice(2);
Amplify.configure({
  API: { GraphQL: { endpoint, region: "ap-northeast-1", defaultAuthMode: "apiKey", apiKey } },
});
const client = generateClient();
const subscriptions = new Map();

/** A rejection, as JSON. */
const described = (error) => ({
  name: error?.name,
  message: error?.message,
  errors: error?.errors?.map(({ name, message, errorType }) => ({ name, message, errorType })),
});

const orders = createInterface({ input: process.stdin });
orders.on("close", () => process.exit());
orders.on("line", async (line) => {
  const { id, order, query, variables } = JSON.parse(line);
  if (order === "send") {
    try {
      const { data } = await client.graphql({ query, variables });
      print({ id, data });
    } catch (error) {
      print({ id, error: described(error) });
    }
  } else if (order === "listen") {
    const subscription = client.graphql({ query, variables }).subscribe({
      next: ({ data, errors }) => print({ id, message: data?.onMessageInGroup, error: errors && described({ errors }) }),
      error: (error) => print({ id, error: described(error) }),
    });
    subscriptions.set(id, subscription);
  } else if (order === "end") {
    subscriptions.get(id)?.unsubscribe();
    subscriptions.delete(id);
  }
});
print({ ready: true });
