//! The GraphQL schema: one file per noun, with its GraphQL types and its resolvers.
//!
//! A resolver parses its arguments into types of the model, calls the store, publishes to
//! the hub and returns a value. Resolvers use no socket, HTTP, Lambda or AWS.

mod access;
pub mod budget;
pub mod compile;
pub mod document;
mod domain;
mod event;
mod fast_path;
mod field_value;
mod group;
mod input;
mod lesson;
pub mod log_context;
mod message;
mod message_size;
mod node;
mod policy;
pub mod request;
pub mod response;
mod response_writer;
pub mod run;
mod scalar;
mod status;

use std::sync::Arc;

use async_graphql::{Context, MergedObject};

use crate::auth::Caller;
use crate::mesh::Mesh;
use crate::model::error::ClientError;
use crate::resolvers::access::Access;
use crate::resolvers::response_writer::ResponseWriter;
use crate::store;

/// The schema of docs/api.md.
pub type Schema = async_graphql::Schema<Query, Mutation, message::Subscription>;

/// Reading: groups, members, variables and events. Of a group that has ended, lists are
/// empty.
#[derive(MergedObject, Default, Debug)]
pub struct Query(
    group::GroupQuery,
    lesson::LessonQuery,
    node::NodeQuery,
    status::StatusQuery,
    event::EventQuery,
);

/// Writing: making, joining and ending groups, reporting variables, sending events.
#[derive(MergedObject, Default, Debug)]
pub struct Mutation(
    domain::DomainMutation,
    group::GroupMutation,
    lesson::LessonMutation,
    node::NodeMutation,
    status::StatusMutation,
    event::EventMutation,
);

/// Limits for a document. GraphiQL's introspection query is within the default.
#[derive(Clone, Copy, Debug)]
pub struct DocumentLimits {
    /// Nested selection sets.
    pub depth: usize,
    /// Selected fields.
    pub complexity: usize,
    /// Aliases.
    pub aliases: usize,
    /// Nested brackets in the text; a deeper text is rejected before it is parsed.
    pub nesting: usize,
    /// Whether documents may ask for the schema.
    pub introspection: bool,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self {
            depth: 16,
            complexity: 400,
            aliases: 50,
            nesting: 64,
            introspection: true,
        }
    }
}

/// The schema on a mesh.
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

/// The data of a request that resolvers use.
trait ContextExt {
    fn access(&self) -> Access<'_>;
    fn response_writer(&self) -> &ResponseWriter;
}

impl ContextExt for Context<'_> {
    fn access(&self) -> Access<'_> {
        Access {
            mesh: self.data_unchecked::<Arc<Mesh>>(),
            caller: self.data::<Caller>().copied().unwrap_or_default(),
        }
    }

    fn response_writer(&self) -> &ResponseWriter {
        self.data_unchecked::<Arc<ResponseWriter>>()
    }
}

/// The result of a resolver.
pub(crate) type ResolverResult<T> = Result<T, ResolverError>;

/// A client error or a failure. Only here does either become a GraphQL error.
#[derive(Clone, Debug)]
pub(crate) struct ResolverError(store::Error);

impl ResolverError {
    /// The `errorType`.
    fn kind(&self) -> &'static str {
        match &self.0 {
            store::Error::Refused(error) => error.kind(),
            store::Error::Failed(_) => "InternalFailure",
        }
    }
}

impl<E: Into<store::Error>> From<E> for ResolverError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl From<ResolverError> for async_graphql::Error {
    fn from(ResolverError(error): ResolverError) -> Self {
        use async_graphql::ErrorExtensions as _;
        match error {
            store::Error::Refused(error) => {
                let refused = graphql_error(&error.to_string(), error.kind());
                match error.retry_after_ms() {
                    Some(time) => refused.extend_with(|_, extensions| {
                        extensions.set(response::RETRY_AFTER, time);
                    }),
                    None => refused,
                }
            }
            store::Error::Failed(failure) => {
                let request = log_context::request().map(tracing::field::display);
                tracing::error!(request, error = failure.with_causes(), "a request failed");
                graphql_error(response::INTERNAL_FAILURE, "InternalFailure")
            }
        }
    }
}

fn graphql_error(message: &str, kind: &'static str) -> async_graphql::Error {
    use async_graphql::ErrorExtensions as _;
    async_graphql::Error::new(message)
        .extend_with(|_, extensions| extensions.set("errorType", kind))
}

/// Rejects a list with too many items before it is converted.
fn check_length<T>(argument: &'static str, list: &[T], items: usize) -> Result<(), ClientError> {
    if list.len() > items {
        Err(ClientError::TooMany { argument, items })
    } else {
        Ok(())
    }
}
