//! The WebSocket protocols: what is said (`frame`), who may say what when (`session`),
//! the connection between a socket, a session and the hub (`socket`), what waits to be written
//! (`outbox`, on top of `queue` and `frame_head`), what an operation comes to (`operation`), a subscription as the hub knows it (`subscriber`), who
//! is still there (`liveness`), how a connection ends (`ending`), and a socket as its
//! reader and its writer see it (`wire`).
//!
//! `frame`, `credentials`, `session`, `queue` and `liveness` know no socket and do not wait.

pub mod credentials;
mod ending;
pub mod frame;
mod frame_head;
mod liveness;
mod operation;
pub mod outbox;
mod queue;
pub mod session;
pub mod socket;
pub mod subscriber;
mod wire;

pub use liveness::ConnectionSlots;
