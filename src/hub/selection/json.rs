//! A writer of JSON that stops at a limit.

use std::io::Write as _;

use serde::Serialize;

use crate::hub::selection::SelectedField;

/// JSON text up to a limit. What would exceed it is not written.
pub(crate) struct JsonWriter {
    pub(super) bytes: Vec<u8>,
    limit: usize,
    pub(super) exceeded: bool,
}

impl std::io::Write for JsonWriter {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if self.exceeded || self.bytes.len() + bytes.len() > self.limit {
            self.exceeded = true;
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl JsonWriter {
    pub(crate) fn with_limit(limit: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(512),
            limit,
            exceeded: false,
        }
    }

    /// The text, unless it exceeds the limit.
    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        (!self.exceeded).then_some(self.bytes)
    }

    // Writing fails only at the limit, which `exceeded` records.
    pub(crate) fn raw(&mut self, text: &str) {
        let _ = self.write_all(text.as_bytes());
    }

    pub(crate) fn value(&mut self, value: &impl Serialize) {
        let _ = serde_json::to_writer(self, value);
    }

    /// Text that needs no escaping.
    pub(crate) fn unescaped(&mut self, value: &impl std::fmt::Display) {
        let _ = write!(self, "\"{value}\"");
    }

    pub(crate) fn object(
        &mut self,
        fields: &[SelectedField],
        mut write: impl FnMut(&mut Self, &SelectedField),
    ) {
        self.raw("{");
        for (i, field) in fields.iter().enumerate() {
            if self.exceeded {
                return;
            }
            if i > 0 {
                self.raw(",");
            }
            self.raw(&field.name);
            write(self, field);
        }
        self.raw("}");
    }

    pub(crate) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.raw("[");
        for (i, item) in items.iter().enumerate() {
            if self.exceeded {
                return;
            }
            if i > 0 {
                self.raw(",");
            }
            write(self, item);
        }
        self.raw("]");
    }
}
