//! What is remembered: groups, members, statuses and events.
//!
//! [`Store`] is the contract in the product's verbs; `suite` is the same contract as
//! tests, run on every store. A store decides liveness with `heartbeat::rules` at the
//! moment of each call, so nothing expired is ever served and no write revives a group
//! (decisions D5, D6). Whoever calls a group that ended by itself is refused with the reason
//! for at least as long as a host may be silent (decision D30). A store knows nothing of listeners.

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod embedded;
#[cfg(test)]
pub mod suite;

use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;

use crate::model::error::ClientError;
use crate::model::event::{Event, EventBatch, EventCall, Since};
use crate::model::group::{Delivery, EndReason, Group, GroupKey, Member};
use crate::model::ids::{Domain, GroupName, NodeId};
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;

/// The most events one read returns (contract 1.3, getEventsSince).
pub const EVENTS_PER_READ: usize = 100;

/// Why a store gave no answer.
#[derive(Clone, Debug, Error)]
pub enum Error {
    /// The answer is no, with its reason.
    #[error(transparent)]
    Refused(#[from] ClientError),
    /// There is no answer: the store itself failed (decision D21).
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A store that could not do its work. The cause is for the log, never for a caller.
#[derive(Debug, Clone, Error)]
#[error("the store could not {doing}")]
pub struct Failure {
    doing: &'static str,
    #[source]
    cause: Arc<dyn std::error::Error + Send + Sync>,
}

impl Failure {
    /// The failure and all that caused it, for the log.
    pub fn whole(&self) -> String {
        format!("{:#}", anyhow::Error::new(self.clone()))
    }

    /// A failure while `doing` something, which reads on as "could not …".
    pub fn new(
        doing: &'static str,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            doing,
            cause: Arc::from(cause.into()),
        }
    }
}

/// The result of a store call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A group somebody wants to host.
#[derive(Clone, Debug)]
pub struct CreateGroup {
    /// The domain.
    pub domain: Domain,
    /// The host.
    pub host: NodeId,
    /// The name.
    pub name: GroupName,
    /// How members shall hear each other.
    pub delivery: Delivery,
    /// How long it shall live, in seconds.
    pub lifetime: u32,
}

/// A host's group.
#[derive(Clone, Debug)]
pub struct HostOutcome {
    /// The group.
    pub group: Group,
    /// Whether this call made it.
    pub created: bool,
    /// The host's former group, if this call ended it.
    pub replaced: Option<EndedGroup>,
}

/// A group that ended without being dissolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedGroup {
    /// The group.
    pub group: GroupKey,
    /// Why it ended.
    pub end: EndReason,
}

/// A call's events after they were taken.
#[derive(Clone, Debug)]
pub struct AppendOutcome {
    /// The events as subscribers hear them.
    pub batch: EventBatch,
    /// The cursor of the call's last event (decision D16).
    pub next_since: String,
    /// Whether the same call was answered before: nothing was stored and nothing is
    /// to be published (decision D15).
    pub repeated: bool,
}

/// A stage's memory. Methods that change something are atomic: two callers meet in
/// some order, never half-way. `now` is the moment by which liveness is judged.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The host's live group in the domain, made now if there is none (decision D4).
    ///
    /// A group that lives already keeps its name, end and heartbeat; only its delivery
    /// follows the wish. Refuses when the domain or stage is full.
    async fn host_group(&self, wish: CreateGroup, now: Timestamp) -> Result<HostOutcome>;

    /// The living groups of a domain, by id. Reads group records only.
    async fn groups_in(&self, domain: &Domain, now: Timestamp) -> Result<Vec<Group>>;

    /// The first `limit` living groups whose name begins with `prefix`, by name.
    async fn groups_named(&self, prefix: &str, limit: usize, now: Timestamp) -> Result<Vec<Group>>;

    /// Makes the node a member, and takes it out of its former group (decision D11).
    /// `use_websocket` is what the node itself asked for. Refuses when the group is full.
    async fn join(
        &self,
        group: &GroupKey,
        node: &NodeId,
        use_websocket: Option<bool>,
        now: Timestamp,
    ) -> Result<Group>;

    /// Forgets the node and its status in this group; unknown ones as well.
    async fn leave(&self, group: &GroupKey, node: &NodeId) -> Result<()>;

    /// Ends the group for its host. When it answers, no read sees anything of the
    /// group and no write reaches it (decision D6).
    async fn dissolve(&self, group: &GroupKey, host: &NodeId, now: Timestamp) -> Result<()>;

    /// The host's sign of life; it never revives a group nor moves its end.
    async fn renew(&self, group: &GroupKey, host: &NodeId, now: Timestamp) -> Result<Group>;

    /// A member's sign of life (decision D10); answers until when it counts. A member
    /// past its time is counted again as long as its group lives.
    async fn beat(&self, group: &GroupKey, node: &NodeId, now: Timestamp) -> Result<Timestamp>;

    /// Writes the node's variables, each under its own time (decision D9), and answers
    /// just what was sent. The node need not be a member. Refuses when the group's variables
    /// would take too many bytes of an answer; those of nodes past their time make way,
    /// the longest silent first (decision D24).
    async fn report(
        &self,
        group: &GroupKey,
        node: &NodeId,
        data: Vec<SensorData>,
        now: Timestamp,
    ) -> Result<NodeStatus>;

    /// Every living node's variables: by node id, then oldest write first. Those of a node
    /// past its time are hidden until its next sign of life (decision D31). Empty for a
    /// group that is not alive.
    async fn statuses(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<NodeStatus>>;

    /// All variables of a member, under the newest time.
    async fn status_of(&self, node: &NodeId, now: Timestamp) -> Result<Option<NodeStatus>>;

    /// The group's living members, by node id; its host is none unless it joined.
    async fn members(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<Member>>;

    /// Takes a call's events into the group's log (decisions D12, D15). Recorded events
    /// are kept for pollers; fired ones while the group has any (decision D13).
    async fn append(&self, call: EventCall, now: Timestamp) -> Result<AppendOutcome>;

    /// Up to [`EVENTS_PER_READ`] events after `since`, in log order; remembers that
    /// somebody polls. Empty for a group that is not alive. Of events that take more than
    /// `max_bytes` in an answer (`model::rendered`) only the first are told: as many as
    /// fit, and at least one, so that a reader always gets on (decision D24).
    async fn events_since(
        &self,
        group: &GroupKey,
        since: Since<'_>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<Vec<Event>>;

    /// Whether any group lives, whose members may want to hear of each other.
    async fn any_group_lives(&self, now: Timestamp) -> Result<bool>;

    /// Forgets what has expired and answers which groups ended, each once (decision D7).
    async fn reap(&self, now: Timestamp) -> Result<Vec<EndedGroup>>;

    /// Whether the store can take writes now.
    async fn ready(&self) -> Result<(), Failure>;
}
