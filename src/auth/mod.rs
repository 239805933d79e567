//! Authentication: who calls, by an API key or a token, and which role it has. Keys and tokens
//! are checked against what is valid at that moment, so that a key that was removed opens nothing.

mod authenticator;
mod credential;
mod key_file;
mod keys;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

pub use authenticator::{Authenticator, Grant};
pub use credential::Credential;
pub use key_file::{KeyFileError, KeyFileRules, parse as parse_key_file};
pub use keys::{ApiKey, ApiKeys, KeyChanges, is_weak};

/// The client that sent a request, as far as resolvers need it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller {
    /// Its network address, if known (decision D2).
    pub address: Option<IpAddr>,
    /// What its credentials allow.
    pub role: Role,
}

/// What a caller's credentials allow; a later one includes the earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A pupil, or a stranger: the public key is in every client.
    #[default]
    Public,
    /// A teacher.
    Teacher,
    /// The operator of the server.
    Operator,
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "public" => Ok(Self::Public),
            "teacher" => Ok(Self::Teacher),
            "operator" => Ok(Self::Operator),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Teacher => "teacher",
            Self::Operator => "operator",
        })
    }
}

/// Why a request is unauthorized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthorized {
    /// It has no key.
    NoKey,
    /// Its key is not one of the server's.
    WrongKey,
}

impl Unauthorized {
    /// The `errorType` of AppSync.
    pub const KIND: &'static str = "UnauthorizedException";

    /// AppSync's message.
    pub fn message(self) -> &'static str {
        match self {
            Self::NoKey => "Valid authorization header not provided.",
            Self::WrongKey => "You are not authorized to make this call.",
        }
    }

    /// What to do next.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NoKey => "no API key: send the header x-api-key",
            Self::WrongKey => "the API key is none of this server's: ask who runs it",
        }
    }
}
