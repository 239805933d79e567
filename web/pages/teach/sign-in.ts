// Who the teacher is: a named key, from which the host's id and token are derived. So another
// machine with the same key is the same host.
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { hex, inTab, onMachine } from "../common/kept";
import { roleOf } from "../common/server";

// Browsers have crypto.subtle for pages over https alone, and a class opens this one over http.
const derived = (key: string, label: string) => {
  const text = new TextEncoder();
  return hex(hmac(sha256, text.encode(key), text.encode(label)));
};

export interface Teacher {
  key: string;
  hostId: string;
  hostToken: string;
}

/** A teacher by a key, which stays as it is: spaces around it are the clipboard's. */
export function teacherOf(key: string): Teacher {
  return {
    key,
    hostId: derived(key, "mesh-v2 host id").slice(0, 16),
    hostToken: derived(key, "mesh-v2 host token"),
  };
}

export type Refusal = "unknown" | "public" | "offline";

/** Checks a key; nothing is kept unless it is a teacher's. */
export async function signIn(key: string, stays: boolean): Promise<Teacher | Refusal> {
  try {
    const role = await roleOf(key);
    if (role === undefined) return "unknown";
    if (role === "public") return "public";
  } catch {
    return "offline";
  }
  (stays ? onMachine : inTab).set("teacher-key", key);
  return teacherOf(key);
}

export const keptKey = () => inTab.get("teacher-key") ?? onMachine.get("teacher-key");

export function signOut() {
  inTab.remove("teacher-key");
  onMachine.remove("teacher-key");
  onMachine.remove("lesson");
}
