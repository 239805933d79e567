//! Tokens: what was made with a token obeys only with it (decision D34).
//!
//! The client chooses a token and sends it with its calls. Only a digest is kept, and no type
//! that is shown or logged holds one. A group or node that was made without a token obeys
//! anyone, as the original service has it.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::error::ClientError;
use crate::model::group::Group;
use crate::model::ids::NodeId;
use crate::model::origin::Origin;

/// The shortest token in bytes: shorter ones could be guessed.
pub const MIN_TOKEN_BYTES: usize = 16;
/// The longest token in bytes.
pub const MAX_TOKEN_BYTES: usize = 256;

/// The digest of a token.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Takes the argument `argument`, if it is given.
    pub fn parse(argument: &'static str, token: Option<&str>) -> Result<Option<Self>, ClientError> {
        let Some(token) = token else { return Ok(None) };
        if (MIN_TOKEN_BYTES..=MAX_TOKEN_BYTES).contains(&token.len()) {
            Ok(Some(Self(Sha256::digest(token).into())))
        } else {
            Err(ClientError::TokenLength(argument))
        }
    }

    /// Reads a stored digest.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The digest to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<TokenHash> for String {
    fn from(TokenHash(bytes): TokenHash) -> Self {
        HEXLOWER.encode(&bytes)
    }
}

impl TryFrom<String> for TokenHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok();
        let hash = bytes.and_then(|bytes| Self::from_bytes(&bytes));
        hash.ok_or("a token's digest has 64 hex digits")
    }
}

/// Shows that there is a token, and nothing of it.
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// The node or host as which a request acts, and the token that it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The node or host.
    pub id: NodeId,
    /// The digest of its token.
    pub token: Option<TokenHash>,
    /// Where a node that joins comes from, if that is known; other calls leave it out.
    pub origin: Option<Origin>,
}

impl From<NodeId> for Actor {
    fn from(id: NodeId) -> Self {
        Self {
            id,
            token: None,
            origin: None,
        }
    }
}

/// Admits a host's call on its group.
pub fn check_host(group: &Group, given: Option<TokenHash>) -> Result<(), ClientError> {
    check(group.token, given, "hostToken")
}

/// Admits a repeat of createGroup: only with the token of the first call. A host that asks for
/// protection must not get a group that has none.
pub fn check_repeat(group: &Group, given: Option<TokenHash>) -> Result<(), ClientError> {
    if group.token == given {
        Ok(())
    } else {
        Err(ClientError::WrongToken("hostToken"))
    }
}

/// The token of a node after it reported; `known` is that of its record, if there is one. A
/// host may take the node with its own id by its hostToken, since anybody can read that id and
/// use it first.
pub fn token_after_report(
    group: &Group,
    known: Option<Option<TokenHash>>,
    actor: &Actor,
) -> Result<Option<TokenHash>, ClientError> {
    let is_host = group.token.is_some() && group.token == actor.token && group.host == actor.id;
    match known {
        None => Ok(actor.token),
        Some(_) if is_host => Ok(actor.token),
        Some(token) => check_node(token, actor.token).map(|()| token),
    }
}

/// The same after it joined. A node that asks for protection must not share its id with a live
/// one that has none.
pub fn token_after_join(
    group: &Group,
    known: Option<(Option<TokenHash>, bool)>,
    actor: &Actor,
) -> Result<Option<TokenHash>, ClientError> {
    match known {
        Some((None, alive)) if actor.token.is_some() => {
            if alive && group.host != actor.id {
                return Err(ClientError::WrongToken("nodeToken"));
            }
            Ok(actor.token)
        }
        known => token_after_report(group, known.map(|(token, _)| token), actor),
    }
}

/// Admits a node's call.
pub fn check_node(token: Option<TokenHash>, given: Option<TokenHash>) -> Result<(), ClientError> {
    check(token, given, "nodeToken")
}

fn check(
    token: Option<TokenHash>,
    given: Option<TokenHash>,
    argument: &'static str,
) -> Result<(), ClientError> {
    if token.is_none() || token == given {
        Ok(())
    } else {
        Err(ClientError::WrongToken(argument))
    }
}
