//! All that a resolver may reach for.

use std::sync::Arc;

use crate::domains::DomainKey;
use crate::heartbeat::clock::Clock;
use crate::heartbeat::hold::StartHold;
use crate::hub::Hub;
use crate::memory::Memory;
use crate::model::limits::Limits;
use crate::model::rules::Rules;
use crate::store::Store;

/// A stage: its memory, its listeners, its rules and its clock.
#[derive(Clone)]
pub struct Mesh {
    /// What is remembered.
    pub store: Arc<dyn Store>,
    /// Who listens.
    pub hub: Arc<Hub>,
    /// When something counts as alive.
    pub rules: Rules,
    /// The time.
    pub clock: Clock,
    /// How much of anything a call may bring.
    pub limits: Limits,
    /// The bytes that the whole process may hold.
    pub memory: Memory,
    /// Until when calls that publish wait after a start.
    pub start_hold: StartHold,
    /// Which domain an address stands for.
    pub domains: DomainKey,
    /// What recordEventsByNode answers as `nextSince`.
    pub next_since: NextSince,
}

/// What recordEventsByNode answers as `nextSince` (decision D16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NextSince {
    /// An empty string: Smalruby's client then keeps its own cursor and does not skip
    /// what others recorded in between.
    #[default]
    Empty,
    /// The cursor of the call's last event, as upstream answers.
    Cursor,
}

#[cfg(test)]
impl Mesh {
    /// A stage in memory, with the times of stage stg.
    pub fn in_memory() -> Arc<Self> {
        use crate::model::rules::Timings;
        use crate::store::embedded::Embedded;

        let (rules, limits) = (
            Rules::new(Timings::STG).expect("they work"),
            Limits::default(),
        );
        Arc::new(Self {
            store: Arc::new(Embedded::in_memory(rules, limits)),
            hub: Hub::new(),
            rules,
            clock: Clock::system(),
            limits,
            memory: Memory::unlimited(),
            start_hold: StartHold::NONE,
            domains: DomainKey::new(b"k"),
            next_since: NextSince::default(),
        })
    }
}
