//! Statuses: reporting and reading the variables of nodes.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use serde::Deserialize;

use crate::model::error::ClientError;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::message::Message;
use crate::model::status;
use crate::resolvers::access::{Access, NodeCall};
use crate::resolvers::field_value::FieldValue;
use crate::resolvers::input::deserialize_objects;
use crate::resolvers::message::MeshMessage;
use crate::resolvers::response_writer::RawJson;
use crate::resolvers::scalar::AwsDateTime;
use crate::resolvers::{ContextExt as _, ResolverResult, check_length, message_size};

/// One variable: its name and its value.
#[derive(SimpleObject)]
pub struct SensorData {
    /// The variable's name.
    key: String,
    /// Its value, as text.
    value: String,
}

/// One variable to report.
#[derive(InputObject, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorDataInput {
    /// The variable's name.
    key: String,
    /// Its value, as text.
    value: String,
}

/// Variables of a node, with the time at which they were written.
#[derive(SimpleObject)]
pub struct NodeStatus {
    /// The node that reported them.
    node_id: ID,
    /// The group's id.
    group_id: ID,
    /// The group's domain.
    domain: String,
    /// The variables, each with its newest value.
    data: Vec<SensorData>,
    /// When they were written, by the server's clock.
    timestamp: AwsDateTime,
}

impl From<status::NodeStatus> for NodeStatus {
    fn from(status: status::NodeStatus) -> Self {
        let data = status.data.iter().map(|data| SensorData {
            key: data.key.clone(),
            value: data.value.clone(),
        });
        Self {
            node_id: status.node.as_str().into(),
            group_id: status.group.id.as_str().into(),
            domain: status.group.domain.to_string(),
            data: data.collect(),
            timestamp: status.timestamp.into(),
        }
    }
}

#[derive(Default, Debug)]
pub struct StatusQuery;

#[Object]
impl StatusQuery {
    /// All variables of one node, under the time of the newest; null if there are none.
    async fn get_node_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The node's id.")] node_id: ID,
    ) -> Option<Result<RawJson<NodeStatus>>> {
        let status = get_status(ctx.access(), &node_id);
        Some(ctx.response_writer().write(ctx, status).await)
    }

    /// The variables of every node of a group: one entry for each node and time of writing,
    /// oldest first for each node.
    async fn list_group_statuses(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
    ) -> Result<RawJson<Vec<NodeStatus>>> {
        let (group_id, domain) = (group_id.0, domain);
        let args = StatusesArgs { group_id, domain };
        ctx.response_writer()
            .write(ctx, args.run(ctx.access()))
            .await
    }
}

/// Parses a group's full name; the polling queries have an error of their own for an empty
/// one (docs/api.md, Errors).
pub fn parse_polled_group(group_id: &str, domain: &str) -> ResolverResult<GroupKey> {
    if group_id.is_empty() || domain.is_empty() {
        return Err(ClientError::EmptyGroup.into());
    }
    Ok(GroupKey::parse(group_id, domain)?)
}

async fn get_status(access: Access<'_>, node_id: &str) -> ResolverResult<FieldValue> {
    let mesh = access.mesh;
    let node = NodeId::parse("nodeId", node_id)?;
    access.anywhere()?;
    let status = mesh.store.status_of(&node, mesh.clock.now()).await?;
    // Under a policy that hides, a node's id alone shows nothing of a domain that was not named.
    let is_seen = match &status {
        Some(status) if access.is_hidden_from() => {
            access.own_domain() == status.group.domain.as_str()
                || access.has_code_of(&status.group).await?
        }
        _ => true,
    };
    Ok(FieldValue::Status(status.filter(|_| is_seen)))
}

/// The arguments of listGroupStatuses.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusesArgs {
    group_id: String,
    domain: String,
}

impl StatusesArgs {
    /// Reads the variables of every live node.
    pub async fn run(self, access: Access<'_>) -> ResolverResult<FieldValue> {
        let group = parse_polled_group(&self.group_id, &self.domain)?;
        access.group(&group).await?;
        let mesh = access.mesh;
        let statuses = mesh.store.statuses(&group, mesh.clock.now()).await?;
        Ok(FieldValue::Statuses(statuses))
    }
}

#[derive(Default, Debug)]
pub struct StatusMutation;

#[Object]
impl StatusMutation {
    /// Writes variables of a node. Those that are not named keep their values. Subscribers
    /// receive a `nodeStatus`.
    async fn report_data_by_node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The node whose variables they are.")] node_id: ID,
        #[graphql(desc = "The variables to write.")] data: Vec<SensorDataInput>,
        #[graphql(
            desc = "The token with which the node was made. In its first call, a secret that it chooses."
        )]
        node_token: Option<String>,
    ) -> Option<Result<RawJson<MeshMessage>>> {
        let args = ReportArgs {
            group_id: group_id.0,
            domain,
            node_id: node_id.0,
            data,
            node_token,
        };
        Some(
            ctx.response_writer()
                .write(ctx, args.run(ctx.access()))
                .await,
        )
    }
}

/// The arguments of reportDataByNode.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportArgs {
    group_id: String,
    domain: String,
    node_id: String,
    #[serde(deserialize_with = "deserialize_objects")]
    data: Vec<SensorDataInput>,
    pub(super) node_token: Option<String>,
}

impl ReportArgs {
    /// Stores the report; the store publishes it to the group.
    pub async fn run(self, access: Access<'_>) -> ResolverResult<FieldValue> {
        let group = GroupKey::parse(&self.group_id, &self.domain)?;
        let node = access.acting_node(&self.node_id, self.node_token.as_deref())?;
        access.node(&group, &node.id, NodeCall::Report).await?;
        let mesh = access.mesh;
        check_length("data", &self.data, mesh.limits.keys_per_node)?;
        let data = self.data.into_iter().map(|d| status::SensorData {
            key: d.key,
            value: d.value,
        });
        let data: Vec<_> = data.collect();
        message_size::check_report(&group, &node.id, &data)?;
        mesh.start_hold.wait().await;
        let status = mesh
            .store
            .report(&group, &node, data, mesh.clock.now())
            .await?;
        mesh.hub.flush_exceeded(&group);
        Ok(FieldValue::Message(Message::Status(status)))
    }
}
