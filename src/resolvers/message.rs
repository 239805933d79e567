//! Messages: the one subscription, and the outer form of what it tells.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Context, ID, Result, SimpleObject, TypeDirective};
use futures_util::Stream;
use futures_util::stream::{self, BoxStream, StreamExt as _};

use crate::model::group::GroupKey;
use crate::model::message::{Dissolution, Message};
use crate::resolvers::event::BatchEvent;
use crate::resolvers::status::NodeStatus;
use crate::resolvers::{ResolverError, ResolverResult};

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

/// Where a subscription leaves which group it is for. The engine validates the
/// document and coerces the arguments; delivery then goes through the hub and never
/// through the engine. A test may let the engine deliver, to compare the two.
#[derive(Clone, Default)]
pub struct Heard {
    group: Arc<Mutex<Option<GroupKey>>>,
    /// What the engine itself delivers: nothing, outside of tests.
    delivered: Vec<Message>,
}

impl Heard {
    /// A subscription to which the engine itself delivers these.
    pub fn delivering(delivered: Vec<Message>) -> Self {
        Self {
            delivered,
            ..Self::default()
        }
    }

    /// The group, once the engine has met the subscription.
    pub fn group(&self) -> Option<GroupKey> {
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
    #[expect(
        clippy::unused_async,
        reason = "the engine wants subscriptions to be async"
    )]
    #[graphql(directive = aws_subscribe::apply(
        ["reportDataByNode", "fireEventsByNode", "dissolveGroup"].map(String::from).into(),
    ))]
    async fn on_message_in_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group's id.")] group_id: ID,
        #[graphql(desc = "The group's domain.")] domain: String,
    ) -> Result<impl Stream<Item = Option<MeshMessage>> + use<>> {
        Ok(listen(ctx, &group_id, &domain)?)
    }
}

fn listen(
    ctx: &Context<'_>,
    group_id: &str,
    domain: &str,
) -> ResolverResult<BoxStream<'static, Option<MeshMessage>>> {
    let group = GroupKey::parse(group_id, domain).map_err(ResolverError::from)?;
    let Ok(heard) = ctx.data::<Heard>() else {
        return Ok(stream::empty().boxed());
    };
    *heard.group.lock().unwrap_or_else(PoisonError::into_inner) = Some(group);
    Ok(stream::iter(heard.delivered.clone())
        .map(|message| Some(message.into()))
        .boxed())
}
