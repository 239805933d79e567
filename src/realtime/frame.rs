//! What the server writes around a text: the header of a WebSocket frame (RFC 6455 section 5.2), or
//! nothing on an event stream, whose texts are events already.

use crate::realtime::close::Close;

/// The last or only frame of a message.
pub const FINAL: u8 = 0x80;
/// Continues the message before.
pub const CONTINUATION: u8 = 0x00;
/// A text, or its first frame.
pub const TEXT: u8 = 0x01;
/// A close.
pub const CLOSE: u8 = FINAL | 0x08;
/// A ping.
pub const PING: u8 = FINAL | 0x09;

/// The longest header of an unmasked frame.
pub const MAX_HEADER_BYTES: usize = 10;

/// The header of an unmasked frame.
pub struct FrameHeader {
    bytes: [u8; MAX_HEADER_BYTES],
    length: usize,
}

impl FrameHeader {
    /// A frame's header: `first` holds [`FINAL`] and the opcode.
    pub fn new(first: u8, payload: usize) -> Self {
        let mut bytes = [0; MAX_HEADER_BYTES];
        bytes[0] = first;
        let length = match (u8::try_from(payload), u16::try_from(payload)) {
            (Ok(short @ ..126), _) => {
                bytes[1] = short;
                2
            }
            (_, Ok(medium)) => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&medium.to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..].copy_from_slice(&(payload as u64).to_be_bytes());
                MAX_HEADER_BYTES
            }
        };
        Self { bytes, length }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// How texts become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Frames of a WebSocket.
    WebSocket,
    /// Events of `text/event-stream`.
    EventStream,
}

impl Framing {
    /// What precedes a whole text of this length.
    pub fn header(self, length: usize) -> FrameHeader {
        match self {
            Self::WebSocket => FrameHeader::new(FINAL | TEXT, length),
            Self::EventStream => FrameHeader {
                bytes: [0; MAX_HEADER_BYTES],
                length: 0,
            },
        }
    }

    /// The last frame, or the comment that says why an event stream ends.
    pub fn close(self, close: Close) -> Vec<u8> {
        let Close { code, reason } = close;
        match self {
            Self::WebSocket => {
                let header = FrameHeader::new(CLOSE, 2 + reason.len());
                [header.bytes(), &code.to_be_bytes(), reason.as_bytes()].concat()
            }
            Self::EventStream => format!(": {code} {reason}\n\n").into_bytes(),
        }
    }
}
