// The client of Mesh v2: what README.md describes.
export { MeshError, NetworkError } from "./errors.js";
export { type Connection, Feed, type FeedHandlers } from "./feed.js";
export type { MeshEvent } from "./inbox.js";
export { Mesh, type MeshOptions } from "./mesh.js";
export { type Ending, type HostOptions, type JoinOptions, Session, type SessionEvents } from "./session.js";
export type { SocketClass, SocketLike } from "./socket.js";
export type * from "./types.js";
export type { Value } from "./values.js";
