//! A request's document: looked at before it is parsed, parsed once however often it
//! comes, and its operation chosen.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::Variables;
use async_graphql_parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection,
    SelectionSet,
};
use async_graphql_parser::{Pos, parse_query};
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::resolvers::DocumentLimits;
use crate::resolvers::direct::Direct;

/// The most documents that are remembered; a deployed client sends some twenty.
const REMEMBERED: usize = 1024;
/// A longer text is parsed anew each time.
const REMEMBERED_BYTES: usize = 16 * 1024;

/// What a client asks, in the envelope that every wire shares. Unknown members are ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ask<'a> {
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

impl<'a> Ask<'a> {
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
pub struct OwnedAsk {
    query: String,
    #[serde(default)]
    variables: Option<Variables>,
    #[serde(default)]
    operation_name: Option<String>,
}

impl OwnedAsk {
    /// The document and its operation, and the variables.
    pub fn open(self, documents: &Documents) -> Result<(Document, Variables), DocumentError> {
        let variables = self.variables.unwrap_or_default();
        let name = self.operation_name.map(Into::into);
        let document = documents.get(&Ask {
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
    parsed: Cache<Box<str>, Arc<Parsed>>,
}

/// A document, and its direct form if it has one.
#[derive(Debug)]
struct Parsed {
    document: ExecutableDocument,
    direct: Option<Direct>,
}

impl Documents {
    /// Remembers documents within these bounds.
    pub fn new(limits: DocumentLimits) -> Self {
        Self {
            limits,
            parsed: Cache::new(REMEMBERED),
        }
    }

    /// The asked document, parsed now or before, with its operation.
    pub fn get(&self, ask: &Ask<'_>) -> Result<Document, DocumentError> {
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
        if text.len() <= REMEMBERED_BYTES {
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
    let direct = only.and_then(|(_, operation)| Direct::of(&document, &operation.node));
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
    pub(super) fn direct(&self) -> Option<&Direct> {
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

/// Refuses deep brackets before the parser meets them: it recurses, and a few thousand
/// levels would overflow the stack and end the process. One pass; texts and comments
/// are skipped.
fn check_nesting(text: &str, limit: usize) -> Result<(), DocumentError> {
    let bytes = text.as_bytes();
    let (mut depth, mut i) = (0_usize, 0);
    while i < bytes.len() {
        match bytes[i] {
            b'(' | b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    let line = text[..i].matches('\n').count() + 1;
                    let column = text[..i]
                        .rsplit('\n')
                        .next()
                        .map_or(0, |l| l.chars().count())
                        + 1;
                    return Err(DocumentError::TooDeep {
                        limit,
                        at: (line, column),
                    });
                }
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'#' => i = end_of_line(bytes, i),
            b'"' if bytes[i..].starts_with(b"\"\"\"") => i = end_of_block(bytes, i + 3),
            b'"' => i = end_of_text(bytes, i + 1),
            _ => {}
        }
        i += 1;
    }
    Ok(())
}

/// The place where a comment ends.
fn end_of_line(bytes: &[u8], i: usize) -> usize {
    bytes[i..]
        .iter()
        .position(|b| matches!(b, b'\n' | b'\r'))
        .map_or(bytes.len(), |n| i + n)
}

/// Refuses fragments that double with every level, or run in circles, before the engine
/// follows them: its own bounds are checked by walking all of it.
fn check_width(document: &ExecutableDocument, limit: usize) -> Result<(), DocumentError> {
    fn follow(document: &ExecutableDocument, set: &SelectionSet, left: &mut usize) -> Option<()> {
        for item in &set.items {
            *left = left.checked_sub(1)?;
            let inner = match &item.node {
                Selection::Field(field) => Some(&field.node.selection_set),
                Selection::InlineFragment(fragment) => Some(&fragment.node.selection_set),
                Selection::FragmentSpread(spread) => {
                    let fragment = document.fragments.get(&spread.node.fragment_name.node);
                    fragment.map(|fragment| &fragment.node.selection_set)
                }
            };
            if let Some(inner) = inner {
                follow(document, &inner.node, left)?;
            }
        }
        Some(())
    }
    let mut left = limit;
    for (_, operation) in document.operations.iter() {
        follow(document, &operation.node.selection_set.node, &mut left)
            .ok_or(DocumentError::TooWide { limit })?;
    }
    Ok(())
}

/// The place of the quote that ends a text; a line's end ends it as well, as an error.
fn end_of_text(bytes: &[u8], mut i: usize) -> usize {
    while i < bytes.len() && !matches!(bytes[i], b'"' | b'\n') {
        i += if bytes[i] == b'\\' { 2 } else { 1 };
    }
    i
}

/// The place of the last quote that ends a block.
fn end_of_block(bytes: &[u8], mut i: usize) -> usize {
    while i < bytes.len() {
        if bytes[i..].starts_with(b"\\\"\"\"") {
            i += 4;
        } else if bytes[i..].starts_with(b"\"\"\"") {
            return i + 2;
        } else {
            i += 1;
        }
    }
    i
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ask<'a>(query: &'a str, name: Option<&'a str>) -> Ask<'a> {
        Ask {
            query: query.into(),
            variables: None,
            operation_name: name.map(Into::into),
        }
    }

    fn parse(query: &str) -> Result<Document, DocumentError> {
        Documents::new(DocumentLimits::default()).get(&ask(query, None))
    }

    #[test]
    fn deep_brackets_are_refused_before_they_are_parsed() {
        for (open, close) in [("[", "]"), ("{a:", "}"), ("(", ")")] {
            let text = format!(
                "{{ f(a: {}1{}) }}",
                open.repeat(50_000),
                close.repeat(50_000)
            );
            assert!(matches!(
                parse(&text),
                Err(DocumentError::TooDeep { limit: 64, .. })
            ));
        }
        assert!(
            parse(&format!(
                "{{ f(a: {}1{}) }}",
                "[".repeat(60),
                "]".repeat(60)
            ))
            .is_ok()
        );
    }

    #[test]
    fn fragments_that_multiply_or_run_in_circles_are_refused_before_they_are_followed() {
        let doubling = |i| format!("fragment F{i} on Q {{ ...F{0} ...F{0} }}", i + 1);
        let bomb = (0..60).map(doubling).collect::<Vec<_>>().join(" ");
        for text in [
            format!("{{ ...F0 }} {bomb} fragment F60 on Q {{ f }}"),
            format!("query A {{ f }} query B {{ ...F0 }} {bomb} fragment F60 on Q {{ f }}"),
            "{ ...A } fragment A on Q { ...B } fragment B on Q { f ...A }".into(),
        ] {
            let named = ask(&text, text.contains("query A").then_some("A"));
            let refused = Documents::new(DocumentLimits::default())
                .get(&named)
                .unwrap_err();
            assert_eq!(refused, DocumentError::TooWide { limit: 400 });
        }
        assert!(parse(&format!("{{ {} }}", "f ".repeat(400))).is_ok());
    }

    #[test]
    fn brackets_in_texts_and_comments_do_not_count() {
        let many = "[".repeat(200);
        for text in [
            format!("{{ f(a: \"{many}\") }}"),
            format!("{{ f(a: \"\\\"{many}\") }}"),
            format!("{{ f(a: \"\"\"{many} \\\"\"\" {many}\"\"\") }}"),
            format!("# {many}\n{{ f }}"),
        ] {
            assert!(parse(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_syntax_error_says_where_and_does_not_repeat_the_document() {
        let error = parse("{ f(secret: \"kitten\"").unwrap_err();
        assert!(!error.to_string().contains("kitten"));
        assert_eq!(error.locations().len(), 1);
    }

    #[test]
    fn an_envelope_is_read_or_refused() {
        let read =
            |json: &str| Ask::read(json.as_bytes()).and_then(|ask| Some(ask.variables()?.len()));
        assert_eq!(
            read(r#"{"query":"{ a }","variables":{"x":1},"extensions":{}}"#),
            Some(1)
        );
        assert_eq!(
            read(r#"{"query":"{ a }","variables":null,"operationName":null}"#),
            Some(0)
        );
        let deep = format!(
            r#"{{"query":"{{ a }}","variables":{{"x":{}{}}}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        );
        for bad in [
            &*deep,
            r#"{"query":"{ a }","variables":{"x":"\ud800"}}"#,
            "",
            "meow",
            "{}",
            "[]",
            r#"{"query":7}"#,
            r#"{"query":"{ a }","variables":"x"}"#,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_operation_is_chosen_by_name() {
        let documents = Documents::new(DocumentLimits::default());
        let named = |name| {
            let ask = ask("query A { a } mutation B { b }", name);
            documents.get(&ask).map(|document| document.kind())
        };
        assert_eq!(named(Some("B")), Ok(OperationType::Mutation));
        assert_eq!(named(None), Err(DocumentError::NoOperationName));
        assert_eq!(
            named(Some("C")),
            Err(DocumentError::UnknownOperation("C".into()))
        );
    }

    #[test]
    fn a_variable_that_must_have_a_value_is_named_when_it_has_none() {
        let document = parse("query Q($x: String!, $y: Int, $z: Int! = 1) { f }").unwrap();
        let check = |json: serde_json::Value| {
            document
                .check_variables(&Variables::from_json(json))
                .map_err(|e| e.to_string())
        };
        assert_eq!(check(serde_json::json!({"x": "1"})), Ok(()));
        let text = "Variable 'x' has coerced Null value for NonNull type 'String!'";
        assert_eq!(check(serde_json::json!({})), Err(text.to_owned()));
        assert_eq!(check(serde_json::json!({"x": null})), Err(text.to_owned()));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_and_never_panics(text in "[\\[\\](){}\"#\\\\\n a:é]{0,200}") {
            let _ = parse(&text);
        }
    }
}
