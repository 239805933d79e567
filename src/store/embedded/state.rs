//! All that a stage remembers, as plain values: every verb of the store, at once and
//! without waiting. Persistence is told of each change and otherwise unknown here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use crate::heartbeat::rules::Rules;
use crate::memory::{Memory, Work};
use crate::model::error::ClientError;
use crate::model::event::Since;
use crate::model::group::{EndReason, Group, GroupKey, Member};
use crate::model::ids::{Domain, GroupId, GroupName, NodeId};
use crate::model::limits::Limits;
use crate::model::status::{NodeStatus, SharedData};
use crate::model::time::Timestamp;
use crate::store::embedded::ended::EndedGroups;
use crate::store::embedded::footprint;
use crate::store::embedded::log::{Found, NewCall};
use crate::store::embedded::records::{Change, Changes};
use crate::store::embedded::room::{Act, Room, Taken};
use crate::store::embedded::statuses::OwnStatus;
use crate::store::{CreateGroup, EndedGroup, HostOutcome};

/// The circumstances of a call; a macro, so that only these fields are borrowed.
macro_rules! act {
    ($state:ident, $now:expr) => {
        Act {
            rules: &$state.rules,
            limits: &$state.limits,
            memory: &$state.memory,
            now: $now,
            changes: &mut $state.changes,
            by_node: &mut $state.by_node,
        }
    };
}

// After the macro, which they use.
mod ending;
mod restore;

/// A stage's memory.
#[derive(Debug)]
pub struct State {
    rules: Rules,
    limits: Limits,
    memory: Memory,
    rooms: HashMap<GroupKey, Room>,
    by_host: HashMap<(NodeId, Domain), GroupId>,
    by_domain: BTreeMap<Domain, BTreeSet<GroupId>>,
    by_name: BTreeMap<GroupName, BTreeSet<GroupKey>>,
    /// The one group that each member is in (decision D11).
    by_node: HashMap<NodeId, GroupKey>,
    ended: EndedGroups,
    changes: Changes,
}

impl State {
    /// An empty stage that tells its changes to `changes` and counts in `memory`.
    pub fn new(rules: Rules, limits: Limits, memory: Memory, changes: Changes) -> Self {
        Self {
            rules,
            limits,
            ended: EndedGroups::new(&memory),
            memory,
            rooms: HashMap::new(),
            by_host: HashMap::new(),
            by_domain: BTreeMap::new(),
            by_name: BTreeMap::new(),
            by_node: HashMap::new(),
            changes,
        }
    }

    /// The changes since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.changes.take()
    }

    /// See [`Store::host_group`](crate::store::Store::host_group).
    pub fn host_group(
        &mut self,
        wish: CreateGroup,
        now: Timestamp,
    ) -> Result<HostOutcome, ClientError> {
        let former = self
            .by_host
            .get(&(wish.host.clone(), wish.domain.clone()))
            .cloned();
        let former = former.map(|id| GroupKey {
            domain: wish.domain.clone(),
            id,
        });
        if let Some(room) = former.as_ref().and_then(|key| self.rooms.get_mut(key))
            && self.rules.lists(&room.group, now)
        {
            if room.group.delivery.uses_websocket() != wish.delivery.uses_websocket() {
                room.group.delivery = wish.delivery;
                self.changes.group(&room.group);
            }
            return Ok(HostOutcome {
                group: room.group.clone(),
                created: false,
                replaced: None,
            });
        }
        let replaced = former.map(|group| {
            let end = self
                .rooms
                .get(&group)
                .and_then(|room| self.rules.end_of(&room.group, now));
            let end = end.unwrap_or(EndReason::Replaced);
            self.end(&group, end, now);
            EndedGroup { group, end }
        });
        let in_domain = self.by_domain.get(&wish.domain).map_or(0, BTreeSet::len);
        for (what, held, limit) in [
            ("the stage", self.rooms.len(), self.limits.groups),
            ("the domain", in_domain, self.limits.groups_per_domain),
        ] {
            if held >= limit {
                return Err(ClientError::Full { what, limit });
            }
        }
        let group = Group {
            key: GroupKey {
                domain: wish.domain,
                id: GroupId::random(),
            },
            name: wish.name,
            host: wish.host,
            created_at: now,
            expires_at: now.plus_seconds(wish.lifetime),
            heartbeat_at: now,
            delivery: wish.delivery,
        };
        self.memory.admit(Work::Group, footprint::group(&group))?;
        self.changes.group(&group);
        self.insert(group.clone());
        Ok(HostOutcome {
            group,
            created: true,
            replaced,
        })
    }

    /// See [`Store::groups_in`](crate::store::Store::groups_in).
    pub fn groups_in(&self, domain: &Domain, now: Timestamp) -> Vec<Group> {
        let ids = self.by_domain.get(domain).into_iter().flatten();
        let rooms = ids.filter_map(|id| {
            self.rooms.get(&GroupKey {
                domain: domain.clone(),
                id: id.clone(),
            })
        });
        rooms
            .map(|room| &room.group)
            .filter(|group| self.rules.lists(group, now))
            .cloned()
            .collect()
    }

    /// See [`Store::groups_named`](crate::store::Store::groups_named).
    pub fn groups_named(&self, prefix: &str, limit: usize, now: Timestamp) -> Vec<Group> {
        let from = self
            .by_name
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.take_while(|(name, _)| name.as_str().starts_with(prefix))
            .flat_map(|(_, keys)| keys)
            .filter_map(|key| self.rooms.get(key))
            .map(|room| &room.group)
            .filter(|group| self.rules.lists(group, now))
            .take(limit)
            .cloned()
            .collect()
    }

    /// See [`Store::join`](crate::store::Store::join).
    pub fn join(
        &mut self,
        group: &GroupKey,
        node: &NodeId,
        use_websocket: Option<bool>,
        now: Timestamp,
    ) -> Result<Group, ClientError> {
        let room = admitted(&mut self.rooms, &self.ended, &self.rules, group, now)?;
        room.join(node, use_websocket, &mut act!(self, now))?;
        let joined = room.group.clone();
        // The group's own key, for that of the call would be one more copy of its texts.
        let former = self.by_node.insert(node.clone(), joined.key.clone());
        if let Some(former) = former.filter(|former| former != group)
            && let Some(room) = self.rooms.get_mut(&former)
        {
            room.forget(node, &mut self.changes);
        }
        Ok(joined)
    }

    /// See [`Store::leave`](crate::store::Store::leave).
    pub fn leave(&mut self, group: &GroupKey, node: &NodeId) {
        if let Some(room) = self.rooms.get_mut(group) {
            room.forget(node, &mut self.changes);
        }
        if self.by_node.get(node) == Some(group) {
            self.by_node.remove(node);
        }
    }

    /// See [`Store::dissolve`](crate::store::Store::dissolve).
    pub fn dissolve(
        &mut self,
        group: &GroupKey,
        host: &NodeId,
        now: Timestamp,
    ) -> Result<(), ClientError> {
        let dead = |_| ClientError::GroupNotFound(group.clone());
        let room = admitted(&mut self.rooms, &self.ended, &self.rules, group, now).map_err(dead)?;
        let live = self.rules.admit(&room.group, now).map_err(dead)?;
        live.hosted_by(host)
            .map_err(|real| ClientError::NotTheHostToDissolve {
                host: real.clone(),
                requester: host.clone(),
            })?;
        self.remove(group);
        Ok(())
    }

    /// See [`Store::renew`](crate::store::Store::renew).
    pub fn renew(
        &mut self,
        group: &GroupKey,
        host: &NodeId,
        now: Timestamp,
    ) -> Result<Group, ClientError> {
        let room = admitted(&mut self.rooms, &self.ended, &self.rules, group, now)?;
        self.rules
            .admit(&room.group, now)?
            .hosted_by(host)
            .map_err(|_| ClientError::NotTheHostToRenew)?;
        room.group.heartbeat_at = now;
        self.changes.group(&room.group);
        room.touch(host, &mut act!(self, now));
        Ok(room.group.clone())
    }

    /// See [`Store::beat`](crate::store::Store::beat).
    pub fn beat(
        &mut self,
        group: &GroupKey,
        node: &NodeId,
        now: Timestamp,
    ) -> Result<Timestamp, ClientError> {
        let room = admitted(&mut self.rooms, &self.ended, &self.rules, group, now)?;
        if room.touch_member(node, &mut act!(self, now)) {
            Ok(self.rules.member_until(now))
        } else {
            Err(ClientError::NodeNotFound)
        }
    }

    /// See [`Store::report`](crate::store::Store::report).
    pub fn report(
        &mut self,
        group: &GroupKey,
        node: &NodeId,
        data: SharedData,
        now: Timestamp,
    ) -> Result<NodeStatus, ClientError> {
        let room = admitted(&mut self.rooms, &self.ended, &self.rules, group, now)?;
        let timestamp = room.report(node, &data, &mut act!(self, now))?;
        Ok(NodeStatus {
            node: node.clone(),
            group: group.clone(),
            data,
            timestamp,
        })
    }

    /// See [`Store::statuses`](crate::store::Store::statuses).
    pub fn statuses(&self, group: &GroupKey, now: Timestamp) -> Vec<NodeStatus> {
        self.living(group, now)
            .map(|room| room.statuses(now))
            .unwrap_or_default()
    }

    /// See [`Store::status_of`](crate::store::Store::status_of).
    pub fn status_of(&self, node: &NodeId, now: Timestamp) -> Option<OwnStatus> {
        self.living(self.by_node.get(node)?, now)?
            .status_of(node, now)
    }

    /// See [`Store::members`](crate::store::Store::members).
    pub fn members(&self, group: &GroupKey, now: Timestamp) -> Vec<Member> {
        self.living(group, now)
            .map(|room| room.members(now))
            .unwrap_or_default()
    }

    /// See [`Store::append`](crate::store::Store::append).
    pub fn append(&mut self, new: &NewCall, now: Timestamp) -> Result<Taken, ClientError> {
        let room = admitted(
            &mut self.rooms,
            &self.ended,
            &self.rules,
            &new.call.group,
            now,
        )?;
        room.append(new, &mut act!(self, now))
    }

    /// See [`Store::events_since`](crate::store::Store::events_since).
    pub fn events_since(&mut self, group: &GroupKey, since: Since<'_>, now: Timestamp) -> Found {
        match admitted(&mut self.rooms, &self.ended, &self.rules, group, now) {
            Ok(room) => room.events_since(since, &self.rules, now),
            Err(_) => Found::default(),
        }
    }

    /// See [`Store::any_group_lives`](crate::store::Store::any_group_lives).
    pub fn any_group_lives(&self, now: Timestamp) -> bool {
        let mut groups = self.rooms.values().map(|room| &room.group);
        groups.any(|group| self.rules.admit(group, now).is_ok())
    }

    fn living(&self, group: &GroupKey, now: Timestamp) -> Option<&Room> {
        self.rooms
            .get(group)
            .filter(|room| self.rules.admit(&room.group, now).is_ok())
    }

    fn insert(&mut self, group: Group) {
        let key = group.key.clone();
        self.by_host
            .insert((group.host.clone(), key.domain.clone()), key.id.clone());
        self.by_domain
            .entry(key.domain.clone())
            .or_default()
            .insert(key.id.clone());
        self.by_name
            .entry(group.name.clone())
            .or_default()
            .insert(key.clone());
        self.rooms.insert(key, Room::new(group, &self.memory));
    }

    fn remove(&mut self, key: &GroupKey) {
        let Some(room) = self.rooms.remove(key) else {
            return;
        };
        room.forget_all(&mut self.changes);
        let host = (room.group.host, key.domain.clone());
        if self.by_host.get(&host) == Some(&key.id) {
            self.by_host.remove(&host);
        }
        if let Some(ids) = self.by_domain.get_mut(&key.domain) {
            ids.remove(&key.id);
            if ids.is_empty() {
                self.by_domain.remove(&key.domain);
            }
        }
        if let Some(keys) = self.by_name.get_mut(&room.group.name) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_name.remove(&room.group.name);
            }
        }
        for node in room.nodes.keys() {
            if self.by_node.get(node) == Some(key) {
                self.by_node.remove(node);
            }
        }
        footprint::give_back(&mut self.rooms);
        footprint::give_back(&mut self.by_host);
        footprint::give_back(&mut self.by_node);
    }
}

/// The room of a living group: the check of contract 1.2.
fn admitted<'a>(
    rooms: &'a mut HashMap<GroupKey, Room>,
    ended: &EndedGroups,
    rules: &Rules,
    group: &GroupKey,
    now: Timestamp,
) -> Result<&'a mut Room, ClientError> {
    let Some(room) = rooms.get_mut(group) else {
        return Err(match ended.get(group) {
            Some(tombstone) => Rules::refuse_ended(group, tombstone, now),
            None => ClientError::GroupNotFound(group.clone()),
        });
    };
    rules.admit(&room.group, now)?;
    Ok(room)
}
