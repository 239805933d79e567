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
use crate::model::nickname::Nickname;
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
    /// The nickname that a node gives when it joins; other calls leave it out.
    pub nickname: Option<Nickname>,
}

impl From<NodeId> for Actor {
    fn from(id: NodeId) -> Self {
        Self {
            id,
            token: None,
            origin: None,
            nickname: None,
        }
    }
}

/// Admits a host's call on its group.
pub fn check_host(group: &Group, given: Option<TokenHash>) -> Result<(), ClientError> {
    if group.token.is_none() || group.token == given {
        Ok(())
    } else {
        Err(ClientError::WrongToken("hostToken"))
    }
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

/// The token of a node after it reported; `known` is that of its record, if there is one.
pub fn token_after_report(
    group: &Group,
    known: Option<Option<TokenHash>>,
    actor: &Actor,
) -> Result<Option<TokenHash>, ClientError> {
    check_node(group, known.flatten(), &actor.id, actor.token)?;
    let is_made = known.is_none() && group.host != actor.id;
    let is_host = group.host == actor.id && group.token == actor.token;
    Ok(if is_made || is_host {
        actor.token
    } else {
        known.flatten()
    })
}

/// The same after it joined. A node that asks for protection must not share its id with one that
/// has none, which another client may have made.
pub fn token_after_join(
    group: &Group,
    known: Option<Option<TokenHash>>,
    actor: &Actor,
) -> Result<Option<TokenHash>, ClientError> {
    let token = token_after_report(group, known, actor)?;
    if token == actor.token {
        Ok(token)
    } else {
        Err(ClientError::WrongToken("nodeToken"))
    }
}

/// Admits a node's call; `known` is the token of its record. The node of the host, whose id anybody
/// can read, takes no token but the group's: no other node can take it.
pub fn check_node(
    group: &Group,
    known: Option<TokenHash>,
    node: &NodeId,
    given: Option<TokenHash>,
) -> Result<(), ClientError> {
    match group.token {
        _ if group.host != *node => check_record(known, given),
        None => Ok(()),
        // Until the host has sent it once, it may call without.
        Some(_) if given.is_none() => check_record(known, given),
        token => check_record(token, given),
    }
}

/// Admits a call on a node's record, wherever that is.
pub fn check_record(known: Option<TokenHash>, given: Option<TokenHash>) -> Result<(), ClientError> {
    if known.is_none() || known == given {
        Ok(())
    } else {
        Err(ClientError::WrongToken("nodeToken"))
    }
}
