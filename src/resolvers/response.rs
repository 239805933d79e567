//! Answers in AppSync's form: `data` first, then `errors` whose `errorType` and
//! `errorInfo` stand beside `message` and not under `extensions` (docs/protocols.md, HTTP).

use async_graphql::{PathSegment, Response, ServerError, Value};
use serde::Serialize;
use serde_json::json;

use crate::resolvers::document::DocumentError;

/// What a caller is told when the work itself failed (decision D21).
pub const OUT_OF_ORDER: &str = "The service is busy or out of order. Please try again.";

/// A whole answer; `errors` is left out when there are none. What resolvers wrote already
/// stands in it as it is.
pub fn text(response: &Response) -> Vec<u8> {
    let mut text = b"{\"data\":".to_vec();
    match &response.data {
        Value::Object(fields) => {
            for (i, (name, value)) in fields.iter().enumerate() {
                text.push(if i == 0 { b'{' } else { b',' });
                json(&mut text, name);
                text.push(b':');
                match value {
                    Value::Binary(written) => text.extend_from_slice(written),
                    value => json(&mut text, value),
                }
            }
            text.extend_from_slice(if fields.is_empty() { b"{}" } else { b"}" });
        }
        other => json(&mut text, other),
    }
    if !response.errors.is_empty() {
        text.extend_from_slice(b",\"errors\":");
        json(&mut text, &errors(response));
    }
    text.push(b'}');
    text
}

/// An answer without data, for an operation that did not run or whose work broke.
pub fn refusal(error: &serde_json::Value) -> Vec<u8> {
    let mut text = Vec::new();
    json(&mut text, &json!({"data": null, "errors": [error]}));
    text
}

/// An error that belongs to no field.
pub fn whole_error(kind: &str, message: &str) -> serde_json::Value {
    json!({
        "path": null,
        "data": null,
        "errorType": kind,
        "errorInfo": null,
        "locations": null,
        "message": message,
    })
}

fn json(text: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(text, value).expect("an answer is JSON");
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
