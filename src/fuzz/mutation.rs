//! Changes of inputs: of lines, of JSON values in lines, of bracketed parts, words and bytes.

use std::ops::Range;

use fastrand::Rng;
use serde_json::{Map, Value, json};

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

    /// Changes one value in a value, also in JSON that a string contains.
    fn value(&mut self, value: &mut Value) {
        let go_on = !self.one_in(3);
        match value {
            Value::Object(members) if go_on && !members.is_empty() => {
                let at = self.below(members.len());
                let member = members.values_mut().nth(at);
                self.value(member.expect("a member"));
            }
            Value::Array(items) if go_on && !items.is_empty() => {
                let at = self.below(items.len());
                self.value(&mut items[at]);
            }
            Value::Object(members) if !self.one_in(4) => self.members(members),
            Value::Array(items) if !self.one_in(4) => self.items(items),
            Value::String(text) if !self.one_in(6) => self.string(text),
            value => *value = self.any_value(),
        }
    }

    fn members(&mut self, members: &mut Map<String, Value>) {
        let name = members.keys().nth(self.below(members.len())).cloned();
        let old = name.and_then(|name| match self.below(3) {
            0 => members.get(&name).cloned(),
            _ => members.shift_remove(&name),
        });
        match self.below(3) {
            0 => {}
            1 => drop(members.insert(self.text(), old.unwrap_or_default())),
            _ => drop(members.insert(self.text(), self.any_value())),
        }
    }

    fn items(&mut self, items: &mut Vec<Value>) {
        let (at, to) = (self.below(items.len()), self.below(items.len() + 1));
        let last = items.len().saturating_sub(1);
        match self.below(5) {
            0 if !items.is_empty() => drop(items.remove(at)),
            1 if !items.is_empty() => items.insert(to, items[at].clone()),
            2 if !items.is_empty() => {
                let many = vec![items[at].clone(); self.below(300)];
                items.extend(many);
            }
            3 if last > 0 => items.swap(at, to.min(last)),
            _ => items.insert(to, self.any_value()),
        }
    }

    fn string(&mut self, text: &mut String) {
        match serde_json::from_str::<Value>(text) {
            Ok(mut inner) if inner.is_object() => {
                self.value(&mut inner);
                *text = inner.to_string();
            }
            _ => {
                let mut bytes = std::mem::take(text).into_bytes();
                self.bytes(&mut bytes, b"");
                *text = String::from_utf8_lossy(&bytes).into_owned();
            }
        }
    }

    fn any_value(&mut self) -> Value {
        match self.below(10) {
            0 => Value::Null,
            1 => json!(self.random.bool()),
            2 => serde_json::from_str(self.number()).expect("a number"),
            3 => json!([]),
            4 => json!({}),
            5 => json!([self.text()]),
            6 => json!({ self.text(): self.text() }),
            7 => json!(self.text().repeat(self.random.usize(..300))),
            _ => json!(self.text()),
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
        self.tokens[self.below(self.tokens.len())]
    }

    fn number(&mut self) -> &'static str {
        NUMBERS[self.below(NUMBERS.len())]
    }

    fn bytes(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
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

fn lines(input: &[u8]) -> Vec<Vec<u8>> {
    input
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

fn insert(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    bytes.splice(at..at, part.iter().copied());
}
