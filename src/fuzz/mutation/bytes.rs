//! Changes of bytes: of parts in brackets, words, numbers, and of any bytes.

use std::ops::Range;

use super::Mutator;

impl Mutator<'_> {
    pub(super) fn bytes(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let part = self.part(bytes);
        let to = self.below(bytes.len() + 1);
        match self.below(15) {
            0 if !bytes.is_empty() => bytes[part.start] ^= 1 << self.below(8),
            1 if !bytes.is_empty() => bytes[part.start] = self.random.u8(..),
            2 => bytes[part].fill(0),
            3 => bytes.truncate(part.start),
            4 => drop(bytes.drain(part)),
            5 => {
                let copy = bytes[part].to_vec();
                insert(bytes, to, &copy);
            }
            6 => {
                let often = [2, 20, 200, 5000][self.below(4)];
                let text = self.text();
                insert(bytes, to, text.repeat(self.below(often)).as_bytes());
            }
            7 => {
                let part = self.part(other);
                insert(bytes, to, &other[part]);
            }
            8 | 9 => self.bracketed(bytes),
            10 => {
                if let Some(part) = self.run_of(bytes, |byte| byte.is_ascii_digit()) {
                    bytes.splice(part, self.number().bytes());
                }
            }
            11 | 12 => {
                let is_word =
                    |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
                if let Some(part) = self.run_of(bytes, is_word) {
                    let text = self.text();
                    bytes.splice(part, text.bytes());
                }
            }
            _ => insert(bytes, to, self.text().as_bytes()),
        }
    }

    /// Removes, repeats or moves a part in brackets.
    fn bracketed(&mut self, bytes: &mut Vec<u8>) {
        let opening = |byte: &u8| matches!(byte, b'{' | b'[' | b'(');
        let starts: Vec<_> = (0..bytes.len()).filter(|at| opening(&bytes[*at])).collect();
        if starts.is_empty() {
            return;
        }
        let start = starts[self.below(starts.len())];
        let mut depth = 0;
        let length = bytes[start..].iter().position(|byte| {
            match byte {
                b'{' | b'[' | b'(' => depth += 1,
                b'}' | b']' | b')' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let Some(length) = length else { return };
        let part = bytes[start..=start + length].to_vec();
        match self.below(4) {
            0 => drop(bytes.drain(start..=start + length)),
            1 => insert(bytes, start, &part),
            2 => {
                let to = self.below(bytes.len());
                insert(bytes, to, &part);
            }
            // Inside itself: one level deeper.
            _ => insert(bytes, start + 1, &part),
        }
    }

    /// A part of `bytes`, mostly a short one.
    fn part(&mut self, bytes: &[u8]) -> Range<usize> {
        let from = self.below(bytes.len());
        let longest = [4, 16, 256, bytes.len()][self.below(4)];
        from..(from + 1 + self.below(longest)).min(bytes.len())
    }

    /// A whole run of such bytes.
    fn run_of(&mut self, bytes: &[u8], is_part: impl Fn(u8) -> bool) -> Option<Range<usize>> {
        let from = self.below(bytes.len());
        let start = from + bytes[from..].iter().position(|byte| is_part(*byte))?;
        let start = (0..start)
            .rev()
            .take_while(|at| is_part(bytes[*at]))
            .last()
            .unwrap_or(start);
        let length = bytes[start..]
            .iter()
            .take_while(|byte| is_part(**byte))
            .count();
        Some(start..start + length)
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    bytes.splice(at..at, part.iter().copied());
}
