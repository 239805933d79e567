// What a page keeps in the browser. A browser that keeps nothing, as in some private windows, is
// one in which everything is forgotten.

const kept = (storage: () => Storage) => ({
  get(name: string): string | null {
    try {
      return storage().getItem(`mesh-v2.${name}`);
    } catch {
      return null;
    }
  },
  /** What `setJson` kept; null if it is nothing that can be read. */
  json<T>(name: string): T | null {
    try {
      return JSON.parse(this.get(name) ?? "null");
    } catch {
      return null;
    }
  },
  set(name: string, value: string) {
    try {
      storage().setItem(`mesh-v2.${name}`, value);
    } catch {
      // Forgotten at the next load.
    }
  },
  setJson(name: string, value: unknown) {
    this.set(name, JSON.stringify(value));
  },
  remove(name: string) {
    try {
      storage().removeItem(`mesh-v2.${name}`);
    } catch {
      // It is not there.
    }
  },
});

/** Until the tab is closed. */
export const inTab = kept(() => sessionStorage);
/** On this machine. */
export const onMachine = kept(() => localStorage);

/** As many random bytes, in hexadecimal. */
export function randomHex(bytes: number): string {
  return hex(crypto.getRandomValues(new Uint8Array(bytes)));
}

export const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
