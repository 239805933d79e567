// Smalruby's rules for errors, addresses and labels (docs/compatibility.md).

const LEAVING_TYPES = ["GroupNotFound", "Unauthorized", "NodeNotFound"];
const LEAVING_WORDS = ["not found", "expired", "unauthorized"];
const LABELS = "いしかたうんてとのつはこになくき"; // for the digits 0 to f
const AVAILABILITY_MS = 3_000;

/** Why the editor leaves its group after this error of a heartbeat, a report or an event; undefined if it stays. */
export function reasonToLeave(error) {
  const type = error?.graphQLErrors?.[0]?.errorType;
  if (LEAVING_TYPES.includes(type)) return type;
  const message = error?.message?.toLowerCase() ?? "";
  return LEAVING_WORDS.some((word) => message.includes(word)) ? "expired" : undefined;
}

/** Whether the editor takes this error for a network that blocks it. */
export const looksFiltered = (error) => error?.networkError?.statusCode === 503 || Boolean(error?.message?.includes("503"));

/** The address at which the editor tries whether WebSockets work, without credentials. */
export function availabilityUrl(endpoint) {
  const url = endpoint.replace("https://", "wss://");
  if (url.includes("appsync-api")) return url.replace("appsync-api", "appsync-realtime-api");
  return url.replace(/\/graphql$/, "/graphql/realtime");
}

/** Whether a WebSocket opens within 3 s. */
export function isWebSocketAvailable(endpoint) {
  return new Promise((resolve) => {
    const socket = new WebSocket(availabilityUrl(endpoint), "graphql-ws");
    const answer = (opened) => {
      clearTimeout(late);
      socket.close();
      resolve(opened);
    };
    const late = setTimeout(() => answer(false), AVAILABILITY_MS);
    socket.onopen = () => answer(true);
    socket.onerror = () => answer(false);
  });
}

/** What the editor shows for a group's name: its first six digits, as hiragana. */
export const label = (name) => [...name.slice(0, 6)].map((digit) => LABELS[Number.parseInt(digit, 16)]).join("");

/** The digits of a label. */
export const digits = (shown) => [...shown].map((letter) => LABELS.indexOf(letter).toString(16)).join("");
