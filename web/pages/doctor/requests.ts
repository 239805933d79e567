// Requests as an editor sends them, and what answers them: the server, or something between.
import { ROOT } from "../common/server";

export interface Answer {
  status: number;
  headers: Headers;
  body: string;
  json?: { data?: Record<string, any> | null; errors?: { errorType?: string; message: string }[] };
  redirected?: string;
  ms: number;
}

/** Why no answer came. */
export class Failed extends Error {
  constructor(readonly isLate: boolean, message: string) {
    super(message);
  }
}

/** The server refused an operation, or something else answered. */
export class Refused extends Error {}

/** A page's title is shown in a line. */
const TITLE_LENGTH = 200;

export class Requests {
  constructor(
    readonly key: string,
    readonly waitMs: number,
  ) {}

  async post(query: string, variables: object = {}, accept = "*/*"): Promise<Answer> {
    const began = performance.now();
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), this.waitMs);
    try {
      const response = await fetch(new URL("graphql", ROOT), {
        method: "POST",
        headers: { accept, "content-type": "application/json", "x-api-key": this.key },
        body: JSON.stringify({ query, variables }),
        cache: "no-store",
        signal: abort.signal,
      });
      const body = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        body,
        json: parsed(body),
        redirected: response.redirected ? response.url : undefined,
        ms: performance.now() - began,
      };
    } catch (error) {
      throw new Failed(abort.signal.aborted, String(error));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs a document of one root field; answers its value. */
  async execute(query: string, variables: object = {}): Promise<any> {
    const answer = await this.post(query, variables);
    const error = answer.json?.errors?.[0];
    if (error) throw new Refused(`${error.errorType ?? ""}: ${error.message}`);
    if (!answer.json?.data) throw new Failed(false, `HTTP ${answer.status} ${titleOf(answer)}`);
    return Object.values(answer.json.data)[0];
  }
}

function parsed(body: string) {
  try {
    const json = JSON.parse(body);
    return json && typeof json === "object" ? json : undefined;
  } catch {
    return undefined;
  }
}

export const isPage = ({ headers, body }: Answer) =>
  (headers.get("content-type") ?? "").includes("html") || body.trimStart().startsWith("<");

export function titleOf({ body }: Answer) {
  const title = body.match(/<title[^>]*>([^<]*)/i)?.[1]?.trim();
  return title ? `“${title.slice(0, TITLE_LENGTH)}”` : "-";
}
