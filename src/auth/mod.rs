//! Authentication: who calls, by an API key or a token, and which role it has. Keys and tokens
//! are checked against what is valid at that moment, so that a key that was removed opens nothing.

mod authenticator;
mod credential;
mod key_file;
mod keys;
mod policy;
#[cfg(feature = "oidc")]
pub mod tokens;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

pub use authenticator::{Authenticator, Grant};
pub use credential::Credential;
pub use key_file::{KeyFileError, KeyFileRules, parse as parse_key_file};
pub use keys::{ApiKey, ApiKeys, KeyChanges, is_weak};
pub use policy::Policy;

use crate::model::join_code::JoinCode;

/// The client that sent a request, as far as resolvers need it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller {
    /// Its network address, if known (decision D2).
    pub address: Option<IpAddr>,
    /// What its credentials allow.
    pub role: Role,
    /// The number of its connection; none behind a proxy, where callers share connections.
    pub connection: Option<u64>,
    /// The join code that it sent, by which it may act on that group from any network.
    pub join_code: Option<JoinCode>,
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
    /// Its token cannot be accepted.
    WrongToken(TokenFault),
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// It cannot be read, or has no end.
    Malformed,
    /// It is signed in a way that the settings do not allow.
    Algorithm,
    /// The issuer's keys are not known yet.
    NoKeys,
    /// It names a key that the issuer does not have.
    UnknownKey,
    /// It was changed, or signed by another key.
    Signature,
    /// It was issued by another service.
    Issuer,
    /// It was made for another audience.
    Audience,
    /// It is not valid yet.
    NotYet,
    /// It is past its end.
    Over,
}

impl TokenFault {
    /// What to do next, without the words by which Smalruby's client ends a lesson
    /// (docs/compatibility.md, must keep 4).
    fn hint(self) -> &'static str {
        match self {
            Self::Malformed => "the token is no JSON Web Token with an end (exp)",
            Self::Algorithm => "the token's algorithm is none of MESH_OIDC_ALGORITHMS",
            Self::NoKeys => "the issuer's keys could not be fetched yet: try again soon",
            Self::UnknownKey => "the token's key is none of its issuer's: sign in again",
            Self::Signature => "the token's signature is wrong: sign in again",
            Self::Issuer => "the token's issuer is not that of MESH_OIDC_ISSUER",
            Self::Audience => "the token's audience is none of MESH_OIDC_AUDIENCE",
            Self::NotYet => "the token is not valid yet: compare the clocks",
            Self::Over => "the token is past its end: sign in again",
        }
    }
}

impl Unauthorized {
    /// Whether these credentials were made up: such callers are slowed. A token that is past its
    /// end or comes from another service is an honest caller's.
    pub fn is_guess(self) -> bool {
        use TokenFault::{Algorithm, Malformed, Signature, UnknownKey};
        matches!(
            self,
            Self::WrongKey | Self::WrongToken(Malformed | Algorithm | Signature | UnknownKey)
        )
    }

    /// Whether the signing keys of a token's issuer may have changed: they are worth a fetch.
    pub fn wants_keys(self) -> bool {
        use TokenFault::{NoKeys, UnknownKey};
        matches!(self, Self::WrongToken(NoKeys | UnknownKey))
    }

    /// The `errorType` of AppSync.
    pub const KIND: &'static str = "UnauthorizedException";

    /// AppSync's message.
    pub fn message(self) -> &'static str {
        match self {
            Self::NoKey => "Valid authorization header not provided.",
            Self::WrongKey | Self::WrongToken(_) => "You are not authorized to make this call.",
        }
    }

    /// What to do next.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NoKey => "no API key: send the header x-api-key",
            Self::WrongKey => "the API key is none of this server's: ask who runs it",
            Self::WrongToken(fault) => fault.hint(),
        }
    }
}
