import { documentOf } from "./documents.js";
import { MeshError, NetworkError } from "./errors.js";
import { type HostOptions, type JoinOptions, Session } from "./session.js";
import type { SocketClass } from "./socket.js";
import { sleep } from "./timing.js";
import type { Answer, Arguments, Field } from "./types.js";

/** How long a call may take: school networks are slow, and a program without an answer is stuck. */
const CALL_MS = 10_000;
/** For how long a call that came too fast is sent again. */
const PATIENCE_MS = 5_000;
/** How long the client stays on a lesser way until it tries the better ones. */
const TRY_BETTER_AFTER_MS = 60_000;

export interface MeshOptions {
  /** The server's address, such as `http://192.168.1.23:4000/`. */
  url: string | URL;
  /** The API key. */
  key: string;
  /** The group's join code, which servers with the policy `own` ask for. */
  code?: string;
  /** Where there is none, as in Node 20: the class of the package `ws`. Without one, SSE is used. */
  WebSocket?: SocketClass;
  fetch?: typeof fetch;
  /** How long a lesser way than WebSockets is used until they are tried again: 60,000. */
  tryBetterAfterMs?: number;
}

interface Reply {
  data?: Record<string, unknown> | null;
  errors?: { errorType?: string; message: string; extensions?: { retryAfterMs?: number } }[];
}

/** A server, with the key by which it is called. */
export class Mesh {
  readonly url: URL;
  readonly key: string;
  code?: string;
  readonly WebSocket?: SocketClass;
  readonly fetch: typeof fetch;
  readonly tryBetterAfterMs: number;
  /** By how much the server's clock is ahead of this one's, to about a second. */
  #ahead = 0;

  constructor({ url, key, code, ...means }: MeshOptions) {
    this.url = new URL(url);
    this.url.pathname = this.url.pathname.replace(/(\/graphql)?\/*$/, "/");
    this.key = key;
    this.code = code;
    this.WebSocket = means.WebSocket ?? (globalThis.WebSocket as SocketClass | undefined);
    this.fetch = means.fetch ?? ((...request) => fetch(...request));
    this.tryBetterAfterMs = means.tryBetterAfterMs ?? TRY_BETTER_AFTER_MS;
  }

  /** Joins the group of a code, and stays its member until `leave`. */
  join = (code: string, options: JoinOptions = {}): Promise<Session> => Session.join(this, code, options);

  /** Makes a group, or finds that of the same host again, and keeps it alive. */
  host = (options: HostOptions = {}): Promise<Session> => Session.host(this, options);

  /** The same server, with a group's code. */
  withCode(code: string | undefined): Mesh {
    const mesh = new Mesh({ ...this, code });
    mesh.#ahead = this.#ahead;
    return mesh;
  }

  /** The server's time, in milliseconds. */
  now(): number {
    return Date.now() + this.#ahead;
  }

  /** How many milliseconds a call takes there and back. */
  async ping(): Promise<number> {
    const began = performance.now();
    await this.#post("{ __typename }", {});
    return Math.round(performance.now() - began);
  }

  /** Calls a field of Query or Mutation. One that comes too fast waits, and is sent again. */
  async call<F extends Field>(field: F, ...args: Arguments<F>): Promise<Answer<F>> {
    for (let waited = 0; ; ) {
      try {
        return (await this.#post(documentOf(field), args[0] ?? {}))[field] as Answer<F>;
      } catch (error) {
        // The server ran nothing of such a call.
        if (!(error instanceof MeshError) || error.type !== "RateLimited" || waited > PATIENCE_MS) throw error;
        const pause = (error.retryAfterMs ?? 1_000) * (1 + Math.random() / 2);
        waited += pause;
        await sleep(pause);
      }
    }
  }

  get headers(): Record<string, string> {
    // A code in hiragana is no header.
    const code = this.code && /^\w+$/.test(this.code) && { "x-mesh-join-code": this.code };
    return { "content-type": "application/json", "x-api-key": this.key, ...(code || {}) };
  }

  async #post(query: string, variables: object): Promise<Record<string, unknown>> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), CALL_MS);
    try {
      const response = await this.fetch(new URL("graphql", this.url), {
        method: "POST",
        headers: this.headers,
        body: JSON.stringify({ query, variables }),
        signal: abort.signal,
      });
      const date = Date.parse(response.headers.get("date") ?? "");
      if (date) this.#ahead = date - Date.now();
      const { data, errors }: Reply = await response.json();
      const error = errors?.[0];
      if (error) throw new MeshError(error.errorType ?? "", error.message, error.extensions?.retryAfterMs);
      if (!data) throw new NetworkError(`HTTP ${response.status}`);
      return data;
    } catch (error) {
      throw error instanceof MeshError ? error : new NetworkError(String(error));
    } finally {
      clearTimeout(timer);
    }
  }
}
