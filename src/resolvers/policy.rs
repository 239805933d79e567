//! What the server's policy lets a caller do (`auth::Policy`).
//!
//! A domain of createDomain's form belongs to one network. Any other is a typed one: it belongs to
//! all who name it, and no search shows it. Callers with a key of a teacher or an operator come
//! from any network. Who has a group's join code may act on that group from any network.

use crate::auth::{Policy, Role};
use crate::domains;
use crate::model::authority::{Actor, TokenHash};
use crate::model::error::ClientError;
use crate::model::group::GroupKey;
use crate::model::ids::{Domain, NodeId};
use crate::resolvers::ResolverResult;
use crate::resolvers::access::Access;

impl Access<'_> {
    /// Admits a call in this domain, without a join code.
    pub fn admit_domain(&self, domain: &Domain) -> Result<(), ClientError> {
        if self.mesh.policy == Policy::Own && !self.sees(domain) {
            Err(ClientError::ForeignDomain)
        } else {
            Ok(())
        }
    }

    /// Whether the caller sent the join code of this group. It says nothing of any other.
    pub async fn has_code_of(&self, group: &GroupKey) -> ResolverResult<bool> {
        let Some(code) = self.caller.join_code else {
            return Ok(false);
        };
        let now = self.mesh.clock.now();
        Ok(self.mesh.store.code_of(group, now).await? == Some(code))
    }

    /// Whether the caller is shown what is in this domain.
    pub fn sees(&self, domain: &Domain) -> bool {
        !self.is_hidden_from()
            || !domains::is_of_a_network(domain.as_str())
            || self.own_domain() == domain.as_str()
    }

    /// Whether groups of other networks, and hosts' ids, are hidden from the caller.
    pub fn is_hidden_from(&self) -> bool {
        self.mesh.policy.hides() && self.caller.role == Role::Public
    }

    /// The domain of the caller's network.
    pub fn own_domain(&self) -> String {
        self.mesh.domains.domain_of(self.caller.address)
    }

    /// The id of a group's host as the caller gets it. Under a policy that hides it, the group's
    /// id stands in: a caller that knows a host's id may act as the host of a group without a token.
    pub fn shown_host(&self, group: &GroupKey, host: NodeId) -> NodeId {
        match NodeId::parse("hostId", group.id.as_str()) {
            Ok(stand_in) if self.is_hidden_from() => stand_in,
            _ => host,
        }
    }

    /// The host as which a call acts.
    pub fn host(&self, id: &str, token: Option<&str>) -> Result<Actor, ClientError> {
        self.actor(["hostId", "hostToken"], id, token)
    }

    /// The node as which a call acts.
    pub fn acting_node(&self, id: &str, token: Option<&str>) -> Result<Actor, ClientError> {
        self.actor(["nodeId", "nodeToken"], id, token)
    }

    fn actor(
        &self,
        [id_argument, token_argument]: [&'static str; 2],
        id: &str,
        token: Option<&str>,
    ) -> Result<Actor, ClientError> {
        let id = NodeId::parse(id_argument, id)?;
        let token = TokenHash::parse(token_argument, token)?;
        if self.mesh.policy == Policy::Token && token.is_none() {
            return Err(ClientError::TokenNeeded(token_argument));
        }
        Ok(Actor { token, ..id.into() })
    }
}
