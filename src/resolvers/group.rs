//! Groups: making, finding, renewing and dissolving them.

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use crate::mesh::Mesh;
use crate::model::error::ClientError;
use crate::model::group::{self, GroupKey};
use crate::model::ids::{Domain, GroupName, NodeId};
use crate::model::message::{Dissolution, Message};
use crate::resolvers::answering::Written;
use crate::resolvers::field_value::FieldValue;
use crate::resolvers::message::MeshMessage;
use crate::resolvers::scalar::AwsDateTime;
use crate::resolvers::{ContextExt as _, ResolverResult};
use crate::store::CreateGroup;

/// The most UTF-16 units of a search prefix (docs/api.md).
const PREFIX_UNITS: usize = 6;
/// How many groups a search finds unless it says otherwise (decision D8).
const SEARCH_DEFAULT: i32 = 10;
/// The most groups a search can ask for (decision D8).
const SEARCH_MOST: i32 = 100;

/// A group of nodes. It ends at `expiresAt`, when its host stops renewing it, or when its
/// host dissolves it.
#[derive(SimpleObject)]
struct Group {
    /// A random UUID, made by the server.
    id: ID,
    /// The domain in which the group is listed.
    domain: String,
    /// The id and the domain, joined by `@`.
    full_id: String,
    /// The name that the host gave it.
    name: String,
    /// The node that made the group. It alone may renew and dissolve it.
    host_id: ID,
    /// When the group ends at the latest. Renewing does not change it.
    expires_at: AwsDateTime,
    /// How often the host should call renewHeartbeat, in seconds.
    heartbeat_interval_seconds: Option<u32>,
    /// Whether members receive messages over a WebSocket. If false, they poll.
    use_web_socket: bool,
    /// How often members should call pollGroupData, in seconds; null if they use WebSockets.
    polling_interval_seconds: Option<u32>,
}

impl Group {
    fn told(mesh: &Mesh, group: &group::Group) -> Self {
        Self {
            id: group.key.id.as_str().into(),
            domain: group.key.domain.to_string(),
            full_id: group.key.to_string(),
            name: group.name.to_string(),
            host_id: group.host.as_str().into(),
            expires_at: group.expires_at.into(),
            heartbeat_interval_seconds: Some(mesh.rules.timings().host_interval),
            use_web_socket: group.delivery.uses_websocket(),
            polling_interval_seconds: group.delivery.polling_interval(),
        }
    }
}

/// The answer to a host's heartbeat.
#[derive(SimpleObject)]
struct HeartbeatPayload {
    /// The group's id.
    group_id: ID,
    /// The group's domain.
    domain: String,
    /// When the group ends at the latest, unchanged.
    expires_at: AwsDateTime,
    /// How often to call renewHeartbeat, in seconds.
    heartbeat_interval_seconds: Option<u32>,
}

#[derive(Default, Debug)]
pub struct GroupQuery;

#[Object]
impl GroupQuery {
    /// The groups of a domain, by id.
    async fn list_groups_by_domain(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The domain.")] domain: String,
    ) -> Result<Written<Vec<Group>>> {
        let groups = list(ctx.mesh(), &domain);
        ctx.answering().write(ctx, groups).await
    }

    /// The groups of all domains whose name begins with a text, by name.
    async fn search_groups_by_name_prefix(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How the name begins: 1 to 6 characters.")] name_prefix: String,
        #[graphql(desc = "How many groups at most: 1 to 100; 10 if it is not given.")]
        limit: Option<i32>,
    ) -> Result<Written<Vec<Group>>> {
        let groups = search(ctx.mesh(), &name_prefix, limit);
        ctx.answering().write(ctx, groups).await
    }
}

async fn list(mesh: &Mesh, domain: &str) -> ResolverResult<FieldValue> {
    let domain = Domain::parse("domain", domain)?;
    let groups = mesh.store.groups_in(&domain, mesh.clock.now()).await?;
    Ok(FieldValue::Groups(
        groups,
        mesh.rules.timings().host_interval,
    ))
}

async fn search(mesh: &Mesh, prefix: &str, limit: Option<i32>) -> ResolverResult<FieldValue> {
    if !(1..=PREFIX_UNITS).contains(&prefix.encode_utf16().count()) {
        return Err(ClientError::InvalidPrefix.into());
    }
    let limit = limit.unwrap_or(SEARCH_DEFAULT);
    let limit = usize::try_from(limit)
        .ok()
        .filter(|_| (1..=SEARCH_MOST).contains(&limit));
    let limit = limit.ok_or(ClientError::InvalidSearchLimit)?;
    let groups = mesh
        .store
        .groups_named(prefix, limit, mesh.clock.now())
        .await?;
    Ok(FieldValue::Groups(
        groups,
        mesh.rules.timings().host_interval,
    ))
}

#[derive(Default, Debug)]
pub struct GroupMutation;

#[Object]
impl GroupMutation {
    /// Makes a group. A host that has one in the domain already gets that one again.
    async fn create_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's name.")] name: String,
        #[graphql(desc = "The id of the node that will be the host.")] host_id: ID,
        #[graphql(desc = "The domain in which the group is listed.")] domain: String,
        #[graphql(desc = "How long the group may live, in seconds.")]
        max_connection_time_seconds: Option<i32>,
        #[graphql(
            desc = "Whether members receive messages over a WebSocket. If false, they poll."
        )]
        use_web_socket: bool,
    ) -> Result<Group> {
        let wish = |mesh: &Mesh| -> Result<CreateGroup, ClientError> {
            Ok(CreateGroup {
                name: GroupName::parse("name", &name)?,
                host: NodeId::parse("hostId", &host_id)?,
                domain: Domain::parse("domain", &domain)?,
                lifetime: mesh.rules.lifetime(max_connection_time_seconds)?,
                delivery: mesh.rules.delivery(use_web_socket),
            })
        };
        Ok(create(ctx.mesh(), wish(ctx.mesh())).await?)
    }

    /// Ends a group and removes all that belongs to it. Subscribers receive a
    /// `groupDissolve`.
    async fn dissolve_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The group's host.")] host_id: ID,
    ) -> Option<Result<Written<MeshMessage>>> {
        let dissolution = dissolve(ctx.mesh(), &group_id, &domain, &host_id);
        Some(ctx.answering().write(ctx, dissolution).await)
    }

    /// Says that the host is still there.
    async fn renew_heartbeat(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The group's host.")] host_id: ID,
    ) -> Result<HeartbeatPayload> {
        Ok(renew(ctx.mesh(), &group_id, &domain, &host_id).await?)
    }
}

async fn create(mesh: &Mesh, wish: Result<CreateGroup, ClientError>) -> ResolverResult<Group> {
    let hosted = mesh.store.host_group(wish?, mesh.clock.now()).await?;
    if let Some(former) = hosted.replaced {
        mesh.hub.publish(&Message::Dissolved(Dissolution::by_end(
            former.group,
            former.reason,
        )));
    }
    if hosted.created {
        let group = &hosted.group.key.id;
        // The stage's only measure of blocked networks: a host that could not open a WebSocket.
        if hosted.group.delivery.uses_websocket() {
            tracing::info!(%group, protocol = "WebSocket", "createGroup");
        } else {
            tracing::warn!(%group, protocol = "Polling", "createGroup fallback to Polling");
        }
    }
    Ok(Group::told(mesh, &hosted.group))
}

async fn dissolve(
    mesh: &Mesh,
    group_id: &str,
    domain: &str,
    host_id: &str,
) -> ResolverResult<FieldValue> {
    let group = GroupKey::parse(group_id, domain)?;
    let host = NodeId::parse("hostId", host_id)?;
    mesh.start_hold.wait().await;
    mesh.store.dissolve(&group, &host, mesh.clock.now()).await?;
    let message = Message::Dissolved(Dissolution::by_host(group));
    mesh.hub.publish(&message);
    Ok(FieldValue::Message(message))
}

async fn renew(
    mesh: &Mesh,
    group_id: &str,
    domain: &str,
    host_id: &str,
) -> ResolverResult<HeartbeatPayload> {
    let group = GroupKey::parse(group_id, domain)?;
    let host = NodeId::parse("hostId", host_id)?;
    let group = mesh.store.renew(&group, &host, mesh.clock.now()).await?;
    Ok(HeartbeatPayload {
        group_id: group.key.id.as_str().into(),
        domain: group.key.domain.to_string(),
        expires_at: group.expires_at.into(),
        heartbeat_interval_seconds: Some(mesh.rules.timings().host_interval),
    })
}
