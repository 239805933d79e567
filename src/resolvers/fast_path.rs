//! Operations that the editor repeats all day run without the engine: their variables
//! are read straight into what the verb takes, and the answer is written by the document's
//! own selection.
//!
//! Only plain cases go this way: a document of one field that the engine has answered
//! without an error before, without directives, whose variables bear their arguments' names
//! and are just of the declared form. Whatever else comes, the engine answers. Both ways
//! end in the same verb.

use std::sync::OnceLock;

use async_graphql::{
    PathSegment, Pos, Response, ServerError, Value as GraphQlResponse, Variables, value,
};
use async_graphql_parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection as AstSelection,
    SelectionSet,
};
use async_graphql_value::Value;
use serde::Deserialize;

use crate::hub::selection::SelectedField;
use crate::mesh::Mesh;
use crate::resolvers::budget::Budget;
use crate::resolvers::event::{EventArgs, PollArgs};
use crate::resolvers::field_value::FieldValue;
use crate::resolvers::status::{ReportArgs, StatusesArgs};
use crate::resolvers::{ResolverError, ResolverResult, compile, response};

/// A document that can run directly once the engine has proven it.
#[derive(Debug)]
pub struct FastPath {
    verb: Verb,
    name: String,
    at: Pos,
    /// Set when the engine has answered the document without an error: it is valid.
    picks: OnceLock<Vec<SelectedField>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Report,
    Fire,
    Statuses,
    Poll,
}

impl Verb {
    fn of(kind: OperationType, field: &str) -> Option<Self> {
        Some(match (kind, field) {
            (OperationType::Mutation, "reportDataByNode") => Self::Report,
            (OperationType::Mutation, "fireEventsByNode") => Self::Fire,
            (OperationType::Query, "listGroupStatuses") => Self::Statuses,
            (OperationType::Query, "pollGroupData") => Self::Poll,
            _ => return None,
        })
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Report => &["groupId", "domain", "nodeId", "data"],
            Self::Fire => &["groupId", "domain", "nodeId", "events"],
            Self::Statuses => &["groupId", "domain"],
            Self::Poll => &["groupId", "domain", "since"],
        }
    }

    /// Whether the field is null when it fails, and not the whole answer.
    fn is_nullable(self) -> bool {
        matches!(self, Self::Report | Self::Fire)
    }
}

/// A call whose variables were read, by its verb.
pub enum Call {
    /// reportDataByNode.
    Report(ReportArgs),
    /// fireEventsByNode.
    Fire(EventArgs),
    /// listGroupStatuses.
    Statuses(StatusesArgs),
    /// pollGroupData.
    Poll(PollArgs),
}

impl FastPath {
    /// The document's direct form, if it has one.
    pub fn of(document: &ExecutableDocument, operation: &OperationDefinition) -> Option<Self> {
        let fragments = document
            .fragments
            .values()
            .map(|fragment| &fragment.node.selection_set.node);
        let plain = operation.directives.is_empty()
            && std::iter::once(&operation.selection_set.node)
                .chain(fragments)
                .all(without_directives);
        let items = operation.selection_set.node.items.as_slice();
        let [item] = items else { return None };
        let AstSelection::Field(field) = &item.node else {
            return None;
        };
        let verb = Verb::of(operation.ty, &field.node.name.node)?;
        let mut arguments = verb.arguments().iter();
        let mut variables = operation.variable_definitions.iter();
        let named_alike = arguments.all(|name| takes_variable(&field.node, name));
        let defaulted = variables.any(|v| v.node.default_value.is_some());
        (plain && named_alike && !defaulted).then(|| Self {
            verb,
            name: field.node.response_key().node.to_string(),
            at: field.pos,
            picks: OnceLock::new(),
        })
    }

    /// The engine has answered the document without an error: it is valid.
    pub fn prove(&self, document: &ExecutableDocument, operation: &OperationDefinition) {
        self.picks.get_or_init(|| {
            let mut roots = compile::roots(document, operation, &Variables::default());
            roots.pop().map(|root| root.picks).unwrap_or_default()
        });
    }

    /// Reads the variables; `None` when the document is not proven or they are not plain,
    /// and nothing was done.
    pub fn read(&self, variables: &str) -> Option<Call> {
        fn args<'a, T: Deserialize<'a>>(variables: &'a str) -> Option<T> {
            serde_json::from_str(variables).ok()
        }
        self.picks.get()?;
        Some(match self.verb {
            Verb::Report => Call::Report(args(variables)?),
            Verb::Fire => Call::Fire(args(variables)?),
            Verb::Statuses => Call::Statuses(args(variables)?),
            Verb::Poll => Call::Poll(args(variables)?),
        })
    }

    /// Writes the answer to a call.
    pub fn answer(&self, outcome: ResolverResult<FieldValue>, budget: &mut Budget) -> Vec<u8> {
        let picks = self.picks.get().map_or(&[][..], Vec::as_slice);
        let written = outcome.and_then(|value| Ok(budget.write(&self.name, &value, picks, 1)?));
        let response = match written {
            Ok(text) => {
                Response::new(value!({ self.name.clone(): GraphQlResponse::Binary(text.into()) }))
            }
            Err(unanswered) => self.refusal(unanswered),
        };
        response::text(&response)
    }

    fn refusal(&self, unanswered: ResolverError) -> Response {
        let error = async_graphql::Error::from(unanswered).into_server_error(self.at);
        let data = if self.verb.is_nullable() {
            value!({ self.name.clone(): null })
        } else {
            GraphQlResponse::Null
        };
        let mut response = Response::new(data);
        response.errors.push(ServerError {
            path: vec![PathSegment::Field(self.name.clone())],
            ..error
        });
        response
    }
}

impl Call {
    /// Does what is asked.
    pub async fn run(self, mesh: &Mesh) -> ResolverResult<FieldValue> {
        match self {
            Self::Report(asked) => asked.run(mesh).await,
            Self::Fire(asked) => asked.fire(mesh).await,
            Self::Statuses(asked) => asked.run(mesh).await,
            Self::Poll(asked) => asked.run(mesh).await,
        }
    }
}

fn takes_variable(field: &Field, argument: &str) -> bool {
    matches!(field.get_argument(argument).map(|value| &value.node), Some(Value::Variable(name)) if name == argument)
}

fn without_directives(set: &SelectionSet) -> bool {
    set.items.iter().all(|item| {
        item.node.directives().is_empty()
            && match &item.node {
                AstSelection::Field(field) => without_directives(&field.node.selection_set.node),
                AstSelection::InlineFragment(inline) => {
                    without_directives(&inline.node.selection_set.node)
                }
                AstSelection::FragmentSpread(_) => true,
            }
    })
}

#[cfg(test)]
mod tests;
