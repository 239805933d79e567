//! Changes of inputs: of lines, of JSON values in lines, and of bytes.

mod bytes;
mod value;

use fastrand::Rng;
use serde_json::Value;

/// A longer input is cut.
const MAX_BYTES: usize = 64 * 1024;

/// Texts at the edges of what any parser takes. No text of the second half is ASCII.
const TEXTS: [&str; 24] = [
    "",
    " ",
    "#",
    "@",
    "%",
    "\"",
    "\\",
    "\0",
    "\n",
    "\u{7f}",
    "EVENT#",
    "__proto__",
    "é",
    "e\u{301}",
    "が",
    "か\u{3099}",
    "ｶﾞ",
    "👩\u{200d}👧",
    "\u{202e}abc",
    "\u{2066}a\u{2069}",
    "a\u{200b}b",
    "\u{feff}",
    "\u{fffd}",
    "\u{10ffff}",
];
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "7",
    "127",
    "128",
    "65536",
    "2147483648",
    "-2147483649",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "1e308",
    "0.1",
];

/// Changes inputs; the seed decides how.
pub struct Mutator<'a> {
    random: Rng,
    tokens: Vec<&'a str>,
}

impl<'a> Mutator<'a> {
    /// Changes with these tokens.
    pub fn new(seed: u64, tokens: Vec<&'a str>) -> Self {
        let random = Rng::with_seed(seed);
        Self { random, tokens }
    }

    /// A number below `limit`, and 0 if that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.random.usize(..limit.max(1))
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// An input made of `input`, sometimes with parts of `other`.
    pub fn change(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut lines = lines(input);
        for _ in 0..=self.below(4) {
            let (at, to) = (self.below(lines.len()), self.below(lines.len() + 1));
            let last = lines.len() - 1;
            match self.below(12) {
                0 => lines.insert(to, lines[at].clone()),
                1 if lines.len() > 1 => drop(lines.remove(at)),
                2 => {
                    let others = self::lines(other);
                    lines.insert(to, others[self.below(others.len())].clone());
                }
                3 => lines.swap(at, to.min(last)),
                _ => self.line(&mut lines[at], other),
            }
        }
        let mut changed = lines.join(&b'\n');
        changed.truncate(MAX_BYTES);
        changed
    }

    fn line(&mut self, line: &mut Vec<u8>, other: &[u8]) {
        let json = serde_json::from_slice::<Value>(line).ok();
        match json.filter(|value| value.is_object() || value.is_array()) {
            Some(mut value) if !self.one_in(4) => {
                self.value(&mut value);
                *line = value.to_string().into_bytes();
            }
            _ => self.bytes(line, other),
        }
    }

    fn text(&mut self) -> String {
        match self.below(4) {
            0 => TEXTS[self.below(TEXTS.len())].into(),
            1 => format!("{}{}", self.token(), TEXTS[self.below(TEXTS.len())]),
            _ => self.token().into(),
        }
    }

    fn token(&mut self) -> &'a str {
        let at = self.below(self.tokens.len());
        self.tokens[at]
    }

    fn number(&mut self) -> &'static str {
        NUMBERS[self.below(NUMBERS.len())]
    }
}

fn lines(input: &[u8]) -> Vec<Vec<u8>> {
    input
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}
