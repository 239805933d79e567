//! Names that a caller hands in, parsed once: 1 to 256 characters, no control
//! characters, no `#` (decision D3; `#` separates the parts of stored keys).

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::error::ClientError;

/// The longest id, name or domain, in Unicode characters (D3).
pub const MAX_CHARACTERS: usize = 256;

fn check(argument: &'static str, text: &str) -> Result<(), ClientError> {
    if text.is_empty() {
        return Err(ClientError::Missing(argument));
    }
    // A character has at most four bytes: longer texts need no counting.
    if text.len() > MAX_CHARACTERS * 4 || text.chars().count() > MAX_CHARACTERS {
        return Err(ClientError::TooLong {
            argument,
            characters: MAX_CHARACTERS,
        });
    }
    if text.chars().any(|c| c.is_control() || c == '#') {
        return Err(ClientError::Forbidden(argument));
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
            /// Takes the text of the argument called `argument`, or refuses it by that name.
            pub fn parse(argument: &'static str, text: &str) -> Result<Self, ClientError> {
                check(argument, text)?;
                Ok(Self(text.into()))
            }

            /// The text as it was handed in.
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
    /// A group's id: made by us as a random UUID, taken from callers as any text.
    GroupId
}
name! {
    /// A node's id, chosen by the node; a host is named by one as well.
    NodeId
}
name! {
    /// The scope in which groups are found: typed, or derived from the caller's address.
    Domain
}
name! {
    /// A group's name as its host gave it.
    GroupName
}

impl GroupId {
    /// The id of a new group.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_script_is_a_name() {
        for text in [
            "a",
            "こどもたち",
            "🎈🐱",
            "me@home",
            "100%",
            &"あ".repeat(256),
        ] {
            assert_eq!(NodeId::parse("nodeId", text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn empty_long_and_separating_names_are_refused_by_argument() {
        for (text, why) in [
            ("", "nodeId is required"),
            (&*"あ".repeat(257), "nodeId must be 256 characters or less"),
            (&*"x".repeat(5000), "nodeId must be 256 characters or less"),
            ("a#b", "nodeId must not contain # or control characters"),
            ("a\nb", "nodeId must not contain # or control characters"),
        ] {
            let refusal = NodeId::parse("nodeId", text).unwrap_err();
            assert_eq!(
                (refusal.kind(), refusal.to_string()),
                ("ValidationError", why.to_owned())
            );
        }
    }

    #[test]
    fn a_long_domain_is_refused_in_the_words_of_the_contract() {
        let refusal = Domain::parse("domain", &"d".repeat(257)).unwrap_err();
        assert_eq!(refusal.to_string(), "Domain must be 256 characters or less");
    }
}
