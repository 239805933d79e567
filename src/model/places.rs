//! The places of a group: which nodes it takes, and which expired one it evicts for another.
//!
//! Members and reporters have limits of their own, so no node that only reports takes a
//! member's place. Members from other networks than the group's share half of the places, so
//! the group's own network always finds some. The host always has a place. Nothing here waits.

use crate::model::error::ClientError;
use crate::model::group::Group;
use crate::model::ids::NodeId;
use crate::model::limits::Limits;
use crate::model::origin::{Network, Origin};
use crate::model::rules::Rules;
use crate::model::time::Timestamp;

/// As what a node is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It joined.
    Member {
        /// Its site, if that is not the group's.
        foreign: Option<Network>,
    },
    /// It reports and did not join, such as most hosts.
    Reporter,
}

impl Place {
    /// Whether it is foreign or did not join, so that what it stores counts with that of others
    /// like it.
    pub fn is_outside(self) -> bool {
        self != Self::Member { foreign: None }
    }

    /// Whether it joined from another network than the group's.
    pub fn is_foreign(self) -> bool {
        matches!(self, Self::Member { foreign: Some(_) })
    }
}

/// A node of a group.
#[derive(Clone, Copy, Debug)]
pub struct Occupant<'a> {
    /// The node.
    pub node: &'a NodeId,
    /// As what it is there.
    pub place: Place,
    /// Until when it is alive.
    pub alive_until: Timestamp,
}

impl Group {
    /// The site of a caller, if both are known and it is not the group's.
    pub fn foreign_site(&self, caller: Option<Origin>) -> Option<Network> {
        let (own, site) = (self.origin?.site, caller?.site);
        (site != own).then_some(site)
    }
}

/// Admits a node to a place that it does not have yet. Returns the expired node that loses its
/// place for it, the one that expired first, if there is no free one.
pub fn admit<'a, I>(
    place: Place,
    occupants: &I,
    limits: &Limits,
    now: Timestamp,
) -> Result<Option<&'a NodeId>, ClientError>
where
    I: Iterator<Item = Occupant<'a>> + Clone,
{
    let oldest = |eligible: fn(Place) -> bool| {
        let expired = occupants
            .clone()
            .filter(|other| eligible(other.place) && !Rules::node_alive(other.alive_until, now));
        expired.min_by_key(|other| (other.alive_until, other.node))
    };
    let held = |eligible: fn(Place) -> bool| {
        let same = occupants.clone().filter(|other| eligible(other.place));
        same.count()
    };
    let Place::Member { foreign } = place else {
        let limit = limits.reporters_per_group;
        let is_reporter = |place| place == Place::Reporter;
        return if held(is_reporter) < limit {
            Ok(None)
        } else {
            let oldest = oldest(is_reporter).ok_or(ClientError::Full {
                what: "the part of the group for nodes that did not join",
                limit,
            })?;
            Ok(Some(oldest.node))
        };
    };
    if let Some(site) = foreign {
        let quota = limits.foreign_members();
        let of_site = |other: &Occupant<'_>| other.place == place;
        let (all, own) = (
            held(Place::is_foreign),
            occupants.clone().filter(of_site).count(),
        );
        if !quota.admits(all + 1, own + 1) {
            let oldest = oldest(Place::is_foreign);
            let oldest = oldest.filter(|other| {
                let is_own = other.place
                    == Place::Member {
                        foreign: Some(site),
                    };
                quota.admits(all, own + 1 - usize::from(is_own))
            });
            let oldest = oldest.ok_or(ClientError::Full {
                what: "the part of the group for members from other networks",
                limit: quota.limit,
            })?;
            return Ok(Some(oldest.node));
        }
    }
    let limit = limits.nodes_per_group;
    let is_member = |place| place != Place::Reporter;
    if held(is_member) < limit {
        return Ok(None);
    }
    let what = "the group";
    let oldest = oldest(is_member).ok_or(ClientError::Full { what, limit })?;
    Ok(Some(oldest.node))
}

#[cfg(test)]
mod tests;
