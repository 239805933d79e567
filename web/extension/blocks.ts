// The extension's blocks, as editors want them described.
import type { Texts } from "./texts";

/** Part of every opcode in a saved project: it never changes. */
export const ID = "meshv2";
const COLOUR = "#0a7d8c";
/** Of inputs and of outlines: Scratch's editor draws no block without all three. */
const DARKER = "#086875";
const DARKEST = "#06535e";

/** The icon is white; behind it are the blocks, or what is given. */
const icon = (behind = "") =>
  "data:image/svg+xml," +
  encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40" viewBox="0 0 40 40">${behind}` +
      '<path d="M11 13 29 11 25 29Z" fill="none" stroke="#fff" stroke-width="3"/>' +
      '<g fill="#fff"><circle cx="11" cy="13" r="5"/><circle cx="29" cy="11" r="5"/><circle cx="25" cy="29" r="5"/></g></svg>',
  );

export const ICON = icon();
const MENU_ICON = icon(`<circle cx="20" cy="20" r="20" fill="${COLOUR}"/>`);

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
    color2: DARKER,
    color3: DARKEST,
    blockIconURI: ICON,
    menuIconURI: MENU_ICON,
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
