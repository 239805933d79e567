//! The fast path: frequent operations run without the engine. Their variables are
//! deserialized into the resolver's arguments, and the response is written by the
//! document's compiled selection.
//!
//! Only plain cases are eligible: a document of one field that the engine has executed
//! without an error before, without directives, whose variables have their arguments' names
//! and exactly the declared types. The engine executes everything else. Both paths run the
//! same resolver code.

use std::sync::OnceLock;

use async_graphql::{
    PathSegment, Pos, Response, ServerError, Value as ResponseValue, Variables, value,
};
use async_graphql_parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection as AstSelection,
    SelectionSet,
};
use async_graphql_value::Value;
use serde::Deserialize;

use crate::hub::selection::SelectedField;
use crate::resolvers::access::Access;
use crate::resolvers::budget::Budget;
use crate::resolvers::event::{EventArgs, PollArgs};
use crate::resolvers::field_value::FieldValue;
use crate::resolvers::status::{ReportArgs, StatusesArgs};
use crate::resolvers::{ResolverError, ResolverResult, compile, response};

/// A document that can run without the engine once the engine has validated it.
#[derive(Debug)]
pub struct FastPath {
    operation: FastOperation,
    /// Whether the document passes on the variable `nodeToken`.
    takes_token: bool,
    /// The field's response name.
    name: String,
    position: Pos,
    /// The fields selected of the value; set once the engine has validated the document.
    fields: OnceLock<Vec<SelectedField>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FastOperation {
    Report,
    Fire,
    Statuses,
    Poll,
}

impl FastOperation {
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

    /// Whether an error makes the field null, and not the whole `data`.
    fn is_nullable(self) -> bool {
        matches!(self, Self::Report | Self::Fire)
    }
}

/// The parsed arguments of an operation.
pub enum FastCall {
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
    /// The document's fast path, if it is eligible.
    pub fn new(document: &ExecutableDocument, operation: &OperationDefinition) -> Option<Self> {
        let fragments = document
            .fragments
            .values()
            .map(|fragment| &fragment.node.selection_set.node);
        let no_directives = operation.directives.is_empty()
            && std::iter::once(&operation.selection_set.node)
                .chain(fragments)
                .all(without_directives);
        let items = operation.selection_set.node.items.as_slice();
        let [item] = items else { return None };
        let AstSelection::Field(field) = &item.node else {
            return None;
        };
        let fast_operation = FastOperation::of(operation.ty, &field.node.name.node)?;
        let mut arguments = fast_operation.arguments().iter();
        let mut variables = operation.variable_definitions.iter();
        let same_names = arguments.all(|name| takes_variable(&field.node, name));
        let takes_token = takes_variable(&field.node, "nodeToken");
        let plain_token = takes_token || field.node.get_argument("nodeToken").is_none();
        let has_defaults = variables.any(|v| v.node.default_value.is_some());
        (no_directives && same_names && plain_token && !has_defaults).then(|| Self {
            operation: fast_operation,
            takes_token,
            name: field.node.response_key().node.to_string(),
            position: field.pos,
            fields: OnceLock::new(),
        })
    }

    /// Enables the fast path: the engine has executed the document without an error.
    pub fn mark_validated(&self, document: &ExecutableDocument, operation: &OperationDefinition) {
        self.fields.get_or_init(|| {
            let mut roots = compile::root_fields(document, operation, &Variables::default());
            roots.pop().map(|root| root.fields).unwrap_or_default()
        });
    }

    /// Parses the variables; `None` when the document is not validated yet or the variables
    /// need the engine.
    pub fn parse(&self, variables: &str) -> Option<FastCall> {
        fn args<'a, T: Deserialize<'a>>(variables: &'a str) -> Option<T> {
            serde_json::from_str(variables).ok()
        }
        self.fields.get()?;
        Some(match self.operation {
            FastOperation::Report => {
                let mut given: ReportArgs = args(variables)?;
                given.node_token = given.node_token.filter(|_| self.takes_token);
                FastCall::Report(given)
            }
            FastOperation::Fire => {
                let mut given: EventArgs = args(variables)?;
                given.node_token = given.node_token.filter(|_| self.takes_token);
                FastCall::Fire(given)
            }
            FastOperation::Statuses => FastCall::Statuses(args(variables)?),
            FastOperation::Poll => FastCall::Poll(args(variables)?),
        })
    }

    /// Writes the response with a resolver's result.
    pub fn respond(&self, result: ResolverResult<FieldValue>, budget: &mut Budget) -> Vec<u8> {
        let fields = self.fields.get().map_or(&[][..], Vec::as_slice);
        let written = result.and_then(|value| Ok(budget.write(&self.name, &value, fields, 1)?));
        let response = match written {
            Ok(json) => {
                Response::new(value!({ self.name.clone(): ResponseValue::Binary(json.into()) }))
            }
            Err(error) => self.error_response(error),
        };
        response::to_json(&response)
    }

    fn error_response(&self, error: ResolverError) -> Response {
        let error = async_graphql::Error::from(error).into_server_error(self.position);
        let data = if self.operation.is_nullable() {
            value!({ self.name.clone(): null })
        } else {
            ResponseValue::Null
        };
        let mut response = Response::new(data);
        response.errors.push(ServerError {
            path: vec![PathSegment::Field(self.name.clone())],
            ..error
        });
        response
    }
}

impl FastCall {
    /// Runs the operation.
    pub async fn run(self, access: Access<'_>) -> ResolverResult<FieldValue> {
        match self {
            Self::Report(args) => args.run(access).await,
            Self::Fire(args) => args.fire(access).await,
            Self::Statuses(args) => args.run(access).await,
            Self::Poll(args) => args.run(access).await,
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
mod fuzz;
#[cfg(test)]
mod tests;
