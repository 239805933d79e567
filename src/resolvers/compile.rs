//! A validated operation becomes a [`Selection`] or its [`Root`] fields: fragments are
//! followed, `@skip` and `@include` decided, fields of one response name merged, in the
//! order and by the rules of the GraphQL engine.

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

/// Compiles an operation that the engine has validated. `None` when it does not come to
/// exactly one field.
pub fn operation(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Option<Selection> {
    let compiler = Compiler {
        document,
        operation,
        variables,
    };
    let root = compiler.collect(&[&operation.selection_set.node]);
    let [one] = root.as_slice() else { return None };
    Some(Selection::new(one.name, compiler.picks(&one.inner)))
}

/// A field that an operation asks of its root.
#[derive(Debug)]
pub struct Root {
    /// Its response name.
    pub name: Box<str>,
    /// What is wanted of it.
    pub picks: Vec<SelectedField>,
    /// Which root field of a query is the first with this name and equal arguments; what
    /// mutates is asked for by itself each time.
    pub first: usize,
}

/// What a validated operation asks of its root, by response names.
pub fn roots(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Vec<Root> {
    let compiler = Compiler {
        document,
        operation,
        variables,
    };
    let asked = compiler.collect(&[&operation.selection_set.node]);
    let calls: Vec<_> = asked.iter().map(|root| compiler.call(root)).collect();
    let first = |at: usize| match operation.ty {
        OperationType::Query => calls.iter().position(|call| *call == calls[at]),
        _ => None,
    };
    let roots = asked.iter().enumerate().map(|(at, root)| Root {
        name: root.name.into(),
        picks: compiler.picks(&root.inner),
        first: first(at).unwrap_or(at),
    });
    roots.collect()
}

/// A field and its arguments, whatever order and variables they were written with.
type Call<'a> = (&'a str, BTreeMap<&'a str, ConstValue>);

struct Compiler<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
}

/// A response name, its field, and every selection set given for it.
struct Collected<'a> {
    name: &'a str,
    field: &'a AstField,
    inner: Vec<&'a SelectionSet>,
}

impl<'a> Compiler<'a> {
    fn picks(&self, sets: &[&'a SelectionSet]) -> Vec<SelectedField> {
        let fields = self.collect(sets);
        let picks = fields.iter().filter_map(|c| {
            Some(SelectedField::node(
                c.name,
                field(&c.field.name.node)?,
                self.picks(&c.inner),
            ))
        });
        picks.collect()
    }

    fn collect(&self, sets: &[&'a SelectionSet]) -> Vec<Collected<'a>> {
        let mut collected = Vec::new();
        for set in sets {
            self.collect_into(&mut collected, set);
        }
        collected
    }

    fn collect_into(&self, collected: &mut Vec<Collected<'a>>, set: &'a SelectionSet) {
        for item in &set.items {
            if !self.wanted(item.node.directives()) {
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

    fn add(collected: &mut Vec<Collected<'a>>, field: &'a AstField) {
        let name = field.response_key().node.as_str();
        let inner = &field.selection_set.node;
        match collected.iter_mut().find(|c| c.name == name) {
            Some(same) => same.inner.push(inner),
            None => collected.push(Collected {
                name,
                field,
                inner: vec![inner],
            }),
        }
    }

    fn wanted(&self, directives: &[Positioned<Directive>]) -> bool {
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

    fn call(&self, root: &Collected<'a>) -> Call<'a> {
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

fn field(name: &str) -> Option<Field> {
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
        "nodeStatuses" => Field::NodeStatuses,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
