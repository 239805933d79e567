//! The codes by which cloud sockets are closed. After 4002, 4003 and 4004 a project does not
//! connect again; after all others it does, within some seconds.

use crate::realtime::close::Close;

/// The client sent what the protocol does not have.
pub const BAD_MESSAGE: Close = Close::new(4000, "Invalid message");
/// No handshake came in time.
pub const NO_HANDSHAKE: Close = Close::new(4000, "No handshake came in time");
/// The server could not let the project in now.
pub const NOT_NOW: Close = Close::new(4000, "Not possible now, connect again");
/// The socket's node is no member any more, or the group of an open project ended.
pub const AGAIN: Close = Close::new(4000, "The group has ended or was left, connect again");
/// The handshake names no user.
pub const NO_USER: Close = Close::new(4002, "The handshake needs a user name");
/// A limit of the group or of the server is reached.
pub const FULL: Close = Close::new(4003, "The group is full");
/// No living group has this join code, and projects make no groups here.
pub const UNAVAILABLE: Close = Close::new(4004, "No group has this join code");
/// The group's host lets no new nodes in.
pub const LOCKED: Close = Close::new(4004, "The group is locked");
/// The group's host removed this node.
pub const REMOVED: Close = Close::new(4004, "The host removed this node from the group");
/// The group has ended.
pub const ENDED: Close = Close::new(4004, "The group has ended");
