//! What a caller may do, asked before the store is.

use crate::auth::Caller;
use crate::mesh::Mesh;
use crate::model::error::ClientError;
use crate::model::group::GroupKey;
use crate::model::ids::{Domain, NodeId};
use crate::model::origin::Origin;

pub use crate::rate_limits::NodeCall;

/// A mesh, as one caller uses it.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// The mesh.
    pub mesh: &'a Mesh,
    /// Who calls.
    pub caller: Caller,
}

impl Access<'_> {
    /// Where the caller is, if its address is known.
    pub fn origin(&self) -> Option<Origin> {
        let address = self.caller.address?;
        Some(self.mesh.domains.origin_of(address))
    }

    /// Admits a call on a group that names no node: a query or a subscription.
    pub fn group(&self, group: &GroupKey) -> Result<(), ClientError> {
        self.admit_counted(&group.domain)?;
        self.mesh.rate_limits.query(self.caller, Some(group))
    }

    /// Admits a query that names no group.
    pub fn anywhere(&self) -> Result<(), ClientError> {
        self.mesh.rate_limits.query(self.caller, None)
    }

    /// Admits createGroup or createDomain.
    pub fn new_group(&self) -> Result<(), ClientError> {
        self.mesh.rate_limits.new_group(self.caller)
    }

    /// Admits a call by a node of a group.
    pub fn node(&self, group: &GroupKey, node: &NodeId, call: NodeCall) -> Result<(), ClientError> {
        self.admit_counted(&group.domain)?;
        let limits = &self.mesh.rate_limits;
        limits.node(self.caller, group, node, call)
    }

    /// Admits a call by the policy. One that is refused counts for its caller, and not for the
    /// group, whose rates it must not use up.
    fn admit_counted(&self, domain: &Domain) -> Result<(), ClientError> {
        let admitted = self.admit_domain(domain);
        if admitted.is_err() {
            self.anywhere()?;
        }
        admitted
    }
}
