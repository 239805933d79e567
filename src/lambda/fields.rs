//! A document for each field of the root types. It selects the whole result under the
//! schema's names, by which AppSync selects the client's fields.

use std::collections::HashMap;

use async_graphql_parser::types::{
    BaseType, FieldDefinition, ServiceDocument, Type, TypeKind, TypeSystemDefinition,
};
use serde_json::{Map, Value};

use crate::lambda::MalformedEvent;

/// The root types whose fields AppSync may request, with their keywords.
const ROOTS: [(&str, &str); 3] = [
    ("Query", "query"),
    ("Mutation", "mutation"),
    ("Subscription", SUBSCRIPTION),
];
const SUBSCRIPTION: &str = "subscription";

/// Every field of the root types.
#[derive(Debug)]
pub(super) struct Fields(HashMap<(&'static str, String), Field>);

/// A field of a root type.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    keyword: &'static str,
    /// Names and types, in the schema's order.
    arguments: Vec<(String, String)>,
    /// Every field of its result, in braces; empty for a scalar.
    selection: String,
}

type Objects<'a> = HashMap<&'a str, Vec<&'a FieldDefinition>>;

impl Fields {
    /// The fields of a schema without recursive types.
    pub(super) fn new(schema: &ServiceDocument) -> Self {
        let objects: Objects<'_> = schema.definitions.iter().filter_map(object).collect();
        let of_root = |(root, keyword): (&'static str, &'static str)| {
            let fields = objects.get(root).into_iter().flatten();
            fields
                .map(|field| {
                    (
                        (root, field.name.node.to_string()),
                        Field::new(field, keyword, &objects),
                    )
                })
                .collect::<Vec<_>>()
        };
        Self(ROOTS.into_iter().flat_map(of_root).collect())
    }

    /// The field of a root type, by name.
    pub(super) fn get(&self, parent: &str, name: &str) -> Option<&Field> {
        let (root, _) = ROOTS.into_iter().find(|(root, _)| *root == parent)?;
        self.0.get(&(root, name.to_owned()))
    }

    #[cfg(test)]
    pub(super) fn names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.keys().map(|(root, name)| (*root, name.as_str()))
    }
}

impl Field {
    /// Whether AppSync asks only whether a caller may subscribe.
    pub(super) fn is_subscription(&self) -> bool {
        self.keyword == SUBSCRIPTION
    }

    fn new(field: &FieldDefinition, keyword: &'static str, objects: &Objects<'_>) -> Self {
        let arguments = field.arguments.iter().map(|argument| {
            let (name, type_name) = (&argument.node.name.node, &argument.node.ty.node);
            (name.to_string(), type_name.to_string())
        });
        Self {
            name: field.name.node.to_string(),
            keyword,
            arguments: arguments.collect(),
            selection: selection(&field.ty.node, objects),
        }
    }

    /// A document that requests this field with only the given arguments, as variables: an
    /// absent argument is not the same as null.
    pub(super) fn document(&self, given: &Map<String, Value>) -> Result<String, MalformedEvent> {
        let passed: Vec<_> = self
            .arguments
            .iter()
            .filter(|(name, _)| given.contains_key(name))
            .collect();
        if passed.len() < given.len() {
            return Err(MalformedEvent::UnknownArgument(self.name.clone()));
        }
        let Self {
            name,
            keyword,
            selection,
            ..
        } = self;
        if passed.is_empty() {
            return Ok(format!("{keyword} {{ {name}{selection} }}"));
        }
        let join = |format: fn(&(String, String)) -> String| {
            passed
                .iter()
                .map(|argument| format(argument))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let declarations = join(|(name, type_name)| format!("${name}: {type_name}"));
        let arguments = join(|(name, _)| format!("{name}: ${name}"));
        Ok(format!(
            "{keyword}({declarations}) {{ {name}({arguments}){selection} }}"
        ))
    }
}

fn object(definition: &TypeSystemDefinition) -> Option<(&str, Vec<&FieldDefinition>)> {
    let TypeSystemDefinition::Type(definition) = definition else {
        return None;
    };
    let TypeKind::Object(object) = &definition.node.kind else {
        return None;
    };
    let fields = object.fields.iter().map(|field| &field.node);
    Some((definition.node.name.node.as_str(), fields.collect()))
}

/// Every field of a value of this type.
fn selection(field_type: &Type, objects: &Objects<'_>) -> String {
    let name = match &field_type.base {
        BaseType::Named(name) => name,
        BaseType::List(item) => return selection(item, objects),
    };
    let Some(fields) = objects.get(name.as_str()) else {
        return String::new();
    };
    let selected = fields
        .iter()
        .map(|field| format!("{}{}", field.name.node, selection(&field.ty.node, objects)));
    format!(" {{ {} }}", selected.collect::<Vec<_>>().join(" "))
}
