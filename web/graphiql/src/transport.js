// How the page talks to the server: POST for queries and mutations, one lazily
// opened WebSocket (graphql-transport-ws) for subscriptions.
import { createClient } from "graphql-ws";
import { Kind, parse } from "graphql";

// The page is served at the API's own address, whatever prefix stands before it.
const endpoint = () => new URL(location.pathname, location.href);

function socketUrl() {
  const url = endpoint();
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

export const KEY_HINT = "Enter an API key of this server above.";

/** Sends one operation by POST and returns the result as GraphiQL wants it. */
export async function post(params, key, headers) {
  let response;
  try {
    response = await fetch(endpoint(), {
      method: "POST",
      headers: {
        accept: "application/json",
        "content-type": "application/json",
        ...(key && { "x-api-key": key }),
        ...headers,
      },
      body: JSON.stringify(params),
    });
  } catch {
    return { result: "The server cannot be reached." };
  }
  const text = await response.text();
  const refused = response.status === 401 || response.status === 403;
  if (refused) return { refused, result: KEY_HINT };
  try {
    return { result: JSON.parse(text) };
  } catch {
    return { result: `HTTP ${response.status}\n\n${text}` };
  }
}

/**
 * The request with a valid operation name, and whether it is a subscription.
 *
 * GraphiQL notices the operation's name a moment late: run right after a change
 * of tab, it still gives the other tab's. A document's only operation needs none.
 */
export function prepare({ query, variables, operationName }) {
  let operations = [];
  try {
    operations = parse(query).definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  } catch {
    // The server says what is wrong with it.
  }
  const chosen =
    operations.length === 1 ? operations[0] : operations.find(({ name }) => name?.value === operationName);
  return {
    params: { query, variables, operationName: chosen ? chosen.name?.value : operationName },
    isSubscription: chosen?.operation === "subscription",
  };
}

// What the codes without a reason text mean.
const CLOSE_MEANING = {
  1001: "the server is going away",
  1005: "no reason given",
  1006: "connection lost or refused",
  4400: "bad request",
  4401: "unauthorized",
  4403: "forbidden",
  4406: "subprotocol not acceptable",
  4408: "initialisation timed out",
  4429: "too many initialisation requests",
};

const describeClose = ({ code, reason }) => `closed: ${code} ${reason || CLOSE_MEANING[code] || ""}`.trim();

const isClose = (value) => typeof value?.code === "number" && "reason" in value;

/** Turns whatever graphql-ws reports into something GraphiQL prints legibly. */
export function describeFailure(error) {
  if (isClose(error)) return { message: `Subscription ${describeClose(error)}` };
  if (Array.isArray(error)) return error; // GraphQL errors from the server
  if (error instanceof Error) return { message: error.message };
  return { message: "The WebSocket connection failed." };
}

const RESTART = 4499; // graphql-ws's code for client.terminate()

/**
 * The WebSocket client. `getKey` is asked anew at each connection; `onState`
 * receives "idle", "connecting", "connected" or "closed: …".
 */
export function createSocketClient({ getKey, onState }) {
  return createClient({
    url: socketUrl,
    lazy: true,
    connectionParams: () => (getKey() ? { "x-api-key": getKey() } : {}),
    retryAttempts: 5,
    // The first attempt follows at once, for a changed key or a dropped line.
    retryWait: (retries) => new Promise((done) => setTimeout(done, retries ? 500 * 2 ** retries : 0)),
    // A refused key stays refused; the rest may be a server that is restarting.
    shouldRetry: (error) => !(isClose(error) && error.code === 4403),
    on: {
      connecting: () => onState("connecting"),
      connected: () => onState("connected"),
      closed: (event) => {
        if (event.code === RESTART) return; // we reconnect at once
        onState(event.code === 1000 ? "idle" : describeClose(event));
      },
    },
  });
}
