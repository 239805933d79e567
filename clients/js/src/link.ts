// One subscription over one connection, whatever carries it.
import { MESSAGES } from "./documents.js";
import { MeshError } from "./errors.js";
import type { Mesh } from "./mesh.js";
import type { GroupRef, Status } from "./types.js";

/** Where the last message stood, by which the next connection resumes (docs/protocols.md, Resuming). */
export interface Position {
  epoch?: string;
  offset?: number;
}

/** A message of the group; one member is set. */
export interface Message {
  nodeStatus: Status | null;
  batchEvent: {
    firedByNodeId: string;
    timestamp: string;
    events: { name: string; payload: string | null; orderKey: string | null }[];
  } | null;
  groupDissolve: { message: string } | null;
}

export interface LinkHandlers {
  /** The subscription stands: whatever is sent from now on arrives. */
  onReady(): void;
  /** Messages may be missing before the next one. */
  onGap(): void;
  onMessage(message: Message): void;
  onRefused(error: MeshError): void;
  /** The connection ended, or never began. */
  onClosed(): void;
}

/** Connects and subscribes; the answer closes it. */
export type OpenLink = (mesh: Mesh, group: GroupRef, position: Position, handlers: LinkHandlers) => () => void;

interface Refusal {
  errorType?: string;
  message: string;
}

/** What the server answers to the subscription, as `payload` in each protocol. */
export interface Result {
  data?: { onMessageInGroup: Message | null } | null;
  errors?: Refusal[];
  extensions?: { mesh?: Position & { recovered?: boolean } };
}

export const subscription = (group: GroupRef, mesh: Position) => ({
  query: MESSAGES,
  variables: { groupId: group.groupId, domain: group.domain },
  extensions: { mesh },
});

export const refusal = (errors: Refusal[] | undefined) =>
  new MeshError(errors?.[0]?.errorType ?? "", errors?.[0]?.message ?? "The subscription was refused");

/** Delivers a result, unless another connection did. Whether the subscription goes on. */
export function receive({ data, errors, extensions }: Result, position: Position, handlers: LinkHandlers): boolean {
  if (errors?.[0] || !data) {
    handlers.onRefused(refusal(errors));
    return false;
  }
  const { epoch, offset, recovered } = extensions?.mesh ?? {};
  const message = data.onMessageInGroup;
  if (message && epoch && epoch === position.epoch && offset! <= position.offset!) return true;
  if (epoch) Object.assign(position, { epoch, offset });
  if (message) handlers.onMessage(message);
  else if (recovered !== true) handlers.onGap();
  return true;
}
