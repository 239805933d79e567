//! What the host of a group decides during a lesson.

use std::borrow::Cow;

use crate::memory::Work;
use crate::model::authority::Actor;
use crate::model::error::ClientError;
use crate::model::group::{Group, GroupKey};
use crate::model::ids::{Domain, NodeId};
use crate::model::json_size;
use crate::model::lesson::{self, Control};
use crate::model::limits::Limits;
use crate::model::nickname::Nickname;
use crate::model::readings::Readings;
use crate::model::time::Timestamp;
use crate::store::embedded::footprint;
use crate::store::embedded::group_state::GroupState;
use crate::store::embedded::record::{Changes, Record};
use crate::store::embedded::state::{State, live_group};

impl State {
    /// See [`Store::group_of_host`](crate::store::Store::group_of_host).
    pub fn group_of_host(&self, domain: &Domain, host: &Actor, now: Timestamp) -> Option<Group> {
        let now = self.at(now);
        let id = self.by_host.get(&(host.id.clone(), domain.clone()))?;
        let key = GroupKey {
            domain: domain.clone(),
            id: id.clone(),
        };
        let group = &self.groups.get(&key)?.group;
        let is_its = group.token.is_some() && group.token == host.token;
        (is_its && self.rules.lists(group, now)).then(|| group.clone())
    }

    /// See [`Store::control`](crate::store::Store::control).
    pub fn control(
        &mut self,
        key: &GroupKey,
        host: &Actor,
        control: &Control,
        now: Timestamp,
    ) -> Result<Group, ClientError> {
        let now = self.at(now);
        let state = live_group(&mut self.groups, &self.tombstones, &self.rules, key, now)?;
        lesson::admit_control(self.rules.admit(&state.group, now)?, host)?;
        let changes = &mut self.changes;
        match control {
            Control::Lock(_) | Control::Pause(_) | Control::MuteChat(_) => {
                let lesson = control.changed(&state.group, now);
                if state.group.lesson != lesson {
                    state.group.lesson = lesson;
                    changes.record(&Record::GroupChanged(Cow::Borrowed(&state.group)));
                }
            }
            Control::RemoveNode(node) => {
                let bytes = footprint::removed_node(node);
                self.memory.admit(Work::Data, bytes)?;
                state.remove_for_good(node, &self.limits, changes)?;
            }
            Control::ClearData => state.clear_data(changes),
        }
        let group = state.group.clone();
        if let Control::RemoveNode(node) = control {
            self.member_left(node, key);
        }
        Ok(group)
    }
}

impl GroupState {
    /// Admits a call of a node that may have been removed.
    pub fn check_removed(&self, node: &NodeId) -> Result<(), ClientError> {
        if self.removed.contains(node) {
            Err(ClientError::Removed)
        } else {
            Ok(())
        }
    }

    fn remove_for_good(
        &mut self,
        node: &NodeId,
        limits: &Limits,
        changes: &mut Changes,
    ) -> Result<(), ClientError> {
        if *node == self.group.host {
            return Err(ClientError::HostStays);
        }
        if self.removed.contains(node) {
            return Ok(());
        }
        lesson::admit_removal(self.removed.len(), limits)?;
        self.keep_out(node.clone());
        changes.record(&Record::Removed {
            group: Cow::Borrowed(&self.group.key),
            node: Cow::Borrowed(node),
        });
        Ok(())
    }

    /// Removes a node, which may not come back.
    pub(super) fn keep_out(&mut self, node: NodeId) {
        self.forget(&node);
        let bytes = footprint::removed_node(&node);
        if self.removed.insert(node) {
            self.lease.grow(bytes);
        }
    }

    /// Empties the variables of all nodes.
    fn clear_data(&mut self, changes: &mut Changes) {
        let group = &self.group.key;
        for (node, record) in &mut self.nodes {
            let size = record.readings.size();
            if size.rows == 0 {
                continue;
            }
            self.status_bytes -= record.readings.json_bytes(json_size::row(group, node));
            self.lease.shrink(footprint::readings(size));
            record.readings = Readings::default();
            changes.record(&Record::Evicted {
                group: Cow::Borrowed(group),
                node: Cow::Borrowed(node),
            });
        }
    }

    /// Sets the nickname of a node, if it is known.
    pub(in crate::store::embedded) fn set_nickname(
        &mut self,
        node: &NodeId,
        nickname: Option<Nickname>,
    ) {
        if let Some(record) = self.nodes.get_mut(node) {
            let bytes = |nickname: &Option<Nickname>| footprint::nickname(nickname.as_ref());
            self.lease.shrink(bytes(&record.nickname));
            self.lease.grow(bytes(&nickname));
            record.nickname = nickname;
        }
    }
}
