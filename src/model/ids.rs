//! Ids and names of requests, parsed once: 1 to 256 characters, no control characters, no
//! `#` (decision D3; `#` separates the parts of stored keys), and none that cannot be seen.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::error::ClientError;
use crate::model::join_code::JoinCode;
use crate::model::visible::{is_visible, search_form};

/// The longest id, name or domain, in Unicode characters (D3).
pub const MAX_CHARACTERS: usize = 256;

fn check(argument: &'static str, text: &str) -> Result<(), ClientError> {
    if text.is_empty() {
        return Err(ClientError::EmptyArgument(argument));
    }
    // A character has at most four bytes, so longer texts are too long without counting.
    if text.len() > MAX_CHARACTERS * 4 || text.chars().count() > MAX_CHARACTERS {
        return Err(ClientError::TooLong {
            argument,
            characters: MAX_CHARACTERS,
        });
    }
    if text.chars().any(|c| c.is_control() || c == '#') {
        return Err(ClientError::ForbiddenCharacter(argument));
    }
    if !text.is_ascii() && !is_visible(text) {
        return Err(ClientError::InvisibleCharacter(argument));
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Parses the text of the argument `argument`; an error names that argument.
            pub fn parse(argument: &'static str, text: &str) -> Result<Self, ClientError> {
                check(argument, text)?;
                Ok(Self(text.into()))
            }

            /// The text as it was sent.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name! {
    /// A group's id: a random UUID when we create it; requests may hold any text.
    GroupId
}
name! {
    /// A node's id, chosen by the node. A host has one too.
    NodeId
}
name! {
    /// The scope in which groups are listed: given by the user, or derived from the client's
    /// address.
    Domain
}
name! {
    /// A group's name, chosen by its host.
    GroupName
}

impl GroupId {
    /// The id of a new group.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string().into())
    }
}

impl From<JoinCode> for GroupName {
    fn from(code: JoinCode) -> Self {
        Self(code.to_string().into())
    }
}

impl GroupName {
    /// The form by which groups are searched; shared with the name if that has it already.
    #[must_use]
    pub fn search_form(&self) -> Self {
        let form = search_form(self.as_str());
        if form == *self.0 {
            self.clone()
        } else {
            Self(form.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_are_accepted() {
        for text in [
            "a",
            "こどもたち",
            "🎈🐱",
            "me@home",
            "100%",
            "👩\u{200d}👧",
            "か\u{3099}",
            &"あ".repeat(256),
        ] {
            assert_eq!(NodeId::parse("nodeId", text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn empty_and_long_names_and_separators_are_refused_with_the_arguments_name() {
        for (text, why) in [
            ("", "nodeId is required"),
            (&*"あ".repeat(257), "nodeId must be 256 characters or less"),
            (&*"x".repeat(5000), "nodeId must be 256 characters or less"),
            ("a#b", "nodeId must not contain # or control characters"),
            ("a\nb", "nodeId must not contain # or control characters"),
            (
                "ね\u{200b}こ",
                "nodeId must not contain characters that cannot be seen: type it again without copying",
            ),
        ] {
            let error = NodeId::parse("nodeId", text).unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string()),
                ("ValidationError", why.to_owned())
            );
        }
    }

    #[test]
    fn a_long_domain_is_refused_with_the_contracts_text() {
        let error = Domain::parse("domain", &"d".repeat(257)).unwrap_err();
        assert_eq!(error.to_string(), "Domain must be 256 characters or less");
    }
}
