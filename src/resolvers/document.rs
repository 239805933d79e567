//! A request's document: checked before it is parsed, cached once it is parsed, and its
//! operation selected by name.

mod introspection;
mod limits;

use std::sync::Arc;

use async_graphql::Variables;
use async_graphql_parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType,
};
use async_graphql_parser::{Pos, parse_query};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use thiserror::Error;

use crate::model::error::ClientError;
use crate::resolvers::DocumentLimits;
use crate::resolvers::document::introspection::introspects;
use crate::resolvers::document::limits::{check_nesting, check_width};
use crate::resolvers::fast_path::FastPath;
use crate::resolvers::request::GraphQlRequest;

/// About how many documents are cached; a deployed client sends some twenty.
const CACHED_DOCUMENTS: usize = 512;
/// Bytes of cached texts; a parsed document takes up to some forty times its text.
const CACHED_BYTES: u64 = 512 * 1024;
/// A longer text is not cached.
const MAX_CACHED_TEXT: usize = 4 * 1024;

/// A cached document weighs as much as its text.
#[derive(Clone, Debug)]
struct TextLength;

impl Weighter<Box<str>, Arc<ParsedDocument>> for TextLength {
    fn weight(&self, text: &Box<str>, _: &Arc<ParsedDocument>) -> u64 {
        text.len() as u64
    }
}

/// Why a document cannot be executed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DocumentError {
    /// Too many new documents or introspections were sent.
    #[error(transparent)]
    Refused(#[from] ClientError),
    /// It asks for the schema, which this server does not show.
    #[error("Introspection is disabled on this server.")]
    Introspection,
    /// It has no operation.
    #[error("The document has no operation.")]
    NoOperation,
    /// It has several operations and the request names none.
    #[error("Missing operation name.")]
    NoOperationName,
    /// It has no operation of that name.
    #[error("Unknown operation named '{0}'.")]
    UnknownOperation(String),
    /// A subscription must select one field.
    #[error("A subscription selects exactly one field.")]
    NotOneField,
    /// Brackets are nested too deep.
    #[error("The document nests brackets deeper than {limit} levels.")]
    TooDeep {
        /// The limit of levels.
        limit: usize,
        /// Line and column where the limit is exceeded.
        at: (usize, usize),
    },
    /// It selects too many fields, with its fragments expanded.
    #[error("The document selects more than {limit} fields, fragments followed.")]
    TooWide {
        /// The limit of fields.
        limit: usize,
    },
    /// It is not GraphQL.
    #[error("Invalid Syntax: {reason}")]
    Syntax {
        /// What is wrong.
        reason: String,
        /// Lines and columns.
        at: Vec<(usize, usize)>,
    },
    /// A required variable has no value.
    #[error("Variable '{name}' has coerced Null value for NonNull type '{expected_type}'")]
    NullVariable {
        /// The variable.
        name: String,
        /// Its type.
        expected_type: String,
        /// Line and column of its declaration.
        at: (usize, usize),
    },
}

impl DocumentError {
    /// Lines and columns of what is wrong.
    pub fn locations(&self) -> Vec<(usize, usize)> {
        match self {
            Self::TooDeep { at, .. } | Self::NullVariable { at, .. } => vec![*at],
            Self::Syntax { at, .. } => at.clone(),
            _ => Vec::new(),
        }
    }
}

/// A cache of parsed documents.
#[derive(Debug)]
pub struct DocumentCache {
    limits: DocumentLimits,
    parsed: Cache<Box<str>, Arc<ParsedDocument>, TextLength>,
}

/// A document, and its fast path if it has one.
#[derive(Debug)]
struct ParsedDocument {
    document: ExecutableDocument,
    fast_path: Option<FastPath>,
    introspects: bool,
}

impl DocumentCache {
    /// An empty cache of documents within these limits.
    pub fn new(limits: DocumentLimits) -> Self {
        Self {
            limits,
            parsed: Cache::with_weighter(CACHED_DOCUMENTS, CACHED_BYTES, TextLength),
        }
    }

    /// The request's document, from the cache or parsed, with its operation selected.
    pub fn get(&self, request: &GraphQlRequest<'_>) -> Result<Document, DocumentError> {
        self.get_if(request, || Ok(()))
    }

    /// The same; a document that is not in the cache is parsed only if it is admitted.
    pub fn get_if(
        &self,
        request: &GraphQlRequest<'_>,
        admit: impl FnOnce() -> Result<(), ClientError>,
    ) -> Result<Document, DocumentError> {
        let parsed = if let Some(parsed) = self.parsed.get(&*request.query) {
            parsed
        } else {
            admit()?;
            self.parse(&request.query)?
        };
        let name = request
            .operation_name
            .as_deref()
            .filter(|name| !name.is_empty())
            .map(Into::into);
        let document = Document { parsed, name };
        document.selected_operation()?;
        Ok(document)
    }

    fn parse(&self, text: &str) -> Result<Arc<ParsedDocument>, DocumentError> {
        let parsed = Arc::new(parse(text, self.limits)?);
        if text.len() <= MAX_CACHED_TEXT {
            self.parsed.insert(text.into(), Arc::clone(&parsed));
        }
        Ok(parsed)
    }
}

fn parse(text: &str, limits: DocumentLimits) -> Result<ParsedDocument, DocumentError> {
    check_nesting(text, limits.nesting)?;
    let document = parse_query(text).map_err(|error| match error {
        async_graphql_parser::Error::MissingOperation => DocumentError::NoOperation,
        async_graphql_parser::Error::Syntax { start, .. } => {
            // The parser's own message quotes the document, which may contain children's texts.
            DocumentError::Syntax {
                reason: "the document cannot be read from here on".into(),
                at: vec![line_and_column(start)],
            }
        }
        other => {
            let at = other.positions().map(line_and_column).collect();
            DocumentError::Syntax {
                reason: other.to_string(),
                at,
            }
        }
    })?;
    check_width(&document, limits.complexity)?;
    let introspects = introspects(text, &document);
    if introspects && !limits.introspection {
        return Err(DocumentError::Introspection);
    }
    let mut operations = document.operations.iter();
    let only = operations.next().filter(|_| operations.next().is_none());
    let fast_path = only.and_then(|(_, operation)| FastPath::new(&document, &operation.node));
    Ok(ParsedDocument {
        document,
        fast_path,
        introspects,
    })
}

/// A parsed document and the name of the operation to run.
#[derive(Clone, Debug)]
pub struct Document {
    parsed: Arc<ParsedDocument>,
    name: Option<String>,
}

impl Document {
    /// The whole document.
    pub fn parsed(&self) -> &ExecutableDocument {
        &self.parsed.document
    }

    /// The name of the operation, if the request gave one.
    pub fn operation_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether it asks for the schema.
    pub fn introspects(&self) -> bool {
        self.parsed.introspects
    }

    /// The document's fast path.
    pub(super) fn fast_path(&self) -> Option<&FastPath> {
        self.parsed.fast_path.as_ref()
    }

    /// The operation's definition.
    pub fn operation(&self) -> &OperationDefinition {
        self.selected_operation()
            .expect("the cache returns documents that have the operation")
    }

    /// Query, mutation or subscription.
    pub fn kind(&self) -> OperationType {
        self.operation().ty
    }

    /// Rejects a missing or null variable with AppSync's message.
    pub fn check_variables(&self, variables: &Variables) -> Result<(), DocumentError> {
        for declared in &self.operation().variable_definitions {
            let (name, expected) = (&declared.node.name.node, &declared.node.var_type.node);
            let has_value = variables
                .get(name)
                .is_some_and(|value| *value != async_graphql::Value::Null);
            let has_default =
                !variables.contains_key(name) && declared.node.default_value.is_some();
            if !expected.nullable && !has_value && !has_default {
                return Err(DocumentError::NullVariable {
                    name: name.to_string(),
                    expected_type: expected.to_string(),
                    at: line_and_column(declared.pos),
                });
            }
        }
        Ok(())
    }

    fn selected_operation(&self) -> Result<&OperationDefinition, DocumentError> {
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

fn line_and_column(at: Pos) -> (usize, usize) {
    (at.line, at.column)
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
