// One stage: GraphQL over HTTP and the realtime protocol on a port of its own.
import { createServer } from "node:http";
import { Listeners } from "./delivery.mjs";
import { Lambda } from "./lambda.mjs";
import { answer } from "./http.mjs";
import { acceptRealtime } from "./realtime.mjs";

/** Opens a stage on a free port: `key` is its API key, `invoke` the address of its Lambda. */
export async function openStage({ key, invoke }) {
  const stage = { key, lambda: new Lambda(invoke), listeners: new Listeners() };
  const server = createServer((request, response) => answer(stage, request, response));
  // An idle client is waited for: a spec may let minutes pass.
  server.keepAliveTimeout = 600_000;
  const hangUp = acceptRealtime(stage, server);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${server.address().port}/graphql`,
    close() {
      hangUp();
      server.close();
      server.closeAllConnections();
    },
  };
}
