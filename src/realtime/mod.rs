//! The WebSocket protocols: what is said (`frame`), who may say what when (`session`),
//! the pump between a socket, a session and the hub (`socket`), what waits to be written
//! (`outbox`), and a subscription as the hub knows it (`subscriber`).
//!
//! `frame`, `credentials` and `session` know no socket and do not wait.

pub mod credentials;
pub mod frame;
pub mod outbox;
pub mod session;
pub mod socket;
pub mod subscriber;
