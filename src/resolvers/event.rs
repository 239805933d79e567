//! Events: firing, recording and polling them.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use serde::Deserialize;

use crate::mesh::{Mesh, NextSince};
use crate::model::event::{self, Channel, EventCall, Since};
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::message::Message;
use crate::model::refusal::Refusal;
use crate::resolvers::message::MeshMessage;
use crate::resolvers::scalar::AwsDateTime;
use crate::resolvers::status::{NodeStatus, polled_group, statuses};
use crate::resolvers::{Answer, Reach as _, at_most};
use crate::store::{self, Appended};

#[derive(SimpleObject)]
pub struct Event {
    name: String,
    fired_by_node_id: ID,
    group_id: ID,
    domain: String,
    payload: Option<String>,
    timestamp: AwsDateTime,
    cursor: Option<String>,
    order_key: Option<String>,
}

impl Event {
    fn told(group: &GroupKey, event: event::Event) -> Self {
        Self {
            name: event.name,
            fired_by_node_id: event.fired_by.as_str().into(),
            group_id: group.id.as_str().into(),
            domain: group.domain.to_string(),
            payload: event.payload,
            timestamp: AwsDateTime(event.timestamp),
            cursor: event.cursor.map(|cursor| cursor.to_string()),
            order_key: event.order_key,
        }
    }
}

#[derive(SimpleObject)]
pub struct BatchEvent {
    events: Vec<Event>,
    fired_by_node_id: ID,
    group_id: ID,
    domain: String,
    timestamp: AwsDateTime,
}

impl From<event::EventBatch> for BatchEvent {
    fn from(batch: event::EventBatch) -> Self {
        Self {
            events: batch
                .events
                .into_iter()
                .map(|event| Event::told(&batch.group, event))
                .collect(),
            fired_by_node_id: batch.fired_by.as_str().into(),
            group_id: batch.group.id.as_str().into(),
            domain: batch.group.domain.to_string(),
            timestamp: batch.timestamp.into(),
        }
    }
}

#[derive(InputObject, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventInput {
    event_name: String,
    payload: Option<String>,
    fired_at: AwsDateTime,
    order_key: Option<String>,
}

#[derive(SimpleObject)]
struct RecordEventsPayload {
    group_id: ID,
    domain: String,
    recorded_count: usize,
    next_since: String,
}

#[derive(SimpleObject)]
struct PollGroupData {
    events: Vec<Event>,
    node_statuses: Vec<NodeStatus>,
}

#[derive(Default, Debug)]
pub struct EventQuery;

#[Object]
impl EventQuery {
    async fn get_events_since(
        &self,
        ctx: &Context<'_>,
        group_id: ID,
        domain: String,
        since: String,
    ) -> Result<Vec<Event>> {
        let group =
            GroupKey::parse(&group_id, &domain).map_err(crate::resolvers::Unanswered::from)?;
        Ok(events_since(ctx.mesh(), &group, Since::Exactly(&since)).await?)
    }

    async fn poll_group_data(
        &self,
        ctx: &Context<'_>,
        group_id: ID,
        domain: String,
        since: String,
    ) -> Result<PollGroupData> {
        Ok(poll(ctx.mesh(), &group_id, &domain, &since).await?)
    }
}

async fn events_since(mesh: &Mesh, group: &GroupKey, since: Since<'_>) -> Answer<Vec<Event>> {
    let events = mesh
        .store
        .events_since(group, since, usize::MAX, mesh.clock.now())
        .await?;
    Ok(events
        .into_iter()
        .map(|event| Event::told(group, event))
        .collect())
}

async fn poll(mesh: &Mesh, group_id: &str, domain: &str, since: &str) -> Answer<PollGroupData> {
    let group = polled_group(group_id, domain)?;
    // Events first: whoever hears "go" also sees the variable that was set before it
    // (contract section 7, point 9).
    let events = events_since(mesh, &group, Since::Polled(since)).await?;
    let node_statuses = statuses(mesh, &group).await?;
    Ok(PollGroupData {
        events,
        node_statuses,
    })
}

#[derive(Default, Debug)]
pub struct EventMutation;

#[Object]
impl EventMutation {
    async fn fire_events_by_node(
        &self,
        ctx: &Context<'_>,
        group_id: ID,
        domain: String,
        node_id: ID,
        events: Vec<EventInput>,
    ) -> Option<Result<MeshMessage>> {
        let message = fire(ctx.mesh(), &group_id, &domain, &node_id, events).await;
        Some(message.map(Into::into).map_err(Into::into))
    }

    async fn record_events_by_node(
        &self,
        ctx: &Context<'_>,
        group_id: ID,
        domain: String,
        node_id: ID,
        events: Vec<EventInput>,
    ) -> Result<RecordEventsPayload> {
        Ok(record(ctx.mesh(), &group_id, &domain, &node_id, events).await?)
    }
}

/// Takes a call's events, then tells them to the group.
pub async fn fire(
    mesh: &Mesh,
    group_id: &str,
    domain: &str,
    node_id: &str,
    events: Vec<EventInput>,
) -> Answer<Message> {
    let call = call(mesh, Channel::Fired, group_id, domain, node_id, events)?;
    let appended = mesh.store.append(call, mesh.clock.now()).await?;
    let repeated = appended.repeated;
    let message = Message::Events(appended.batch);
    if !repeated {
        mesh.hub.publish(&message);
    }
    Ok(message)
}

async fn record(
    mesh: &Mesh,
    group_id: &str,
    domain: &str,
    node_id: &str,
    events: Vec<EventInput>,
) -> Answer<RecordEventsPayload> {
    let call = call(mesh, Channel::Recorded, group_id, domain, node_id, events)?;
    let (group, recorded_count) = (call.group.clone(), call.events.len());
    let Appended {
        batch,
        next_since,
        repeated,
    } = mesh
        .store
        .append(call, mesh.clock.now())
        .await
        .map_err(in_the_words_of_recording)?;
    // Members on a WebSocket hear what pollers record (decision D13).
    if !repeated && recorded_count > 0 {
        mesh.hub.publish(&Message::Events(batch));
    }
    Ok(RecordEventsPayload {
        group_id: group.id.as_str().into(),
        domain: group.domain.to_string(),
        recorded_count,
        next_since: match mesh.next_since {
            NextSince::Cursor => next_since,
            NextSince::Empty => String::new(),
        },
    })
}

/// recordEventsByNode says only "Group not found", whatever ended the group (D22, D23).
fn in_the_words_of_recording(error: store::Error) -> store::Error {
    match error {
        store::Error::Refused(refusal) if refusal.kind() == "GroupNotFound" => {
            Refusal::NoGroupToRecordIn.into()
        }
        other => other,
    }
}

fn call(
    mesh: &Mesh,
    channel: Channel,
    group_id: &str,
    domain: &str,
    node_id: &str,
    events: Vec<EventInput>,
) -> Result<EventCall, Refusal> {
    let group = GroupKey::parse(group_id, domain)?;
    let node = NodeId::parse("nodeId", node_id)?;
    at_most("events", &events, mesh.limits.events_per_call)?;
    let taken = events.into_iter().map(|event| event::EventInput {
        name: event.event_name,
        payload: event.payload,
        fired_at: event.fired_at.0,
        order_key: event.order_key,
    });
    Ok(EventCall {
        group,
        node,
        channel,
        events: Arc::new(taken.collect()),
    })
}
