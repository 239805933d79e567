// The server that the page came from, whatever prefix a proxy put before it.

/** The server's root: the scripts are in its folder `pages`. */
export const ROOT = new URL("..", import.meta.url);

export interface Config {
  /** The public API key, if the server gives its pages one. */
  key: string | null;
  /** Where other machines of the network reach the server; empty for a page opened on another one. */
  addresses: string[];
  /** Whether the server has its page for developers. */
  graphiql: boolean;
}

export async function config(): Promise<Config> {
  const response = await fetch(new URL("pages/config.json", ROOT), { cache: "no-store" });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.json();
}

/** The role of a key: public, teacher or operator. Undefined if the server does not know the key. */
export async function roleOf(key: string): Promise<string | undefined> {
  const response = await fetch(new URL("whoami", ROOT), { headers: { "x-api-key": key }, cache: "no-store" });
  if (response.status === 401) return undefined;
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return (await response.json()).role;
}

/** Where the page of a join code is, as a pupil's device reaches the server. */
export const joinUrl = (root: string | URL, code: string) => new URL(`join/${code}`, root).href;
