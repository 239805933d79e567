//! Nodes: joining, leaving, showing that they live.

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use crate::mesh::Mesh;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::resolvers::answering::Written;
use crate::resolvers::field_value::FieldValue;
use crate::resolvers::scalar::AwsDateTime;
use crate::resolvers::{ContextExt as _, ResolverResult};

#[derive(SimpleObject)]
struct Node {
    id: ID,
    name: String,
    group_id: Option<ID>,
    domain: Option<String>,
    expires_at: Option<AwsDateTime>,
    heartbeat_interval_seconds: Option<u32>,
    use_web_socket: Option<bool>,
    polling_interval_seconds: Option<u32>,
}

#[derive(SimpleObject)]
struct MemberHeartbeatPayload {
    node_id: ID,
    group_id: ID,
    domain: String,
    expires_at: AwsDateTime,
    heartbeat_interval_seconds: Option<u32>,
}

#[derive(SimpleObject)]
struct LeaveGroupPayload {
    peer_id: ID,
    group_id: ID,
    domain: String,
    message: String,
}

#[derive(Default, Debug)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    async fn list_nodes_in_group(
        &self,
        ctx: &Context<'_>,
        group_id: ID,
        domain: String,
    ) -> Result<Written<Vec<Node>>> {
        let members = list(ctx.mesh(), &group_id, &domain);
        ctx.answering().write(ctx, members).await
    }
}

async fn list(mesh: &Mesh, group_id: &str, domain: &str) -> ResolverResult<FieldValue> {
    let group = GroupKey::parse(group_id, domain)?;
    let members = mesh.store.members(&group, mesh.clock.now()).await?;
    Ok(FieldValue::Members(members))
}

/// The name a node goes by; nodes do not choose one.
pub fn name_of(node: &NodeId) -> String {
    format!("Node {node}")
}

#[derive(Default, Debug)]
pub struct NodeMutation;

#[Object]
impl NodeMutation {
    async fn join_group(
        &self,
        ctx: &Context<'_>,
        group_id: ID,
        domain: String,
        node_id: ID,
        use_web_socket: Option<bool>,
    ) -> Result<Node> {
        Ok(join(ctx.mesh(), &group_id, &domain, &node_id, use_web_socket).await?)
    }

    async fn leave_group(
        &self,
        ctx: &Context<'_>,
        group_id: ID,
        domain: String,
        node_id: ID,
    ) -> Option<Result<LeaveGroupPayload>> {
        Some(
            leave(ctx.mesh(), &group_id, &domain, &node_id)
                .await
                .map_err(Into::into),
        )
    }

    async fn send_member_heartbeat(
        &self,
        ctx: &Context<'_>,
        group_id: ID,
        domain: String,
        node_id: ID,
    ) -> Result<MemberHeartbeatPayload> {
        Ok(beat(ctx.mesh(), &group_id, &domain, &node_id).await?)
    }
}

async fn join(
    mesh: &Mesh,
    group_id: &str,
    domain: &str,
    node_id: &str,
    use_websocket: Option<bool>,
) -> ResolverResult<Node> {
    let group = GroupKey::parse(group_id, domain)?;
    let node = NodeId::parse("nodeId", node_id)?;
    let group = mesh
        .store
        .join(&group, &node, use_websocket, mesh.clock.now())
        .await?;
    let id = &group.key.id;
    match use_websocket {
        Some(true) => tracing::info!(group = %id, protocol = "WebSocket", "joinGroup"),
        Some(false) => {
            tracing::warn!(group = %id, protocol = "Polling", "joinGroup fallback to Polling");
        }
        None => tracing::info!(group = %id, protocol = "unknown", "joinGroup"),
    }
    Ok(Node {
        id: node.as_str().into(),
        name: name_of(&node),
        group_id: Some(id.as_str().into()),
        domain: Some(group.key.domain.to_string()),
        expires_at: Some(group.expires_at.into()),
        heartbeat_interval_seconds: Some(mesh.rules.timings().member_interval),
        use_web_socket: Some(group.delivery.uses_websocket()),
        polling_interval_seconds: group.delivery.polling_interval(),
    })
}

async fn leave(
    mesh: &Mesh,
    group_id: &str,
    domain: &str,
    node_id: &str,
) -> ResolverResult<LeaveGroupPayload> {
    let group = GroupKey::parse(group_id, domain)?;
    let node = NodeId::parse("nodeId", node_id)?;
    mesh.store.leave(&group, &node).await?;
    Ok(LeaveGroupPayload {
        peer_id: node.as_str().into(),
        group_id: group.id.as_str().into(),
        domain: group.domain.to_string(),
        message: format!("Peer {node} successfully left group {}", group.id),
    })
}

async fn beat(
    mesh: &Mesh,
    group_id: &str,
    domain: &str,
    node_id: &str,
) -> ResolverResult<MemberHeartbeatPayload> {
    let group = GroupKey::parse(group_id, domain)?;
    let node = NodeId::parse("nodeId", node_id)?;
    let until = mesh
        .store
        .heartbeat(&group, &node, mesh.clock.now())
        .await?;
    Ok(MemberHeartbeatPayload {
        node_id: node.as_str().into(),
        group_id: group.id.as_str().into(),
        domain: group.domain.to_string(),
        expires_at: until.into(),
        heartbeat_interval_seconds: Some(mesh.rules.timings().member_interval),
    })
}
