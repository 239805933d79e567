//! How much one socket may take.

use std::time::Duration;

/// Limits of one socket.
#[derive(Clone, Copy, Debug)]
pub struct SocketLimits {
    /// Operations at once.
    pub operations: usize,
    /// Bytes of one message from the client.
    pub message_bytes: usize,
    /// Bytes that may wait for the client to read them.
    pub outbox_bytes: usize,
    /// Bytes that its subscriptions' selections may take.
    pub selection_bytes: usize,
    /// How long `connection_init` may take.
    pub init: Duration,
    /// Time between two keep-alives.
    pub keep_alive: Duration,
    /// How long a client of AppSync is to wait for the next keep-alive.
    pub connection_timeout: Duration,
    /// How long the client may be silent before the connection is dropped.
    pub peer_timeout: Duration,
    /// The same while free connection slots run low.
    pub short_peer_timeout: Duration,
    /// How long the client may take to read up to the close that ends its connection.
    pub close_timeout: Duration,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            operations: 100,
            message_bytes: 256 * 1024,
            outbox_bytes: 1024 * 1024,
            selection_bytes: 512 * 1024,
            init: Duration::from_secs(15),
            keep_alive: Duration::from_secs(20),
            connection_timeout: Duration::from_secs(90),
            peer_timeout: Duration::from_mins(3),
            short_peer_timeout: Duration::from_mins(1),
            close_timeout: Duration::from_mins(1),
        }
    }
}
