// Which server: the one that the script came from, or that of a link to its join page.
import { parseCode } from "../pages/common/code";

/** The group that a pupil named. */
export interface Place {
  server: URL;
  code: string;
}

const SCRIPT = /(https?:\/\/[^\s()@]*\/)extension\/mesh\.m?js/;

/**
 * The server of this script, by the address in the trace of an error: scripts, workers, frames and
 * modules have it. A packaged project has the script inside, and no address.
 */
export function serverOfScript(trace = new Error().stack ?? ""): URL | undefined {
  const found = SCRIPT.exec(trace);
  return found ? new URL(found[1]!) : undefined;
}

/** A code alone, or the link of a join page, which also names the server. */
export function parsePlace(text: string, ownServer: URL | undefined): Place | "unknownCode" | "noServer" {
  const trimmed = text.trim();
  const link = /^(https?:\/\/.*\/)join\/([^/?#]+)/i.exec(trimmed);
  const code = parseCode(link ? decoded(link[2]!) : trimmed);
  if (!code) return "unknownCode";
  if (!link) return ownServer ? { server: ownServer, code } : "noServer";
  try {
    return { server: new URL(link[1]!), code };
  } catch {
    return "unknownCode";
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // a half-typed escape
  }
}

/** How long the server may take. */
const CALL_MS = 10_000;

/** The server's public key; null if it gives none to extensions. */
export async function publicKey(server: URL): Promise<string | null> {
  const signal = AbortSignal.timeout?.(CALL_MS); // not in browsers before 2022
  const response = await fetch(new URL("extension/config.json", server), { cache: "no-store", signal });
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const { key } = (await response.json()) as { key?: unknown };
  return typeof key === "string" ? key : null;
}

/** A page over https may not call a server over http, unless that is this machine. */
export function isBlocked(server: URL, pageIsSecure: boolean): boolean {
  const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(server.hostname);
  return pageIsSecure && server.protocol === "http:" && !isLocal;
}
