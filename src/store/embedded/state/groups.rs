//! Groups: create, list, renew, dissolve.

use std::borrow::Cow;
use std::ops::Bound;

use crate::memory::Work;
use crate::model::authority::{self, Actor};
use crate::model::error::ClientError;
use crate::model::group::{EndReason, Group, GroupKey};
use crate::model::group_quota::GroupCounts;
use crate::model::ids::{Domain, GroupId};
use crate::model::lesson::LessonState;
use crate::model::message::{Dissolution, Message};
use crate::model::time::Timestamp;
use crate::model::visible::search_form;
use crate::store::embedded::footprint;
use crate::store::embedded::group_state::{GroupState, Operation};
use crate::store::embedded::record::Record;
use crate::store::embedded::state::{State, live_group};
use crate::store::{CreateGroup, EndedGroup, HostOutcome};

impl State {
    /// See [`Store::host_group`](crate::store::Store::host_group).
    pub fn host_group(
        &mut self,
        request: CreateGroup,
        now: Timestamp,
    ) -> Result<HostOutcome, ClientError> {
        let now = self.at(now);
        let former = self
            .by_host
            .get(&(request.host.clone(), request.domain.clone()))
            .cloned();
        let former = former.map(|id| GroupKey {
            domain: request.domain.clone(),
            id,
        });
        if let Some(state) = former.as_ref().and_then(|key| self.groups.get_mut(key))
            && self.rules.lists(&state.group, now)
        {
            authority::check_repeat(&state.group, request.token)?;
            // The first call of a host with a token stands.
            if state.group.token.is_none()
                && state.group.delivery.uses_websocket() != request.delivery.uses_websocket()
            {
                state.group.delivery = request.delivery;
                let group = Cow::Borrowed(&state.group);
                self.changes.record(&Record::GroupChanged(group));
            }
            return Ok(HostOutcome {
                group: state.group.clone(),
                created: false,
                replaced: None,
            });
        }
        let replaced = former.map(|group| {
            let reason = self
                .groups
                .get(&group)
                .and_then(|state| self.rules.end_of(&state.group, now));
            let reason = reason.unwrap_or(EndReason::Replaced);
            self.end(&group, reason, now);
            EndedGroup { group, reason }
        });
        let counts = self.counts_for(&request, now);
        request.asking().admit(counts, &self.limits)?;
        let code = self.free_code(request.join_code)?;
        let group = Group {
            name: request.name_with(code),
            key: GroupKey {
                domain: request.domain,
                id: GroupId::random(),
            },
            host: request.host,
            created_at: now,
            expires_at: now.plus_seconds(request.lifetime),
            heartbeat_at: now,
            delivery: request.delivery,
            origin: request.origin,
            token: request.token,
            join_code: Some(code),
            lesson: LessonState::with_host_ttl(request.host_ttl),
        };
        self.memory.admit(Work::Group, footprint::group(&group))?;
        self.changes.record(&Record::Group(Cow::Borrowed(&group)));
        self.insert(group.clone());
        Ok(HostOutcome {
            group,
            created: true,
            replaced,
        })
    }

    /// The groups that count when another is asked for.
    fn counts_for(&mut self, request: &CreateGroup, now: Timestamp) -> GroupCounts {
        let domain = self.living_in(&request.domain, now);
        let site = request
            .origin
            .and_then(|origin| self.by_site.get(&origin.site));
        GroupCounts {
            server: self.groups.len(),
            domain,
            address: site.copied().unwrap_or(0),
        }
    }

    /// See [`Store::groups_in`](crate::store::Store::groups_in).
    pub fn groups_in(&self, domain: &Domain, now: Timestamp) -> Vec<Group> {
        let now = self.at(now);
        let groups = self.by_domain.get(domain).into_iter();
        let groups = groups.flat_map(|groups| &groups.ids).filter_map(|id| {
            self.groups.get(&GroupKey {
                domain: domain.clone(),
                id: id.clone(),
            })
        });
        groups
            .map(|state| &state.group)
            .filter(|group| self.rules.lists(group, now))
            .cloned()
            .collect()
    }

    /// See [`Store::groups_named`](crate::store::Store::groups_named).
    pub fn groups_named(&self, prefix: &str, limit: usize, now: Timestamp) -> Vec<Group> {
        let (now, prefix) = (self.at(now), search_form(prefix));
        let from = (Bound::Included(&*prefix), Bound::Unbounded);
        let named = self.by_name.range::<str, _>(from);
        named
            .take_while(|(name, _)| name.as_str().starts_with(&prefix))
            .flat_map(|(_, keys)| keys)
            .filter_map(|key| self.groups.get(key))
            .map(|state| &state.group)
            .filter(|group| self.rules.lists(group, now))
            .take(limit)
            .cloned()
            .collect()
    }

    /// See [`Store::dissolve`](crate::store::Store::dissolve).
    pub fn dissolve(
        &mut self,
        group: &GroupKey,
        host: &Actor,
        now: Timestamp,
    ) -> Result<(), ClientError> {
        let now = self.at(now);
        let not_found = |_| ClientError::GroupNotFound(group.clone());
        let state = live_group(&mut self.groups, &self.tombstones, &self.rules, group, now)
            .map_err(not_found)?;
        let live = self.rules.admit(&state.group, now).map_err(not_found)?;
        live.hosted_by(&host.id)
            .map_err(|actual| ClientError::OnlyHostCanDissolve {
                host: actual.clone(),
                requester: host.id.clone(),
            })?;
        authority::check_host(&state.group, host.token)?;
        self.remove(group);
        self.changes.record(&Record::Ended {
            group: Cow::Borrowed(group),
            tombstone: None,
        });
        let end = Dissolution::by_host(group.clone());
        self.changes.publish(Message::Dissolved(end));
        Ok(())
    }

    /// See [`Store::renew`](crate::store::Store::renew).
    pub fn renew(
        &mut self,
        group: &GroupKey,
        host: &Actor,
        now: Timestamp,
    ) -> Result<Group, ClientError> {
        let now = self.at(now);
        let state = live_group(&mut self.groups, &self.tombstones, &self.rules, group, now)?;
        self.rules
            .admit(&state.group, now)?
            .hosted_by(&host.id)
            .map_err(|_| ClientError::OnlyHostCanRenew)?;
        authority::check_host(&state.group, host.token)?;
        state.group.heartbeat_at = now;
        let changed = Record::GroupChanged(Cow::Borrowed(&state.group));
        self.changes.record(&changed);
        state.refresh(&host.id, &mut operation!(self, now));
        Ok(state.group.clone())
    }

    pub(super) fn insert(&mut self, group: Group) {
        let key = group.key.clone();
        if let Some(origin) = group.origin {
            *self.by_site.entry(origin.site).or_default() += 1;
        }
        self.by_host
            .insert((group.host.clone(), key.domain.clone()), key.id.clone());
        self.by_domain
            .entry(key.domain.clone())
            .or_default()
            .ids
            .insert(key.id.clone());
        self.by_name
            .entry(group.name.search_form())
            .or_default()
            .insert(key.clone());
        if let Some(code) = group.join_code {
            self.by_code.insert(code, key.clone());
        }
        self.groups
            .insert(key, GroupState::new(group, &self.memory));
    }

    pub(super) fn remove(&mut self, key: &GroupKey) {
        let Some(state) = self.groups.remove(key) else {
            return;
        };
        if let Some(site) = state.group.origin.map(|origin| origin.site)
            && let Some(groups) = self.by_site.get_mut(&site)
        {
            *groups -= 1;
            if *groups == 0 {
                self.by_site.remove(&site);
            }
        }
        if let Some(groups) = self.by_domain.get_mut(&key.domain) {
            groups.removed(&state.group, &self.rules);
            if groups.ids.is_empty() {
                self.by_domain.remove(&key.domain);
            }
        }
        let host = (state.group.host, key.domain.clone());
        if self.by_host.get(&host) == Some(&key.id) {
            self.by_host.remove(&host);
        }
        let name = state.group.name.search_form();
        if let Some(keys) = self.by_name.get_mut(&name) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_name.remove(&name);
            }
        }
        if let Some(code) = state.group.join_code
            && self.by_code.get(&code) == Some(key)
        {
            self.by_code.remove(&code);
        }
        for node in state.nodes.keys() {
            if self.by_node.get(node) == Some(key) {
                self.by_node.remove(node);
            }
        }
        footprint::shrink(&mut self.groups);
        footprint::shrink(&mut self.by_host);
        footprint::shrink(&mut self.by_site);
        footprint::shrink(&mut self.by_code);
        footprint::shrink(&mut self.by_node);
    }
}
