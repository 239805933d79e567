//! Events: firing, recording and polling them.

pub mod types;

use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result};
use serde::Deserialize;

use crate::mesh::{Mesh, NextSince};
use crate::model::authority::Actor;
use crate::model::cursor::Since;
use crate::model::error::ClientError;
use crate::model::event::{self, EventCall, EventKind};
use crate::model::group::GroupKey;
use crate::model::message::Message;
use crate::resolvers::access::{Access, NodeCall};
use crate::resolvers::event::types::{Event, EventInput, PollGroupData, RecordEventsPayload};
use crate::resolvers::field_value::FieldValue;
use crate::resolvers::input::deserialize_objects;
use crate::resolvers::message::MeshMessage;
use crate::resolvers::response_writer::RawJson;
use crate::resolvers::status::parse_polled_group;
use crate::resolvers::{ContextExt as _, ResolverResult, check_length, message_size};
use crate::store;

#[derive(Default, Debug)]
pub struct EventQuery;

#[Object]
impl EventQuery {
    /// At most 100 events of a group's log, in order.
    async fn get_events_since(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(
            desc = "A cursor or a time: only later events are returned. Empty: from the beginning."
        )]
        since: String,
    ) -> Result<RawJson<Vec<Event>>> {
        let events = get_events(ctx.access(), &group_id, &domain, &since);
        ctx.response_writer().write(ctx, events).await
    }

    /// Events and variables in one answer, for members that poll.
    async fn poll_group_data(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(
            desc = "The last event's cursor; in the first poll, the time at which the node joined."
        )]
        since: String,
    ) -> Result<RawJson<PollGroupData>> {
        let args = PollArgs {
            group_id: group_id.0,
            domain,
            since,
        };
        ctx.response_writer()
            .write(ctx, args.run(ctx.access()))
            .await
    }
}

async fn get_events(
    access: Access<'_>,
    group_id: &str,
    domain: &str,
    since: &str,
) -> ResolverResult<FieldValue> {
    let group = GroupKey::parse(group_id, domain)?;
    access.group(&group).await?;
    let events = read_page(access.mesh, &group, Since::Exactly(since)).await?;
    Ok(FieldValue::Events(group, events))
}

/// Reads at most as many events as fit into one response. Writing drops those that do not
/// fit beside the other fields.
async fn read_page(
    mesh: &Mesh,
    group: &GroupKey,
    since: Since<'_>,
) -> store::Result<Vec<event::Event>> {
    let (bytes, now) = (mesh.limits.response_bytes, mesh.clock.now());
    mesh.store.events_since(group, since, bytes, now).await
}

/// The arguments of pollGroupData.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PollArgs {
    group_id: String,
    domain: String,
    since: String,
}

impl PollArgs {
    /// Reads a page of events, and the variables of every live node.
    pub async fn run(self, access: Access<'_>) -> ResolverResult<FieldValue> {
        let group = parse_polled_group(&self.group_id, &self.domain)?;
        access.group(&group).await?;
        let mesh = access.mesh;
        // Events first: a client that receives an event also receives the variables that were
        // written before it (docs/compatibility.md, must keep 9).
        let events = read_page(mesh, &group, Since::Polled(&self.since)).await?;
        let statuses = mesh.store.statuses(&group, mesh.clock.now()).await?;
        Ok(FieldValue::Poll(group, events, statuses))
    }
}

#[derive(Default, Debug)]
pub struct EventMutation;

#[Object]
impl EventMutation {
    /// Sends events in a group that uses WebSockets. Subscribers receive a `batchEvent`.
    async fn fire_events_by_node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The node that sends them.")] node_id: ID,
        #[graphql(desc = "The events, in their order.")] events: Vec<EventInput>,
        #[graphql(desc = "The token with which the node was made, if there was one.")]
        node_token: Option<String>,
    ) -> Option<Result<RawJson<MeshMessage>>> {
        let args = EventArgs {
            group_id: group_id.0,
            domain,
            node_id: node_id.0,
            events,
            node_token,
        };
        Some(
            ctx.response_writer()
                .write(ctx, args.fire(ctx.access()))
                .await,
        )
    }

    /// Sends events in a group that polls.
    async fn record_events_by_node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
        #[graphql(desc = "The node that sends them.")] node_id: ID,
        #[graphql(desc = "The events. They are put in the order of their `orderKey`.")] events: Vec<
            EventInput,
        >,
        #[graphql(desc = "The token with which the node was made, if there was one.")]
        node_token: Option<String>,
    ) -> Result<RecordEventsPayload> {
        let args = EventArgs {
            group_id: group_id.0,
            domain,
            node_id: node_id.0,
            events,
            node_token,
        };
        Ok(args.record(ctx.access()).await?)
    }
}

/// The arguments of fireEventsByNode and recordEventsByNode.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventArgs {
    group_id: String,
    domain: String,
    node_id: String,
    #[serde(deserialize_with = "deserialize_objects")]
    events: Vec<EventInput>,
    pub(super) node_token: Option<String>,
}

impl EventArgs {
    /// Appends the events; the store publishes them to the group.
    pub async fn fire(self, access: Access<'_>) -> ResolverResult<FieldValue> {
        let mesh = access.mesh;
        let call = self.parse(access, EventKind::Fired).await?;
        mesh.start_hold.wait().await;
        let appended = mesh.store.append(call, mesh.clock.now()).await?;
        mesh.hub.flush_exceeded(&appended.batch.group);
        Ok(FieldValue::Message(Message::Events(appended.batch)))
    }

    async fn record(self, access: Access<'_>) -> ResolverResult<RecordEventsPayload> {
        let mesh = access.mesh;
        let call = self.parse(access, EventKind::Recorded).await?;
        let (group, recorded_count) = (call.group.clone(), call.events.len());
        mesh.start_hold.wait().await;
        let appended = mesh.store.append(call, mesh.clock.now()).await;
        let appended = appended.map_err(map_record_error)?;
        mesh.hub.flush_exceeded(&group);
        Ok(RecordEventsPayload {
            group_id: group.id.as_str().into(),
            domain: group.domain.to_string(),
            recorded_count,
            next_since: match mesh.next_since {
                NextSince::Cursor => appended.next_since,
                NextSince::Empty => String::new(),
            },
        })
    }

    async fn parse(self, access: Access<'_>, kind: EventKind) -> ResolverResult<EventCall> {
        let group = GroupKey::parse(&self.group_id, &self.domain)?;
        let Actor {
            id: node, token, ..
        } = access.acting_node(&self.node_id, self.node_token.as_deref())?;
        access.node(&group, &node, NodeCall::Events).await?;
        check_length("events", &self.events, access.mesh.limits.events_per_call)?;
        let call = EventCall {
            group,
            node,
            token,
            kind,
            events: Arc::new(self.events.into_iter().map(Into::into).collect()),
        };
        message_size::check_events(&call)?;
        Ok(call)
    }
}

/// The error of recordEventsByNode is "Group not found" however the group ended (D22, D23).
fn map_record_error(error: store::Error) -> store::Error {
    match error {
        store::Error::Refused(error) if error.kind() == "GroupNotFound" => {
            ClientError::RecordGroupNotFound.into()
        }
        other => other,
    }
}
