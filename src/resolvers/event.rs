//! Events: firing, recording and polling them.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use serde::Deserialize;

use crate::mesh::{Mesh, NextSince};
use crate::model::cursor::Since;
use crate::model::error::ClientError;
use crate::model::event::{self, EventCall, EventKind};
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::message::Message;
use crate::resolvers::answering::Written;
use crate::resolvers::field_value::FieldValue;
use crate::resolvers::input::objects;
use crate::resolvers::message::MeshMessage;
use crate::resolvers::scalar::AwsDateTime;
use crate::resolvers::status::{NodeStatus, polled_group};
use crate::resolvers::{ContextExt as _, ResolverResult, at_most, published};
use crate::store::{self, AppendOutcome};

/// An event of a group, such as a broadcast.
#[derive(SimpleObject)]
pub struct Event {
    /// The event's name.
    name: String,
    /// The node that sent it.
    fired_by_node_id: ID,
    /// The group's id.
    group_id: ID,
    /// The group's domain.
    domain: String,
    /// A text that came with the event.
    payload: Option<String>,
    /// In a message: the sender's time, `firedAt`. In an answer to a query: the server's.
    timestamp: AwsDateTime,
    /// The event's place in the group's log, for `since`. Null in a message.
    cursor: Option<String>,
    /// The sender's own order of its events.
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

/// The events of one call, in their order.
#[derive(SimpleObject)]
pub struct BatchEvent {
    /// The events.
    events: Vec<Event>,
    /// The node that sent them.
    fired_by_node_id: ID,
    /// The group's id.
    group_id: ID,
    /// The group's domain.
    domain: String,
    /// When the server took the call.
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

/// One event to fire or to record.
#[derive(InputObject, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventInput {
    /// The event's name.
    event_name: String,
    /// A text that goes with the event.
    payload: Option<String>,
    /// When it happened, by the sender's clock.
    fired_at: AwsDateTime,
    /// The sender's own order of its events. A call in which every event has one can be
    /// repeated safely.
    order_key: Option<String>,
}

/// The answer to recorded events.
#[derive(SimpleObject)]
struct RecordEventsPayload {
    /// The group's id.
    group_id: ID,
    /// The group's domain.
    domain: String,
    /// How many events the call had.
    recorded_count: usize,
    /// Empty, or the cursor of the call's last event if the server is set to `--next-since
    /// cursor`.
    next_since: String,
}

/// What a polling member needs in one answer. The events are read before the variables.
#[derive(SimpleObject)]
struct PollGroupData {
    /// The events after `since`, as in getEventsSince.
    events: Vec<Event>,
    /// The variables of every node, as in listGroupStatuses.
    node_statuses: Vec<NodeStatus>,
}

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
    ) -> Result<Written<Vec<Event>>> {
        let events = events_since(ctx.mesh(), &group_id, &domain, &since);
        ctx.answering().write(ctx, events).await
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
    ) -> Result<Written<PollGroupData>> {
        let asked = PollArgs {
            group_id: group_id.0,
            domain,
            since,
        };
        ctx.answering().write(ctx, asked.run(ctx.mesh())).await
    }
}

async fn events_since(
    mesh: &Mesh,
    group_id: &str,
    domain: &str,
    since: &str,
) -> ResolverResult<FieldValue> {
    let group = GroupKey::parse(group_id, domain)?;
    let events = page(mesh, &group, Since::Exactly(since)).await?;
    Ok(FieldValue::Events(group, events))
}

/// No more than one answer could hold; it is cut again to what the answer has room for.
async fn page(mesh: &Mesh, group: &GroupKey, since: Since<'_>) -> store::Result<Vec<event::Event>> {
    let (bytes, now) = (mesh.limits.answer_bytes, mesh.clock.now());
    mesh.store.events_since(group, since, bytes, now).await
}

/// What pollGroupData takes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PollArgs {
    group_id: String,
    domain: String,
    since: String,
}

impl PollArgs {
    /// A page of events, and every living node's variables.
    pub async fn run(self, mesh: &Mesh) -> ResolverResult<FieldValue> {
        let group = polled_group(&self.group_id, &self.domain)?;
        // Events first: whoever hears "go" also sees the variable that was set before it
        // (docs/compatibility.md, must keep 9).
        let events = page(mesh, &group, Since::Polled(&self.since)).await?;
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
    ) -> Option<Result<Written<MeshMessage>>> {
        let asked = EventArgs {
            group_id: group_id.0,
            domain,
            node_id: node_id.0,
            events,
        };
        Some(ctx.answering().write(ctx, asked.fire(ctx.mesh())).await)
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
    ) -> Result<RecordEventsPayload> {
        let asked = EventArgs {
            group_id: group_id.0,
            domain,
            node_id: node_id.0,
            events,
        };
        Ok(asked.record(ctx.mesh()).await?)
    }
}

/// What fireEventsByNode and recordEventsByNode take.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventArgs {
    group_id: String,
    domain: String,
    node_id: String,
    #[serde(deserialize_with = "objects")]
    events: Vec<EventInput>,
}

impl EventArgs {
    /// Takes a call's events, then tells them to the group.
    pub async fn fire(self, mesh: &Mesh) -> ResolverResult<FieldValue> {
        let call = self.call(mesh, EventKind::Fired)?;
        mesh.start_hold.wait().await;
        let appended = mesh.store.append(call, mesh.clock.now()).await?;
        let repeated = appended.repeated;
        let message = Message::Events(appended.batch);
        if !repeated {
            mesh.hub.publish(&message);
        }
        Ok(FieldValue::Message(message))
    }

    async fn record(self, mesh: &Mesh) -> ResolverResult<RecordEventsPayload> {
        let call = self.call(mesh, EventKind::Recorded)?;
        let (group, recorded_count) = (call.group.clone(), call.events.len());
        mesh.start_hold.wait().await;
        let AppendOutcome {
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

    fn call(self, mesh: &Mesh, kind: EventKind) -> Result<EventCall, ClientError> {
        let group = GroupKey::parse(&self.group_id, &self.domain)?;
        let node = NodeId::parse("nodeId", &self.node_id)?;
        at_most("events", &self.events, mesh.limits.events_per_call)?;
        let taken = self.events.into_iter().map(|event| event::EventInput {
            name: event.event_name,
            payload: event.payload,
            fired_at: event.fired_at.0,
            order_key: event.order_key,
        });
        let call = EventCall {
            group,
            node,
            kind,
            events: Arc::new(taken.collect()),
        };
        published::check_events(&call)?;
        Ok(call)
    }
}

/// recordEventsByNode says only "Group not found", whatever ended the group (D22, D23).
fn in_the_words_of_recording(error: store::Error) -> store::Error {
    match error {
        store::Error::Refused(refusal) if refusal.kind() == "GroupNotFound" => {
            ClientError::RecordGroupNotFound.into()
        }
        other => other,
    }
}
