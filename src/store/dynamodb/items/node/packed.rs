//! The lists of a node's record, as bytes. Numbers have seven bits in each byte, the lowest first;
//! every byte but the last has its highest bit set. A time or a second is the difference to the
//! one before, the first to zero: twice it, or twice what it lacks to zero less one if it is negative.
//!
//! - a layer of variables: its time, the number of variables, and each one's key and value, a
//!   text with its number of bytes before it;
//! - a call: its fingerprint, its request, and its last event's time, call and index;
//! - a second of the log: the second, its calls and their bytes.
//!
//! Nothing here trusts its input: a damaged list is `None`.

use std::sync::Arc;

use uuid::Uuid;

use super::RecentCall;
use crate::model::cursor::{Cursor, Stamp};
use crate::model::log_quota::Usage;
use crate::model::readings::Layer;
use crate::model::status::SensorData;
use crate::model::time::Timestamp;

/// Layers of variables.
pub fn layers(layers: &[Layer]) -> Vec<u8> {
    let mut packer = Packer::default();
    for layer in layers {
        packer.step(layer.timestamp.millis());
        packer.number(layer.data.len() as u64);
        for variable in layer.data.iter() {
            packer.text(&variable.key);
            packer.text(&variable.value);
        }
    }
    packer.bytes
}

/// Reads [`layers`].
pub fn read_layers(bytes: &[u8]) -> Option<Vec<Layer>> {
    all(bytes, |unpacker| {
        let timestamp = Timestamp::from_millis(unpacker.step()?);
        let mut data = Vec::new();
        for _ in 0..unpacker.number()? {
            let key = unpacker.text()?;
            let value = unpacker.text()?;
            data.push(SensorData { key, value });
        }
        let data = Arc::new(data);
        Some(Layer { timestamp, data })
    })
}

/// Recent calls.
pub fn calls(calls: &[RecentCall]) -> Vec<u8> {
    let mut packer = Packer::default();
    for call in calls {
        packer.bytes.extend(call.fingerprint);
        packer.bytes.extend(call.request_id.as_bytes());
        let Cursor { stamp, index } = call.last;
        packer.step(stamp.at.millis());
        packer.number(stamp.call.into());
        packer.number(index.into());
    }
    packer.bytes
}

/// Reads [`calls`].
pub fn read_calls(bytes: &[u8]) -> Option<Vec<RecentCall>> {
    all(bytes, |unpacker| {
        Some(RecentCall {
            fingerprint: unpacker.array()?,
            request_id: Uuid::from_bytes(unpacker.array()?),
            last: Cursor {
                stamp: Stamp {
                    at: Timestamp::from_millis(unpacker.step()?),
                    call: unpacker.number()?.try_into().ok()?,
                },
                index: unpacker.number()?.try_into().ok()?,
            },
        })
    })
}

/// What is used of the log by second.
pub fn window(window: &[(i64, Usage)]) -> Vec<u8> {
    let mut packer = Packer::default();
    for (second, usage) in window {
        packer.step(*second);
        packer.number(usage.calls as u64);
        packer.number(usage.bytes as u64);
    }
    packer.bytes
}

/// Reads [`window`].
pub fn read_window(bytes: &[u8]) -> Option<Vec<(i64, Usage)>> {
    all(bytes, |unpacker| {
        let second = unpacker.step()?;
        let usage = Usage {
            calls: unpacker.number()?.try_into().ok()?,
            bytes: unpacker.number()?.try_into().ok()?,
        };
        Some((second, usage))
    })
}

/// Reads one after the other until nothing is left.
fn all<'a, T>(bytes: &'a [u8], one: impl Fn(&mut Unpacker<'a>) -> Option<T>) -> Option<Vec<T>> {
    let mut unpacker = Unpacker { bytes, last: 0 };
    let mut found = Vec::new();
    while !unpacker.bytes.is_empty() {
        found.push(one(&mut unpacker)?);
    }
    Some(found)
}

#[derive(Default)]
struct Packer {
    bytes: Vec<u8>,
    last: i64,
}

impl Packer {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            let [low, ..] = number.to_le_bytes();
            self.bytes.push(low | 0x80);
            number >>= 7;
        }
        let [low, ..] = number.to_le_bytes();
        self.bytes.push(low);
    }

    fn step(&mut self, to: i64) {
        let step = to.wrapping_sub(self.last);
        self.last = to;
        self.number(((step << 1) ^ (step >> 63)).cast_unsigned());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend(text.as_bytes());
    }
}

struct Unpacker<'a> {
    bytes: &'a [u8],
    last: i64,
}

impl Unpacker<'_> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn step(&mut self) -> Option<i64> {
        let step = self.number()?;
        let step = (step >> 1).cast_signed() ^ -(step & 1).cast_signed();
        self.last = self.last.wrapping_add(step);
        Some(self.last)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*array)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()?.try_into().ok()?;
        let (text, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(std::str::from_utf8(text).ok()?.to_owned())
    }
}
