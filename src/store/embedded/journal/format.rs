//! The text of a journal: a line per record, `<sum> <JSON>`.
//!
//! The sum is the CRC-32 of the line's position in the file and its JSON, as eight hex digits.
//! So a line that was changed, moved, doubled or lost is found. The sum of a mark, which says how
//! much was on disk, has no position.

use std::io::{self, BufRead, Read as _};

use crate::store::embedded::record::{Record, VERSION};

/// Bytes before a line's JSON: the sum and a space.
const PREFIX_BYTES: usize = 9;
/// A longer line is damaged; more than any node's variables take.
const MAX_LINE_BYTES: u64 = 1024 * 1024 * 1024;

/// The position in the sums of marks, so that they are found even if what stands before them
/// is longer or shorter than it was.
const ANYWHERE: u64 = u64::MAX;
/// The beginning of a mark's JSON.
const MARK: &[u8] = br#"{"synced":"#;

/// Adds a line at the position `offset` of the file.
pub fn push_line(out: &mut Vec<u8>, offset: u64, json: &[u8]) {
    let offset = if json.starts_with(MARK) {
        ANYWHERE
    } else {
        offset
    };
    out.extend_from_slice(&prefix_of(sum(offset, json)));
    out.extend_from_slice(json);
    out.push(b'\n');
}

fn prefix_of(sum: u32) -> [u8; PREFIX_BYTES] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut prefix = [b' '; PREFIX_BYTES];
    for (at, digit) in prefix.iter_mut().take(8).enumerate() {
        *digit = HEX[(sum >> (28 - 4 * at)) as usize & 15];
    }
    prefix
}

fn sum(offset: u64, json: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&offset.to_le_bytes());
    sum.update(json);
    sum.finalize()
}

/// The JSON of a line without its line feed, if its sum is right.
fn parse_line(offset: u64, line: &[u8]) -> Option<&[u8]> {
    let (prefix, json) = line.split_at_checked(PREFIX_BYTES)?;
    let offset = if json.starts_with(MARK) {
        ANYWHERE
    } else {
        offset
    };
    (prefix == prefix_of(sum(offset, json))).then_some(json)
}

/// How much a mark says was on disk, if one ends the line. The line feed before it may be damaged.
fn mark_in(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let json = line.windows(MARK.len()).rposition(|bytes| bytes == MARK)?;
    let json = parse_line(ANYWHERE, &line[json.checked_sub(PREFIX_BYTES)?..])?;
    match serde_json::from_slice(json) {
        Ok(Record::Synced(end)) => Some(end),
        _ => None,
    }
}

/// A line of a journal.
#[derive(Debug)]
pub struct Line<'a> {
    /// Its position in the file.
    pub offset: u64,
    /// All its bytes, with its line feed.
    pub bytes: &'a [u8],
    /// Its JSON; `None` if it does not check.
    pub json: Option<&'a [u8]>,
}

/// A line that stands elsewhere than it was written is searched this far away.
const MOVED_BYTES: i64 = 64 * 1024;

impl<'a> Line<'a> {
    /// The JSON of a line that stands `shift` bytes from where it was written, because bytes
    /// before it were lost or doubled. Changes `shift` if it is another one from here on.
    pub fn moved(&self, shift: &mut i64) -> Option<&'a [u8]> {
        let whole = self.bytes.strip_suffix(b"\n")?;
        if !matches!(whole.get(PREFIX_BYTES - 1..=PREFIX_BYTES)?, b" {" | b" [") {
            return None;
        }
        let mut shifts = std::iter::once(*shift).chain(-MOVED_BYTES..=MOVED_BYTES);
        shifts.find_map(|tried| {
            let json = parse_line(self.offset.checked_add_signed(tried)?, whole)?;
            *shift = tried;
            Some(json)
        })
    }
}

/// Reads a journal line by line.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    offset: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// The lines of `input`.
    pub fn new(input: R) -> Self {
        Self {
            input,
            offset: 0,
            buffer: Vec::new(),
        }
    }

    /// The next line; `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let mut limited = (&mut self.input).take(MAX_LINE_BYTES);
        let length = limited.read_until(b'\n', &mut self.buffer)?;
        if length == 0 {
            return Ok(None);
        }
        let offset = self.offset;
        self.offset += length as u64;
        let whole = self.buffer.strip_suffix(b"\n");
        Ok(Some(Line {
            offset,
            json: whole.and_then(|line| parse_line(offset, line)),
            bytes: &self.buffer,
        }))
    }
}

/// How a journal ends that could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Bytes that check.
    pub end: u64,
    /// Bytes after them that were being written when the power or the program failed.
    pub torn: u64,
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It has no bytes, which no journal has at any time.
    #[error("the file is empty")]
    Empty,
    /// Its first line does not check.
    #[error("it does not begin as a journal of mesh-v2 does")]
    NoJournal,
    /// A newer program wrote it.
    #[error(
        "a newer mesh-v2 wrote it, in format {0}; this program reads formats up to {VERSION}: start the newer \
         program, or another folder (--data)"
    )]
    Newer(u32),
    /// Bytes that were safely on disk have changed.
    #[error("it is damaged at byte {offset}")]
    Damaged {
        /// The first position that does not check.
        offset: u64,
    },
    /// A line checks and is no record of this version.
    #[error(
        "the record at byte {offset} is unknown to this program; a newer mesh-v2 may have written it"
    )]
    Unknown {
        /// Its position.
        offset: u64,
    },
}

/// Gives the records of a journal to `apply`, in their order.
///
/// Lines after the last synced position may be incomplete after a power cut: they end the
/// journal. Before it, each line must check (decision D28).
pub fn read(
    input: impl BufRead,
    mut apply: impl FnMut(Record<'static>),
) -> Result<Ending, ReadError> {
    let mut lines = Lines::new(input);
    let mut ending = Ending::default();
    match lines.next()? {
        None => return Err(ReadError::Empty),
        Some(line) => match line.json.and_then(|json| serde_json::from_slice(json).ok()) {
            Some(Record::Format { version: VERSION }) => ending.end = line.bytes.len() as u64,
            Some(Record::Format { version }) => return Err(ReadError::Newer(version)),
            _ => return Err(ReadError::NoJournal),
        },
    }
    while let Some(line) = lines.next()? {
        let (offset, length) = (line.offset, line.bytes.len() as u64);
        let Some(json) = line.json else {
            // A mark behind it says that it was on disk: it is no write that was cut short.
            let mut synced = mark_in(line.bytes);
            ending.torn = length;
            while let Some(line) = lines.next()? {
                ending.torn += line.bytes.len() as u64;
                synced = synced.max(mark_in(line.bytes));
            }
            if synced.is_some_and(|end| end > offset) {
                return Err(ReadError::Damaged { offset });
            }
            break;
        };
        let records = records_of(json).map_err(|_| ReadError::Unknown { offset })?;
        ending.end += length;
        for record in records {
            match record {
                // Lines before it are missing: it stands behind what it says is synced.
                Record::Synced(end) if end > offset => return Err(ReadError::Damaged { offset }),
                Record::Synced(_) => {}
                record => apply(record),
            }
        }
    }
    Ok(ending)
}

/// The records of a line: one, or an array of those of one call.
pub fn records_of(json: &[u8]) -> serde_json::Result<Vec<Record<'static>>> {
    if json.starts_with(b"[") {
        serde_json::from_slice(json)
    } else {
        serde_json::from_slice(json).map(|record| vec![record])
    }
}

#[cfg(test)]
mod tests;
