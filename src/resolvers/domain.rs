//! Domains: in which domain a caller's groups are listed.

use async_graphql::{Context, Object};

use crate::resolvers::ContextExt as _;

#[derive(Default, Debug)]
pub struct DomainMutation;

#[Object]
impl DomainMutation {
    /// A name for the network of the caller, so that classmates behind one address find each
    /// other.
    async fn create_domain(&self, ctx: &Context<'_>) -> String {
        let access = ctx.access();
        access.mesh.domains.domain_of(access.caller.address)
    }
}
