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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(queue: &mut Queue, piece: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while queue.len() > 0 {
            let next = queue.next();
            let next = &next[..next.len().min(piece)];
            all.extend_from_slice(next);
            let written = next.len();
            queue.advance(written);
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::property::cases(48)))]

        #[test]
        fn what_goes_in_comes_out_in_any_pieces(
            frames in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..40_000), any::<bool>()), 1..6),
            piece in 1usize..50_000, skip in 0usize..20,
        ) {
            let mut queue = Queue::default();
            let mut all = Vec::new();
            for (at, (bytes, shared)) in frames.iter().enumerate() {
                let skip = if at == 0 { skip.min(bytes.len()) } else { 0 };
                let (first, second) = bytes.split_at(bytes.len() / 2);
                let bytes = Bytes::copy_from_slice(second);
                let second = if *shared { Part::Shared(&bytes) } else { Part::Copied(second) };
                queue.push([Part::Copied(first), second.clone()], skip, Kind::Bounded);
                all.extend([first, &bytes].concat().split_off(skip));
            }
            prop_assert_eq!(queue.len(), all.len());
            prop_assert_eq!(drain(&mut queue, piece), all);
            prop_assert_eq!(queue.owned(), 0);
        }

        #[test]
        fn a_begun_frame_is_kept_whole_and_nothing_else(
            lengths in prop::collection::vec(1usize..30_000, 2..6), written in 0usize..60_000,
        ) {
            let mut queue = Queue::default();
            let whole: usize = lengths.iter().sum();
            for length in &lengths {
                queue.push([Part::Copied(&vec![7; *length])], 0, Kind::Bounded);
            }
            let mut left = written.min(whole);
            while left > 0 {
                let piece = queue.next().len().min(left);
                queue.advance(piece);
                left -= piece;
            }
            let mut end = 0;
            let ends = lengths.iter().map(|length| { end += length; end });
            let begun = ends.map(|end| (end, written.min(whole))).find(|(end, at)| end > at);
            let starts = |end: usize| lengths.iter().scan(0, |s, l| { let at = *s; *s += l; Some((at, at + l)) })
                .find(|(_, e)| *e == end).map(|(s, _)| s);
            let expected = begun.filter(|(end, at)| starts(*end) != Some(*at)).map_or(0, |(end, at)| end - at);
            queue.keep_begun();
            prop_assert_eq!(queue.len(), expected);
            prop_assert_eq!(drain(&mut queue, 1000).len(), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::property::cases(48)))]

        #[test]
        fn a_frame_that_goes_next_follows_the_begun_one(
            frames in prop::collection::vec((1usize..30_000, any::<bool>()), 0..6),
            written in 0usize..60_000,
        ) {
            let mut queue = Queue::default();
            let (mut all, mut starts) = (Vec::new(), vec![0]);
            for (number, (length, shared)) in (0u8..).zip(&frames) {
                let frame = Bytes::from(vec![number; *length]);
                let part = if *shared { Part::Shared(&frame) } else { Part::Copied(&frame) };
                queue.push([part], 0, if *shared { Kind::Answer } else { Kind::Bounded });
                all.extend_from_slice(&frame);
                starts.push(all.len());
            }
            let written = written.min(all.len());
            let mut left = written;
            while left > 0 {
                let piece = queue.next().len().min(left);
                queue.advance(piece);
                left -= piece;
            }
            let next = starts.into_iter().find(|start| *start >= written).unwrap();
            let (len, bounded) = (queue.len(), queue.bounded());
            queue.push_next(b"ping");
            prop_assert_eq!((queue.len(), queue.bounded()), (len + 4, bounded + 4));
            let expected = [&all[written..next], b"ping", &all[next..]].concat();
            prop_assert_eq!(drain(&mut queue, 1000), expected);
            prop_assert_eq!(queue.owned(), 0);
        }
    }

    #[test]
    fn written_bytes_are_given_back_while_the_reader_stays_behind() {
        let mut queue = Queue::default();
        let line = [b'x'; 1000];
        for _ in 0..1000 {
            queue.push([Part::Copied(&line)], 0, Kind::Bounded);
        }
        // Twenty megabytes pass through while a megabyte always waits.
        let mut most = 0;
        for _ in 0..20_000 {
            queue.push([Part::Copied(&line)], 0, Kind::Bounded);
            let mut left = 1000;
            while left > 0 {
                let piece = queue.next().len().min(left);
                queue.advance(piece);
                left -= piece;
            }
            most = most.max(queue.owned());
        }
        assert_eq!(queue.len(), 1_000_000);
        assert!(most < 1_200_000, "{most} bytes are held for a million");
    }

    #[test]
    fn a_shared_text_is_not_copied() {
        let text = Bytes::from(vec![b'x'; 200_000]);
        let mut queue = Queue::default();
        queue.push(
            [Part::Copied(b"head"), Part::Shared(&text)],
            0,
            Kind::Bounded,
        );
        queue.advance(4);
        assert_eq!(queue.next().as_ptr(), text.as_ptr());
        assert!(queue.owned() < 1000, "{}", queue.owned());
    }
}
