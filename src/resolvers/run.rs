//! Runs what is asked: an operation to its answer, a subscription to what it wants.

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
use crate::resolvers::answering::Answering;
use crate::resolvers::budget::Budget;
use crate::resolvers::document::{Document, DocumentError, Documents, GraphQlRequest};
use crate::resolvers::message::Heard;
use crate::resolvers::{DocumentLimits, Schema, compile, response, schema};

/// What runs operations: the schema over a stage, and the documents that came before.
#[derive(Clone)]
pub struct Runner {
    schema: Schema,
    mesh: Arc<Mesh>,
    documents: Arc<Documents>,
    tasks: TaskTracker,
}

/// What a subscription wants to hear.
#[derive(Debug)]
pub struct SubscriptionTarget {
    /// Of which group.
    pub group: GroupKey,
    /// Which fields.
    pub selection: Selection,
}

impl Runner {
    /// Runs operations over a stage; `tasks` counts those that must be finished before
    /// the server ends.
    pub fn new(mesh: Arc<Mesh>, limits: DocumentLimits, tasks: TaskTracker) -> Self {
        let documents = Arc::new(Documents::new(limits));
        Self {
            schema: schema(Arc::clone(&mesh), limits),
            mesh,
            documents,
            tasks,
        }
    }

    /// The stage.
    pub fn mesh(&self) -> &Arc<Mesh> {
        &self.mesh
    }

    /// The documents that came before.
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Answers a query or mutation as it came. `None` when its variables cannot be read.
    pub async fn ask(
        &self,
        document: Document,
        ask: &GraphQlRequest<'_>,
        caller: Caller,
    ) -> Option<GraphQlResponse> {
        if let Some(answered) = self.answer_directly(&document, ask).await {
            return Some(answered);
        }
        let variables = ask.variables()?;
        if let Err(error) = document.check_variables(&variables) {
            return Some(self.refuse(&response::document_error(&error)));
        }
        Some(self.answer(document, variables, caller).await)
    }

    /// Answers a call that needs no engine; `None` when it does need it, and nothing was done.
    pub(super) async fn answer_directly(
        &self,
        document: &Document,
        ask: &GraphQlRequest<'_>,
    ) -> Option<GraphQlResponse> {
        let direct = document.direct()?;
        let call = direct.read(ask.variables?.get())?;
        let mut budget = self.budget(document);
        let mesh = Arc::clone(&self.mesh);
        let answered = match self.whole(async move { call.run(&mesh).await }).await {
            Ok(outcome) => {
                let text = direct.answer(outcome, &mut budget);
                self.finish(text, budget)
            }
            Err(Broke) => self.broke(),
        };
        Some(answered)
    }

    /// Answers a query or mutation by the engine.
    pub async fn answer(
        &self,
        document: Document,
        variables: Variables,
        caller: Caller,
    ) -> GraphQlResponse {
        let budget = self.budget(&document);
        let answering = Answering::new(document.clone(), variables.clone(), budget);
        let answering = Arc::new(answering);
        let request = request(&document, variables, caller).data(Arc::clone(&answering));
        let schema = self.schema.clone();
        let executed = self.whole(async move { schema.execute(request).await });
        let Ok(response) = executed.await else {
            return self.broke();
        };
        let Some(budget) = answering.end() else {
            return self.broke();
        };
        if let Some(direct) = document.direct().filter(|_| response.is_ok()) {
            direct.prove(document.parsed(), document.operation());
        }
        let answered = self.finish(response::text(&response), budget);
        // An error that belongs to no field: the document did not pass validation.
        let invalid = response.is_err() && response.errors.iter().all(|e| e.path.is_empty());
        if invalid {
            let invalid = response::errors(&response);
            return GraphQlResponse {
                invalid,
                ..answered
            };
        }
        answered
    }

    fn budget(&self, document: &Document) -> Budget {
        let limit = self.mesh.limits.answer_bytes;
        Budget::new(&self.mesh.memory, limit, document.kind())
    }

    fn finish(&self, text: Vec<u8>, budget: Budget) -> GraphQlResponse {
        match budget.finish(text) {
            Ok((text, lease)) => GraphQlResponse::new(text, lease),
            Err(refusal) => self.refuse_as(&refusal),
        }
    }

    /// The answer to an operation that is refused as a whole.
    pub fn refuse_as(&self, refusal: &ClientError) -> GraphQlResponse {
        self.refuse(&response::whole_error(refusal.kind(), &refusal.to_string()))
    }

    /// The answer to an operation whose work broke. It is no failure of the transport:
    /// clients repeat those, and what broke half-way must not run twice.
    fn broke(&self) -> GraphQlResponse {
        self.refuse(&response::whole_error(
            "InternalFailure",
            response::OUT_OF_ORDER,
        ))
    }

    /// The answer to an operation that is refused with an error in AppSync's form.
    pub fn refuse(&self, error: &serde_json::Value) -> GraphQlResponse {
        let text = response::refusal(error);
        let lease = self.mesh.memory.lease(Purpose::Answers, text.len());
        GraphQlResponse::new(text, lease)
    }

    /// Validates a subscription and says what it wants, or why not, as AppSync's errors.
    pub async fn subscribe(
        &self,
        document: &Document,
        variables: Variables,
        caller: Caller,
    ) -> Result<SubscriptionTarget, Vec<serde_json::Value>> {
        let heard = Heard::default();
        let asked = request(document, variables.clone(), caller).data(heard.clone());
        if let Some(refused) = self.schema.execute_stream(asked).next().await {
            return Err(response::errors(&refused));
        }
        // Only now is the document known to be sound: fragments in a circle would not end.
        let selection = compile::operation(document.parsed(), document.operation(), &variables);
        let wanted = heard
            .group()
            .zip(selection)
            .map(|(group, selection)| SubscriptionTarget { group, selection });
        wanted.ok_or_else(|| vec![response::document_error(&DocumentError::NotOneField)])
    }

    /// Does work to its end even when the caller goes away meanwhile: what was stored is
    /// published too, and a repeated call meets the whole of the first one. Work that
    /// need not wait costs no task. A panic ends this work alone.
    async fn whole<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Broke> {
        let mut work = Box::pin(AssertUnwindSafe(work).catch_unwind());
        let done = match futures_util::poll!(&mut work) {
            Poll::Ready(done) => done,
            Poll::Pending => self.tasks.spawn(work).await.map_err(|_| Broke)?,
        };
        done.map_err(|_| Broke)
    }
}

/// The work panicked; the place was printed where it happened.
struct Broke;

/// An answer in AppSync's form, and its place in the stage's memory.
#[derive(Debug)]
pub struct GraphQlResponse {
    /// The answer.
    pub text: Vec<u8>,
    /// Its bytes are counted until this is dropped.
    pub lease: Lease,
    /// What the engine found wrong with the document, if it did not run.
    pub invalid: Vec<serde_json::Value>,
}

impl GraphQlResponse {
    fn new(text: Vec<u8>, lease: Lease) -> Self {
        let invalid = Vec::new();
        Self {
            text,
            lease,
            invalid,
        }
    }
}

fn request(document: &Document, variables: Variables, caller: Caller) -> Request {
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
mod tests;
