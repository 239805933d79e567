//! Responses in AppSync's format: `data` first, then `errors` whose `errorType` and
//! `errorInfo` are beside `message` and not in `extensions` (docs/protocols.md, HTTP). Only a
//! request that was too fast has extensions, with the time after which to repeat it.

use async_graphql::{PathSegment, Response, ServerError, Value};
use serde::Serialize;
use serde_json::json;

use crate::model::error::ClientError;
use crate::resolvers::document::DocumentError;

/// The message of an `InternalFailure` (decision D21).
pub const INTERNAL_FAILURE: &str = "The service is busy or out of order. Please try again.";

/// The member of `extensions` with the milliseconds after which to repeat a request.
pub const RETRY_AFTER: &str = "retryAfterMs";

/// A response as JSON; `errors` is absent when there are none. JSON that resolvers wrote is
/// copied unchanged.
pub fn to_json(response: &Response) -> Vec<u8> {
    let mut text = b"{\"data\":".to_vec();
    match &response.data {
        Value::Object(fields) => {
            for (i, (name, value)) in fields.iter().enumerate() {
                text.push(if i == 0 { b'{' } else { b',' });
                write_json(&mut text, name);
                text.push(b':');
                match value {
                    Value::Binary(json) => text.extend_from_slice(json),
                    value => write_json(&mut text, value),
                }
            }
            text.extend_from_slice(if fields.is_empty() { b"{}" } else { b"}" });
        }
        other => write_json(&mut text, other),
    }
    if !response.errors.is_empty() {
        text.extend_from_slice(b",\"errors\":");
        write_json(&mut text, &errors(response));
    }
    text.push(b'}');
    text
}

/// A response without data, for an operation that did not run or that panicked.
pub fn without_data(error: &serde_json::Value) -> Vec<u8> {
    let mut text = Vec::new();
    write_json(&mut text, &json!({"data": null, "errors": [error]}));
    text
}

/// An error of the whole request, without a path.
pub fn request_error(kind: &str, message: &str) -> serde_json::Value {
    json!({
        "path": null,
        "data": null,
        "errorType": kind,
        "errorInfo": null,
        "locations": null,
        "message": message,
    })
}

/// The error of a whole request that is refused.
pub fn client_error(error: &ClientError) -> serde_json::Value {
    let refused = request_error(error.kind(), &error.to_string());
    with_retry(refused, error.retry_after_ms().map(Into::into))
}

fn with_retry(mut error: serde_json::Value, time: Option<serde_json::Value>) -> serde_json::Value {
    if let Some(time) = time {
        error["extensions"] = json!({ RETRY_AFTER: time });
    }
    error
}

fn write_json(text: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(text, value).expect("a response can be serialized");
}

/// The errors of a response in AppSync's format.
pub fn errors(response: &Response) -> Vec<serde_json::Value> {
    response.errors.iter().map(error).collect()
}

/// The error of a document that cannot be executed, in AppSync's format.
pub fn document_error(error: &DocumentError) -> serde_json::Value {
    if let DocumentError::Refused(refused) = error {
        return client_error(refused);
    }
    json!({
        "path": null,
        "data": null,
        "errorType": "ValidationError",
        "errorInfo": null,
        "locations": locations(error.locations()),
        "message": error.to_string(),
    })
}

/// The type of an error. The engine's own errors have none: a document or an argument is invalid.
pub fn error_type(error: &ServerError) -> String {
    let given = error.extensions.as_ref().and_then(|e| e.get("errorType"));
    match given {
        Some(Value::String(kind)) => kind.clone(),
        _ => "ValidationError".into(),
    }
}

fn error(error: &ServerError) -> serde_json::Value {
    let extension = |name| error.extensions.as_ref().and_then(|e| e.get(name)).cloned();
    let kind = error_type(error);
    let written = json!({
        "path": path(&error.path),
        "data": null,
        "errorType": kind,
        "errorInfo": extension("errorInfo"),
        "locations": locations(error.locations.iter().map(|at| (at.line, at.column)).collect()),
        "message": error.message,
    });
    let retry = extension(RETRY_AFTER).and_then(|time| time.into_json().ok());
    with_retry(written, retry)
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

fn locations(positions: Vec<(usize, usize)>) -> serde_json::Value {
    if positions.is_empty() {
        return serde_json::Value::Null;
    }
    let location = |(line, column)| json!({"line": line, "column": column, "sourceName": null});
    positions.into_iter().map(location).collect()
}
