//! Errors that are returned to clients. Each has the text and type of docs/api.md,
//! Errors (decisions D22, D23).
//!
//! The original client disconnects on some words (docs/compatibility.md, must keep 4): no text here
//! contains "not found", "expired" or "unauthorized" unless the contract requires it.

use thiserror::Error;

use crate::model::authority;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;
use crate::model::{lesson, nickname};

/// Why a request is refused. `Display` is the `message`, [`ClientError::kind`] the `errorType`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientError {
    /// There is no such group.
    #[error("Group not found: {0}")]
    GroupNotFound(GroupKey),
    /// The same with the text of recordEventsByNode, which names no group.
    #[error("Group not found")]
    RecordGroupNotFound,
    /// The group's lifetime is over.
    #[error("Group expired: {group} (expiresAt: {expires_at})")]
    GroupExpired {
        /// The group.
        group: GroupKey,
        /// When it expired.
        expires_at: Timestamp,
    },
    /// The group's host sent no heartbeat within its TTL.
    #[error("Group not found: {0} (heartbeat expired)")]
    HeartbeatExpired(GroupKey),
    /// The requester is not the host.
    #[error("Only the host can renew the heartbeat")]
    OnlyHostCanRenew,
    /// The requester is not the host.
    #[error("Only the host can dissolve the group. Host: {host}, Requested by: {requester}")]
    OnlyHostCanDissolve {
        /// The group's host.
        host: NodeId,
        /// The node that sent the request.
        requester: NodeId,
    },
    /// The requester is not the host.
    #[error("Only the host can control its group")]
    OnlyHostCanControl,
    /// The group has no token, so anybody may call as its host.
    #[error("hostToken is needed: only a group that was made with one can be controlled")]
    ControlNeedsToken,
    /// The host removed the node. The text has a word on which the editor leaves, as its type.
    #[error("Unauthorized: the host removed this node from the group")]
    Removed,
    /// The group takes no new nodes.
    #[error("The group is locked: its host lets no new nodes in")]
    Locked,
    /// The group rests.
    #[error(
        "The group is paused: wait for the milliseconds of extensions.retryAfterMs, then send it again"
    )]
    Paused {
        /// After how many milliseconds the pause ends; clients are told of ten seconds at most.
        retry_after_ms: u32,
    },
    /// The host cannot remove itself.
    #[error("nodeId must not be the host's: call dissolveGroup to end the group")]
    HostStays,
    /// The seconds of a pause are negative.
    #[error("seconds must be at least 0")]
    NegativePause,
    /// A nickname is empty, too long or cannot be seen.
    #[error(
        "nickname must be 1 to {} characters that can be seen",
        nickname::MAX_CHARACTERS
    )]
    InvalidNickname,
    /// Only teachers and operators choose a host TTL.
    #[error("hostTtlSeconds needs a key or token with the role teacher or operator")]
    HostTtlNeedsTeacher,
    /// The host TTL is out of range.
    #[error(
        "hostTtlSeconds must be from {} to {}",
        lesson::MIN_HOST_TTL,
        lesson::MAX_HOST_TTL
    )]
    InvalidHostTtl,
    /// The token is not the one with which the group or node was made (decision D34).
    #[error("{0} must be the one with which it was made")]
    WrongToken(&'static str),
    /// A token is too short or too long.
    #[error("{0} must be {min} to {max} bytes", min = authority::MIN_TOKEN_BYTES, max = authority::MAX_TOKEN_BYTES)]
    TokenLength(&'static str),
    /// The server's policy needs a token.
    #[error("{0} is needed: this server admits only groups and nodes that have a token")]
    TokenNeeded(&'static str),
    /// The domain is that of another network, and the server's policy keeps networks apart.
    #[error(
        "The domain belongs to another network: this server admits callers to their own network's domain only"
    )]
    ForeignDomain,
    /// The node is not a member of the group.
    #[error("Node not found")]
    NodeNotFound,
    /// An argument is the empty string.
    #[error("{0} is required")]
    EmptyArgument(&'static str),
    /// groupId or domain is the empty string; the text of the polling queries.
    #[error("groupId and domain are required")]
    EmptyGroup,
    /// An argument has too many characters.
    #[error("{} must be {characters} characters or less", if *argument == "domain" { "Domain" } else { argument })]
    TooLong {
        /// The argument's name.
        argument: &'static str,
        /// The limit.
        characters: usize,
    },
    /// An argument has a character that ids must not contain.
    #[error("{0} must not contain # or control characters")]
    ForbiddenCharacter(&'static str),
    /// An argument has a character that cannot be seen (`model::visible`).
    #[error("{0} must not contain characters that cannot be seen: type it again without copying")]
    InvisibleCharacter(&'static str),
    /// A text is no join code.
    #[error("{0} must be six digits from 0 to f, or six of the hiragana by which they are shown")]
    InvalidJoinCode(&'static str),
    /// The search prefix is empty or too long.
    #[error("namePrefix must be 1-6 characters")]
    InvalidPrefix,
    /// The search limit is out of range.
    #[error("limit must be from 1 to 100")]
    InvalidSearchLimit,
    /// The requested lifetime is less than a second.
    #[error("maxConnectionTimeSeconds must be at least 1")]
    LifetimeTooShort,
    /// The requested lifetime is longer than the server allows.
    #[error("maxConnectionTimeSeconds cannot exceed {0}")]
    LifetimeTooLong(u32),
    /// A list has too many items.
    #[error("{argument} must have {items} items or fewer")]
    TooMany {
        /// The argument's name.
        argument: &'static str,
        /// The limit.
        items: usize,
    },
    /// The texts in an argument are too large in total.
    #[error("{argument} must be {bytes} bytes or less")]
    TooLarge {
        /// The argument's name.
        argument: &'static str,
        /// The limit.
        bytes: usize,
    },
    /// A group's variables have reached their limit of bytes in a response.
    #[error("the group's variables are full: at most {0} bytes")]
    VariablesFull(usize),
    /// The message published for an argument would be too large (decision D25).
    #[error("{argument} must be {bytes} bytes or less as it is published")]
    TooLargeToPublish {
        /// The argument's name.
        argument: &'static str,
        /// The limit of a message.
        bytes: usize,
    },
    /// The response would be too large (decision D24).
    #[error("The answer is larger than {bytes} bytes: ask for less at once")]
    ResponseTooLarge {
        /// The limit of a response.
        bytes: usize,
    },
    /// The client sends requests but does not read the responses (decision D24).
    #[error("Answers of more than {bytes} bytes wait to be read on this connection")]
    UnreadResponses {
        /// The limit of unread bytes.
        bytes: usize,
    },
    /// Requests come faster than a rate limit allows.
    #[error(
        "Too many requests {whose}: wait for the milliseconds of extensions.retryAfterMs, then send it again"
    )]
    TooFast {
        /// By whom, or where.
        whose: &'static str,
        /// After how many milliseconds it may be repeated.
        retry_after_ms: u16,
    },
    /// A limit of the server, a domain or a group is reached.
    #[error("{what} is full: at most {limit}")]
    Full {
        /// What is full.
        what: &'static str,
        /// Its capacity.
        limit: usize,
    },
}

impl ClientError {
    /// After how many milliseconds the request may be repeated, if that is known.
    pub fn retry_after_ms(&self) -> Option<u32> {
        match self {
            Self::TooFast { retry_after_ms, .. } => Some((*retry_after_ms).into()),
            // Tenths of a second, ten seconds at most, as for rates: so the hint never has the digits
            // that some clients take for a blocked network.
            Self::Paused { retry_after_ms } => {
                Some((retry_after_ms.div_ceil(100) * 100).clamp(100, 10_000))
            }
            _ => None,
        }
    }

    /// The GraphQL error's `errorType`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::GroupNotFound(_)
            | Self::RecordGroupNotFound
            | Self::GroupExpired { .. }
            | Self::HeartbeatExpired(_) => "GroupNotFound",
            Self::OnlyHostCanRenew
            | Self::OnlyHostCanDissolve { .. }
            | Self::OnlyHostCanControl
            | Self::ControlNeedsToken
            | Self::Removed
            | Self::WrongToken(_)
            | Self::TokenNeeded(_)
            | Self::ForeignDomain => "Unauthorized",
            Self::NodeNotFound => "NodeNotFound",
            Self::TooFast { .. } => "RateLimited",
            Self::Locked => "Locked",
            Self::Paused { .. } => "Paused",
            Self::Full { .. }
            | Self::VariablesFull(_)
            | Self::ResponseTooLarge { .. }
            | Self::UnreadResponses { .. } => "LimitExceeded",
            _ => "ValidationError",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_the_contract_use_words_that_disconnect() {
        let harmless = [
            ClientError::EmptyArgument("groupId"),
            ClientError::EmptyGroup,
            ClientError::TooLong {
                argument: "nodeId",
                characters: 256,
            },
            ClientError::ForbiddenCharacter("nodeId"),
            ClientError::InvisibleCharacter("name"),
            ClientError::InvalidJoinCode("code"),
            ClientError::InvalidPrefix,
            ClientError::InvalidSearchLimit,
            ClientError::LifetimeTooShort,
            ClientError::LifetimeTooLong(1500),
            ClientError::TooMany {
                argument: "events",
                items: 1000,
            },
            ClientError::TooLarge {
                argument: "data",
                bytes: 65_536,
            },
            ClientError::VariablesFull(4_194_304),
            ClientError::TokenLength("nodeToken"),
            ClientError::TooLargeToPublish {
                argument: "events",
                bytes: 245_760,
            },
            ClientError::ResponseTooLarge { bytes: 5_242_880 },
            ClientError::UnreadResponses { bytes: 8_388_608 },
            ClientError::Full {
                what: "the group",
                limit: 1000,
            },
            ClientError::TooFast {
                whose: "by this node",
                retry_after_ms: 100,
            },
            ClientError::Locked,
            ClientError::Paused {
                retry_after_ms: 100,
            },
            ClientError::HostStays,
            ClientError::NegativePause,
            ClientError::InvalidNickname,
            ClientError::HostTtlNeedsTeacher,
            ClientError::InvalidHostTtl,
        ];
        let paused = ClientError::Paused {
            retry_after_ms: 50_260,
        };
        assert_eq!(paused.retry_after_ms(), Some(10_000));
        for error in harmless {
            let text = error.to_string().to_lowercase();
            for word in ["not found", "expired", "unauthorized", "503"] {
                assert!(!text.contains(word), "{text} contains {word}");
            }
            let harmless = [
                "ValidationError",
                "LimitExceeded",
                "RateLimited",
                "Locked",
                "Paused",
            ];
            assert!(harmless.contains(&error.kind()));
        }
    }
}
