//! Cloud variables: the WebSocket protocol of Scratch and TurboWarp's cloud server, by which an
//! unmodified editor and unmodified packaged projects share variables with a group
//! (docs/protocols.md, Cloud variables).
//!
//! A socket is a node of the group: its variables are reported by it, and every other node's are
//! sent to it. It calls the same fields as any client (`calls`), so that rates, sizes, policies and
//! a lesson's control hold. What the sockets of one group share is in [`crate::projects`].
//!
//! - `protocol`, `close`: what clients send and get, and the codes by which they are closed
//! - `session`, `pending`: the state of one socket; nothing there waits
//! - `entry`: from a handshake to a member of a group
//! - `member`: what a member calls while its socket is open, and when it is closed
//! - `inbox`: the hub's subscriber
//! - `connection`: runs all of these on one socket

mod calls;
mod close;
mod connection;
mod entry;
mod inbox;
mod member;
mod pending;
mod protocol;
mod session;

use std::time::Duration;

pub use connection::{Departed, serve};

/// How cloud sockets are served.
#[derive(Clone, Copy, Debug)]
pub struct CloudSettings {
    /// Whether a project id that is no join code makes a group of its own.
    pub open: bool,
    /// The shortest time between two reports of one socket: what is set meanwhile goes together.
    pub report_interval: Duration,
    /// How long a node stays after its socket was closed: a project that is loaded again, or
    /// connects again, is the same node.
    pub leave: Duration,
    /// How long values are kept after the last socket of a group was closed.
    pub keep: Duration,
}

impl Default for CloudSettings {
    fn default() -> Self {
        Self {
            open: false,
            report_interval: Duration::from_millis(40),
            leave: Duration::from_secs(10),
            keep: Duration::from_mins(1),
        }
    }
}

#[cfg(test)]
mod fuzz;
