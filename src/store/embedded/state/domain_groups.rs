//! The groups of a domain, and how many of them count when another is asked for.

use std::collections::BTreeSet;

use crate::model::group::{Group, GroupKey};
use crate::model::ids::{Domain, GroupId};
use crate::model::rules::Rules;
use crate::model::time::Timestamp;
use crate::store::embedded::state::State;

/// The groups of a domain.
#[derive(Debug, Default)]
pub(super) struct DomainGroups {
    pub(super) ids: BTreeSet<GroupId>,
    ended: Option<Ended>,
}

/// How many groups ended and are not removed yet.
#[derive(Clone, Copy, Debug)]
struct Ended {
    count: usize,
    at: Timestamp,
    /// No other group ends before.
    until: Timestamp,
}

impl DomainGroups {
    /// After the removal of a group.
    pub(super) fn removed(&mut self, group: &Group, rules: &Rules) {
        self.ids.remove(&group.key.id);
        if let Some(ended) = &mut self.ended
            && !rules.lists(group, ended.at)
        {
            ended.count = ended.count.saturating_sub(1);
        }
    }

    /// After a step of the clock.
    pub(super) fn clock_stepped(&mut self) {
        self.ended = None;
    }
}

impl State {
    /// The groups of a domain that count when another is asked for. Those that ended and are not
    /// removed yet matter only when it is nearly full. They are counted once a second, because
    /// all calls wait meanwhile: a flood of calls must not have a full domain counted each time.
    pub(super) fn living_in(&mut self, domain: &Domain, now: Timestamp) -> usize {
        let Some(groups) = self.by_domain.get_mut(domain) else {
            return 0;
        };
        let all = groups.ids.len();
        if all < self.limits.groups_per_domain / 2 {
            return all;
        }
        let ended = match groups.ended {
            Some(ended) if ended.at <= now && now < ended.until => ended.count,
            _ => {
                // A silent host's group ends with a second.
                let mut until = Timestamp::from_seconds(now.seconds() + 1);
                let mut count = all;
                for id in &groups.ids {
                    let key = GroupKey {
                        id: id.clone(),
                        domain: domain.clone(),
                    };
                    let state = self.groups.get(&key);
                    let listed = state.filter(|state| self.rules.lists(&state.group, now));
                    if let Some(state) = listed {
                        until = until.min(state.group.expires_at);
                        count -= 1;
                    }
                }
                let at = now;
                groups.ended = Some(Ended { count, at, until });
                count
            }
        };
        all.saturating_sub(ended)
    }
}
