//! The first bytes of the frames that the server writes (RFC 6455 section 5.2).

/// The last or only frame of a message.
pub const FINAL: u8 = 0x80;
/// More of the message before.
pub const CONTINUATION: u8 = 0x00;
/// A text, or its beginning.
pub const TEXT: u8 = 0x01;
/// The end of the connection.
pub const CLOSE: u8 = FINAL | 0x08;
/// A question whether the peer is there.
pub const PING: u8 = FINAL | 0x09;

/// The most bytes before a frame's payload.
pub const FRAME_HEAD_BYTES: usize = 10;

/// What stands before an unmasked payload (RFC 6455 section 5.2).
pub struct FrameHead {
    bytes: [u8; FRAME_HEAD_BYTES],
    length: usize,
}

impl FrameHead {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The head of a frame: `kind` holds [`FINAL`] and the opcode.
pub fn frame_head(kind: u8, payload: usize) -> FrameHead {
    let mut bytes = [0; FRAME_HEAD_BYTES];
    bytes[0] = kind;
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
            FRAME_HEAD_BYTES
        }
    };
    FrameHead { bytes, length }
}
