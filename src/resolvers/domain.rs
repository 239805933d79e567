//! Domains: in which domain a caller's groups are listed.

use async_graphql::{Context, Object, Result};

use crate::resolvers::{ContextExt as _, ResolverError};

#[derive(Default, Debug)]
pub struct DomainMutation;

#[Object]
impl DomainMutation {
    /// A name for the network of the caller, so that classmates behind one address find each
    /// other.
    #[expect(clippy::unused_async, reason = "the engine's resolvers are async")]
    async fn create_domain(&self, ctx: &Context<'_>) -> Result<String> {
        let access = ctx.access();
        access.new_group().map_err(ResolverError::from)?;
        Ok(access.mesh.domains.domain_of(access.caller.address))
    }
}
