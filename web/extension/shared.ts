// What this project shares: bounded, so that one large value does not keep the others from arriving.

/** Values that a project shares. */
const VALUES_MAX = 100;
/** Characters of a value, and of all of them with their names: the server takes 64 KB of a node. */
const VALUE_CHARACTERS = 4_000;
const ALL_CHARACTERS = 16_000;
/** Characters of a value's or an event's name. */
const NAME_CHARACTERS = 256;
/** Characters of an event's text. */
export const PAYLOAD_CHARACTERS = 4_000;

export const isName = (name: string) => name.length > 0 && name.length <= NAME_CHARACTERS;

export class SharedValues {
  #values = new Map<string, string>();
  #characters = 0;

  /** Whether the value may be shared, and is another one than before. */
  takes(name: string, value: string): boolean {
    const before = this.#values.get(name);
    if (before === value || !isName(name) || value.length > VALUE_CHARACTERS) return false;
    if (before === undefined && this.#values.size >= VALUES_MAX) return false;
    const more = value.length - (before?.length ?? -name.length);
    if (this.#characters + more > ALL_CHARACTERS) return false;
    this.#characters += more;
    this.#values.set(name, value);
    return true;
  }

  clear() {
    this.#values.clear();
    this.#characters = 0;
  }
}
