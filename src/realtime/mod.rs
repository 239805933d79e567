//! GraphQL over WebSocket, AppSync's realtime protocol and two more, and over event streams.
//!
//! - `socket`: serves an upgraded socket; `connection` runs its session
//! - `stream`: an event stream (server-sent events)
//! - `session`: the protocol's state machine: texts in, actions out
//! - `protocol`, `message`, `close`: the protocols, their messages and close codes
//! - `credentials`: where a client sends its API key
//! - `operation`: runs one GraphQL operation
//! - `position`: positions for clients that come back and get what they missed
//! - `subscriptions`: those of a connection; `subscriber`: one, as the hub calls it
//! - `outbox`: what waits to be written, on top of `frame_queue` and `frame`
//! - `liveness`, `close_handshake`: how a connection ends
//! - `io`: adapters between sockets, the WebSocket library and the outbox
//! - `limits`, `slots`: how much one connection may take, and how many there may be
//!
//! Only `connection`, `close_handshake`, `stream`, `outbox` and `io` do I/O; all others are plain
//! state and functions.

pub mod close;
pub mod close_handshake;
#[cfg(test)]
mod conformance;
mod connection;
pub mod credentials;
mod frame;
mod frame_queue;
pub mod io;
mod limits;
pub mod liveness;
mod message;
pub mod operation;
pub mod outbox;
pub mod pause;
mod position;
pub mod protocol;
pub mod session;
mod slots;
pub mod socket;
pub mod stream;
pub mod subscriber;
mod subscriptions;

pub use limits::SocketLimits;
pub use slots::ConnectionSlots;
