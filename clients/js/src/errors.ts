/** The server refused a call. `type` is the `errorType` of docs/api.md, such as `GroupNotFound`. */
export class MeshError extends Error {
  override name = "MeshError";

  constructor(
    readonly type: string,
    message: string,
    /** When the call may be sent again, for `RateLimited` and `Paused`. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

/** The server could not be reached, or something between answered in its place. */
export class NetworkError extends Error {
  override name = "NetworkError";
}
