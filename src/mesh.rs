//! The services that resolvers use.

use std::sync::Arc;

use crate::auth::Policy;
use crate::domains::DomainKey;
use crate::heartbeat::clock::Clock;
use crate::heartbeat::hold::StartHold;
use crate::hub::Hub;
use crate::memory::Memory;
use crate::metrics::{Metrics, PollingLines};
use crate::model::limits::Limits;
use crate::model::message::Message;
use crate::model::rules::Rules;
use crate::projects::Projects;
use crate::rate_limits::RateLimits;
use crate::store::{Publisher, Store};

/// A mesh: its store, hub, rules, clock and limits.
#[derive(Clone)]
pub struct Mesh {
    /// The groups, nodes, variables and events.
    pub store: Arc<dyn Store>,
    /// The subscribers.
    pub hub: Arc<Hub>,
    /// Lifetimes and heartbeat intervals.
    pub rules: Rules,
    /// The clock.
    pub clock: Clock,
    /// Limits for the content of calls.
    pub limits: Limits,
    /// The memory limit of the process.
    pub memory: Memory,
    /// The server's counters.
    pub metrics: Metrics,
    /// The log's lines of hosts and members that poll.
    pub polling_lines: Arc<PollingLines>,
    /// How often anybody may call.
    pub rate_limits: RateLimits,
    /// After a start, delays the calls that publish.
    pub start_hold: StartHold,
    /// What cloud sockets of one group share.
    pub projects: Projects,
    /// Derives domains from addresses.
    pub domains: DomainKey,
    /// Whom the server admits to its groups.
    pub policy: Policy,
    /// The `nextSince` that recordEventsByNode returns.
    pub next_since: NextSince,
}

/// The store publishes to the hub; neither knows the other.
impl Publisher for Hub {
    fn publish(&self, message: Message) {
        Hub::publish(self, message);
    }
}

/// The `nextSince` that recordEventsByNode returns (decision D16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NextSince {
    /// An empty string: Smalruby's client then keeps its own cursor and does not skip events
    /// that others recorded in between.
    #[default]
    Empty,
    /// The cursor of the call's last event, as the service on AppSync returns.
    Cursor,
}

#[cfg(test)]
impl Mesh {
    /// A mesh with a store in memory and the times of stg.
    pub fn in_memory() -> Arc<Self> {
        use crate::model::rules::Timings;
        use crate::store::embedded::Embedded;

        let (rules, limits) = (
            Rules::new(Timings::STG).expect("valid times"),
            Limits::default(),
        );
        let (hub, memory) = (Hub::new(), Memory::unlimited());
        let publisher = Arc::clone(&hub) as Arc<dyn Publisher>;
        let store = Embedded::in_memory_within(memory.clone(), publisher, rules, limits);
        Arc::new(Self {
            store: Arc::new(store),
            hub,
            rules,
            clock: Clock::system(),
            limits,
            memory,
            metrics: Metrics::default(),
            polling_lines: Arc::default(),
            rate_limits: RateLimits::off(),
            start_hold: StartHold::NONE,
            projects: Projects::default(),
            domains: DomainKey::new(b"k"),
            policy: Policy::default(),
            next_since: NextSince::default(),
        })
    }
}
