//! A request's document: looked at before it is parsed, parsed once however often it
//! comes, and its operation chosen.

mod bounds;

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::Variables;
use async_graphql_parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType,
};
use async_graphql_parser::{Pos, parse_query};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::resolvers::DocumentLimits;
use crate::resolvers::document::bounds::{check_nesting, check_width};
use crate::resolvers::fast_path::FastPath;

/// Documents that are remembered, about; a deployed client sends some twenty.
const REMEMBERED: usize = 512;
/// Bytes of text that are remembered; parsed, a text takes up to some forty times its size.
const REMEMBERED_BYTES: u64 = 512 * 1024;
/// A longer text is parsed anew each time.
const LONGEST_REMEMBERED: usize = 4 * 1024;

/// A remembered document weighs as much as its text.
#[derive(Clone, Debug)]
struct ByText;

impl Weighter<Box<str>, Arc<Parsed>> for ByText {
    fn weight(&self, text: &Box<str>, _: &Arc<Parsed>) -> u64 {
        text.len() as u64
    }
}

/// What a client asks, in the envelope that every wire shares. Unknown members are ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphQlRequest<'a> {
    /// The document.
    #[serde(borrow)]
    pub query: Cow<'a, str>,
    /// Its variables, not yet looked into.
    #[serde(borrow, default)]
    pub variables: Option<&'a RawValue>,
    /// Which of its operations.
    #[serde(borrow, default)]
    pub operation_name: Option<Cow<'a, str>>,
}

impl<'a> GraphQlRequest<'a> {
    /// Reads the envelope; `None` when it is none, or its variables are no object.
    pub fn read(json: &'a [u8]) -> Option<Self> {
        let Self {
            query,
            variables,
            operation_name,
        } = serde_json::from_slice(json).ok()?;
        Self::new(query, variables, operation_name)
    }

    /// An envelope of these parts; `None` when its variables are no object.
    pub fn new(
        query: Cow<'a, str>,
        variables: Option<&'a RawValue>,
        operation_name: Option<Cow<'a, str>>,
    ) -> Option<Self> {
        let object = |v: &RawValue| v.get().starts_with('{') || v.get() == "null";
        variables.is_none_or(object).then_some(Self {
            query,
            variables,
            operation_name,
        })
    }

    /// The variables as the engine takes them: an empty set when they are null, `None`
    /// when they cannot be read.
    pub fn variables(&self) -> Option<Variables> {
        let Some(raw) = self.variables else {
            return Some(Variables::default());
        };
        let read: Option<Variables> = serde_json::from_str(raw.get()).ok()?;
        Some(read.unwrap_or_default())
    }
}

/// The same, held for longer than the text it came in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnedGraphQlRequest {
    query: String,
    #[serde(default)]
    variables: Option<Variables>,
    #[serde(default)]
    operation_name: Option<String>,
}

impl OwnedGraphQlRequest {
    /// The document and its operation, and the variables.
    pub fn open(self, documents: &Documents) -> Result<(Document, Variables), DocumentError> {
        let variables = self.variables.unwrap_or_default();
        let name = self.operation_name.map(Into::into);
        let document = documents.get(&GraphQlRequest {
            query: self.query.into(),
            variables: None,
            operation_name: name,
        })?;
        document.check_variables(&variables)?;
        Ok((document, variables))
    }
}

/// Why a document cannot be run at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DocumentError {
    /// It has no operation.
    #[error("The document has no operation.")]
    NoOperation,
    /// It has several and none was named.
    #[error("Missing operation name.")]
    NoOperationName,
    /// It has no operation of that name.
    #[error("Unknown operation named '{0}'.")]
    UnknownOperation(String),
    /// A subscription must select one field.
    #[error("A subscription selects exactly one field.")]
    NotOneField,
    /// Brackets stand too deep in each other.
    #[error("The document nests brackets deeper than {limit} levels.")]
    TooDeep {
        /// The most levels.
        limit: usize,
        /// Where they pass it.
        at: (usize, usize),
    },
    /// Its fragments multiply.
    #[error("The document selects more than {limit} fields, fragments followed.")]
    TooWide {
        /// The most fields.
        limit: usize,
    },
    /// It is no GraphQL.
    #[error("Invalid Syntax: {what}")]
    Syntax {
        /// What was wrong.
        what: String,
        /// Where.
        at: Vec<(usize, usize)>,
    },
    /// A variable that must have a value has none.
    #[error("Variable '{name}' has coerced Null value for NonNull type '{of}'")]
    NullVariable {
        /// The variable.
        name: String,
        /// Its type.
        of: String,
        /// Where it is declared.
        at: (usize, usize),
    },
}

impl DocumentError {
    /// Line and column of what is wrong.
    pub fn locations(&self) -> Vec<(usize, usize)> {
        match self {
            Self::TooDeep { at, .. } | Self::NullVariable { at, .. } => vec![*at],
            Self::Syntax { at, .. } => at.clone(),
            _ => Vec::new(),
        }
    }
}

/// Documents that came before, parsed.
#[derive(Debug)]
pub struct Documents {
    limits: DocumentLimits,
    parsed: Cache<Box<str>, Arc<Parsed>, ByText>,
}

/// A document, and its direct form if it has one.
#[derive(Debug)]
struct Parsed {
    document: ExecutableDocument,
    direct: Option<FastPath>,
}

impl Documents {
    /// Remembers documents within these bounds.
    pub fn new(limits: DocumentLimits) -> Self {
        Self {
            limits,
            parsed: Cache::with_weighter(REMEMBERED, REMEMBERED_BYTES, ByText),
        }
    }

    /// The asked document, parsed now or before, with its operation.
    pub fn get(&self, ask: &GraphQlRequest<'_>) -> Result<Document, DocumentError> {
        let parsed = match self.parsed.get(&*ask.query) {
            Some(parsed) => parsed,
            None => self.remember(&ask.query)?,
        };
        let name = ask
            .operation_name
            .as_deref()
            .filter(|name| !name.is_empty())
            .map(Into::into);
        let document = Document { parsed, name };
        document.chosen()?;
        Ok(document)
    }

    fn remember(&self, text: &str) -> Result<Arc<Parsed>, DocumentError> {
        let parsed = Arc::new(parse(text, self.limits)?);
        if text.len() <= LONGEST_REMEMBERED {
            self.parsed.insert(text.into(), Arc::clone(&parsed));
        }
        Ok(parsed)
    }
}

fn parse(text: &str, limits: DocumentLimits) -> Result<Parsed, DocumentError> {
    check_nesting(text, limits.nesting)?;
    let document = parse_query(text).map_err(|error| match error {
        async_graphql_parser::Error::MissingOperation => DocumentError::NoOperation,
        async_graphql_parser::Error::Syntax { start, .. } => {
            // The parser's own message draws the document, which may hold children's words.
            let what = "the document cannot be read from here on".into();
            DocumentError::Syntax {
                what,
                at: vec![place(start)],
            }
        }
        other => {
            let at = other.positions().map(place).collect();
            DocumentError::Syntax {
                what: other.to_string(),
                at,
            }
        }
    })?;
    check_width(&document, limits.complexity)?;
    let mut operations = document.operations.iter();
    let only = operations.next().filter(|_| operations.next().is_none());
    let direct = only.and_then(|(_, operation)| FastPath::of(&document, &operation.node));
    Ok(Parsed { document, direct })
}

/// A parsed document and the operation that is to run.
#[derive(Clone, Debug)]
pub struct Document {
    parsed: Arc<Parsed>,
    name: Option<String>,
}

impl Document {
    /// The whole document.
    pub fn parsed(&self) -> &ExecutableDocument {
        &self.parsed.document
    }

    /// The name of the operation, if one was asked for.
    pub fn operation_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The document's direct form.
    pub(super) fn direct(&self) -> Option<&FastPath> {
        self.parsed.direct.as_ref()
    }

    /// The operation's definition.
    pub fn operation(&self) -> &OperationDefinition {
        self.chosen()
            .expect("the operation was found when the document was parsed")
    }

    /// Query, mutation or subscription.
    pub fn kind(&self) -> OperationType {
        self.operation().ty
    }

    /// Refuses a missing or null variable in AppSync's words.
    pub fn check_variables(&self, variables: &Variables) -> Result<(), DocumentError> {
        for declared in &self.operation().variable_definitions {
            let (name, of) = (&declared.node.name.node, &declared.node.var_type.node);
            let given = variables
                .get(name)
                .is_some_and(|value| *value != async_graphql::Value::Null);
            let defaulted = !variables.contains_key(name) && declared.node.default_value.is_some();
            if !of.nullable && !given && !defaulted {
                let (name, of) = (name.to_string(), of.to_string());
                return Err(DocumentError::NullVariable {
                    name,
                    of,
                    at: place(declared.pos),
                });
            }
        }
        Ok(())
    }

    fn chosen(&self) -> Result<&OperationDefinition, DocumentError> {
        match (&self.parsed.document.operations, &self.name) {
            (DocumentOperations::Single(operation), None) => Ok(&operation.node),
            (DocumentOperations::Multiple(operations), Some(name)) => {
                let operation = operations.get(name.as_str());
                operation
                    .map(|o| &o.node)
                    .ok_or_else(|| DocumentError::UnknownOperation(name.clone()))
            }
            (DocumentOperations::Multiple(operations), None) => match operations.len() {
                1 => operations
                    .values()
                    .next()
                    .map(|o| &o.node)
                    .ok_or(DocumentError::NoOperation),
                _ => Err(DocumentError::NoOperationName),
            },
            (DocumentOperations::Single(_), Some(name)) => {
                Err(DocumentError::UnknownOperation(name.clone()))
            }
        }
    }
}

fn place(at: Pos) -> (usize, usize) {
    (at.line, at.column)
}

#[cfg(test)]
mod tests;
