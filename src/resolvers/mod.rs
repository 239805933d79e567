//! What the schema can do: one file per noun, its outer types beside its fields.
//!
//! A resolver parses its arguments into the model's words, asks the store, tells the
//! hub and answers. Resolvers know no socket, HTTP, Lambda or AWS.

mod answering;
pub mod budget;
pub mod compile;
pub mod document;
mod domain;
mod event;
mod fast_path;
mod field_value;
mod group;
mod input;
mod message;
mod node;
mod published;
pub mod response;
pub mod run;
mod scalar;
mod status;

use std::sync::Arc;

use async_graphql::{Context, MergedObject};

use crate::auth::Caller;
use crate::mesh::Mesh;
use crate::model::error::ClientError;
use crate::resolvers::answering::Answering;
use crate::store;

pub use message::Heard;

/// The schema of docs/api.md.
pub type Schema = async_graphql::Schema<Query, Mutation, message::Subscription>;

/// Reading: groups, members, variables and events. Of a group that has ended, lists are
/// empty.
#[derive(MergedObject, Default, Debug)]
pub struct Query(
    group::GroupQuery,
    node::NodeQuery,
    status::StatusQuery,
    event::EventQuery,
);

/// Writing: making, joining and ending groups, reporting variables, sending events.
#[derive(MergedObject, Default, Debug)]
pub struct Mutation(
    domain::DomainMutation,
    group::GroupMutation,
    node::NodeMutation,
    status::StatusMutation,
    event::EventMutation,
);

/// How deep and wide a document may be. GraphiQL's introspection query fits.
#[derive(Clone, Copy, Debug)]
pub struct DocumentLimits {
    /// Levels of selection sets.
    pub depth: usize,
    /// Fields selected.
    pub complexity: usize,
    /// Aliases.
    pub aliases: usize,
    /// Brackets within brackets in the text; deeper text is refused before it is parsed.
    pub nesting: usize,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self {
            depth: 16,
            complexity: 400,
            aliases: 50,
            nesting: 64,
        }
    }
}

/// The schema over a stage.
pub fn schema(mesh: Arc<Mesh>, limits: DocumentLimits) -> Schema {
    async_graphql::Schema::build(Query::default(), Mutation::default(), message::Subscription)
        .limit_depth(limits.depth)
        .limit_complexity(limits.complexity)
        .limit_aliases(limits.aliases)
        .limit_recursive_depth(32)
        .limit_directives(10)
        .disable_suggestions()
        .data(mesh)
        .finish()
}

/// What a resolver may reach for.
trait ContextExt {
    fn mesh(&self) -> &Mesh;
    fn caller(&self) -> Caller;
    fn answering(&self) -> &Answering;
}

impl ContextExt for Context<'_> {
    fn mesh(&self) -> &Mesh {
        self.data_unchecked::<Arc<Mesh>>()
    }

    fn caller(&self) -> Caller {
        self.data::<Caller>().copied().unwrap_or_default()
    }

    fn answering(&self) -> &Answering {
        self.data_unchecked::<Arc<Answering>>()
    }
}

/// The result of a resolver.
pub(crate) type ResolverResult<T> = Result<T, ResolverError>;

/// A refusal or failure on its way to the caller: the one place where both become
/// GraphQL errors.
#[derive(Clone, Debug)]
pub(crate) struct ResolverError(store::Error);

impl<E: Into<store::Error>> From<E> for ResolverError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl From<ResolverError> for async_graphql::Error {
    fn from(ResolverError(error): ResolverError) -> Self {
        match error {
            store::Error::Refused(refusal) => told(&refusal.to_string(), refusal.kind()),
            store::Error::Failed(failure) => {
                tracing::error!(error = failure.with_causes(), "a request failed");
                told(response::OUT_OF_ORDER, "InternalFailure")
            }
        }
    }
}

fn told(message: &str, kind: &'static str) -> async_graphql::Error {
    use async_graphql::ErrorExtensions as _;
    async_graphql::Error::new(message)
        .extend_with(|_, extensions| extensions.set("errorType", kind))
}

/// Refuses a list with too many items before anything is made of it.
fn at_most<T>(argument: &'static str, list: &[T], items: usize) -> Result<(), ClientError> {
    if list.len() > items {
        Err(ClientError::TooMany { argument, items })
    } else {
        Ok(())
    }
}
