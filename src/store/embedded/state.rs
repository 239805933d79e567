//! The state in memory. Implements every method of the store without waiting; each change is
//! recorded in `Changes` for the writer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::memory::Memory;
use crate::metrics::Population;
use crate::model::authority::{self, Actor, TokenHash};
use crate::model::cursor::Since;
use crate::model::error::ClientError;
use crate::model::group::{Group, GroupKey, Member};
use crate::model::ids::{Domain, GroupId, GroupName, NodeId};
use crate::model::join_code::JoinCode;
use crate::model::limits::Limits;
use crate::model::message::Message;
use crate::model::origin::Network;
use crate::model::rules::Rules;
use crate::model::status::{NodeStatus, SharedData};
use crate::model::time::Timestamp;
use crate::store::embedded::group_state::{Appended, GroupState, Operation};
use crate::store::embedded::log::{FoundEvents, NewCall};
use crate::store::embedded::record::Changes;
use crate::store::embedded::state::clock::LastStep;
use crate::store::embedded::state::domain_groups::DomainGroups;
use crate::store::embedded::statuses::SharedStatus;
use crate::store::embedded::tombstones::Tombstones;

/// The context of a call; a macro, so that only these fields are borrowed.
macro_rules! operation {
    ($state:ident, $now:expr) => {
        Operation {
            rules: &$state.rules,
            limits: &$state.limits,
            memory: &$state.memory,
            now: $now,
            changes: &mut $state.changes,
            by_node: &mut $state.by_node,
        }
    };
}

// After the macro that they use.
mod clock;
mod codes;
mod domain_groups;
mod expiry;
mod groups;
mod lesson;
mod replay;

/// The state of a server.
#[derive(Debug)]
pub struct State {
    rules: Rules,
    limits: Limits,
    memory: Memory,
    groups: HashMap<GroupKey, GroupState>,
    by_host: HashMap<(NodeId, Domain), GroupId>,
    by_domain: BTreeMap<Domain, DomainGroups>,
    /// By the form in which names are searched.
    by_name: BTreeMap<GroupName, BTreeSet<GroupKey>>,
    /// By join code; as many as there are groups.
    by_code: HashMap<JoinCode, GroupKey>,
    /// The number of groups from each site.
    by_site: HashMap<Network, usize>,
    /// The group of each member (decision D11).
    by_node: HashMap<NodeId, GroupKey>,
    tombstones: Tombstones,
    /// The clock's last step in this run.
    last_step: Option<LastStep>,
    changes: Changes,
}

impl State {
    /// An empty state that records its changes in `changes`, with the memory budget `memory`.
    pub fn new(rules: Rules, limits: Limits, memory: Memory, changes: Changes) -> Self {
        Self {
            rules,
            limits,
            tombstones: Tombstones::new(&memory),
            memory,
            groups: HashMap::new(),
            by_host: HashMap::new(),
            by_domain: BTreeMap::new(),
            by_name: BTreeMap::new(),
            by_code: HashMap::new(),
            by_site: HashMap::new(),
            by_node: HashMap::new(),
            last_step: None,
            changes,
        }
    }

    /// An empty state with the same settings.
    pub fn emptied(&self) -> Self {
        let changes = self.changes.emptied();
        let empty = Self::new(self.rules, self.limits, self.memory.clone(), changes);
        Self {
            last_step: self.last_step,
            ..empty
        }
    }

    /// The changes that are not yet taken to be committed.
    pub fn changes(&mut self) -> &mut Changes {
        &mut self.changes
    }

    /// Whether there are such changes.
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// The keys of all groups.
    pub fn group_keys(&self) -> Vec<GroupKey> {
        self.groups.keys().cloned().collect()
    }

    /// A group, alive or not.
    pub fn group(&self, group: &GroupKey) -> Option<&GroupState> {
        self.groups.get(group)
    }

    /// The tombstones.
    pub fn tombstones(&self) -> &Tombstones {
        &self.tombstones
    }

    /// See [`Store::join`](crate::store::Store::join).
    pub fn join(
        &mut self,
        group: &GroupKey,
        node: &Actor,
        use_websocket: Option<bool>,
        now: Timestamp,
    ) -> Result<Group, ClientError> {
        let now = self.at(now);
        let state = live_group(&mut self.groups, &self.tombstones, &self.rules, group, now)?;
        state.join(node, use_websocket, &mut operation!(self, now))?;
        let joined = state.group.clone();
        if self.stays(&node.id, node.token, group) {
            return Ok(joined);
        }
        // Clones the group's key, because the request's key has its own copy of the texts.
        let former = self.by_node.insert(node.id.clone(), joined.key.clone());
        if let Some(former) = former.filter(|former| former != group)
            && let Some(state) = self.groups.get_mut(&former)
        {
            state.remove(&node.id, &mut self.changes);
        }
        Ok(joined)
    }

    /// Whether a node that joins this group stays in its former one: one that has a token is moved
    /// only with it (decision D34).
    pub(super) fn stays(&self, node: &NodeId, given: Option<TokenHash>, group: &GroupKey) -> bool {
        let former = self.by_node.get(node).filter(|former| *former != group);
        let former = former.and_then(|former| self.groups.get(former)?.nodes.get(node));
        former.is_some_and(|record| authority::check_record(record.token, given).is_err())
    }

    /// See [`Store::leave`](crate::store::Store::leave).
    pub fn leave(&mut self, group: &GroupKey, node: &Actor) -> Result<(), ClientError> {
        if let Some(state) = self.groups.get_mut(group) {
            state.check_node(&node.id, node.token)?;
            state.remove(&node.id, &mut self.changes);
        }
        self.member_left(&node.id, group);
        Ok(())
    }

    /// Forgets that a node is a member of the group.
    pub(super) fn member_left(&mut self, node: &NodeId, group: &GroupKey) {
        if self.by_node.get(node) == Some(group) {
            self.by_node.remove(node);
        }
    }

    /// See [`Store::heartbeat`](crate::store::Store::heartbeat).
    pub fn heartbeat(
        &mut self,
        group: &GroupKey,
        node: &Actor,
        now: Timestamp,
    ) -> Result<Timestamp, ClientError> {
        let now = self.at(now);
        let state = live_group(&mut self.groups, &self.tombstones, &self.rules, group, now)?;
        state.check_removed(&node.id)?;
        state.check_node(&node.id, node.token)?;
        if state.refresh_member(&node.id, &mut operation!(self, now)) {
            Ok(self.rules.member_until(now))
        } else {
            Err(ClientError::NodeNotFound)
        }
    }

    /// See [`Store::report`](crate::store::Store::report).
    pub fn report(
        &mut self,
        group: &GroupKey,
        node: &Actor,
        data: SharedData,
        now: Timestamp,
    ) -> Result<NodeStatus, ClientError> {
        let now = self.at(now);
        let state = live_group(&mut self.groups, &self.tombstones, &self.rules, group, now)?;
        let timestamp = state.report(node, &data, &mut operation!(self, now))?;
        let status = NodeStatus {
            node: node.id.clone(),
            group: group.clone(),
            data,
            timestamp,
        };
        self.changes.publish(Message::Status(status.clone()));
        Ok(status)
    }

    /// See [`Store::statuses`](crate::store::Store::statuses).
    pub fn statuses(&self, group: &GroupKey, now: Timestamp) -> Vec<NodeStatus> {
        let now = self.at(now);
        self.live(group, now)
            .map(|state| state.statuses(now))
            .unwrap_or_default()
    }

    /// See [`Store::status_of`](crate::store::Store::status_of).
    pub fn status_of(&self, node: &NodeId, now: Timestamp) -> Option<SharedStatus> {
        let now = self.at(now);
        self.live(self.by_node.get(node)?, now)?
            .status_of(node, now)
    }

    /// See [`Store::members`](crate::store::Store::members).
    pub fn members(&self, group: &GroupKey, now: Timestamp) -> Vec<Member> {
        let now = self.at(now);
        self.live(group, now)
            .map(|state| state.members(now))
            .unwrap_or_default()
    }

    /// What is alive.
    pub fn population(&self, now: Timestamp) -> Population {
        let now = self.at(now);
        let mut all = Population::default();
        for state in self.groups.values() {
            if self.rules.end_of(&state.group, now).is_none() {
                state.count(now, &mut all);
            }
        }
        all
    }

    /// See [`Store::append`](crate::store::Store::append).
    pub fn append(&mut self, new: &NewCall, now: Timestamp) -> Result<Appended, ClientError> {
        let now = self.at(now);
        let state = live_group(
            &mut self.groups,
            &self.tombstones,
            &self.rules,
            &new.call.group,
            now,
        )?;
        state.append(new, &mut operation!(self, now))
    }

    /// See [`Store::events_since`](crate::store::Store::events_since).
    pub fn events_since(
        &mut self,
        group: &GroupKey,
        since: Since<'_>,
        now: Timestamp,
    ) -> FoundEvents {
        let now = self.at(now);
        match live_group(&mut self.groups, &self.tombstones, &self.rules, group, now) {
            Ok(state) => state.events_since(since, &self.rules, now),
            Err(_) => FoundEvents::default(),
        }
    }

    /// See [`Store::group_lives`](crate::store::Store::group_lives).
    pub fn group_lives(&self, group: &GroupKey, now: Timestamp) -> bool {
        self.live(group, now).is_some()
    }

    /// See [`Store::any_group_lives`](crate::store::Store::any_group_lives).
    pub fn any_group_lives(&self, now: Timestamp) -> bool {
        let now = self.at(now);
        let mut groups = self.groups.values().map(|state| &state.group);
        groups.any(|group| self.rules.admit(group, now).is_ok())
    }

    fn live(&self, group: &GroupKey, now: Timestamp) -> Option<&GroupState> {
        self.groups
            .get(group)
            .filter(|state| self.rules.admit(&state.group, now).is_ok())
    }
}

/// The state of a live group; checks docs/api.md, The group check.
fn live_group<'a>(
    groups: &'a mut HashMap<GroupKey, GroupState>,
    tombstones: &Tombstones,
    rules: &Rules,
    group: &GroupKey,
    now: Timestamp,
) -> Result<&'a mut GroupState, ClientError> {
    let Some(state) = groups.get_mut(group) else {
        return Err(match tombstones.get(group) {
            Some(tombstone) => Rules::refuse_ended(group, tombstone, now),
            None => ClientError::GroupNotFound(group.clone()),
        });
    };
    rules.admit(&state.group, now)?;
    Ok(state)
}
