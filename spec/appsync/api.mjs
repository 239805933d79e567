// One API: GraphQL over HTTP and the realtime protocol on a port of its own.
import { createServer } from "node:http";
import { Subscribers } from "./delivery.mjs";
import { Lambda } from "./lambda.mjs";
import { answer } from "./http.mjs";
import { acceptRealtime } from "./realtime.mjs";

/**
 * Opens an API on a free port: `key` is its API key, `invoke` the address of its Lambda, and with
 * `resolvesSubscriptions` it has a resolver for the subscription. `callers` are those with AWS
 * credentials, by access key: `{ secret, role }`; `publisherRole` is the function's role.
 */
export async function openApi({ key, invoke, resolvesSubscriptions = false, callers = {}, publisherRole = "" }) {
  const api = { key, resolvesSubscriptions, callers, publisherRole, lambda: new Lambda(invoke), subscribers: new Subscribers() };
  const server = createServer((request, response) => answer(api, request, response));
  // An idle connection stays open: in a case minutes may pass.
  server.keepAliveTimeout = 600_000;
  const disconnect = acceptRealtime(api, server);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${server.address().port}/graphql`,
    close() {
      disconnect();
      server.close();
      server.closeAllConnections();
    },
  };
}
