//! What one operation on a socket comes to.

use async_graphql_parser::types::OperationType;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::auth::Caller;
use crate::realtime::frame::{Dialect, channel_error};
use crate::realtime::session::Operation;
use crate::resolvers::document::OwnedGraphQlRequest;
use crate::resolvers::response;
use crate::resolvers::run::{Runner, SubscriptionTarget};

/// What an operation came to.
pub enum Outcome {
    /// A subscription that is to be registered.
    Listening(Operation, SubscriptionTarget),
    /// The whole text of an answer.
    Answered(Operation, Vec<u8>),
    /// Errors.
    Refused(Operation, Vec<Value>),
}

/// Runs an operation.
pub async fn run(
    runner: Runner,
    caller: Caller,
    of: Operation,
    dialect: Dialect,
    ask: OwnedGraphQlRequest,
) -> Outcome {
    let (document, variables) = match ask.open(runner.documents()) {
        Ok(opened) => opened,
        Err(error) => return Outcome::Refused(of, vec![response::document_error(&error)]),
    };
    let kind = document.kind();
    if kind == OperationType::Subscription {
        return match runner.subscribe(&document, variables, caller).await {
            Ok(wanted) => Outcome::Listening(of, wanted),
            Err(errors) => Outcome::Refused(of, errors),
        };
    }
    if dialect == Dialect::AppSync {
        let message = format!("{kind} not supported through the realtime channel");
        return Outcome::Refused(of, vec![channel_error("UnsupportedOperation", &message)]);
    }
    let answered = runner.answer(document, variables, caller).await;
    if !answered.invalid.is_empty() && dialect == Dialect::Transport {
        return Outcome::Refused(of, answered.invalid);
    }
    let text = dialect.answer(&of.id, &answered.text);
    Outcome::Answered(of, text)
}

/// The running operation's outcome; pending while none runs.
pub async fn next(running: &mut Option<BoxFuture<'static, Outcome>>) -> Outcome {
    match running {
        Some(operation) => {
            let outcome = operation.await;
            *running = None;
            outcome
        }
        None => std::future::pending().await,
    }
}
