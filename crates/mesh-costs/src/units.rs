//! DynamoDB's units of each call. The store's tests measure them, and write `units.json`.

use serde::{Deserialize, Serialize};

/// The measured table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Units {
    /// Members of the measured class.
    pub pupils: u32,
    /// Transactions for each kept event, from `contention_figures`.
    pub tries: Tries,
    /// The calls, each by itself.
    pub calls: Vec<CallUnits>,
}

/// Kept events of one group in a second at which the tries were measured.
const MEASURED_RATE: f64 = 40.0;

/// Transactions that a kept event needs where 40 of them come in a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tries {
    /// One server writes them.
    pub one_server: f64,
    /// Sixteen instances of the function do.
    pub lambda: f64,
}

/// The units and requests of one call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallUnits {
    /// The field, or `(reaper)`.
    pub call: String,
    /// In which case.
    pub how: String,
    /// Requests that read.
    pub reads: usize,
    /// Their units.
    pub read_units: f64,
    /// Requests that write.
    pub writes: usize,
    /// Their units.
    pub write_units: f64,
}

impl Tries {
    /// Of `measured` tries, those that remain where fewer events come: the others were lost to
    /// events that came at the same time.
    pub fn at(measured: f64, events_per_second: f64) -> f64 {
        1.0 + (measured - 1.0) * (events_per_second / MEASURED_RATE).min(1.0)
    }
}

impl Units {
    /// What was measured last.
    pub fn measured() -> Self {
        serde_json::from_str(include_str!("../units.json")).expect("units.json is of this form")
    }

    /// The units of a call.
    pub fn of(&self, call: &str, how: &str) -> CallUnits {
        if call == "(poll mark)" {
            return self.poll_mark();
        }
        let found = self
            .calls
            .iter()
            .find(|row| row.call == call && row.how == how);
        found
            .unwrap_or_else(|| panic!("units.json has no {call}, {how}"))
            .clone()
    }

    /// What the mark adds to a poll.
    fn poll_mark(&self) -> CallUnits {
        let marked = self.of("pollGroupData", "with a write of the poll mark");
        let plain = self.of("pollGroupData", "40 nodes");
        CallUnits {
            read_units: (marked.read_units - plain.read_units).max(0.0),
            write_units: (marked.write_units - plain.write_units).max(0.0),
            ..marked
        }
    }
}
