//! Authentication: who calls, and by which API key.

mod keys;

use std::net::IpAddr;

pub use keys::ApiKeys;

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
