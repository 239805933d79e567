//! Controls of a lesson by a group's host: locking, pausing, removing nodes and clearing variables.

use async_graphql::{Context, ID, Object, Result};

use crate::model::error::ClientError;
use crate::model::group;
use crate::model::group::GroupKey;
use crate::model::ids::{Domain, NodeId};
use crate::model::lesson::{self, Control};
use crate::resolvers::access::{Access, NodeCall};
use crate::resolvers::group::Group;
use crate::resolvers::{ContextExt as _, ResolverResult};

#[derive(Default, Debug)]
pub struct LessonQuery;

#[Object]
impl LessonQuery {
    /// The living group of a host in a domain, if the token is the one with which it was made;
    /// otherwise null. A host that lost its group's id finds it again without making one.
    async fn group_of_host(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's host.")] host_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The token with which the group was made.")] host_token: String,
    ) -> Result<Option<Group>> {
        Ok(find(ctx.access(), &host_id, &domain, &host_token).await?)
    }
}

async fn find(
    access: Access<'_>,
    host_id: &str,
    domain: &str,
    host_token: &str,
) -> ResolverResult<Option<Group>> {
    access.anywhere()?;
    let domain = Domain::parse("domain", domain)?;
    let host = access.host(host_id, Some(host_token))?;
    access.admit_domain(&domain)?;
    let mesh = access.mesh;
    let now = mesh.clock.now();
    let group = mesh.store.group_of_host(&domain, &host, now).await?;
    Ok(group.map(|group| Group::new(mesh, &group)))
}

#[derive(Default, Debug)]
pub struct LessonMutation;

#[Object]
impl LessonMutation {
    /// Lets no new node join, or lets them join again. Members stay, and may come back.
    async fn lock_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The group's host.")] host_id: ID,
        #[graphql(desc = "The token with which the group was made.")] host_token: String,
        #[graphql(desc = "Whether the group is to be locked.")] locked: bool,
    ) -> Result<Group> {
        let call = HostCall::new(&group_id, &domain, &host_id, &host_token);
        Ok(call.shows(ctx.access(), Ok(Control::Lock(locked))).await?)
    }

    /// Refuses reports and events of all nodes but the host's for a while. The pause ends by
    /// itself.
    async fn pause_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The group's host.")] host_id: ID,
        #[graphql(desc = "The token with which the group was made.")] host_token: String,
        #[graphql(desc = "How long from now, at most to the group's end; 0 ends the pause.")]
        seconds: i32,
    ) -> Result<Group> {
        let call = HostCall::new(&group_id, &domain, &host_id, &host_token);
        let control = lesson::pause_seconds(seconds).map(Control::Pause);
        Ok(call.shows(ctx.access(), control).await?)
    }

    /// Takes a node out of the group, with its variables, and refuses its calls while the group
    /// lives.
    async fn remove_node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The group's host.")] host_id: ID,
        #[graphql(desc = "The token with which the group was made.")] host_token: String,
        #[graphql(desc = "The node to remove.")] node_id: ID,
    ) -> Option<Result<bool>> {
        let call = HostCall::new(&group_id, &domain, &host_id, &host_token);
        let control = NodeId::parse("nodeId", &node_id).map(Control::RemoveNode);
        Some(call.succeeds(ctx.access(), control).await)
    }

    /// Empties the variables of all nodes, as if they had never been reported. Subscribers
    /// receive nothing: pages read the variables again.
    async fn clear_group_data(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The group's host.")] host_id: ID,
        #[graphql(desc = "The token with which the group was made.")] host_token: String,
    ) -> Option<Result<bool>> {
        let call = HostCall::new(&group_id, &domain, &host_id, &host_token);
        Some(call.succeeds(ctx.access(), Ok(Control::ClearData)).await)
    }

    /// Says whether pages may show chat. The server passes events on in any case.
    async fn mute_chat(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The group's host.")] host_id: ID,
        #[graphql(desc = "The token with which the group was made.")] host_token: String,
        #[graphql(desc = "Whether chat is to be hidden.")] muted: bool,
    ) -> Result<Group> {
        let call = HostCall::new(&group_id, &domain, &host_id, &host_token);
        Ok(call
            .shows(ctx.access(), Ok(Control::MuteChat(muted)))
            .await?)
    }
}

/// The arguments that each control has.
struct HostCall<'a> {
    group_id: &'a str,
    domain: &'a str,
    host_id: &'a str,
    host_token: &'a str,
}

impl<'a> HostCall<'a> {
    fn new(group_id: &'a str, domain: &'a str, host_id: &'a str, host_token: &'a str) -> Self {
        Self {
            group_id,
            domain,
            host_id,
            host_token,
        }
    }

    async fn run(
        self,
        access: Access<'_>,
        control: Result<Control, ClientError>,
    ) -> ResolverResult<group::Group> {
        let group = GroupKey::parse(self.group_id, self.domain)?;
        let host = access.host(self.host_id, Some(self.host_token))?;
        access.node(&group, &host.id, NodeCall::Membership).await?;
        let mesh = access.mesh;
        let now = mesh.clock.now();
        let control = control?;
        let controlled = mesh.store.control(&group, &host, &control, now).await?;
        mesh.projects.on_control(&group, &control, mesh.clock.now());
        Ok(controlled)
    }

    async fn shows(
        self,
        access: Access<'_>,
        control: Result<Control, ClientError>,
    ) -> ResolverResult<Group> {
        let group = self.run(access, control).await?;
        Ok(Group::new(access.mesh, &group))
    }

    async fn succeeds(
        self,
        access: Access<'_>,
        control: Result<Control, ClientError>,
    ) -> Result<bool> {
        self.run(access, control).await?;
        Ok(true)
    }
}
