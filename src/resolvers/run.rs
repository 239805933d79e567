//! Runs what is asked: an operation to its answer, a subscription to what it wants.

use async_graphql::{Request, Response};
use futures_util::StreamExt as _;
use tokio_util::task::TaskTracker;

use crate::auth::Caller;
use crate::hub::selection::Selection;
use crate::model::group::GroupKey;
use crate::resolvers::document::{Ask, Document, DocumentError};
use crate::resolvers::message::Heard;
use crate::resolvers::{Schema, answer, compile};

/// What a subscription wants to hear.
#[derive(Debug)]
pub struct Wanted {
    /// Of which group.
    pub group: GroupKey,
    /// Which fields.
    pub selection: Selection,
}

/// Answers a query or mutation, to its end even when the caller goes away meanwhile: what
/// was stored is published too, and a repeated call meets the whole of the first one.
/// `None` only when the work itself broke.
pub async fn answer_whole(
    tasks: &TaskTracker,
    schema: Schema,
    document: Document,
    ask: Ask,
    caller: Caller,
) -> Option<Response> {
    let request = request(document, ask, caller);
    tasks
        .spawn(async move { schema.execute(request).await })
        .await
        .ok()
}

/// Validates a subscription and says what it wants, or why not, as AppSync's errors.
pub async fn subscribe(
    schema: &Schema,
    document: Document,
    ask: Ask,
    caller: Caller,
) -> Result<Wanted, Vec<serde_json::Value>> {
    let variables = ask.variables.clone();
    let heard = Heard::default();
    let asked = request(document.clone(), ask, caller).data(heard.clone());
    if let Some(refused) = schema.execute_stream(asked).next().await {
        return Err(answer::errors(&refused));
    }
    let one_field = || DocumentError::Syntax {
        what: "a subscription selects one field".into(),
        at: Vec::new(),
    };
    let wanted = heard.group().zip(compile::selection(&document, &variables));
    let (group, selection) = wanted.ok_or_else(|| vec![answer::document_error(&one_field())])?;
    Ok(Wanted { group, selection })
}

fn request(document: Document, ask: Ask, caller: Caller) -> Request {
    let mut request = Request::new(String::new())
        .variables(ask.variables)
        .data(caller);
    if let Some(name) = ask.operation_name.filter(|name| !name.is_empty()) {
        request = request.operation_name(name);
    }
    request.set_parsed_query(document.parsed);
    request
}
