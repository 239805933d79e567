//! Compiles a validated operation to a [`Selection`] or to [`RootField`]s: fragments are
//! expanded, `@skip` and `@include` evaluated, and fields of one response name merged, in
//! the order and by the rules of the GraphQL engine.

use std::collections::BTreeMap;
use std::convert::Infallible;

use async_graphql::Variables;
use async_graphql_parser::Positioned;
use async_graphql_parser::types::{
    Directive, ExecutableDocument, Field as AstField, OperationDefinition, OperationType,
    Selection as AstSelection, SelectionSet,
};
use async_graphql_value::{ConstValue, Name, Value};

use crate::hub::selection::{Field, SelectedField, Selection};

/// Compiles a subscription that the engine has validated. `None` when it does not have
/// exactly one field.
pub fn subscription(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Option<Selection> {
    let compiler = Compiler {
        document,
        operation,
        variables,
    };
    let roots = compiler.collect_fields(&[&operation.selection_set.node]);
    let [root] = roots.as_slice() else {
        return None;
    };
    Some(Selection::new(root.name, compiler.select(&root.inner)))
}

/// A root field of an operation.
#[derive(Debug)]
pub struct RootField {
    /// Its response name.
    pub name: Box<str>,
    /// The fields selected of its value.
    pub fields: Vec<SelectedField>,
    /// In a query, the index of the first root field with the same name and arguments: both
    /// share one fetch. In a mutation, its own index: each field runs.
    pub first: usize,
}

/// The root fields of a validated operation, one for each response name.
pub fn root_fields(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Vec<RootField> {
    let compiler = Compiler {
        document,
        operation,
        variables,
    };
    let collected = compiler.collect_fields(&[&operation.selection_set.node]);
    let calls: Vec<_> = collected.iter().map(|root| compiler.call(root)).collect();
    let first = |index: usize| match operation.ty {
        OperationType::Query => calls.iter().position(|call| *call == calls[index]),
        _ => None,
    };
    let roots = collected.iter().enumerate().map(|(index, root)| RootField {
        name: root.name.into(),
        fields: compiler.select(&root.inner),
        first: first(index).unwrap_or(index),
    });
    roots.collect()
}

/// A field's name and the values of its arguments, whatever their order and variables.
type Call<'a> = (&'a str, BTreeMap<&'a str, ConstValue>);

struct Compiler<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
}

/// A response name, its field, and every selection set under that name.
struct CollectedField<'a> {
    name: &'a str,
    field: &'a AstField,
    inner: Vec<&'a SelectionSet>,
}

impl<'a> Compiler<'a> {
    fn select(&self, sets: &[&'a SelectionSet]) -> Vec<SelectedField> {
        let collected = self.collect_fields(sets);
        let fields = collected.iter().filter_map(|c| {
            Some(SelectedField::node(
                c.name,
                field_named(&c.field.name.node)?,
                self.select(&c.inner),
            ))
        });
        fields.collect()
    }

    fn collect_fields(&self, sets: &[&'a SelectionSet]) -> Vec<CollectedField<'a>> {
        let mut collected = Vec::new();
        for set in sets {
            self.collect_into(&mut collected, set);
        }
        collected
    }

    fn collect_into(&self, collected: &mut Vec<CollectedField<'a>>, set: &'a SelectionSet) {
        for item in &set.items {
            if !self.is_included(item.node.directives()) {
                continue;
            }
            match &item.node {
                AstSelection::Field(field) => Self::add(collected, &field.node),
                // Every type here is an object type, so a fragment that passed validation applies.
                AstSelection::InlineFragment(fragment) => {
                    self.collect_into(collected, &fragment.node.selection_set.node);
                }
                AstSelection::FragmentSpread(spread) => {
                    if let Some(fragment) =
                        self.document.fragments.get(&spread.node.fragment_name.node)
                    {
                        self.collect_into(collected, &fragment.node.selection_set.node);
                    }
                }
            }
        }
    }

    fn add(collected: &mut Vec<CollectedField<'a>>, field: &'a AstField) {
        let name = field.response_key().node.as_str();
        let inner = &field.selection_set.node;
        match collected.iter_mut().find(|c| c.name == name) {
            Some(existing) => existing.inner.push(inner),
            None => collected.push(CollectedField {
                name,
                field,
                inner: vec![inner],
            }),
        }
    }

    fn is_included(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().all(|directive| {
            let condition = || {
                directive
                    .node
                    .get_argument("if")
                    .is_some_and(|value| self.is_true(&value.node))
            };
            match directive.node.name.node.as_str() {
                "skip" => !condition(),
                "include" => condition(),
                _ => true,
            }
        })
    }

    fn is_true(&self, value: &Value) -> bool {
        match value {
            Value::Boolean(value) => *value,
            Value::Variable(name) => self.variable(name) == Some(&ConstValue::Boolean(true)),
            _ => false,
        }
    }

    fn variable(&self, name: &str) -> Option<&'a ConstValue> {
        let declared = self.operation.variable_definitions.iter();
        let default = declared
            .filter(|d| d.node.name.node == name)
            .find_map(|d| d.node.default_value());
        self.variables.get(name).or(default)
    }

    fn call(&self, root: &CollectedField<'a>) -> Call<'a> {
        let value = |value: &Value| {
            let variable = |name: Name| Ok(self.variable(&name).cloned().unwrap_or_default());
            let resolved: Result<_, Infallible> = value.clone().into_const_with(variable);
            match resolved {
                Ok(value) => value,
                Err(never) => match never {},
            }
        };
        let arguments = root.field.arguments.iter();
        let arguments = arguments.map(|(name, given)| (name.node.as_str(), value(&given.node)));
        (root.field.name.node.as_str(), arguments.collect())
    }
}

fn field_named(name: &str) -> Option<Field> {
    Some(match name {
        "__typename" => Field::Typename,
        "groupId" => Field::GroupId,
        "domain" => Field::Domain,
        "nodeStatus" => Field::NodeStatus,
        "batchEvent" => Field::BatchEvent,
        "groupDissolve" => Field::GroupDissolve,
        "nodeId" => Field::NodeId,
        "data" => Field::Data,
        "timestamp" => Field::Timestamp,
        "key" => Field::Key,
        "value" => Field::Value,
        "events" => Field::Events,
        "firedByNodeId" => Field::FiredByNodeId,
        "name" => Field::Name,
        "payload" => Field::Payload,
        "cursor" => Field::Cursor,
        "orderKey" => Field::OrderKey,
        "message" => Field::Message,
        "id" => Field::Id,
        "fullId" => Field::FullId,
        "hostId" => Field::HostId,
        "expiresAt" => Field::ExpiresAt,
        "heartbeatIntervalSeconds" => Field::HeartbeatIntervalSeconds,
        "useWebSocket" => Field::UseWebSocket,
        "pollingIntervalSeconds" => Field::PollingIntervalSeconds,
        "joinCode" => Field::JoinCode,
        "nodeStatuses" => Field::NodeStatuses,
        "locked" => Field::Locked,
        "pausedUntil" => Field::PausedUntil,
        "chatMuted" => Field::ChatMuted,
        "nickname" => Field::Nickname,
        "lastSeenAt" => Field::LastSeenAt,
        "transport" => Field::Transport,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
