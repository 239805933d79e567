// The extension's blocks, as editors want them described.
import type { Texts } from "./texts";

/** Part of every opcode in a saved project: it never changes. */
export const ID = "meshv2";
const COLOUR = "#0a7d8c";
export const ICON =
  "data:image/svg+xml," +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40" viewBox="0 0 40 40"><g stroke="#fff" stroke-width="3">' +
      '<path d="M10 12 30 10 26 31 10 12"/></g><g fill="#fff"><circle cx="10" cy="12" r="6"/><circle cx="30" cy="10" r="6"/>' +
      '<circle cx="26" cy="31" r="6"/></g></svg>',
  );

type Arguments = Record<string, { type: "string"; defaultValue: string }>;

const text = (defaultValue: string) => ({ type: "string" as const, defaultValue });

/** `onEvents` says whether this script may start hats itself, or the editor has to ask for each. */
export function describe(texts: Texts, onEvents: boolean) {
  const block = (blockType: string) => (opcode: string & keyof Texts, args: Arguments = {}) => ({
    opcode,
    blockType,
    text: texts[opcode],
    arguments: args,
  });
  const command = block("command");
  const reporter = block("reporter");
  const hat = {
    ...block(onEvents ? "event" : "hat")("whenEvent", { EVENT: text(texts.eventName) }),
    isEdgeActivated: !onEvents,
    // A hat that is asked would be restarted before the answer comes from the sandbox.
    shouldRestartExistingThreads: onEvents,
  };
  return {
    id: ID,
    name: texts.name,
    color1: COLOUR,
    blockIconURI: ICON,
    menuIconURI: ICON,
    blocks: [
      command("join", { CODE: text("0f3a1b"), NAME: text(texts.nickname) }),
      command("leave"),
      block("Boolean")("isConnected"),
      { ...reporter("status"), disableMonitor: false },
      reporter("ping"),
      "---",
      reporter("myName"),
      reporter("memberCount"),
      reporter("members"),
      "---",
      reporter("valueOf", { NAME: text(texts.valueName) }),
      reporter("valueNames"),
      command("share", { NAME: text(texts.valueName), VALUE: text("1") }),
      "---",
      command("send", { EVENT: text(texts.eventName), PAYLOAD: text("") }),
      hat,
      reporter("lastEvent"),
      reporter("lastPayload"),
      reporter("lastSender"),
    ],
  };
}
