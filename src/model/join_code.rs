//! Join codes: six hex digits by which a group is found from any network (decision D33).
//!
//! Children read them aloud and type them, as digits or in the sixteen hiragana by which the
//! Smalruby editor shows ids. No two of these hiragana look alike, so the digits need no alphabet
//! without look-alikes. A group whose name is its code is found by that editor's own search.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::error::ClientError;
use crate::model::visible::search_form;

/// The digits of a code.
const DIGITS: usize = 6;
/// The hiragana of the digits 0 to f.
const HIRAGANA: [char; 16] = [
    'い', 'し', 'か', 'た', 'う', 'ん', 'て', 'と', 'の', 'つ', 'は', 'こ', 'に', 'な', 'く', 'き',
];
/// The longest text that is read, in bytes: six characters and some spaces.
const MAX_BYTES: usize = 64;

/// A group's join code. Its `Debug` shows none, for no log has one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct JoinCode(u32);

impl JoinCode {
    /// Parses the text of the argument `argument`: six digits, or six of the hiragana, in any
    /// width and with spaces around them.
    pub fn parse(argument: &'static str, text: &str) -> Result<Self, ClientError> {
        Self::read(text).ok_or(ClientError::InvalidJoinCode(argument))
    }

    /// A random code.
    pub fn random() -> Self {
        let [a, b, c, ..] = uuid::Uuid::new_v4().into_bytes();
        Self(u32::from_be_bytes([0, a, b, c]))
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let text = search_form(text);
        let text = text.trim();
        let hex = |c: char| c.to_digit(16);
        let hiragana = |c: char| (0..).zip(HIRAGANA).find(|(_, it)| *it == c).map(|(n, _)| n);
        let digits = |read: fn(char) -> Option<u32>| -> Option<Vec<u32>> {
            text.chars().map(read).collect()
        };
        let digits = digits(hex).or_else(|| digits(hiragana));
        let digits = digits.filter(|digits| digits.len() == DIGITS)?;
        Some(Self(digits.into_iter().fold(0, |code, n| code * 16 + n)))
    }
}

impl fmt::Display for JoinCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$x}", self.0)
    }
}

impl fmt::Debug for JoinCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinCode(..)")
    }
}

impl From<JoinCode> for String {
    fn from(code: JoinCode) -> Self {
        code.to_string()
    }
}

impl TryFrom<String> for JoinCode {
    type Error = ClientError;

    fn try_from(text: String) -> Result<Self, ClientError> {
        Self::parse("joinCode", &text)
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        JoinCode::parse("code", text)
            .ok()
            .map(|code| code.to_string())
    }

    #[test]
    fn a_code_is_read_as_digits_and_as_the_editors_hiragana() {
        for (text, code) in [
            ("0123ab", "0123ab"),
            ("  ABCDEF ", "abcdef"),
            ("\u{3000}０１ａＢ９f\u{3000}", "01ab9f"),
            ("いしかたうん", "012345"),
            ("てとのつはこ", "6789ab"),
            ("いいになくき", "00cdef"),
            ("\tきききききき\n", "ffffff"),
        ] {
            assert_eq!(read(text).as_deref(), Some(code), "{text}");
        }
    }

    #[test]
    fn any_other_text_is_refused_with_the_arguments_name() {
        let long = " ".repeat(100);
        for text in [
            "",
            " ",
            "01234",
            "0123456",
            "01234g",
            "いしかたう",
            "いしか345",
            "01 23ab",
            "+12345",
            "イシカタウン",
            "あいうえおか",
            "０ｘ１２３４",
            "\u{200b}012345",
            &format!("012345{long}"),
        ] {
            let error = JoinCode::parse("code", text).unwrap_err();
            assert_eq!(error.kind(), "ValidationError", "{text}");
            assert!(error.to_string().starts_with("code must be"), "{error}");
        }
    }

    #[test]
    fn a_code_survives_its_text_and_json_and_shows_in_no_log() {
        for _ in 0..100 {
            let code = JoinCode::random();
            assert_eq!(JoinCode::parse("code", &code.to_string()), Ok(code));
            let json = serde_json::to_string(&code).unwrap();
            assert_eq!(serde_json::from_str::<JoinCode>(&json).unwrap(), code);
            assert!(!format!("{code:?}").contains(&code.to_string()));
        }
    }
}
