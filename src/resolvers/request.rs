//! A GraphQL request as clients send it: document, variables and operation name.

use std::borrow::Cow;

use async_graphql::Variables;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::resolvers::document::{Document, DocumentError};

/// A request, the same over HTTP, WebSocket and Lambda. Unknown members are ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphQlRequest<'a> {
    /// The document.
    #[serde(borrow)]
    pub query: Cow<'a, str>,
    /// The variables, not yet parsed.
    #[serde(borrow, default)]
    pub variables: Option<&'a RawValue>,
    /// The name of the operation to run.
    #[serde(borrow, default)]
    pub operation_name: Option<Cow<'a, str>>,
}

impl<'a> GraphQlRequest<'a> {
    /// Parses a request; `None` when it is invalid or its variables are not an object.
    pub fn parse(json: &'a [u8]) -> Option<Self> {
        let Self {
            query,
            variables,
            operation_name,
        } = serde_json::from_slice(json).ok()?;
        Self::new(query, variables, operation_name)
    }

    /// A request of these parts; `None` when its variables are not an object.
    pub fn new(
        query: Cow<'a, str>,
        variables: Option<&'a RawValue>,
        operation_name: Option<Cow<'a, str>>,
    ) -> Option<Self> {
        let is_object = |v: &RawValue| v.get().starts_with('{') || v.get() == "null";
        variables.is_none_or(is_object).then_some(Self {
            query,
            variables,
            operation_name,
        })
    }

    /// The parsed variables: an empty set when they are null, `None` when they are invalid.
    pub fn variables(&self) -> Option<Variables> {
        let Some(raw) = self.variables else {
            return Some(Variables::default());
        };
        let parsed: Option<Variables> = serde_json::from_str(raw.get()).ok()?;
        Some(parsed.unwrap_or_default())
    }
}

/// A request that owns its parts, to outlive the text it was parsed from.
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
    /// The document that `find` has for it, with its operation selected, and the variables.
    pub fn resolve(
        self,
        find: impl FnOnce(&GraphQlRequest<'_>) -> Result<Document, DocumentError>,
    ) -> Result<(Document, Variables), DocumentError> {
        let variables = self.variables.unwrap_or_default();
        let operation_name = self.operation_name.map(Into::into);
        let document = find(&GraphQlRequest {
            query: self.query.into(),
            variables: None,
            operation_name,
        })?;
        document.check_variables(&variables)?;
        Ok((document, variables))
    }
}
