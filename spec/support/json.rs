//! Values of JSON documents that must have a certain type.

use serde_json::Value;

/// The text of a JSON string.
#[track_caller]
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// The items of a JSON list.
#[track_caller]
pub fn list(value: &Value) -> &Vec<Value> {
    value
        .as_array()
        .unwrap_or_else(|| panic!("{value} is no list"))
}

/// The texts that the objects of a list have under `name`.
#[track_caller]
pub fn all(name: &str, objects: &[Value]) -> Vec<String> {
    objects.iter().map(|object| text(&object[name])).collect()
}
