//! Bytes that wait for one socket, frame by frame. Nothing here waits or locks.
//!
//! What was written is dropped at once (a copied chunk as a whole), so a queue holds no
//! more than what waits, however long its reader stays behind. Large texts are shared with
//! the other sockets that wait for them.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::realtime::frame_head::{CONTINUATION, FINAL, TEXT, frame_head};

/// An answer is written in frames of this many bytes: a ping or a close, which may stand
/// between them, waits for no more than one.
const ANSWER_FRAME_BYTES: usize = 64 * 1024;
/// Small pieces are put together in chunks of this many bytes.
const CHUNK_BYTES: usize = 16 * 1024;

/// A part of a frame.
#[derive(Clone)]
pub enum Part<'a> {
    /// Bytes to copy.
    Copied(&'a [u8]),
    /// Bytes to share.
    Shared(&'a Bytes),
}

impl Part<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Copied(bytes) => bytes.len(),
            Self::Shared(bytes) => bytes.len(),
        }
    }
}

/// Whether a frame counts against the queue's bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It does.
    Bounded,
    /// A part of an answer: one answer at a time waits, and has a budget of its own.
    Answer,
}

#[derive(Debug)]
enum Segment {
    Copied(Vec<u8>),
    Shared(Bytes),
}

impl Segment {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    fn truncate(&mut self, length: usize) {
        match self {
            Self::Copied(bytes) => {
                bytes.truncate(length);
                bytes.shrink_to_fit();
            }
            Self::Shared(bytes) => bytes.truncate(length),
        }
    }

    fn drop_first(&mut self, length: usize) {
        match self {
            Self::Copied(bytes) => drop(bytes.drain(..length)),
            Self::Shared(bytes) => drop(bytes.split_to(length)),
        }
    }

    fn split_off(&mut self, at: usize) -> Self {
        match self {
            Self::Copied(bytes) => {
                let rest = Self::Copied(bytes.split_off(at));
                bytes.shrink_to_fit();
                rest
            }
            Self::Shared(bytes) => Self::Shared(bytes.split_off(at)),
        }
    }

    /// Bytes that are this queue's alone.
    fn owned(&self) -> usize {
        match self {
            Self::Copied(bytes) => bytes.capacity(),
            Self::Shared(_) => 0,
        }
    }
}

/// A frame's bytes that are yet to be written.
#[derive(Debug)]
struct Frame {
    left: usize,
    kind: Kind,
}

/// The frames that wait, oldest first.
#[derive(Debug, Default)]
pub struct Queue {
    segments: VecDeque<Segment>,
    /// Bytes of the first segment that were written.
    written: usize,
    frames: VecDeque<Frame>,
    /// Some of the first frame was written.
    begun: bool,
    len: usize,
    answers: usize,
    owned: usize,
}

impl Queue {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes that wait and count against the bound.
    pub fn bounded(&self) -> usize {
        self.len - self.answers
    }

    /// Whether a part of an answer waits.
    pub fn has_answer(&self) -> bool {
        self.answers > 0
    }

    /// Bytes that are held here and nowhere else.
    pub fn owned(&self) -> usize {
        self.owned + self.frames.capacity() * size_of::<Frame>()
    }

    /// Puts a frame in, of which `written` bytes went to the socket already.
    pub fn push<const N: usize>(&mut self, parts: [Part<'_>; N], written: usize, kind: Kind) {
        let whole: usize = parts.iter().map(Part::len).sum();
        let left = whole - written;
        if left == 0 {
            return;
        }
        self.begun |= self.frames.is_empty() && written > 0;
        self.frames.push_back(Frame { left, kind });
        self.len += left;
        if kind == Kind::Answer {
            self.answers += left;
        }
        if written == 0 && matches!(parts[0], Part::Copied(head) if !head.is_empty()) {
            let copied = parts.iter().filter(|p| matches!(p, Part::Copied(_)));
            self.begin_chunk(copied.map(Part::len).sum());
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

    /// Begins a chunk for so many bytes unless the last one takes them.
    fn begin_chunk(&mut self, bytes: usize) {
        let last = self.segments.back();
        let fits = |chunk: &Vec<u8>| chunk.len() + bytes <= CHUNK_BYTES;
        if !matches!(last, Some(Segment::Copied(chunk)) if fits(chunk)) {
            let chunk = Segment::Copied(Vec::with_capacity(bytes));
            self.owned += chunk.owned();
            self.segments.push_back(chunk);
        }
    }

    fn copy(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if !matches!(self.segments.back(), Some(Segment::Copied(_))) {
            self.begin_chunk(bytes.len());
        }
        let Some(Segment::Copied(chunk)) = self.segments.back_mut() else {
            return;
        };
        let (before, length) = (chunk.capacity(), chunk.len() + bytes.len());
        if length > before {
            // Small pieces make it grow, but never past a chunk.
            let grown = (2 * before).min(CHUNK_BYTES).max(length);
            chunk.reserve_exact(grown - chunk.len());
        }
        chunk.extend_from_slice(bytes);
        self.owned += chunk.capacity() - before;
    }

    /// Puts an answer in, in frames.
    pub fn push_answer(&mut self, text: &Bytes) {
        let mut at = 0;
        while at < text.len() {
            let end = text.len().min(at + ANSWER_FRAME_BYTES);
            let kind = if at == 0 { TEXT } else { CONTINUATION };
            let last = if end == text.len() { FINAL } else { 0 };
            let head = frame_head(last | kind, end - at);
            let part = text.slice(at..end);
            let parts = [Part::Copied(head.bytes()), Part::Shared(&part)];
            self.push(parts, 0, Kind::Answer);
            at = end;
        }
    }

    /// Puts a frame in before all that were not begun.
    pub fn push_next(&mut self, frame: &[u8]) {
        if let Some(segment) = self.segments.front_mut() {
            segment.drop_first(self.written);
            self.written = 0;
        }
        let begun = self.frames.front().filter(|_| self.begun);
        let (mut before, frames) = begun.map_or((0, 0), |first| (first.left, 1));
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
            Frame {
                left: frame.len(),
                kind: Kind::Bounded,
            },
        );
        self.len += frame.len();
        self.owned = self.segments.iter().map(Segment::owned).sum();
    }

    /// The bytes to write next; empty only when nothing waits.
    pub fn next(&self) -> &[u8] {
        let first = self.segments.front();
        first.map_or(&[], |segment| &segment.bytes()[self.written..])
    }

    /// Takes note that so many of [`Queue::next`] were written.
    pub fn advance(&mut self, written: usize) {
        self.len -= written;
        let mut left = written;
        while left > 0
            && let Some(frame) = self.frames.front_mut()
        {
            let of_frame = left.min(frame.left);
            frame.left -= of_frame;
            left -= of_frame;
            if frame.kind == Kind::Answer {
                self.answers -= of_frame;
            }
            self.begun = frame.left > 0;
            if !self.begun {
                self.frames.pop_front();
            }
        }
        self.written += written;
        let first = self.segments.front();
        if first.is_some_and(|segment| segment.bytes().len() == self.written) {
            self.written = 0;
            self.owned -= self.segments.pop_front().map_or(0, |s| s.owned());
        }
        if self.len == 0 {
            *self = Self::default();
        }
    }

    /// Drops every frame that was not begun, and gives its memory back.
    pub fn keep_begun(&mut self) {
        let Some(first) = self.frames.pop_front().filter(|_| self.begun) else {
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
        self.answers = if first.kind == Kind::Answer {
            first.left
        } else {
            0
        };
        self.owned = self.segments.iter().map(Segment::owned).sum();
        self.frames = VecDeque::from([first]);
    }
}

#[cfg(test)]
mod tests;
