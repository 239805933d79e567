//! The server's policy: what a caller may do with groups that it did not make.

use std::fmt;

/// Whom a server admits to its groups (decision D34).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Any caller with a key, to every group: as the original service.
    #[default]
    Open,
    /// A caller, to the groups of its own network's domain and of typed domains.
    Own,
    /// A caller that knows a group's id. Groups and nodes need a token.
    Token,
}

impl Policy {
    /// Whether groups of another network, and hosts' ids, are shown to no caller.
    pub fn hides(self) -> bool {
        self != Self::Open
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Own => "own",
            Self::Token => "token",
        })
    }
}
