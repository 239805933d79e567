//! The client of a case: it writes the frames and compares what comes.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::sleep;

/// First bytes of frames.
pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame's first byte and payload.
pub type Frame = (u8, Vec<u8>);

/// In which parts the frames are written.
#[derive(Clone, Copy, Debug)]
pub enum Parts {
    /// All at once.
    Whole,
    /// One after the other, with a pause.
    Frames,
    /// In pieces of this many bytes.
    Bytes(usize),
}

/// Frames in and messages out.
#[derive(Clone, Debug)]
pub struct Case {
    pub id: String,
    sends: Vec<Frame>,
    parts: Parts,
    receives: Vec<Frame>,
    /// The code of the server's close. Without one the client closes at last, with 1000.
    closes: Option<u16>,
    /// Waits for each message before it sends the next.
    in_turns: bool,
}

impl Case {
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            sends: Vec::new(),
            parts: Parts::Whole,
            receives: Vec::new(),
            closes: None,
            in_turns: false,
        }
    }

    /// The same case under another id.
    pub fn named(self, id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..self
        }
    }

    /// The client sends a frame.
    pub fn sends(mut self, first: u8, payload: impl AsRef<[u8]>) -> Self {
        self.sends.push((first, payload.as_ref().to_vec()));
        self
    }

    /// The client receives a message: a text, a binary one, or a pong.
    pub fn receives(mut self, first: u8, payload: impl AsRef<[u8]>) -> Self {
        self.receives.push((first, payload.as_ref().to_vec()));
        self
    }

    /// The client sends a message of one frame, and receives it.
    pub fn echoes(self, first: u8, payload: impl AsRef<[u8]>) -> Self {
        let payload = payload.as_ref();
        self.sends(first, payload).receives(first, payload)
    }

    /// The client sends a ping, and receives its pong.
    pub fn pings(self, payload: impl AsRef<[u8]>) -> Self {
        let payload = payload.as_ref();
        self.sends(PING, payload).receives(PONG, payload)
    }

    /// The server closes with this code.
    pub fn closes(mut self, code: u16) -> Self {
        self.closes = Some(code);
        self
    }

    pub fn parts(mut self, parts: Parts) -> Self {
        self.parts = parts;
        self
    }

    pub fn in_turns(mut self) -> Self {
        self.in_turns = true;
        self
    }
}

/// Plays a case; the error says what came instead.
pub async fn run(case: &Case, socket: TcpStream) -> Result<(), String> {
    socket.set_nodelay(true).expect("a socket");
    let (mut reader, mut writer) = socket.into_split();
    if case.in_turns {
        let mut received = case.receives.iter();
        for frame in &case.sends {
            write(&mut writer, &bytes(frame), case.parts).await;
            expect(&mut reader, received.next()).await?;
        }
        return close(case, &mut reader, &mut writer).await;
    }
    let sending = async {
        match case.parts {
            Parts::Frames => {
                for frame in &case.sends {
                    write(&mut writer, &bytes(frame), Parts::Whole).await;
                    sleep(Duration::from_millis(2)).await;
                }
            }
            parts => {
                let sent: Vec<u8> = case.sends.iter().flat_map(bytes).collect();
                write(&mut writer, &sent, parts).await;
            }
        }
    };
    let receiving = async {
        for frame in &case.receives {
            expect(&mut reader, Some(frame)).await?;
        }
        Ok::<_, String>(())
    };
    let ((), received) = tokio::join!(sending, receiving);
    received?;
    close(case, &mut reader, &mut writer).await
}

/// Closes, unless the server is to do so, and reads to the end.
async fn close(
    case: &Case,
    reader: &mut OwnedReadHalf,
    writer: &mut OwnedWriteHalf,
) -> Result<(), String> {
    if case.closes.is_none() {
        let frame = (CLOSE, 1000_u16.to_be_bytes().to_vec());
        write(writer, &bytes(&frame), Parts::Whole).await;
    }
    let code = case.closes.unwrap_or(1000);
    match message(reader).await {
        Ok((CLOSE, payload)) if payload.starts_with(&code.to_be_bytes()) => {}
        other => return Err(format!("a close of {code} expected, not {}", short(&other))),
    }
    let _ = writer.shutdown().await;
    match reader.read_u8().await {
        // A reset: the server did not read what came after the close.
        Err(_) => Ok(()),
        Ok(byte) => Err(format!("{byte:x} after the close")),
    }
}

async fn expect(reader: &mut OwnedReadHalf, expected: Option<&Frame>) -> Result<(), String> {
    let Some(expected) = expected else {
        return Ok(());
    };
    match message(reader).await {
        Ok(frame) if frame == *expected => Ok(()),
        other => Err(format!(
            "{} expected, not {}",
            short(&Ok(expected.clone())),
            short(&other)
        )),
    }
}

fn short(frame: &io::Result<Frame>) -> String {
    match frame {
        Ok((first, payload)) => {
            let some = &payload[..payload.len().min(40)];
            format!(
                "{first:x} of {} bytes \"{}\"",
                payload.len(),
                some.escape_ascii()
            )
        }
        Err(error) => error.to_string(),
    }
}

/// The next message, put together, or control frame.
async fn message(reader: &mut OwnedReadHalf) -> io::Result<Frame> {
    let mut message: Option<Frame> = None;
    loop {
        let (first, mut payload) = frame(reader).await?;
        match (&mut message, first & 0x0f) {
            (None, 0x01 | 0x02 | 0x08..=0x0a) if first & 0x80 != 0 => return Ok((first, payload)),
            (None, 0x01 | 0x02) => message = Some((first | 0x80, payload)),
            (Some(begun), 0x00) => {
                begun.1.append(&mut payload);
                if first & 0x80 != 0 {
                    return Ok(message.take().expect("it is begun"));
                }
            }
            _ => {
                return Err(io::Error::other(format!(
                    "a frame {first:x} within a message"
                )));
            }
        }
    }
}

async fn frame(reader: &mut OwnedReadHalf) -> io::Result<Frame> {
    let first = reader.read_u8().await?;
    let length = match reader.read_u8().await? {
        126 => u64::from(reader.read_u16().await?),
        127 => reader.read_u64().await?,
        // With the bit of a mask it is too long: the payload never comes.
        length => u64::from(length),
    };
    let mut payload = vec![0; usize::try_from(length).expect("a payload that fits")];
    reader.read_exact(&mut payload).await?;
    Ok((first, payload))
}

fn bytes((first, payload): &Frame) -> Vec<u8> {
    masked_frame(*first, payload)
}

/// A frame with a client's mask.
pub fn masked_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..126), _) => bytes.push(0x80 | short),
        (_, Ok(medium)) => {
            bytes.push(0xfe);
            bytes.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            bytes.push(0xff);
            bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    let masked = payload
        .iter()
        .enumerate()
        .map(|(at, byte)| byte ^ MASK[at % 4]);
    bytes.extend(masked);
    bytes
}

/// Writes; the server may have closed before it has read everything.
async fn write(writer: &mut OwnedWriteHalf, bytes: &[u8], parts: Parts) {
    let size = match parts {
        Parts::Bytes(size) => size,
        Parts::Whole | Parts::Frames => bytes.len().max(1),
    };
    for part in bytes.chunks(size) {
        if writer.write_all(part).await.is_err() {
            return;
        }
    }
}
