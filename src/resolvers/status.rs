//! Statuses: what nodes report of their variables.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use serde::Deserialize;

use crate::mesh::Mesh;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::message::Message;
use crate::model::refusal::Refusal;
use crate::model::status;
use crate::resolvers::message::MeshMessage;
use crate::resolvers::scalar::AwsDateTime;
use crate::resolvers::{Answer, Reach as _, at_most};

#[derive(SimpleObject)]
pub struct SensorData {
    key: String,
    value: String,
}

#[derive(InputObject, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorDataInput {
    key: String,
    value: String,
}

#[derive(SimpleObject)]
pub struct NodeStatus {
    node_id: ID,
    group_id: ID,
    domain: String,
    data: Vec<SensorData>,
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
    async fn get_node_status(&self, ctx: &Context<'_>, node_id: ID) -> Option<Result<NodeStatus>> {
        status_of(ctx.mesh(), &node_id)
            .await
            .map_err(Into::into)
            .transpose()
    }

    async fn list_group_statuses(
        &self,
        ctx: &Context<'_>,
        group_id: ID,
        domain: String,
    ) -> Result<Vec<NodeStatus>> {
        Ok(statuses(ctx.mesh(), &polled_group(&group_id, &domain)?).await?)
    }
}

/// A group's full name as the polling queries refuse it (contract 1.1).
pub fn polled_group(group_id: &str, domain: &str) -> Answer<GroupKey> {
    if group_id.is_empty() || domain.is_empty() {
        return Err(Refusal::MissingGroup.into());
    }
    Ok(GroupKey::parse(group_id, domain)?)
}

async fn status_of(mesh: &Mesh, node_id: &str) -> Answer<Option<NodeStatus>> {
    let node = NodeId::parse("nodeId", node_id)?;
    Ok(mesh
        .store
        .status_of(&node, mesh.clock.now())
        .await?
        .map(Into::into))
}

/// Every living node's variables.
pub async fn statuses(mesh: &Mesh, group: &GroupKey) -> Answer<Vec<NodeStatus>> {
    let statuses = mesh.store.statuses(group, mesh.clock.now()).await?;
    Ok(statuses.into_iter().map(Into::into).collect())
}

#[derive(Default, Debug)]
pub struct StatusMutation;

#[Object]
impl StatusMutation {
    async fn report_data_by_node(
        &self,
        ctx: &Context<'_>,
        group_id: ID,
        domain: String,
        node_id: ID,
        data: Vec<SensorDataInput>,
    ) -> Option<Result<MeshMessage>> {
        let message = report(ctx.mesh(), &group_id, &domain, &node_id, data).await;
        Some(message.map(Into::into).map_err(Into::into))
    }
}

/// Stores a report, then tells it to the group.
pub async fn report(
    mesh: &Mesh,
    group_id: &str,
    domain: &str,
    node_id: &str,
    data: Vec<SensorDataInput>,
) -> Answer<Message> {
    let group = GroupKey::parse(group_id, domain)?;
    let node = NodeId::parse("nodeId", node_id)?;
    at_most("data", &data, mesh.limits.keys_per_node)?;
    let data = data
        .into_iter()
        .map(|d| status::SensorData {
            key: d.key,
            value: d.value,
        })
        .collect();
    let status = mesh
        .store
        .report(&group, &node, data, mesh.clock.now())
        .await?;
    let message = Message::Status(status);
    mesh.hub.publish(&message);
    Ok(message)
}
