//! How often anything may be called.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::domains::SiteBits;

/// How many seconds' worth of calls may come at once.
const BURST_SECONDS: u32 = 2;
/// The least burst: a page that opens sends some calls together.
const LEAST_BURST: u32 = 10;

/// Calls a second, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls a second.
    pub per_second: NonZeroU32,
}

impl Rate {
    /// A rate; zero counts as one.
    pub const fn new(per_second: u32) -> Self {
        let per_second = match NonZeroU32::new(per_second) {
            Some(rate) => rate,
            None => NonZeroU32::MIN,
        };
        Self { per_second }
    }

    /// How many calls may come at once.
    pub fn burst(self) -> NonZeroU32 {
        let burst = self.per_second.get().saturating_mul(BURST_SECONDS);
        NonZeroU32::new(burst.max(LEAST_BURST)).unwrap_or(NonZeroU32::MIN)
    }
}

/// What happens to wrong guesses of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessRate {
    /// Those that are answered at once.
    pub at_once: Rate,
    /// How long the answers to others wait.
    pub wait: Duration,
    /// How many answers may wait at a time.
    pub waiting: usize,
}

/// The rate of each limit. The defaults are at least four times what the editor sends at its
/// fastest setting: 10 reports and 10 event calls a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Reports of one node.
    pub node_reports: Rate,
    /// Event calls of one node.
    pub node_events: Rate,
    /// Joins, leaves, heartbeats and dissolves of one node.
    pub node_membership: Rate,
    /// Up to which a connection is steady, and goes on where others are refused.
    pub steady: Rate,
    /// Reports and event calls in one group.
    pub group_calls: Rate,
    /// Joins, leaves, heartbeats and dissolves in one group.
    pub group_membership: Rate,
    /// Queries about one group, and subscriptions to it.
    pub group_queries: Rate,
    /// Calls of one steady connection in a group that go on when the group's rates are used up.
    pub connection_own_calls: Rate,
    /// Queries and subscriptions of one connection.
    pub connection_queries: Rate,
    /// createGroup and createDomain on one connection.
    pub connection_groups: Rate,
    /// New documents of one connection.
    pub connection_documents: Rate,
    /// New documents of one connection that do not count for its address.
    pub connection_own_documents: Rate,
    /// Introspections of one connection.
    pub connection_introspections: Rate,
    /// Messages and pings of one WebSocket.
    pub connection_messages: Rate,
    /// Everything from one address.
    pub address_calls: Rate,
    /// createGroup and createDomain from one address.
    pub address_groups: Rate,
    /// New documents from one address.
    pub address_documents: Rate,
    /// Introspections from one address.
    pub address_introspections: Rate,
    /// Wrong keys.
    pub wrong_keys: GuessRate,
    /// Wrong join codes.
    pub wrong_codes: GuessRate,
    /// What counts as one address.
    pub site: SiteBits,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            node_reports: Rate::new(100),
            node_events: Rate::new(100),
            node_membership: Rate::new(20),
            steady: Rate::new(25),
            group_calls: Rate::new(2000),
            group_membership: Rate::new(1000),
            group_queries: Rate::new(2000),
            connection_own_calls: Rate::new(4),
            connection_queries: Rate::new(200),
            connection_groups: Rate::new(100),
            connection_documents: Rate::new(50),
            connection_own_documents: Rate::new(1),
            connection_introspections: Rate::new(2),
            connection_messages: Rate::new(500),
            address_calls: Rate::new(30_000),
            address_groups: Rate::new(500),
            address_documents: Rate::new(1000),
            address_introspections: Rate::new(50),
            wrong_keys: GuessRate {
                at_once: Rate::new(5),
                wait: Duration::from_secs(1),
                waiting: 1000,
            },
            wrong_codes: GuessRate {
                at_once: Rate::new(50),
                wait: Duration::from_secs(2),
                waiting: 1000,
            },
            site: SiteBits::default(),
        }
    }
}
