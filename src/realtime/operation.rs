//! One GraphQL operation on a socket or an event stream, from its request to its outcome.

use async_graphql_parser::types::OperationType;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::auth::Caller;
use crate::hub::Resume;
use crate::realtime::message::channel_error;
use crate::realtime::position::{PositionForm, PositionRequest};
use crate::realtime::protocol::Dialect;
use crate::realtime::session::OperationKey;
use crate::resolvers::request::OwnedGraphQlRequest;
use crate::resolvers::response;
use crate::resolvers::run::{Runner, SubscriptionTarget};

/// The outcome of an operation.
pub enum Outcome {
    /// A subscription that is to be registered.
    Subscription(Registration),
    /// The whole text of the response to a query or mutation.
    Response(OperationKey, Vec<u8>),
    /// The errors by which the operation is rejected.
    Rejected(OperationKey, Vec<Value>),
}

/// A subscription that is to be registered.
pub struct Registration {
    /// Its operation.
    pub operation: OperationKey,
    /// What it selects.
    pub target: SubscriptionTarget,
    /// Where it starts, and where its client reads positions, if it asks for them.
    pub resume: Option<(Resume, PositionForm)>,
}

/// Runs an operation.
pub async fn run(
    runner: Runner,
    caller: Caller,
    operation: OperationKey,
    dialect: Dialect,
    request: OwnedGraphQlRequest,
    positions: Option<PositionRequest>,
) -> Outcome {
    let (document, variables) = match request.resolve(|request| runner.document(request, caller)) {
        Ok(resolved) => resolved,
        Err(error) => {
            return Outcome::Rejected(operation, vec![response::document_error(&error)]);
        }
    };
    let kind = document.kind();
    if kind == OperationType::Subscription {
        let target = match runner.subscribe(&document, variables, caller).await {
            Ok(target) => target,
            Err(errors) => return Outcome::Rejected(operation, errors),
        };
        let resume = match positions {
            Some(PositionRequest { after, form }) => {
                let keep = runner.group_lives(&target.group).await;
                Some((Resume { after, keep }, form))
            }
            None => None,
        };
        tracing::debug!("a subscription begins");
        return Outcome::Subscription(Registration {
            operation,
            target,
            resume,
        });
    }
    if dialect == Dialect::EventSource && kind == OperationType::Mutation {
        let message = "Send a mutation by POST: what is sent by GET may be repeated";
        let error = response::request_error("UnsupportedOperation", message);
        return Outcome::Rejected(operation, vec![error]);
    }
    if dialect == Dialect::AppSync {
        let message = format!("{kind} not supported through the realtime channel");
        let error = channel_error("UnsupportedOperation", &message);
        return Outcome::Rejected(operation, vec![error]);
    }
    let response = runner.execute_on_engine(document, variables, caller).await;
    if !response.validation_errors.is_empty() && dialect == Dialect::Transport {
        return Outcome::Rejected(operation, response.validation_errors);
    }
    let text = dialect.response(&operation.id, &response.text);
    Outcome::Response(operation, text)
}

/// The running operation's outcome; pending while none runs.
pub async fn next_outcome<T>(running: &mut Option<BoxFuture<'static, T>>) -> T {
    match running {
        Some(operation) => {
            let outcome = operation.await;
            *running = None;
            outcome
        }
        None => std::future::pending().await,
    }
}
