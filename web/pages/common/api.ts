import { ROOT } from "./server";

/** How long a call may take: school networks are slow, and a page without an answer is stuck. */
const CALL_MS = 10_000;

/** What the server refused. */
export class ApiError extends Error {
  constructor(
    readonly type: string,
    message: string,
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

/** The server could not be reached, or something between answered in its place. */
export class NetworkError extends Error {}

export type Variables = Record<string, unknown>;

interface Answer<T> {
  data?: T | null;
  errors?: { errorType?: string; message: string; extensions?: { retryAfterMs?: number } }[];
}

/** Calls with one key, and with the code of a group if there is one. */
export class Api {
  /** By how much the server's clock is ahead of this one's, to about a second. */
  #ahead = 0;

  constructor(
    readonly key: string,
    public code?: string,
  ) {}

  /** The server's time. */
  now() {
    return Date.now() + this.#ahead;
  }

  async call<T>(query: string, variables: Variables = {}): Promise<T> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), CALL_MS);
    try {
      const response = await fetch(new URL("graphql", ROOT), {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "x-api-key": this.key,
          ...(this.code && { "x-mesh-join-code": this.code }),
        },
        body: JSON.stringify({ query, variables }),
        signal: abort.signal,
      });
      const date = Date.parse(response.headers.get("date") ?? "");
      if (date) this.#ahead = date - Date.now();
      const answer: Answer<T> = await response.json();
      const error = answer.errors?.[0];
      if (error) throw new ApiError(error.errorType ?? "", error.message, error.extensions?.retryAfterMs);
      if (!answer.data) throw new NetworkError(`HTTP ${response.status}`);
      return answer.data;
    } catch (error) {
      throw error instanceof ApiError ? error : new NetworkError(String(error));
    } finally {
      clearTimeout(timer);
    }
  }
}
