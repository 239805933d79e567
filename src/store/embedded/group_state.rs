//! The state of one group: its nodes and its event log.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::memory::{Lease, Memory, Work};
use crate::metrics::Population;
use crate::model::authority::{self, Actor, TokenHash};
use crate::model::cursor::{Cursor, Since, Stamp};
use crate::model::error::ClientError;
use crate::model::event::EventKind;
use crate::model::group::{Delivery, Group, GroupKey, Member};
use crate::model::ids::NodeId;
use crate::model::json_size;
use crate::model::lesson;
use crate::model::limits::Limits;
use crate::model::log_quota::Sender;
use crate::model::message::Message;
use crate::model::nickname::Nickname;
use crate::model::origin::Network;
use crate::model::places::{self, Occupant, Place};
use crate::model::readings::Readings;
use crate::model::rules::Rules;
use crate::model::time::Timestamp;
use crate::store::embedded::footprint;
use crate::store::embedded::log::{FoundEvents, Log, NewCall};
use crate::store::embedded::record::{Changes, Record};

/// A node in a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its membership; none for nodes that only report, such as most hosts.
    pub membership: Option<Membership>,
    /// Until when the node is alive: its membership and its status expire together (D10).
    pub alive_until: Timestamp,
    /// What it reported.
    pub readings: Readings,
    /// The digest of its token, if it was made with one (decision D34).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenHash>,
    /// The nickname that it gave when it joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<Nickname>,
}

/// A membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// When the node joined last.
    pub joined_at: Timestamp,
    /// Whether it requested WebSockets.
    pub use_websocket: Option<bool>,
    /// The site that it joined from, if that is not the group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<Network>,
}

impl NodeRecord {
    /// As what the node is in the group.
    pub fn place(&self) -> Place {
        match self.membership {
            Some(Membership { foreign, .. }) => Place::Member { foreign },
            None => Place::Reporter,
        }
    }
}

/// The result of appending a call to the log.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    /// The call's stamp.
    pub stamp: Stamp,
    /// The cursor of its last event.
    pub last: Cursor,
    /// Whether the call is a repetition.
    pub repeated: bool,
}

/// The context of a call that changes the state.
#[derive(Debug)]
pub struct Operation<'a> {
    /// The liveness rules.
    pub rules: &'a Rules,
    /// The limits.
    pub limits: &'a Limits,
    /// The process's memory budget (decision D26).
    pub memory: &'a Memory,
    /// The time of the call.
    pub now: Timestamp,
    /// Collects the changes.
    pub changes: &'a mut Changes,
    /// The group of each member; a node that is evicted loses its entry.
    pub by_node: &'a mut HashMap<NodeId, GroupKey>,
}

/// A group with its nodes and its log.
#[derive(Debug)]
pub struct GroupState {
    /// The group.
    pub group: Group,
    /// Its nodes. Expired ones stay until the group ends, so that a late heartbeat revives them
    /// with their variables (decision D31).
    pub nodes: BTreeMap<NodeId, NodeRecord>,
    /// The nodes that its host removed.
    pub removed: BTreeSet<NodeId>,
    /// Its event log.
    pub log: Log,
    polled_at: Option<Timestamp>,
    /// The time of the last message: a message never has an earlier time than the one before,
    /// even if the clock steps back (decision D18).
    pub(super) newest_message: Timestamp,
    /// Bytes of all variables in a response, including those of expired nodes.
    pub(super) status_bytes: usize,
    /// Memory of the group and its nodes; the log has its own lease.
    pub(super) lease: Lease,
}

impl GroupState {
    /// A group without nodes.
    pub fn new(group: Group, memory: &Memory) -> Self {
        let newest_message = group.created_at;
        Self {
            lease: footprint::lease_for(&group, memory),
            group,
            nodes: BTreeMap::new(),
            removed: BTreeSet::new(),
            log: Log::new(memory),
            polled_at: None,
            newest_message,
            status_bytes: 0,
        }
    }

    /// Makes the node a member.
    pub fn join(
        &mut self,
        actor: &Actor,
        use_websocket: Option<bool>,
        op: &mut Operation<'_>,
    ) -> Result<(), ClientError> {
        let node = &actor.id;
        let group = self.group.key.clone();
        self.check_removed(node)?;
        let known = self.nodes.get(node);
        let token = known.map(|record| record.token);
        let token = authority::token_after_join(&self.group, token, actor)?;
        let former = known.and_then(|record| record.membership);
        lesson::admit_join(&self.group, actor, former.is_some())?;
        let foreign = match former {
            Some(former) => former.foreign,
            None => self.group.foreign_site(actor.origin),
        };
        let known = known.and_then(|record| record.nickname.clone());
        let nickname = actor.nickname.clone().or(known);
        let record = self.slot(node, Place::Member { foreign }, 0, op)?;
        record.token = token;
        let membership = Membership {
            joined_at: op.now,
            use_websocket,
            foreign,
        };
        record.membership = Some(membership);
        record.alive_until = op.rules.member_until(op.now);
        op.changes.record(&Record::Joined {
            group: Cow::Borrowed(&group),
            node: Cow::Borrowed(node),
            membership,
            until: record.alive_until,
            token,
            nickname: nickname.clone(),
        });
        self.set_nickname(node, nickname);
        Ok(())
    }

    /// The node's record, created if there is none; its place may cost an expired node its own.
    /// `bytes` is the memory that a new node needs besides.
    pub(super) fn slot(
        &mut self,
        node: &NodeId,
        place: Place,
        bytes: usize,
        op: &mut Operation<'_>,
    ) -> Result<&mut NodeRecord, ClientError> {
        let held = self.nodes.get(node).map(NodeRecord::place);
        let new = held.is_none();
        if new {
            op.memory.admit(Work::Node, footprint::node(node) + bytes)?;
        }
        let has_place = held.is_some_and(|held| held != Place::Reporter || place == held);
        if !has_place && *node != self.group.host {
            let occupants = self.nodes.iter().map(|(node, record)| Occupant {
                node,
                place: record.place(),
                alive_until: record.alive_until,
            });
            let evicted = places::admit(place, &occupants, op.limits, op.now)?.cloned();
            if let Some(evicted) = evicted {
                self.remove(&evicted, op.changes);
                if op.by_node.get(&evicted) == Some(&self.group.key) {
                    op.by_node.remove(&evicted);
                }
            }
        }
        if new {
            self.lease.grow(footprint::node(node));
        }
        let new_record = || NodeRecord {
            membership: None,
            alive_until: op.now,
            readings: Readings::default(),
            token: None,
            nickname: None,
        };
        Ok(self.nodes.entry(node.clone()).or_insert_with(new_record))
    }

    /// Admits a call by a node, which may be unknown (decision D34).
    pub fn check_node(&self, node: &NodeId, given: Option<TokenHash>) -> Result<(), ClientError> {
        let known = self.nodes.get(node).and_then(|record| record.token);
        authority::check_node(&self.group, known, node, given)
    }

    /// Extends the life of a node, if it is known.
    pub fn refresh(&mut self, node: &NodeId, op: &mut Operation<'_>) {
        if let Some(record) = self.nodes.get_mut(node) {
            let until = op.rules.member_until(op.now);
            if record.alive_until != until {
                record.alive_until = until;
                op.changes.record(&Record::Alive {
                    group: Cow::Borrowed(&self.group.key),
                    node: Cow::Borrowed(node),
                    until,
                });
            }
        }
    }

    /// Extends the life of a member; returns whether the node is one.
    pub fn refresh_member(&mut self, node: &NodeId, op: &mut Operation<'_>) -> bool {
        let member = self
            .nodes
            .get(node)
            .is_some_and(|record| record.membership.is_some());
        if member {
            self.refresh(node, op);
        }
        member
    }

    /// Moves the times by which the group and its nodes live by some milliseconds.
    pub fn shift(&mut self, by: i64) {
        let group = &mut self.group;
        for at in [
            &mut group.created_at,
            &mut group.expires_at,
            &mut group.heartbeat_at,
        ] {
            *at = at.shifted(by);
        }
        let paused_until = &mut group.lesson.paused_until;
        *paused_until = paused_until.map(|at| at.shifted(by));
        for record in self.nodes.values_mut() {
            record.alive_until = record.alive_until.shifted(by);
        }
        self.polled_at = self.polled_at.map(|at| at.shifted(by));
        self.log.shift(by);
    }

    /// Removes the node.
    pub fn remove(&mut self, node: &NodeId, changes: &mut Changes) {
        if self.forget(node) {
            changes.record(&Record::Left {
                group: Cow::Borrowed(&self.group.key),
                node: Cow::Borrowed(node),
            });
        }
    }

    /// Removes the node without a record; returns whether it was there.
    pub(super) fn forget(&mut self, node: &NodeId) -> bool {
        let removed = self.nodes.remove(node);
        if let Some(record) = &removed {
            let row = json_size::row(&self.group.key, node);
            self.status_bytes -= record.readings.json_bytes(row);
            let readings = footprint::readings(record.readings.size());
            let nickname = footprint::nickname(record.nickname.as_ref());
            self.lease
                .shrink(footprint::node(node) + readings + nickname);
        }
        removed.is_some()
    }

    /// The live members.
    pub fn members(&self, now: Timestamp) -> Vec<Member> {
        let live = self.nodes.iter().filter(|(_, record)| {
            record.membership.is_some() && Rules::node_alive(record.alive_until, now)
        });
        live.map(|(node, record)| Member {
            node: node.clone(),
            group: self.group.key.clone(),
            nickname: record.nickname.clone(),
            alive_until: record.alive_until,
            use_websocket: record.membership.and_then(|m| m.use_websocket),
        })
        .collect()
    }

    /// Adds the group, its nodes and members to what is alive.
    pub fn count(&self, now: Timestamp, all: &mut Population) {
        let polls = self.group.delivery != Delivery::WebSocket;
        all.groups += 1;
        for record in self.nodes.values() {
            if !Rules::node_alive(record.alive_until, now) {
                continue;
            }
            all.nodes += 1;
            match record.membership.map(|member| member.use_websocket) {
                None => {}
                // Clients send true by default, and poll because their group does.
                Some(choice) if polls || choice == Some(false) => all.polling += 1,
                Some(_) => all.subscribing += 1,
            }
        }
    }

    /// Appends a call and publishes it; keeps its events if the group has pollers.
    pub fn append(
        &mut self,
        new: &NewCall,
        op: &mut Operation<'_>,
    ) -> Result<Appended, ClientError> {
        let (node, token) = (&new.call.node, new.call.token);
        self.check_removed(node)?;
        self.check_node(node, token)?;
        let is_known = self.nodes.contains_key(node);
        lesson::admit_data(&self.group, node, token, is_known, op.now)?;
        self.refresh_member(&new.call.node, op);
        let keep = new.call.kind == EventKind::Recorded || self.has_pollers(op.now);
        let node = &new.call.node;
        let place = self.nodes.get(node).map(NodeRecord::place);
        let sender = Sender::of(place, *node == self.group.host);
        let newest = self.newest_message;
        let appended = self.log.append(new, sender, keep, newest, op)?;
        // Members on a WebSocket receive what pollers record (decision D13).
        let is_empty = new.call.kind == EventKind::Recorded && new.call.events.is_empty();
        if !appended.repeated {
            self.newest_message = appended.stamp.at;
        }
        if !appended.repeated && !is_empty {
            let batch = new.batch(appended.stamp.at);
            op.changes.publish(Message::Events(batch));
        }
        Ok(appended)
    }

    /// The events after `since`.
    pub fn events_since(&mut self, since: Since<'_>, rules: &Rules, now: Timestamp) -> FoundEvents {
        self.polled_at = Some(now);
        self.log.since(&self.group, since, rules, now)
    }

    /// Whether fired events must be kept (decision D13).
    fn has_pollers(&self, now: Timestamp) -> bool {
        self.group.delivery != Delivery::WebSocket
            || self.polled_at.is_some_and(|at| Rules::is_polled(at, now))
            || self.nodes.values().any(|record| {
                record
                    .membership
                    .is_some_and(|m| m.use_websocket == Some(false))
                    && Rules::node_alive(record.alive_until, now)
            })
    }
}
