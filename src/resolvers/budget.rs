//! The bytes of one answer (decision D24): counted while it is written, whatever repeats a
//! field of it, and held against the stage's memory until somebody has read them.

use async_graphql_parser::types::OperationType;

use crate::hub::selection::SelectedField;
use crate::memory::{Lease, Memory, Purpose, Work};
use crate::model::error::ClientError;
use crate::model::message::MESSAGE_BYTES;
use crate::resolvers::field_value::FieldValue;

/// A query's answer of more bytes is large.
const LARGE_QUERY: usize = 64 * 1024;
/// A mutation has run when its answer is written, and a client repeats what was refused:
/// the answer to one that selects each field once is never large.
const LARGE_MUTATION: usize = MESSAGE_BYTES + 16 * 1024;

/// An answer of more bytes is large: it is refused while memory is short, or while the
/// connection leaves too much unread.
pub fn large(kind: OperationType) -> usize {
    match kind {
        OperationType::Mutation => LARGE_MUTATION,
        OperationType::Query | OperationType::Subscription => LARGE_QUERY,
    }
}

/// Bytes around the fields of an answer.
const ENVELOPE: usize = r#"{"data":{}}"#.len();
/// Bytes around a field's name and value.
const AROUND_FIELD: usize = r#""":,"#.len();

/// What one answer may hold, and holds.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    large: usize,
    written: usize,
    /// Bytes of values that fields of one operation share.
    shared: usize,
    lease: Lease,
}

impl Budget {
    /// A budget of `limit` bytes within the stage's memory, for an operation of this kind.
    pub fn new(memory: &Memory, limit: usize, kind: OperationType) -> Self {
        Self {
            limit,
            large: large(kind),
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
        picks: &[SelectedField],
        fields: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let around = self.written + name.len() + AROUND_FIELD;
        let left = self.limit.saturating_sub(around);
        let text = value.write(picks, left / fields.max(1), left);
        let text = text.ok_or(ClientError::ResponseTooLarge { bytes: self.limit })?;
        if text.len() > self.large {
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
    pub fn finish(mut self, text: Vec<u8>) -> Result<(Vec<u8>, Lease), ClientError> {
        if text.len() > self.limit {
            return Err(ClientError::ResponseTooLarge { bytes: self.limit });
        }
        self.lease.resize(text.len());
        Ok((text, self.lease))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::group::GroupKey;
    use crate::model::message::{Dissolution, Message};

    #[test]
    fn while_memory_is_short_a_mutation_that_ran_is_answered_and_a_large_query_is_not() {
        let memory = Memory::new(1 << 20);
        let _held = memory.lease(Purpose::Stored, 1 << 20);
        let group = GroupKey::parse("g", "d").unwrap();
        let message = "x".repeat(LARGE_QUERY);
        let value = FieldValue::Message(Message::Dissolved(Dissolution { group, message }));
        let end = SelectedField::leaf("message", crate::hub::selection::Field::Message);
        let picks = [SelectedField::node(
            "groupDissolve",
            crate::hub::selection::Field::GroupDissolve,
            vec![end],
        )];
        let written = |kind| {
            let mut budget = Budget::new(&memory, 5 << 20, kind);
            budget.write("dissolveGroup", &value, &picks, 1)
        };
        assert!(written(OperationType::Mutation).is_ok());
        let refusal = written(OperationType::Query).unwrap_err();
        assert_eq!(refusal.kind(), "LimitExceeded");
    }
}
