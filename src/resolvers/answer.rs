//! Answers in AppSync's form: `data` first, then `errors` whose `errorType` and
//! `errorInfo` stand beside `message` and not under `extensions` (protocol section 2).

use async_graphql::{PathSegment, Response, ServerError, Value};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::json;

use crate::resolvers::document::DocumentError;

/// A whole answer; `errors` is left out when there are none.
pub struct Answer<'a>(pub &'a Response);

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("data", &self.0.data)?;
        if !self.0.errors.is_empty() {
            map.serialize_entry("errors", &errors(self.0))?;
        }
        map.end()
    }
}

/// The errors of an answer as AppSync tells them.
pub fn errors(response: &Response) -> Vec<serde_json::Value> {
    response.errors.iter().map(error).collect()
}

/// Why a document cannot be run, as AppSync tells it.
pub fn document_error(error: &DocumentError) -> serde_json::Value {
    json!({
        "path": null,
        "data": null,
        "errorType": "ValidationError",
        "errorInfo": null,
        "locations": locations(error.locations()),
        "message": error.to_string(),
    })
}

fn error(error: &ServerError) -> serde_json::Value {
    let extension = |name| error.extensions.as_ref().and_then(|e| e.get(name)).cloned();
    // What the engine itself refuses has no type: a document or an argument was wrong.
    let kind = extension("errorType").unwrap_or_else(|| Value::from("ValidationError"));
    json!({
        "path": path(&error.path),
        "data": null,
        "errorType": kind,
        "errorInfo": extension("errorInfo"),
        "locations": locations(error.locations.iter().map(|at| (at.line, at.column)).collect()),
        "message": error.message,
    })
}

fn path(path: &[PathSegment]) -> serde_json::Value {
    if path.is_empty() {
        return serde_json::Value::Null;
    }
    let segments = path.iter().map(|segment| match segment {
        PathSegment::Field(name) => json!(name),
        PathSegment::Index(index) => json!(index),
    });
    segments.collect()
}

fn locations(places: Vec<(usize, usize)>) -> serde_json::Value {
    if places.is_empty() {
        return serde_json::Value::Null;
    }
    let one = |(line, column)| json!({"line": line, "column": column, "sourceName": null});
    places.into_iter().map(one).collect()
}
