//! What a caller may do, asked before the store is.

use crate::auth::Caller;
use crate::mesh::Mesh;
use crate::model::error::ClientError;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::origin::Origin;

/// A mesh, as one caller uses it.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// The mesh.
    pub mesh: &'a Mesh,
    /// Who calls.
    pub caller: Caller,
}

/// A call by which a node or a host acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeCall {
    /// reportDataByNode.
    Report,
    /// fireEventsByNode and recordEventsByNode.
    Events,
    /// Joining, leaving, heartbeats and dissolving.
    Membership,
}

impl Access<'_> {
    /// Where the caller is, if its address is known.
    pub fn origin(&self) -> Option<Origin> {
        let address = self.caller.address?;
        Some(self.mesh.domains.origin_of(address))
    }

    /// Admits a call on a group that names no node: a query or a subscription.
    pub fn group(&self, group: &GroupKey) -> Result<(), ClientError> {
        self.admit_domain(&group.domain)
    }

    /// Admits a call by a node of a group.
    pub fn node(&self, group: &GroupKey, node: &NodeId, call: NodeCall) -> Result<(), ClientError> {
        let _ = (node, call);
        self.group(group)
    }
}
