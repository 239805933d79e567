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

/// The most UTF-16 units of a search prefix (contract 1.3).
const PREFIX_UNITS: usize = 6;
/// How many groups a search finds unless it says otherwise (decision D8).
const SEARCH_DEFAULT: i32 = 10;
/// The most groups a search can ask for (decision D8).
const SEARCH_MOST: i32 = 100;

#[derive(SimpleObject)]
struct Group {
    id: ID,
    domain: String,
    full_id: String,
    name: String,
    host_id: ID,
    expires_at: AwsDateTime,
    heartbeat_interval_seconds: Option<u32>,
    use_web_socket: bool,
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

#[derive(SimpleObject)]
struct HeartbeatPayload {
    group_id: ID,
    domain: String,
    expires_at: AwsDateTime,
    heartbeat_interval_seconds: Option<u32>,
}

#[derive(Default, Debug)]
pub struct GroupQuery;

#[Object]
impl GroupQuery {
    async fn list_groups_by_domain(
        &self,
        ctx: &Context<'_>,
        domain: String,
    ) -> Result<Written<Vec<Group>>> {
        let groups = list(ctx.mesh(), &domain);
        ctx.answering().write(ctx, groups).await
    }

    async fn search_groups_by_name_prefix(
        &self,
        ctx: &Context<'_>,
        name_prefix: String,
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
    async fn create_group(
        &self,
        ctx: &Context<'_>,
        name: String,
        host_id: ID,
        domain: String,
        max_connection_time_seconds: Option<i32>,
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

    async fn dissolve_group(
        &self,
        ctx: &Context<'_>,
        group_id: ID,
        domain: String,
        host_id: ID,
    ) -> Option<Result<Written<MeshMessage>>> {
        let dissolution = dissolve(ctx.mesh(), &group_id, &domain, &host_id);
        Some(ctx.answering().write(ctx, dissolution).await)
    }

    async fn renew_heartbeat(
        &self,
        ctx: &Context<'_>,
        group_id: ID,
        domain: String,
        host_id: ID,
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
