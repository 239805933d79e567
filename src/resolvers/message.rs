//! Messages: the subscription and its GraphQL types.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Context, ID, Result, SimpleObject, TypeDirective};
use futures_util::Stream;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use crate::model::group::GroupKey;
use crate::model::message::{Dissolution, Message};
use crate::resolvers::event::types::BatchEvent;
use crate::resolvers::status::NodeStatus;
use crate::resolvers::{ContextExt as _, ResolverError, ResolverResult};

/// The end of a group.
#[derive(SimpleObject)]
struct GroupDissolvePayload {
    /// The group's id.
    group_id: ID,
    /// The group's domain.
    domain: String,
    /// Why the group ended, for a person to read.
    message: String,
}

impl From<Dissolution> for GroupDissolvePayload {
    fn from(end: Dissolution) -> Self {
        Self {
            group_id: end.group.id.as_str().into(),
            domain: end.group.domain.to_string(),
            message: end.message,
        }
    }
}

/// A message to a group. Exactly one of `nodeStatus`, `batchEvent` and `groupDissolve` is
/// set.
#[derive(SimpleObject)]
pub struct MeshMessage {
    /// The group's id.
    group_id: ID,
    /// The group's domain.
    domain: String,
    /// The variables of one report.
    node_status: Option<NodeStatus>,
    /// The events of one call.
    batch_event: Option<BatchEvent>,
    /// The group has ended, for this reason.
    group_dissolve: Option<GroupDissolvePayload>,
}

impl From<Message> for MeshMessage {
    fn from(message: Message) -> Self {
        let (group_id, domain) = (
            message.group().id.as_str().into(),
            message.group().domain.to_string(),
        );
        let empty = Self {
            group_id,
            domain,
            node_status: None,
            batch_event: None,
            group_dissolve: None,
        };
        match message {
            Message::Status(status) => Self {
                node_status: Some(status.into()),
                ..empty
            },
            Message::Events(batch) => Self {
                batch_event: Some(batch.into()),
                ..empty
            },
            Message::Dissolved(end) => Self {
                group_dissolve: Some(end.into()),
                ..empty
            },
        }
    }
}

/// Receives the group of a subscription from its resolver. The engine validates the
/// document and coerces the arguments; the hub delivers the messages. A test may let the
/// engine deliver some, to compare the two.
#[derive(Clone, Default)]
pub struct SubscriptionSlot {
    group: Arc<Mutex<Option<GroupKey>>>,
    /// The messages that the engine delivers: none outside tests.
    messages: Vec<Message>,
}

#[cfg(test)]
impl SubscriptionSlot {
    /// A subscription to which the engine delivers these messages.
    pub fn with_messages(messages: Vec<Message>) -> Self {
        Self {
            messages,
            ..Self::default()
        }
    }
}

impl SubscriptionSlot {
    /// Takes the group, which is there once the subscription's resolver has run.
    pub fn take_group(&self) -> Option<GroupKey> {
        self.group
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// AppSync fans the named mutations out to the subscription; elsewhere it is a label.
#[TypeDirective(name = "aws_subscribe", location = "FieldDefinition")]
fn aws_subscribe(mutations: Vec<String>) {}

pub struct Subscription;

/// Receiving a group's messages as they come.
#[async_graphql::Subscription]
impl Subscription {
    /// The messages of a group in their order, the subscriber's own included.
    #[graphql(directive = aws_subscribe::apply(
        ["reportDataByNode", "fireEventsByNode", "dissolveGroup"].map(String::from).into(),
    ))]
    async fn on_message_in_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
    ) -> Result<impl Stream<Item = Option<MeshMessage>> + use<>> {
        Ok(subscribe(ctx, &group_id, &domain).await?)
    }
}

async fn subscribe(
    ctx: &Context<'_>,
    group_id: &str,
    domain: &str,
) -> ResolverResult<BoxStream<'static, Option<MeshMessage>>> {
    let group = GroupKey::parse(group_id, domain).map_err(ResolverError::from)?;
    ctx.access().group(&group).await?;
    let Ok(slot) = ctx.data::<SubscriptionSlot>() else {
        return Ok(stream::empty().boxed());
    };
    *slot.group.lock().unwrap_or_else(PoisonError::into_inner) = Some(group);
    Ok(stream::iter(slot.messages.clone())
        .map(|message| Some(message.into()))
        .boxed())
}
