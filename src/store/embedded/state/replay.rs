//! Applies the records of a journal to the state.

use std::borrow::Cow;

use crate::model::group::{Group, GroupKey};
use crate::model::ids::NodeId;
use crate::model::json_size;
use crate::model::readings::Readings;
use crate::model::status::SharedData;
use crate::model::time::Timestamp;
use crate::store::embedded::footprint;
use crate::store::embedded::group_state::{GroupState, NodeRecord};
use crate::store::embedded::record::Record;
use crate::store::embedded::state::State;

impl State {
    /// Applies a record. One of a group that is not there is about a group that has ended.
    pub fn apply(&mut self, record: Record<'static>) {
        match record {
            Record::Format { .. } | Record::Synced(_) => {}
            Record::ClockStepped(by) => self.shift(by),
            Record::Group(group) => {
                self.remove(&group.key);
                self.insert(group.into_owned());
            }
            Record::GroupChanged(group) => self.change_group(group.into_owned()),
            Record::Ended { group, tombstone } => {
                self.remove(&group);
                if let Some(tombstone) = tombstone {
                    let limit = self.limits.ended_groups;
                    self.tombstones.insert(group.into_owned(), tombstone, limit);
                }
            }
            Record::Tombstone { group, tombstone } => {
                let limit = self.limits.ended_groups;
                self.tombstones.insert(group.into_owned(), tombstone, limit);
            }
            Record::Left { group, node } => {
                if let Some(state) = self.groups.get_mut(&*group) {
                    state.forget(&node);
                }
                if self.by_node.get(&*node) == Some(&*group) {
                    self.by_node.remove(&*node);
                }
            }
            Record::Removed { group, node } => {
                self.with(&group, |state| state.keep_out(node.clone().into_owned()));
                self.member_left(&node, &group);
            }
            Record::Joined {
                group,
                node,
                membership,
                until,
                token,
                nickname,
            } => {
                let stays = self.stays(&node, token, &group);
                if let Some(state) = self.groups.get_mut(&*group) {
                    let record = state.node(&node);
                    record.membership = Some(membership);
                    record.alive_until = until;
                    record.token = token;
                    state.set_nickname(&node, nickname);
                    if !stays {
                        self.by_node.insert(node.into_owned(), group.into_owned());
                    }
                }
            }
            Record::Alive { group, node, until } => self.with(&group, |state| {
                if let Some(record) = state.nodes.get_mut(&*node) {
                    record.alive_until = until;
                }
            }),
            Record::Reported {
                group,
                node,
                data,
                at,
                until,
                token,
            } => self.with(&group, |state| {
                state.reported(&node, &data, at, until);
                if let Some(record) = state.nodes.get_mut(&*node).filter(|_| token.is_some()) {
                    record.token = token;
                }
            }),
            Record::Evicted { group, node } => {
                self.with(&group, |state| state.replace(&node, Readings::default()));
            }
            Record::Node {
                group,
                node,
                record,
            } => self.put_node(group, node, record.into_owned()),
            Record::Called { group, call, at } => {
                let rules = self.rules;
                self.with(&group, |state| {
                    state.newest_message = state.newest_message.max(call.stamp.at);
                    let at = at.unwrap_or(call.stamp.at);
                    state.log.restore(call.into_owned(), at, &rules);
                });
            }
        }
    }

    fn with(&mut self, group: &GroupKey, apply: impl FnOnce(&mut GroupState)) {
        if let Some(state) = self.groups.get_mut(group) {
            apply(state);
        }
    }

    fn change_group(&mut self, group: Group) {
        if let Some(state) = self.groups.get_mut(&group.key) {
            state.group = group;
        }
    }

    fn put_node(&mut self, group: Cow<'_, GroupKey>, node: Cow<'_, NodeId>, record: NodeRecord) {
        let Some(state) = self.groups.get_mut(&*group) else {
            return;
        };
        let newest = record.readings.layers().last().map(|layer| layer.timestamp);
        state.newest_message = state
            .newest_message
            .max(newest.unwrap_or(state.newest_message));
        state.forget(&node);
        let kept = state.node(&node);
        kept.membership = record.membership;
        kept.alive_until = record.alive_until;
        kept.token = record.token;
        state.set_nickname(&node, record.nickname);
        state.replace(&node, record.readings);
        if record.membership.is_some() {
            self.by_node.insert(node.into_owned(), group.into_owned());
        }
    }
}

impl GroupState {
    /// The node's record, created if there is none.
    fn node(&mut self, node: &NodeId) -> &mut NodeRecord {
        if !self.nodes.contains_key(node) {
            self.lease.grow(footprint::node(node));
        }
        let new = || NodeRecord {
            membership: None,
            alive_until: Timestamp::from_millis(0),
            readings: Readings::default(),
            token: None,
            nickname: None,
        };
        self.nodes.entry(node.clone()).or_insert_with(new)
    }

    fn reported(&mut self, node: &NodeId, data: &SharedData, at: Timestamp, until: Timestamp) {
        let record = self.node(node);
        record.alive_until = until;
        let mut readings = record.readings.clone();
        readings.write(data, at);
        self.replace(node, readings);
        self.newest_message = self.newest_message.max(at);
    }

    /// Replaces the variables of a node, if it is known.
    fn replace(&mut self, node: &NodeId, readings: Readings) {
        let row = json_size::row(&self.group.key, node);
        if let Some(record) = self.nodes.get_mut(node) {
            self.status_bytes -= record.readings.json_bytes(row);
            self.lease
                .shrink(footprint::readings(record.readings.size()));
            self.status_bytes += readings.json_bytes(row);
            self.lease.grow(footprint::readings(readings.size()));
            record.readings = readings;
        }
    }
}
