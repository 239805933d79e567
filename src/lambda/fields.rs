//! The fields of the contract as documents: each selects its whole result by the
//! schema's own names, for AppSync finds what its client asked for by those.

use std::collections::HashMap;

use async_graphql_parser::types::{
    BaseType, FieldDefinition, ServiceDocument, Type, TypeKind, TypeSystemDefinition,
};
use serde_json::{Map, Value};

use crate::lambda::Malformed;

/// The roots whose fields AppSync may ask for, with their keywords.
const ROOTS: [(&str, &str); 2] = [("Query", "query"), ("Mutation", "mutation")];

/// Every field of the roots.
#[derive(Debug)]
pub(super) struct Fields(HashMap<(&'static str, String), Field>);

/// A field of a root.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    keyword: &'static str,
    /// Names and types, in the schema's order.
    arguments: Vec<(String, String)>,
    /// All that its result has, in braces; empty for a scalar.
    selection: String,
}

type Objects<'a> = HashMap<&'a str, Vec<&'a FieldDefinition>>;

impl Fields {
    /// The fields of a schema, in which no object type holds itself.
    pub(super) fn of(schema: &ServiceDocument) -> Self {
        let objects: Objects<'_> = schema.definitions.iter().filter_map(object).collect();
        let of_root = |(root, keyword): (&'static str, &'static str)| {
            let fields = objects.get(root).into_iter().flatten();
            fields
                .map(|field| {
                    (
                        (root, field.name.node.to_string()),
                        Field::of(field, keyword, &objects),
                    )
                })
                .collect::<Vec<_>>()
        };
        Self(ROOTS.into_iter().flat_map(of_root).collect())
    }

    /// The field of that name on that root.
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
    fn of(field: &FieldDefinition, keyword: &'static str, objects: &Objects<'_>) -> Self {
        let arguments = field.arguments.iter().map(|argument| {
            let (name, of) = (&argument.node.name.node, &argument.node.ty.node);
            (name.to_string(), of.to_string())
        });
        Self {
            name: field.name.node.to_string(),
            keyword,
            arguments: arguments.collect(),
            selection: selection(&field.ty.node, objects),
        }
    }

    /// The document that asks for this field with just the given arguments, as
    /// variables: one left out is not the same as null.
    pub(super) fn document(&self, given: &Map<String, Value>) -> Result<String, Malformed> {
        let taken: Vec<_> = self
            .arguments
            .iter()
            .filter(|(name, _)| given.contains_key(name))
            .collect();
        if taken.len() < given.len() {
            return Err(Malformed::UnknownArgument(self.name.clone()));
        }
        let Self {
            name,
            keyword,
            selection,
            ..
        } = self;
        if taken.is_empty() {
            return Ok(format!("{keyword} {{ {name}{selection} }}"));
        }
        let listed = |one: fn(&(String, String)) -> String| {
            taken
                .iter()
                .map(|argument| one(argument))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let declared = listed(|(name, of)| format!("${name}: {of}"));
        let passed = listed(|(name, _)| format!("{name}: ${name}"));
        Ok(format!(
            "{keyword}({declared}) {{ {name}({passed}){selection} }}"
        ))
    }
}

fn object(definition: &TypeSystemDefinition) -> Option<(&str, Vec<&FieldDefinition>)> {
    let TypeSystemDefinition::Type(of) = definition else {
        return None;
    };
    let TypeKind::Object(object) = &of.node.kind else {
        return None;
    };
    let fields = object.fields.iter().map(|field| &field.node);
    Some((of.node.name.node.as_str(), fields.collect()))
}

/// Everything that a value of this type has.
fn selection(of: &Type, objects: &Objects<'_>) -> String {
    let name = match &of.base {
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
