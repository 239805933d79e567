//! The codes and reasons of WebSocket closes.

/// Why a socket is closed: a code and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// The WebSocket close code.
    pub code: u16,
    /// The reason that goes with it.
    pub reason: &'static str,
}

impl Close {
    /// A close of this code, with a reason of up to 123 bytes.
    pub const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason }
    }

    /// The client closed the connection or terminated its session.
    pub const NORMAL: Self = Self::new(1000, "Goodbye");
    /// The server restarts: clients reconnect by themselves.
    pub const RESTART: Self = Self::new(1012, "Service restart");
    /// The client reads slower than its group publishes (decision D20).
    pub const TOO_SLOW: Self = Self::new(1013, "Slow consumer: queue full, connect again");
    /// The client's address has its share of the connections.
    pub const TOO_MANY: Self =
        Self::new(1013, "Too many connections from here, connect again later");
    /// Nothing came from the client for too long.
    pub const PEER_TIMEOUT: Self = Self::new(1001, "No sign of life from the client");
    /// The client closed with a code that no client may send.
    pub const BAD_CLOSE: Self = Self::new(1002, "Invalid close code");
    /// The client offered no subprotocol that the server supports.
    pub const UNKNOWN_PROTOCOL: Self = Self::new(4406, "Subprotocol not acceptable");
    /// A frame or message is larger than allowed.
    pub const TOO_BIG: Self = Self::new(1009, "Message too big");
    /// The bytes are not valid WebSocket frames.
    pub const BAD_FRAME: Self = Self::new(1002, "Malformed frame");
    /// The server accepts text messages only.
    pub const NOT_TEXT: Self = Self::new(1003, "Only text messages are understood");
    /// Text that is not UTF-8.
    pub const NOT_UTF8: Self = Self::new(1007, "Text is not UTF-8");
    /// A message that the protocol does not have.
    pub const BAD_MESSAGE: Self = Self::new(4400, "Invalid message");
    /// No valid key, or an operation before the connection was acknowledged.
    pub const UNAUTHORIZED: Self = Self::new(4401, "Unauthorized");
    /// The token that opened the connection is past its end: its client signs in again and
    /// reconnects.
    pub const TOKEN_OVER: Self = Self::new(4403, "Forbidden");
    /// No `connection_init` came in time.
    pub const INIT_TIMEOUT: Self = Self::new(4408, "Connection initialisation timeout");
    /// The operation's id is in use.
    pub const DUPLICATE: Self = Self::new(4409, "Subscriber for this id already exists");
    /// A second `connection_init`.
    pub const SECOND_INIT: Self = Self::new(4429, "Too many initialisation requests");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_reason_fits_into_a_control_frame() {
        for close in [
            Close::TOO_SLOW,
            Close::TOO_MANY,
            Close::NOT_TEXT,
            Close::INIT_TIMEOUT,
            Close::DUPLICATE,
        ] {
            assert!(close.reason.len() <= 123);
        }
    }
}
