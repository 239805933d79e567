//! Executes queries and mutations, and resolves subscriptions to their targets.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;

use async_graphql::{Request, Variables};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio_util::task::TaskTracker;

use crate::auth::Caller;
use crate::hub::selection::Selection;
use crate::memory::{Lease, Purpose};
use crate::mesh::Mesh;
use crate::model::error::ClientError;
use crate::model::group::GroupKey;
use crate::resolvers::access::Access;
use crate::resolvers::budget::Budget;
use crate::resolvers::document::{Document, DocumentCache, DocumentError};
use crate::resolvers::message::SubscriptionSlot;
use crate::resolvers::request::GraphQlRequest;
use crate::resolvers::response_writer::ResponseWriter;
use crate::resolvers::{DocumentLimits, Schema, compile, log_context, response, schema};

/// Runs operations: the schema on a mesh, and a cache of documents.
#[derive(Clone)]
pub struct Runner {
    schema: Schema,
    mesh: Arc<Mesh>,
    documents: Arc<DocumentCache>,
    tasks: TaskTracker,
}

/// The messages that a subscription selects.
#[derive(Debug)]
pub struct SubscriptionTarget {
    /// The group.
    pub group: GroupKey,
    /// The fields of each message.
    pub selection: Selection,
}

impl Runner {
    /// A runner on a mesh; `tasks` tracks the operations that must complete before the server
    /// ends.
    pub fn new(mesh: Arc<Mesh>, limits: DocumentLimits, tasks: TaskTracker) -> Self {
        let documents = Arc::new(DocumentCache::new(limits));
        Self {
            schema: schema(Arc::clone(&mesh), limits),
            mesh,
            documents,
            tasks,
        }
    }

    /// The mesh.
    pub fn mesh(&self) -> &Arc<Mesh> {
        &self.mesh
    }

    /// The cache of documents.
    pub fn documents(&self) -> &DocumentCache {
        &self.documents
    }

    /// The document of a caller's request: new ones and introspections are limited.
    pub fn document(
        &self,
        request: &GraphQlRequest<'_>,
        caller: Caller,
    ) -> Result<Document, DocumentError> {
        let limits = &self.mesh.rate_limits;
        let admit = || limits.document(caller, request.query.len());
        let document = self.documents.get_if(request, admit)?;
        if document.introspects() {
            limits.introspection(caller)?;
        }
        Ok(document)
    }

    /// Executes a query or mutation. `None` when its variables are invalid.
    pub async fn execute(
        &self,
        document: Document,
        request: &GraphQlRequest<'_>,
        caller: Caller,
    ) -> Option<GraphQlResponse> {
        if let Some(response) = self.execute_on_fast_path(&document, request, caller).await {
            return Some(response);
        }
        let variables = request.variables()?;
        if let Err(error) = document.check_variables(&variables) {
            return Some(self.reject(&response::document_error(&error)));
        }
        Some(self.execute_on_engine(document, variables, caller).await)
    }

    /// Executes an operation without the engine; `None` when it needs the engine.
    pub(super) async fn execute_on_fast_path(
        &self,
        document: &Document,
        request: &GraphQlRequest<'_>,
        caller: Caller,
    ) -> Option<GraphQlResponse> {
        let fast_path = document.fast_path()?;
        let call = fast_path.parse(request.variables?.get())?;
        let mut budget = self.budget(document);
        let mesh = Arc::clone(&self.mesh);
        let result = self.run_to_completion(async move {
            let access = Access {
                mesh: &mesh,
                caller,
            };
            call.run(access).await
        });
        Some(match result.await {
            Ok(result) => {
                if let Err(error) = &result {
                    self.mesh.metrics.calls().error(error.kind());
                }
                let text = fast_path.respond(result, &mut budget);
                self.finish(text, budget)
            }
            Err(Panicked) => self.internal_failure(),
        })
    }

    /// Executes a query or mutation with the engine.
    pub async fn execute_on_engine(
        &self,
        document: Document,
        variables: Variables,
        caller: Caller,
    ) -> GraphQlResponse {
        let budget = self.budget(&document);
        let writer = ResponseWriter::new(document.clone(), variables.clone(), budget);
        let writer = Arc::new(writer);
        let request = engine_request(&document, variables, caller).data(Arc::clone(&writer));
        let schema = self.schema.clone();
        let executed = self.run_to_completion(async move { schema.execute(request).await });
        let Ok(response) = executed.await else {
            return self.internal_failure();
        };
        let Some(budget) = writer.finish() else {
            return self.internal_failure();
        };
        if let Some(fast_path) = document.fast_path().filter(|_| response.is_ok()) {
            fast_path.mark_validated(document.parsed(), document.operation());
        }
        for error in response.errors.iter().map(response::error_type) {
            self.mesh.metrics.calls().error(&error);
        }
        let finished = self.finish(response::to_json(&response), budget);
        // Errors without a path: the document did not pass validation.
        let is_invalid = response.is_err() && response.errors.iter().all(|e| e.path.is_empty());
        if is_invalid {
            return GraphQlResponse {
                validation_errors: response::errors(&response),
                ..finished
            };
        }
        finished
    }

    fn budget(&self, document: &Document) -> Budget {
        let limit = self.mesh.limits.response_bytes;
        Budget::new(&self.mesh.memory, limit, document.kind())
    }

    fn finish(&self, text: Vec<u8>, budget: Budget) -> GraphQlResponse {
        match budget.finish(text) {
            Ok((text, lease)) => GraphQlResponse::new(text, lease),
            Err(error) => self.reject_with(&error),
        }
    }

    /// The response that rejects an operation with a client error.
    pub fn reject_with(&self, error: &ClientError) -> GraphQlResponse {
        self.reject(&response::client_error(error))
    }

    /// The response to an operation that panicked. It is not an error of the transport, after
    /// which clients repeat the request: an operation that ran halfway must not run twice.
    fn internal_failure(&self) -> GraphQlResponse {
        self.reject(&response::request_error(
            "InternalFailure",
            response::INTERNAL_FAILURE,
        ))
    }

    /// The response that rejects an operation with an error in AppSync's format.
    pub fn reject(&self, error: &serde_json::Value) -> GraphQlResponse {
        self.count_error(error);
        let text = response::without_data(error);
        let lease = self.mesh.memory.lease(Purpose::Responses, text.len());
        GraphQlResponse::new(text, lease)
    }

    /// Counts an operation that is answered with an error in AppSync's format.
    pub fn count_error(&self, error: &serde_json::Value) {
        let kind = error["errorType"].as_str().unwrap_or_default();
        self.mesh.metrics.calls().error(kind);
    }

    /// Validates a subscription and returns its target, or errors in AppSync's format.
    pub async fn subscribe(
        &self,
        document: &Document,
        variables: Variables,
        caller: Caller,
    ) -> Result<SubscriptionTarget, Vec<serde_json::Value>> {
        let slot = SubscriptionSlot::default();
        let request = engine_request(document, variables.clone(), caller).data(slot.clone());
        if let Some(rejected) = self.schema.execute_stream(request).next().await {
            return Err(response::errors(&rejected));
        }
        // Compiled only after validation: a cycle of fragments would not end.
        let selection = compile::subscription(document.parsed(), document.operation(), &variables);
        let target = slot
            .take_group()
            .zip(selection)
            .map(|(group, selection)| SubscriptionTarget { group, selection });
        target.ok_or_else(|| vec![response::document_error(&DocumentError::NotOneField)])
    }

    /// Whether a group is alive; a store that fails says no more about it.
    pub async fn group_lives(&self, group: &GroupKey) -> bool {
        let lives = self.mesh.store.group_lives(group, self.mesh.clock.now());
        lives.await.unwrap_or(false)
    }

    /// Runs work to completion even when the client disconnects: what was stored is also
    /// published, and a repeated call finds the first one complete. Work that is ready at
    /// once needs no task. A panic ends this work only.
    async fn run_to_completion<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Panicked> {
        let mut work = Box::pin(AssertUnwindSafe(work).catch_unwind());
        let result = match futures_util::poll!(&mut work) {
            Poll::Ready(result) => result,
            Poll::Pending => {
                let task = self.tasks.spawn(log_context::in_task(work));
                task.await.map_err(|_| Panicked)?
            }
        };
        result.map_err(|_| Panicked)
    }
}

/// The work panicked; the panic's message is already printed.
struct Panicked;

/// A response in AppSync's format, and its lease of memory.
#[derive(Debug)]
pub struct GraphQlResponse {
    /// The response as JSON.
    pub text: Vec<u8>,
    /// Counts the bytes until it is dropped.
    pub lease: Lease,
    /// The errors of a document that did not pass the engine's validation.
    pub validation_errors: Vec<serde_json::Value>,
}

impl GraphQlResponse {
    fn new(text: Vec<u8>, lease: Lease) -> Self {
        Self {
            text,
            lease,
            validation_errors: Vec::new(),
        }
    }
}

fn engine_request(document: &Document, variables: Variables, caller: Caller) -> Request {
    let mut request = Request::new(String::new())
        .variables(variables)
        .data(caller);
    if let Some(name) = document.operation_name() {
        request = request.operation_name(name);
    }
    request.set_parsed_query(document.parsed().clone());
    request
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
