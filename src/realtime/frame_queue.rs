//! The frames that wait to be written to one socket. Nothing here waits or locks.
//!
//! Written bytes are dropped at once (a copied chunk as a whole), so a queue takes no more
//! memory than what waits, however slow its reader is. Large texts are shared with the
//! other sockets that wait for them.

mod segment;

use std::collections::VecDeque;

use bytes::Bytes;

use crate::realtime::frame::{CONTINUATION, FINAL, FrameHeader, TEXT};
use crate::realtime::frame_queue::segment::Segment;

pub use segment::Part;

/// A response is split into frames of this many bytes: a ping or a close can go between
/// them and waits for one frame at most.
const RESPONSE_FRAME_BYTES: usize = 64 * 1024;
/// Small parts are copied into chunks of this many bytes.
const CHUNK_BYTES: usize = 16 * 1024;

/// Whether a frame counts towards the queue's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It does.
    Limited,
    /// It is part of a response: one response at a time waits, under a limit of its own.
    Response,
}

/// A frame that is not yet written to its end.
#[derive(Debug)]
struct QueuedFrame {
    /// Bytes that are yet to be written.
    left: usize,
    kind: Kind,
}

/// The frames that wait, oldest first.
#[derive(Debug, Default)]
pub struct FrameQueue {
    segments: VecDeque<Segment>,
    /// Bytes of the first segment that are written.
    written: usize,
    frames: VecDeque<QueuedFrame>,
    /// A part of the first frame is written.
    started: bool,
    len: usize,
    response_len: usize,
    owned_bytes: usize,
}

impl FrameQueue {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes that wait and count towards the limit.
    pub fn limited_len(&self) -> usize {
        self.len - self.response_len
    }

    /// Whether a part of a response waits.
    pub fn has_response(&self) -> bool {
        self.response_len > 0
    }

    /// Allocated bytes that this queue does not share.
    pub fn owned_bytes(&self) -> usize {
        self.owned_bytes + self.frames.capacity() * size_of::<QueuedFrame>()
    }

    /// Adds a frame of which `written` bytes are written to the socket already.
    pub fn push<const N: usize>(&mut self, parts: [Part<'_>; N], written: usize, kind: Kind) {
        let whole: usize = parts.iter().map(Part::len).sum();
        let left = whole - written;
        if left == 0 {
            return;
        }
        self.started |= self.frames.is_empty() && written > 0;
        self.frames.push_back(QueuedFrame { left, kind });
        self.len += left;
        if kind == Kind::Response {
            self.response_len += left;
        }
        if written == 0 && matches!(parts[0], Part::Copied(header) if !header.is_empty()) {
            let copied = parts.iter().filter(|p| matches!(p, Part::Copied(_)));
            self.start_chunk(copied.map(Part::len).sum());
        }
        let mut skip = written;
        for part in parts {
            let skipped = skip.min(part.len());
            skip -= skipped;
            match part {
                Part::Copied(bytes) => self.copy(&bytes[skipped..]),
                Part::Shared(bytes) => {
                    let rest = bytes.slice(skipped..);
                    if !rest.is_empty() {
                        self.segments.push_back(Segment::Shared(rest));
                    }
                }
            }
        }
    }

    /// Starts a chunk for this many bytes unless they fit into the last one.
    fn start_chunk(&mut self, bytes: usize) {
        let last = self.segments.back();
        let fits = |chunk: &Vec<u8>| chunk.len() + bytes <= CHUNK_BYTES;
        if !matches!(last, Some(Segment::Copied(chunk)) if fits(chunk)) {
            let chunk = Segment::Copied(Vec::with_capacity(bytes));
            self.owned_bytes += chunk.owned_bytes();
            self.segments.push_back(chunk);
        }
    }

    fn copy(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if !matches!(self.segments.back(), Some(Segment::Copied(_))) {
            self.start_chunk(bytes.len());
        }
        let Some(Segment::Copied(chunk)) = self.segments.back_mut() else {
            return;
        };
        let (before, length) = (chunk.capacity(), chunk.len() + bytes.len());
        if length > before {
            // Small parts make it grow, up to the size of a chunk.
            let grown = (2 * before).min(CHUNK_BYTES).max(length);
            chunk.reserve_exact(grown - chunk.len());
        }
        chunk.extend_from_slice(bytes);
        self.owned_bytes += chunk.capacity() - before;
    }

    /// Adds a response, split into frames.
    pub fn push_response(&mut self, text: &Bytes) {
        let mut at = 0;
        while at < text.len() {
            let end = text.len().min(at + RESPONSE_FRAME_BYTES);
            let opcode = if at == 0 { TEXT } else { CONTINUATION };
            let last = if end == text.len() { FINAL } else { 0 };
            let header = FrameHeader::new(last | opcode, end - at);
            let part = text.slice(at..end);
            let parts = [Part::Copied(header.bytes()), Part::Shared(&part)];
            self.push(parts, 0, Kind::Response);
            at = end;
        }
    }

    /// Adds a control frame before all frames that are not started.
    pub fn push_control(&mut self, frame: &[u8]) {
        if let Some(segment) = self.segments.front_mut() {
            segment.drop_first(self.written);
            self.written = 0;
        }
        let started = self.frames.front().filter(|_| self.started);
        let (mut before, frames) = started.map_or((0, 0), |first| (first.left, 1));
        let mut at = 0;
        while before > 0
            && let Some(segment) = self.segments.get_mut(at)
        {
            at += 1;
            let length = segment.bytes().len();
            if before < length {
                let rest = segment.split_off(before);
                self.segments.insert(at, rest);
            }
            before = before.saturating_sub(length);
        }
        self.segments.insert(at, Segment::Copied(frame.to_vec()));
        self.frames.insert(
            frames,
            QueuedFrame {
                left: frame.len(),
                kind: Kind::Limited,
            },
        );
        self.len += frame.len();
        self.owned_bytes = self.segments.iter().map(Segment::owned_bytes).sum();
    }

    /// The bytes to write next; empty only when nothing waits.
    pub fn next(&self) -> &[u8] {
        let first = self.segments.front();
        first.map_or(&[], |segment| &segment.bytes()[self.written..])
    }

    /// Records that this many bytes of [`FrameQueue::next`] are written.
    pub fn advance(&mut self, written: usize) {
        self.len -= written;
        let mut left = written;
        while left > 0
            && let Some(frame) = self.frames.front_mut()
        {
            let of_frame = left.min(frame.left);
            frame.left -= of_frame;
            left -= of_frame;
            if frame.kind == Kind::Response {
                self.response_len -= of_frame;
            }
            self.started = frame.left > 0;
            if !self.started {
                self.frames.pop_front();
            }
        }
        self.written += written;
        let first = self.segments.front();
        if first.is_some_and(|segment| segment.bytes().len() == self.written) {
            self.written = 0;
            self.owned_bytes -= self.segments.pop_front().map_or(0, |s| s.owned_bytes());
        }
        if self.len == 0 {
            *self = Self::default();
        }
    }

    /// Drops every frame that is not started, and frees its memory.
    pub fn drop_unstarted(&mut self) {
        let Some(first) = self.frames.pop_front().filter(|_| self.started) else {
            *self = Self::default();
            return;
        };
        let mut keep = self.written + first.left;
        let mut kept = 0;
        while keep > 0
            && let Some(segment) = self.segments.get_mut(kept)
        {
            segment.truncate(keep);
            keep -= segment.bytes().len();
            kept += 1;
        }
        self.segments.truncate(kept);
        self.len = first.left;
        self.response_len = if first.kind == Kind::Response {
            first.left
        } else {
            0
        };
        self.owned_bytes = self.segments.iter().map(Segment::owned_bytes).sum();
        self.frames = VecDeque::from([first]);
    }
}

#[cfg(test)]
mod tests;
