//! The bytes of one answer (decision D24): counted while it is written, whatever repeats a
//! field of it, and held against the stage's memory until somebody has read them.

use crate::hub::selection::Pick;
use crate::memory::{Lease, Memory, Purpose, Work};
use crate::model::refusal::Refusal;
use crate::resolvers::field_value::FieldValue;

/// From this size on an answer is large: new ones are refused while memory is short.
pub const LARGE: usize = 64 * 1024;

/// Bytes around the fields of an answer.
const ENVELOPE: usize = r#"{"data":{}}"#.len();
/// Bytes around a field's name and value.
const AROUND_FIELD: usize = r#""":,"#.len();

/// What one answer may hold, and holds.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    written: usize,
    /// Bytes of values that fields of one operation share.
    shared: usize,
    lease: Lease,
}

impl Budget {
    /// A budget of `limit` bytes within the stage's memory.
    pub fn new(memory: &Memory, limit: usize) -> Self {
        Self {
            limit,
            written: ENVELOPE,
            shared: 0,
            lease: memory.lease(Purpose::Answers, 0),
        }
    }

    /// Writes a field's value, if it fits; `fields` is how many are still to be written,
    /// among which pages of events share the room.
    pub fn write(
        &mut self,
        name: &str,
        value: &FieldValue,
        picks: &[Pick],
        fields: usize,
    ) -> Result<Vec<u8>, Refusal> {
        let around = self.written + name.len() + AROUND_FIELD;
        let left = self.limit.saturating_sub(around);
        let text = value.write(picks, left / fields.max(1), left);
        let text = text.ok_or(Refusal::AnswerTooLarge { bytes: self.limit })?;
        if text.len() > LARGE {
            self.lease.memory().admit(Work::Data, text.len())?;
        }
        self.written = around + text.len();
        self.lease.resize(self.written + self.shared);
        Ok(text)
    }

    /// Counts bytes of a value that is kept for further fields.
    pub fn keep(&mut self, bytes: usize) {
        self.shared += bytes;
        self.lease.resize(self.written + self.shared);
    }

    /// Counts them no more.
    pub fn release(&mut self, bytes: usize) {
        self.shared = self.shared.saturating_sub(bytes);
        self.lease.resize(self.written + self.shared);
    }

    /// The whole answer: refused when it is larger than a budget.
    pub fn finish(mut self, text: Vec<u8>) -> Result<(Vec<u8>, Lease), Refusal> {
        if text.len() > self.limit {
            return Err(Refusal::AnswerTooLarge { bytes: self.limit });
        }
        self.lease.resize(text.len());
        Ok((text, self.lease))
    }
}
