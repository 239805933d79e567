//! What a caller may do, asked before the store is.

use crate::auth::Caller;
use crate::mesh::Mesh;
use crate::model::error::ClientError;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::origin::Origin;

pub use crate::rate_limits::NodeCall;
use crate::resolvers::ResolverResult;

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
    pub async fn group(&self, group: &GroupKey) -> ResolverResult<()> {
        self.admit_counted(group).await?;
        Ok(self.mesh.rate_limits.query(self.caller, Some(group))?)
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
    pub async fn node(
        &self,
        group: &GroupKey,
        node: &NodeId,
        call: NodeCall,
    ) -> ResolverResult<()> {
        self.admit_counted(group).await?;
        let limits = &self.mesh.rate_limits;
        Ok(limits.node(self.caller, group, node, call)?)
    }

    /// Admits a call by the policy. One that is refused counts for its caller, and not for the
    /// group, whose rates it must not use up.
    async fn admit_counted(&self, group: &GroupKey) -> ResolverResult<()> {
        let Err(error) = self.admit_domain(&group.domain) else {
            return Ok(());
        };
        // A right code is looked up first: what others of its address send does not hold it back.
        if self.has_code_of(group).await? {
            return Ok(());
        }
        self.anywhere()?;
        if self.caller.join_code.is_none() {
            return Err(error.into());
        }
        self.mesh.rate_limits.wrong_code(self.caller).await;
        Err(ClientError::GroupNotFound(group.clone()).into())
    }
}
