//! Storage of groups, members, statuses and events.
//!
//! [`Store`] is the contract, in the product's verbs; `suite` is the same contract as tests, run
//! on every store. A store decides by `model::rules` at the time of each call what is alive, so
//! nothing expired is returned and no write revives a group (decisions D5, D6). Requests to a
//! group that ended without being dissolved are refused with the reason for at least the host
//! TTL (decision D30). A store does not know subscribers: it passes the messages of its changes
//! to a [`Publisher`], in the order in which they were committed (decision D18).

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod embedded;
#[cfg(test)]
pub mod suite;
pub mod timed;

use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;

use crate::metrics::StoreFigures;
use crate::model::authority::{Actor, TokenHash};
use crate::model::cursor::Since;
use crate::model::error::ClientError;
use crate::model::event::{Event, EventBatch, EventCall};
use crate::model::group::{Delivery, EndReason, Group, GroupKey, Member};
use crate::model::group_quota::Asking;
use crate::model::ids::{Domain, GroupName, NodeId};
use crate::model::join_code::JoinCode;
use crate::model::lesson::Control;
use crate::model::message::Message;
use crate::model::origin::Origin;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::{ClockStep, Timestamp};

/// The largest number of events that one read returns (docs/api.md, getEventsSince).
pub const EVENTS_PER_READ: usize = 100;

/// Why a store call failed.
#[derive(Clone, Debug, Error)]
pub enum Error {
    /// The request was refused.
    #[error(transparent)]
    Refused(#[from] ClientError),
    /// The store failed (decision D21).
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A failure of the store. The cause is for the log, never for clients.
#[derive(Debug, Clone, Error)]
#[error("the store could not {doing}")]
pub struct Failure {
    doing: &'static str,
    #[source]
    cause: Arc<dyn std::error::Error + Send + Sync>,
}

impl Failure {
    /// The failure with all its causes, for the log.
    pub fn with_causes(&self) -> String {
        format!("{:#}", anyhow::Error::new(self.clone()))
    }

    /// A failure while `doing` something; the text is "could not …".
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

/// Publishes the messages of a store's changes.
///
/// An embedded store calls it in commit order, one call after the other, before the calls that
/// made the changes return (decision D18). Several servers with one DynamoDB table have no common
/// order yet: each publishes its own calls after they succeeded, kept ones by their numbers.
pub trait Publisher: Send + Sync + 'static {
    /// Publishes a message. It must neither wait nor call the store, which may be locked.
    fn publish(&self, message: Message);

    /// Whether recorded events are published to groups that poll, too: few of their members have
    /// a subscription.
    fn publishes_where_members_poll(&self) -> bool {
        true
    }
}

/// The publisher of a store without subscribers.
#[derive(Clone, Copy, Debug)]
pub struct NoSubscribers;

impl Publisher for NoSubscribers {
    fn publish(&self, _: Message) {}
}

/// A request to host a group.
#[derive(Clone, Debug)]
pub struct CreateGroup {
    /// The domain.
    pub domain: Domain,
    /// The host.
    pub host: NodeId,
    /// The name.
    pub name: GroupName,
    /// How messages reach the members.
    pub delivery: Delivery,
    /// The lifetime in seconds.
    pub lifetime: u32,
    /// The group's own host TTL in seconds, if it has one.
    pub host_ttl: Option<u32>,
    /// Where the request comes from, if that is known.
    pub origin: Option<Origin>,
    /// The digest of the host's token.
    pub token: Option<TokenHash>,
    /// Whether addresses' shares do not bind it, but the limits do.
    pub is_exempt: bool,
    /// The join code of the new group. If another group has it, the store takes a random one.
    pub join_code: JoinCode,
    /// Whether the group's name is its join code, and not `name`.
    pub name_is_join_code: bool,
}

impl CreateGroup {
    fn asking(&self) -> Asking<'_> {
        Asking {
            domain: &self.domain,
            origin: self.origin,
            is_exempt: self.is_exempt,
        }
    }

    /// The name of the new group with this join code.
    fn name_with(&self, code: JoinCode) -> GroupName {
        if self.name_is_join_code {
            code.into()
        } else {
            self.name.clone()
        }
    }
}

/// The result of [`Store::host_group`].
#[derive(Clone, Debug)]
pub struct HostOutcome {
    /// The group.
    pub group: Group,
    /// Whether this call created it.
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
    pub reason: EndReason,
}

/// The result of [`Store::append`].
#[derive(Clone, Debug)]
pub struct AppendOutcome {
    /// The events as they are published.
    pub batch: EventBatch,
    /// The cursor of the call's last event (decision D16).
    pub next_since: String,
    /// Whether the call is a repetition: nothing was stored and published (decision D15).
    pub repeated: bool,
}

/// The state of a server, or of several that share it. Writes are atomic and totally ordered.
/// Liveness is decided at `now`. What a call changes is published when it returns.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The host's live group in the domain, created if there is none (decision D4).
    ///
    /// An existing group keeps its name, expiry and heartbeat; only the delivery of one without
    /// a token follows the request. One with a token is returned only for it (decision D34).
    /// Refuses when the domain or the server is full.
    async fn host_group(&self, request: CreateGroup, now: Timestamp) -> Result<HostOutcome>;

    /// The host's live group in the domain, if it was made with the host's token.
    async fn group_of_host(
        &self,
        domain: &Domain,
        host: &Actor,
        now: Timestamp,
    ) -> Result<Option<Group>>;

    /// The live groups of a domain, by id. Reads group records only.
    async fn groups_in(&self, domain: &Domain, now: Timestamp) -> Result<Vec<Group>>;

    /// The first `limit` live groups whose name begins with `prefix`, by name.
    async fn groups_named(&self, prefix: &str, limit: usize, now: Timestamp) -> Result<Vec<Group>>;

    /// The live group with this join code (decision D33). No two have the same.
    async fn group_by_code(&self, code: JoinCode, now: Timestamp) -> Result<Option<Group>>;

    /// The group's join code, if the group is alive.
    async fn code_of(&self, group: &GroupKey, now: Timestamp) -> Result<Option<JoinCode>>;

    /// Makes the node a member, and removes it from its former group (decision D11).
    /// `use_websocket` is the node's own choice. Refuses when the group is full.
    async fn join(
        &self,
        group: &GroupKey,
        node: &Actor,
        use_websocket: Option<bool>,
        now: Timestamp,
    ) -> Result<Group>;

    /// Removes the node and its status from the group; does nothing if it is not there.
    async fn leave(&self, group: &GroupKey, node: &Actor) -> Result<()>;

    /// Ends the group on request of its host. After it returns, no read returns anything of the
    /// group and no write changes it (decision D6). Nothing is published after the group's end.
    async fn dissolve(&self, group: &GroupKey, host: &Actor, now: Timestamp) -> Result<()>;

    /// The host's heartbeat. It never revives a group or changes its expiry.
    async fn renew(&self, group: &GroupKey, host: &Actor, now: Timestamp) -> Result<Group>;

    /// A control of the lesson by the host, whose group must have a token. Publishes nothing.
    /// What a node's call that runs at the same time does may come before or after it.
    async fn control(
        &self,
        group: &GroupKey,
        host: &Actor,
        control: &Control,
        now: Timestamp,
    ) -> Result<Group>;

    /// A member's heartbeat (decision D10); returns until when the member is alive. It revives
    /// an expired member of a live group.
    async fn heartbeat(&self, group: &GroupKey, node: &Actor, now: Timestamp) -> Result<Timestamp>;

    /// Writes the node's variables, each with its own time (decision D9), and returns only what
    /// was sent. The node need not be a member. Refuses when the group's variables would take
    /// too many bytes of a response; variables of expired nodes are evicted before that, those
    /// that expired first (decision D24).
    async fn report(
        &self,
        group: &GroupKey,
        node: &Actor,
        data: Vec<SensorData>,
        now: Timestamp,
    ) -> Result<NodeStatus>;

    /// The variables of all live nodes: by node id, then oldest write first. Those of an expired
    /// node are hidden until its next heartbeat or other request (decision D31). Empty for a
    /// group that is not alive.
    async fn statuses(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<NodeStatus>>;

    /// All variables of a member, with the newest write time.
    async fn status_of(&self, node: &NodeId, now: Timestamp) -> Result<Option<NodeStatus>>;

    /// The group's live members, by node id; its host only if it joined.
    async fn members(&self, group: &GroupKey, now: Timestamp) -> Result<Vec<Member>>;

    /// Appends a call's events to the group's log (decisions D12, D15). Recorded events are kept
    /// for pollers; fired ones only while the group has pollers (decision D13).
    async fn append(&self, call: EventCall, now: Timestamp) -> Result<AppendOutcome>;

    /// Up to [`EVENTS_PER_READ`] events after `since`, in log order; marks the group as polled.
    /// Empty for a group that is not alive. Returns only the first events that fit in
    /// `max_bytes` of a response (`model::json_size`), but at least one, so that a poller always
    /// makes progress (decision D24).
    async fn events_since(
        &self,
        group: &GroupKey,
        since: Since<'_>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<Vec<Event>>;

    /// Whether the group is alive.
    async fn group_lives(&self, group: &GroupKey, now: Timestamp) -> Result<bool>;

    /// Whether any group is alive, so that clients may reconnect.
    async fn any_group_lives(&self, now: Timestamp) -> Result<bool>;

    /// Removes what expired, and publishes and returns the groups that ended, each once
    /// (decision D7).
    async fn reap(&self, now: Timestamp) -> Result<Vec<EndedGroup>>;

    /// Moves the times by which groups, nodes and tombstones live with the server's clock, which
    /// makes the step afterwards (decision D35). Times of statuses and events stay. Calls that
    /// read the clock before the step get its new time. By default nothing moves: servers that
    /// share a table agree on the time of their cloud.
    async fn clock_stepped(&self, step: ClockStep) -> Result<()> {
        let _ = step;
        Ok(())
    }

    /// Whether the store accepts writes now.
    async fn ready(&self) -> Result<(), Failure>;

    /// What the store has, for its operator, as far as it knows that without a request.
    fn figures(&self, now: Timestamp) -> StoreFigures {
        let _ = now;
        StoreFigures::default()
    }
}
