//! Nodes: joining, leaving and heartbeats.

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use crate::model::authority::Actor;
use crate::model::error::ClientError;
use crate::model::group::{GroupKey, Member};
use crate::model::ids::NodeId;
use crate::model::nickname::Nickname;
use crate::model::time::Timestamp;
use crate::resolvers::access::{Access, NodeCall};
use crate::resolvers::field_value::FieldValue;
use crate::resolvers::response_writer::RawJson;
use crate::resolvers::scalar::AwsDateTime;
use crate::resolvers::{ContextExt as _, ResolverResult};

/// A member of a group, usually one browser tab.
#[derive(SimpleObject)]
struct Node {
    /// The id that the node chose.
    id: ID,
    /// The word `Node` and the id.
    name: String,
    /// The id of its group.
    group_id: Option<ID>,
    /// The domain of its group.
    domain: Option<String>,
    /// When the group ends at the latest. Null in listNodesInGroup.
    expires_at: Option<AwsDateTime>,
    /// How often the member should call sendMemberHeartbeat, in seconds. Null in
    /// listNodesInGroup.
    heartbeat_interval_seconds: Option<u32>,
    /// Whether members receive messages over a WebSocket. If false, they poll. Null in
    /// listNodesInGroup.
    use_web_socket: Option<bool>,
    /// How often the member should call pollGroupData, in seconds; null if the group uses
    /// WebSockets. Null in listNodesInGroup.
    polling_interval_seconds: Option<u32>,
    /// The nickname that the node gave when it joined. In listNodesInGroup only.
    nickname: Option<String>,
    /// The member's last sign of life, in whole seconds. In listNodesInGroup only.
    last_seen_at: Option<AwsDateTime>,
    /// `WebSocket` or `polling`, as the member chose when it joined. In listNodesInGroup only.
    transport: Option<String>,
}

/// A member as listNodesInGroup shows it.
#[derive(Debug)]
pub struct SeenMember {
    /// The member.
    pub member: Member,
    /// Its last sign of life.
    pub at: Timestamp,
}

impl SeenMember {
    /// How the member receives messages, by its own choice.
    pub fn transport(&self) -> Option<&'static str> {
        let websocket = self.member.use_websocket?;
        Some(if websocket { "WebSocket" } else { "polling" })
    }
}

/// The answer to a member's heartbeat.
#[derive(SimpleObject)]
struct MemberHeartbeatPayload {
    /// The node's id.
    node_id: ID,
    /// The group's id.
    group_id: ID,
    /// The group's domain.
    domain: String,
    /// Until when the member counts without another sign of life.
    expires_at: AwsDateTime,
    /// How often to call sendMemberHeartbeat, in seconds.
    heartbeat_interval_seconds: Option<u32>,
}

/// The answer to a node that left.
#[derive(SimpleObject)]
struct LeaveGroupPayload {
    /// The node's id.
    peer_id: ID,
    /// The group's id.
    group_id: ID,
    /// The group's domain.
    domain: String,
    /// What happened, for a person to read.
    message: String,
}

#[derive(Default, Debug)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The members of a group. The host is not among them.
    async fn list_nodes_in_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
    ) -> Result<RawJson<Vec<Node>>> {
        let members = list(ctx.access(), &group_id, &domain);
        ctx.response_writer().write(ctx, members).await
    }
}

async fn list(access: Access<'_>, group_id: &str, domain: &str) -> ResolverResult<FieldValue> {
    let group = GroupKey::parse(group_id, domain)?;
    access.group(&group).await?;
    let mesh = access.mesh;
    let members = mesh.store.members(&group, mesh.clock.now()).await?;
    let seen = members.into_iter().map(|member| SeenMember {
        at: mesh.rules.seen_at(member.alive_until),
        member,
    });
    Ok(FieldValue::Members(seen.collect()))
}

/// The name of a node; nodes do not choose one.
pub fn display_name(node: &NodeId) -> String {
    format!("Node {node}")
}

#[derive(Default, Debug)]
pub struct NodeMutation;

#[Object]
impl NodeMutation {
    /// Makes a node a member of a group, and takes it out of any other.
    #[expect(
        clippy::too_many_arguments,
        reason = "one for each argument of the schema"
    )]
    async fn join_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The node's id, chosen by the node.")] node_id: ID,
        #[graphql(desc = "False if the node cannot open a WebSocket and will poll.")]
        use_web_socket: Option<bool>,
        #[graphql(
            desc = "A secret that the node chooses, of 16 to 256 bytes: then the node obeys only with it."
        )]
        node_token: Option<String>,
        #[graphql(
            desc = "A name for the teacher to read, of 1 to 20 characters. It is kept until the group ends."
        )]
        nickname: Option<String>,
    ) -> Result<Node> {
        let node = ctx.access().acting_node(&node_id, node_token.as_deref());
        let node = node.and_then(|node| {
            let nickname = nickname.as_deref().map(Nickname::parse).transpose()?;
            Ok(Actor { nickname, ..node })
        });
        Ok(join(ctx.access(), &group_id, &domain, node, use_web_socket).await?)
    }

    /// Takes a node out of a group, with its variables.
    async fn leave_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The node that leaves.")] node_id: ID,
        #[graphql(desc = "The token with which the node was made, if there was one.")]
        node_token: Option<String>,
    ) -> Option<Result<LeaveGroupPayload>> {
        let node = ctx.access().acting_node(&node_id, node_token.as_deref());
        Some(
            leave(ctx.access(), &group_id, &domain, node)
                .await
                .map_err(Into::into),
        )
    }

    /// Says that a member is still there.
    async fn send_member_heartbeat(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The member's id.")] node_id: ID,
        #[graphql(desc = "The token with which the node was made, if there was one.")]
        node_token: Option<String>,
    ) -> Result<MemberHeartbeatPayload> {
        let node = ctx.access().acting_node(&node_id, node_token.as_deref());
        Ok(heartbeat(ctx.access(), &group_id, &domain, node).await?)
    }
}

async fn join(
    access: Access<'_>,
    group_id: &str,
    domain: &str,
    node: Result<Actor, ClientError>,
    use_websocket: Option<bool>,
) -> ResolverResult<Node> {
    let group = GroupKey::parse(group_id, domain)?;
    let node = Actor {
        origin: access.origin(),
        ..node?
    };
    access.node(&group, &node.id, NodeCall::Membership).await?;
    let mesh = access.mesh;
    let group = mesh
        .store
        .join(&group, &node, use_websocket, mesh.clock.now())
        .await?;
    let (id, node) = (&group.key.id, node.id);
    // Clients send true by default, and poll because their group does.
    let polls = !group.delivery.uses_websocket() || use_websocket == Some(false);
    match use_websocket {
        _ if polls => {
            if let Some(omitted) = mesh.polling_lines.members.admit() {
                tracing::warn!(group = %id, protocol = "Polling", omitted, "joinGroup fallback to Polling");
            }
        }
        Some(_) => tracing::info!(group = %id, protocol = "WebSocket", "joinGroup"),
        None => tracing::info!(group = %id, protocol = "unknown", "joinGroup"),
    }
    Ok(Node {
        id: node.as_str().into(),
        name: display_name(&node),
        group_id: Some(id.as_str().into()),
        domain: Some(group.key.domain.to_string()),
        expires_at: Some(group.expires_at.into()),
        heartbeat_interval_seconds: Some(mesh.rules.timings().member_interval),
        use_web_socket: Some(group.delivery.uses_websocket()),
        polling_interval_seconds: group.delivery.polling_interval(),
        nickname: None,
        last_seen_at: None,
        transport: None,
    })
}

async fn leave(
    access: Access<'_>,
    group_id: &str,
    domain: &str,
    node: Result<Actor, ClientError>,
) -> ResolverResult<LeaveGroupPayload> {
    let group = GroupKey::parse(group_id, domain)?;
    let node = node?;
    access.node(&group, &node.id, NodeCall::Membership).await?;
    let mesh = access.mesh;
    mesh.store.leave(&group, &node).await?;
    let node = node.id;
    Ok(LeaveGroupPayload {
        peer_id: node.as_str().into(),
        group_id: group.id.as_str().into(),
        domain: group.domain.to_string(),
        message: format!("Peer {node} successfully left group {}", group.id),
    })
}

async fn heartbeat(
    access: Access<'_>,
    group_id: &str,
    domain: &str,
    node: Result<Actor, ClientError>,
) -> ResolverResult<MemberHeartbeatPayload> {
    let group = GroupKey::parse(group_id, domain)?;
    let node = node?;
    access.node(&group, &node.id, NodeCall::Membership).await?;
    let mesh = access.mesh;
    let expires_at = mesh
        .store
        .heartbeat(&group, &node, mesh.clock.now())
        .await?;
    Ok(MemberHeartbeatPayload {
        node_id: node.id.as_str().into(),
        group_id: group.id.as_str().into(),
        domain: group.domain.to_string(),
        expires_at: expires_at.into(),
        heartbeat_interval_seconds: Some(mesh.rules.timings().member_interval),
    })
}
