//! Runs what is asked: an operation to its answer, a subscription to what it wants.

use std::sync::Arc;
use std::task::Poll;

use async_graphql::{Request, Response, Variables};
use futures_util::StreamExt as _;
use tokio_util::task::TaskTracker;

use crate::auth::Caller;
use crate::hub::selection::Selection;
use crate::mesh::Mesh;
use crate::model::group::GroupKey;
use crate::resolvers::document::{Document, DocumentError, Documents};
use crate::resolvers::message::Heard;
use crate::resolvers::{DocumentLimits, Schema, answer, compile, schema};

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
pub struct Wanted {
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

    /// Answers a call that needs no engine; `None` when it does need it.
    pub async fn answer_directly(&self, document: &Document, variables: &str) -> Option<Vec<u8>> {
        let direct = document.direct()?;
        let call = direct.read(variables)?;
        let mesh = Arc::clone(&self.mesh);
        let outcome = self.whole(async move { call.run(&mesh).await }).await?;
        direct.answer(outcome)
    }

    /// Answers a query or mutation. `None` only when the work itself broke.
    pub async fn answer(
        &self,
        document: Document,
        variables: Variables,
        caller: Caller,
    ) -> Option<Response> {
        let request = request(&document, variables, caller);
        let schema = self.schema.clone();
        let response = self
            .whole(async move { schema.execute(request).await })
            .await?;
        if let Some(direct) = document.direct().filter(|_| response.is_ok()) {
            direct.prove(document.parsed(), document.operation());
        }
        Some(response)
    }

    /// Validates a subscription and says what it wants, or why not, as AppSync's errors.
    pub async fn subscribe(
        &self,
        document: &Document,
        variables: Variables,
        caller: Caller,
    ) -> Result<Wanted, Vec<serde_json::Value>> {
        let heard = Heard::default();
        let asked = request(document, variables.clone(), caller).data(heard.clone());
        if let Some(refused) = self.schema.execute_stream(asked).next().await {
            return Err(answer::errors(&refused));
        }
        // Only now is the document known to be sound: fragments in a circle would not end.
        let selection = compile::operation(document.parsed(), document.operation(), &variables);
        let wanted = heard
            .group()
            .zip(selection)
            .map(|(group, selection)| Wanted { group, selection });
        wanted.ok_or_else(|| vec![answer::document_error(&DocumentError::NotOneField)])
    }

    /// Does work to its end even when the caller goes away meanwhile: what was stored is
    /// published too, and a repeated call meets the whole of the first one. Work that
    /// need not wait costs no task.
    async fn whole<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let mut work = Box::pin(work);
        match futures_util::poll!(&mut work) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => self.tasks.spawn(work).await.ok(),
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
