//! The fields of a `MeshMessage` that a subscription selects, compiled once, and the
//! rendering of messages by them. Equal selections share one rendering.
//!
//! Nothing here waits or parses GraphQL: the resolvers compile documents into selections
//! (aliases, fragments, directives and merging are done there).

mod field;
mod json;
mod message;

use crate::model::message::{MESSAGE_BYTES, Message};

pub use field::Field;
pub(crate) use json::JsonWriter;

/// A selected field under its response name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SelectedField {
    /// The response name as JSON, colon included.
    name: Box<str>,
    pub(crate) field: Field,
    pub(crate) inner: Vec<SelectedField>,
}

impl SelectedField {
    /// A field without fields of its own.
    pub fn leaf(name: &str, field: Field) -> Self {
        Self::node(name, field, Vec::new())
    }

    /// A field and the fields selected of it.
    pub fn node(name: &str, field: Field, inner: Vec<Self>) -> Self {
        Self {
            name: format!("{}:", serde_json::Value::from(name)).into(),
            field,
            inner,
        }
    }

    fn is_called(&self, name: &str) -> bool {
        let quoted = self.name.strip_suffix(':').unwrap_or_default();
        quoted.strip_prefix('"').and_then(|n| n.strip_suffix('"')) == Some(name)
    }

    fn has_no_aliases(&self) -> bool {
        let unaliased =
            |field: &Self| field.is_called(field.field.name()) && field.has_no_aliases();
        self.inner.iter().all(unaliased)
    }

    fn bytes(&self) -> usize {
        /// What the allocator adds to an allocation, about.
        const OVERHEAD_BYTES: usize = 16;
        let inner: usize = self.inner.iter().map(Self::bytes).sum();
        let list = if inner > 0 { OVERHEAD_BYTES } else { 0 };
        size_of::<Self>() + self.name.len().max(OVERHEAD_BYTES) + OVERHEAD_BYTES + list + inner
    }
}

/// Everything that one subscription selects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selection(SelectedField);

impl Selection {
    /// The fields of `MeshMessage` selected under the subscription field's response name.
    pub fn new(name: &str, fields: Vec<SelectedField>) -> Self {
        Self(SelectedField::node(name, Field::Message, fields))
    }

    /// Whether every field has its own name. Then no field comes twice, and no message
    /// exceeds [`MESSAGE_BYTES`]: its mutation would have been rejected (decision D25).
    pub fn has_no_aliases(&self) -> bool {
        self.0.is_called("onMessageInGroup") && self.0.has_no_aliases()
    }

    /// The bytes it takes, about.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Renders a message: the value of `data`. `None` if it exceeds [`MESSAGE_BYTES`];
    /// nothing larger is built to find that out (decision D25).
    pub fn render(&self, message: &Message) -> Option<Vec<u8>> {
        let mut json = JsonWriter::with_limit(MESSAGE_BYTES);
        self.write(&mut json, message);
        json.finish()
    }

    /// The value of `data` without a message.
    pub fn render_null(&self) -> String {
        format!("{{{}null}}", self.0.name)
    }

    fn write(&self, json: &mut JsonWriter, message: &Message) {
        json.raw("{");
        json.raw(&self.0.name);
        json.message(&self.0.inner, message);
        json.raw("}");
    }
}

#[cfg(test)]
mod tests;
