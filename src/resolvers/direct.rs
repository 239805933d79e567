//! Reports and fires that repeat the same document run without the engine: their
//! variables are read straight into the model, and the message is written by the
//! document's own selection, as subscribers get it.
//!
//! Only plain cases go this way: a document that the engine has answered without an
//! error before, without directives, whose variables bear their arguments' names and are
//! just of the declared form. Whatever else comes, the engine answers.

use std::sync::OnceLock;

use async_graphql::{PathSegment, Pos, Response, ServerError, Variables, value};
use async_graphql_parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection as AstSelection,
    SelectionSet,
};
use async_graphql_value::Value;
use serde::Deserialize;

use crate::hub::selection::Selection;
use crate::mesh::Mesh;
use crate::model::message::Message;
use crate::resolvers::event::{self, EventInput};
use crate::resolvers::status::{self, SensorDataInput};
use crate::resolvers::{Answer, answer, compile};

/// A document that can run directly once the engine has proven it.
#[derive(Debug)]
pub struct Direct {
    verb: Verb,
    name: String,
    at: Pos,
    /// Set when the engine has answered the document without an error: it is valid.
    selection: OnceLock<Selection>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Report,
    Fire,
}

/// A call whose variables were read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call<L = List> {
    group_id: String,
    domain: String,
    node_id: String,
    #[serde(alias = "data", alias = "events")]
    list: L,
}

/// What a call brings.
pub enum List {
    /// Variables.
    Data(Vec<SensorDataInput>),
    /// Events.
    Events(Vec<EventInput>),
}

impl Direct {
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
        if operation.ty != OperationType::Mutation || !plain {
            return None;
        }
        let [AstSelection::Field(field)] = operation
            .selection_set
            .node
            .items
            .iter()
            .map(|i| &i.node)
            .collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let (verb, list) = match field.node.name.node.as_str() {
            "reportDataByNode" => (Verb::Report, "data"),
            "fireEventsByNode" => (Verb::Fire, "events"),
            _ => return None,
        };
        let named_alike = ["groupId", "domain", "nodeId", list]
            .iter()
            .all(|name| takes_variable(&field.node, name));
        if !named_alike
            || operation
                .variable_definitions
                .iter()
                .any(|v| v.node.default_value.is_some())
        {
            return None;
        }
        let name = field.node.response_key().node.to_string();
        Some(Self {
            verb,
            name,
            at: field.pos,
            selection: OnceLock::new(),
        })
    }

    /// The engine has answered the document without an error: it is valid.
    pub fn prove(&self, document: &ExecutableDocument, operation: &OperationDefinition) {
        if self.selection.get().is_none()
            && let Some(selection) = compile::operation(document, operation, &Variables::default())
        {
            let _ = self.selection.set(selection);
        }
    }

    /// Reads the variables, if the document is proven and they are plain.
    pub fn read(&self, variables: &str) -> Option<Call> {
        self.selection.get()?;
        match self.verb {
            Verb::Report => Some(
                serde_json::from_str::<Call<_>>(variables)
                    .ok()?
                    .bringing(List::Data),
            ),
            Verb::Fire => Some(
                serde_json::from_str::<Call<_>>(variables)
                    .ok()?
                    .bringing(List::Events),
            ),
        }
    }

    /// Writes the answer to a call.
    pub fn answer(&self, outcome: Answer<Message>) -> Option<Vec<u8>> {
        let unanswered = match outcome {
            Ok(message) => return Some(self.selection.get()?.answer(&message)),
            Err(unanswered) => unanswered,
        };
        let error = async_graphql::Error::from(unanswered).into_server_error(self.at);
        let error = ServerError {
            path: vec![PathSegment::Field(self.name.clone())],
            ..error
        };
        let mut response = Response::new(value!({ self.name.clone(): null }));
        response.errors.push(error);
        serde_json::to_vec(&answer::Answer(&response)).ok()
    }
}

impl<T> Call<T> {
    fn bringing(self, list: impl FnOnce(T) -> List) -> Call {
        Call {
            group_id: self.group_id,
            domain: self.domain,
            node_id: self.node_id,
            list: list(self.list),
        }
    }
}

impl Call {
    /// Does what is asked.
    pub async fn run(self, mesh: &Mesh) -> Answer<Message> {
        let (group, domain, node) = (&self.group_id, &self.domain, &self.node_id);
        match self.list {
            List::Data(data) => status::report(mesh, group, domain, node, data).await,
            List::Events(events) => event::fire(mesh, group, domain, node, events).await,
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
