//! Nicknames: what a teacher reads instead of a node's id. They are names that children type, so
//! they are in no log and end with the group.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::error::ClientError;
use crate::model::visible::is_visible;

/// The longest nickname in characters.
pub const MAX_CHARACTERS: usize = 20;

/// A nickname. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nickname(Arc<str>);

impl Nickname {
    /// Takes the argument `nickname`.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        // A character has at most four bytes, so longer texts are too long without counting.
        let fits = text.len() <= MAX_CHARACTERS * 4
            && (1..=MAX_CHARACTERS).contains(&text.chars().count());
        let is_shown = !text.chars().any(char::is_control)
            && is_visible(text)
            && !text.chars().all(char::is_whitespace);
        if fits && is_shown {
            Ok(Self(text.into()))
        } else {
            Err(ClientError::InvalidNickname)
        }
    }

    /// The text as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Nickname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nickname(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_up_to_twenty_characters_are_nicknames() {
        for text in ["ねこ", "A b", "#1", "🐱", &"あ".repeat(20)] {
            assert_eq!(Nickname::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_is_too_long_or_cannot_be_seen_is_none() {
        for text in [
            "",
            " ",
            "\u{3000}\u{3000}",
            "a\nb",
            "ね\u{200b}こ",
            "\u{202e}abc",
            &"あ".repeat(21),
            &"x".repeat(5000),
        ] {
            let error = Nickname::parse(text).unwrap_err();
            assert_eq!(error, ClientError::InvalidNickname);
            assert_eq!(error.kind(), "ValidationError");
        }
    }

    #[test]
    fn a_nickname_is_not_shown_for_debugging() {
        let shown = format!("{:?}", Nickname::parse("ねこ").unwrap());
        assert!(!shown.contains("ねこ"), "{shown}");
    }
}
