//! The bodies of a publisher's mutations, prepared but for the tag.

use serde_json::{Value, json};

use crate::args::BenchArgs;
use crate::documents::{FIRE_EVENTS_BY_NODE, RECORD_EVENTS_BY_NODE, REPORT_DATA_BY_NODE};
use crate::group::Group;
use crate::mix::Mix;
use crate::tag::{Kind, Tag};

/// Placeholder of the tag.
const TAG: &str = "<tag>";
/// Placeholder of the number in an event's order key.
const ORDER: &str = "<order>";

/// The mutation that publishes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// reportDataByNode
    Report,
    /// fireEventsByNode
    Fire,
    /// recordEventsByNode
    Record,
}

impl Operation {
    /// The kind of its message.
    pub fn kind(self) -> Kind {
        match self {
            Self::Report => Kind::Report,
            Self::Fire | Self::Record => Kind::Event,
        }
    }

    /// The order in which a publisher cycles through a mix: each operation spread evenly.
    pub fn sequence(mix: Mix) -> Vec<Self> {
        let kinds = [
            (Self::Report, mix.reports),
            (Self::Fire, mix.fires),
            (Self::Record, mix.records),
        ];
        let mut sequence: Vec<(f64, Self)> = Vec::new();
        for (operation, parts) in kinds {
            let place = |part| (f64::from(part) + 0.5) / f64::from(parts);
            sequence.extend((0..parts).map(|part| (place(part), operation)));
        }
        sequence.sort_by(|one, other| one.0.total_cmp(&other.0));
        sequence
            .into_iter()
            .map(|(_, operation)| operation)
            .collect()
    }
}

/// A publisher's bodies, each with placeholders.
pub struct Payloads {
    report: String,
    fire: String,
    record: String,
}

impl Payloads {
    /// The bodies of a node in its group.
    pub fn new(node: &str, group: &Group, args: &BenchArgs) -> Self {
        let padding = ".".repeat(args.payload as usize - Tag::LENGTH);
        let text = format!("{TAG}{padding}");
        let data: Vec<_> = (1..=args.variables)
            .map(|number| json!({"key": format!("v{number}"), "value": text}))
            .collect();
        let events = json!([{"eventName": "go", "payload": text,
            "firedAt": "2026-02-07T01:02:03.456Z", "orderKey": format!("20260207010203-{ORDER}")}]);
        let body = |document, name: &str, content: Value| {
            let mut variables =
                json!({"groupId": group.id, "domain": group.domain, "nodeId": node});
            variables[name] = content;
            json!({"query": document, "variables": variables}).to_string()
        };
        Self {
            report: body(REPORT_DATA_BY_NODE, "data", Value::from(data)),
            fire: body(FIRE_EVENTS_BY_NODE, "events", events.clone()),
            record: body(RECORD_EVENTS_BY_NODE, "events", events),
        }
    }

    /// The body of a mutation.
    pub fn body(&self, operation: Operation, tag: &Tag) -> String {
        let body = match operation {
            Operation::Report => &self.report,
            Operation::Fire => &self.fire,
            Operation::Record => &self.record,
        };
        let body = body.replace(TAG, &tag.to_string());
        match operation {
            Operation::Report => body,
            _ => body.replace(ORDER, &format!("{:07}", tag.event)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_spreads_the_operations_of_a_mix() {
        let sequence = Operation::sequence("reports=4,fires=2".parse().expect("a mix"));
        let fires = sequence
            .iter()
            .enumerate()
            .filter(|(_, operation)| **operation == Operation::Fire);
        assert_eq!(sequence.len(), 6);
        assert_eq!(fires.map(|(at, _)| at).collect::<Vec<_>>(), [1, 4]);
    }
}
