//! Answers that say no: each has the contract's text and kind (contract 1.1, decisions D22, D23).
//!
//! The real client disconnects on some words (contract section 7, point 4): no text
//! here says "not found", "expired" or "unauthorized" unless the contract puts it there.

use thiserror::Error;

use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;

/// Why a request was refused. `Display` is the `message`, [`ClientError::kind`] the `errorType`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientError {
    /// There is no such group.
    #[error("Group not found: {0}")]
    GroupNotFound(GroupKey),
    /// The same, in the words of recordEventsByNode, which names no group.
    #[error("Group not found")]
    NoGroupToRecordIn,
    /// The group's time is up.
    #[error("Group expired: {group} (expiresAt: {expires_at})")]
    GroupExpired {
        /// The group asked for.
        group: GroupKey,
        /// When its time was up.
        expires_at: Timestamp,
    },
    /// The group's host fell silent.
    #[error("Group not found: {0} (heartbeat expired)")]
    HostSilent(GroupKey),
    /// Somebody else than the host renews.
    #[error("Only the host can renew the heartbeat")]
    NotTheHostToRenew,
    /// Somebody else than the host dissolves.
    #[error("Only the host can dissolve the group. Host: {host}, Requested by: {requester}")]
    NotTheHostToDissolve {
        /// Who hosts the group.
        host: NodeId,
        /// Who asked.
        requester: NodeId,
    },
    /// The node is no member of the group.
    #[error("Node not found")]
    NodeNotFound,
    /// An argument is the empty string.
    #[error("{0} is required")]
    Missing(&'static str),
    /// groupId or domain is the empty string, in the words of the polling queries.
    #[error("groupId and domain are required")]
    MissingGroup,
    /// An argument has too many characters.
    #[error("{} must be {characters} characters or less", if *argument == "domain" { "Domain" } else { argument })]
    TooLong {
        /// The argument's name.
        argument: &'static str,
        /// The most it may have.
        characters: usize,
    },
    /// An argument has a character that no id may have.
    #[error("{0} must not contain # or control characters")]
    Forbidden(&'static str),
    /// The search prefix is empty or too long.
    #[error("namePrefix must be 1-6 characters")]
    BadPrefix,
    /// The search limit is out of bounds.
    #[error("limit must be from 1 to 100")]
    BadSearchLimit,
    /// The life asked for is less than a second.
    #[error("maxConnectionTimeSeconds must be at least 1")]
    LifeTooShort,
    /// The life asked for is longer than the stage allows.
    #[error("maxConnectionTimeSeconds cannot exceed {0}")]
    LifeTooLong(u32),
    /// A list has too many items.
    #[error("{argument} must have {items} items or fewer")]
    TooMany {
        /// The argument's name.
        argument: &'static str,
        /// The most it may have.
        items: usize,
    },
    /// Texts in an argument are too large altogether.
    #[error("{argument} must be {bytes} bytes or less")]
    TooLarge {
        /// The argument's name.
        argument: &'static str,
        /// The most it may have.
        bytes: usize,
    },
    /// A group's variables take as many bytes of an answer as they may.
    #[error("the group's variables are full: at most {0} bytes")]
    VariablesFull(usize),
    /// What an argument brings would be too large a message (decision D25).
    #[error("{argument} must be {bytes} bytes or less as it is published")]
    TooLargeToPublish {
        /// The argument's name.
        argument: &'static str,
        /// The most that the message may have.
        bytes: usize,
    },
    /// More is asked for than one answer holds (decision D24).
    #[error("The answer is larger than {bytes} bytes: ask for less at once")]
    AnswerTooLarge {
        /// The most that an answer may have.
        bytes: usize,
    },
    /// The peer asks on and reads nothing (decision D24).
    #[error("Answers of more than {bytes} bytes wait to be read on this connection")]
    UnreadAnswers {
        /// The most that may wait.
        bytes: usize,
    },
    /// Something of the stage is full.
    #[error("{what} is full: at most {limit}")]
    Full {
        /// What is full.
        what: &'static str,
        /// How much it holds.
        limit: usize,
    },
}

impl ClientError {
    /// The GraphQL error's `errorType`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::GroupNotFound(_)
            | Self::NoGroupToRecordIn
            | Self::GroupExpired { .. }
            | Self::HostSilent(_) => "GroupNotFound",
            Self::NotTheHostToRenew | Self::NotTheHostToDissolve { .. } => "Unauthorized",
            Self::NodeNotFound => "NodeNotFound",
            Self::Full { .. }
            | Self::VariablesFull(_)
            | Self::AnswerTooLarge { .. }
            | Self::UnreadAnswers { .. } => "LimitExceeded",
            _ => "ValidationError",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_contracts_refusals_use_words_that_disconnect() {
        let harmless = [
            ClientError::Missing("groupId"),
            ClientError::MissingGroup,
            ClientError::TooLong {
                argument: "nodeId",
                characters: 256,
            },
            ClientError::Forbidden("nodeId"),
            ClientError::BadPrefix,
            ClientError::BadSearchLimit,
            ClientError::LifeTooShort,
            ClientError::LifeTooLong(1500),
            ClientError::TooMany {
                argument: "events",
                items: 1000,
            },
            ClientError::TooLarge {
                argument: "data",
                bytes: 65_536,
            },
            ClientError::VariablesFull(4_194_304),
            ClientError::TooLargeToPublish {
                argument: "events",
                bytes: 245_760,
            },
            ClientError::AnswerTooLarge { bytes: 5_242_880 },
            ClientError::UnreadAnswers { bytes: 8_388_608 },
            ClientError::Full {
                what: "the group",
                limit: 1000,
            },
        ];
        for refusal in harmless {
            let text = refusal.to_string().to_lowercase();
            for word in ["not found", "expired", "unauthorized", "503"] {
                assert!(!text.contains(word), "{text} says {word}");
            }
            assert!(["ValidationError", "LimitExceeded"].contains(&refusal.kind()));
        }
    }
}
