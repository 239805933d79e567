//! The function's metrics in `CloudWatch`'s embedded metric format: one line in the log for many calls,
//! for each line is paid for. Nothing here waits.
//!
//! An instance adds up its calls and writes them with the first call after the interval, or when there
//! are as many as a line takes. What the last calls of an instance add up to is lost with it.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::model::time::Timestamp;

/// The namespace of the metrics.
const NAMESPACE: &str = "MeshV2";
/// The most values that a line may have of one metric.
const MAX_VALUES: usize = 100;
/// The fields by which clients poll.
const POLLS: [&str; 3] = ["pollGroupData", "getEventsSince", "recordEventsByNode"];

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a value.
    Answered,
    /// With an error of the client's.
    Refused,
    /// With a failure.
    Failed,
}

/// A call of a field.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The field.
    pub field: &'a str,
    /// How it ended.
    pub ending: Ending,
    /// How long its client waited.
    pub took: Duration,
}

/// What an instance's calls add up to.
#[derive(Debug)]
pub struct Emf {
    stage: &'static str,
    interval: Duration,
    sums: Mutex<Option<Sums>>,
}

#[derive(Debug)]
struct Sums {
    began: Instant,
    polls: u32,
    refused: u32,
    failed: u32,
    milliseconds: Vec<f64>,
}

impl Emf {
    /// Sums that are written each `interval`, with the dimension `stage`.
    pub fn new(stage: &'static str, interval: Duration) -> Self {
        Self {
            stage,
            interval,
            sums: Mutex::default(),
        }
    }

    /// Counts a call, and writes the line that is due.
    pub fn count(&self, call: &Call<'_>, now: Timestamp) {
        if let Some(line) = self.add(call, now) {
            // A log that is gone must not fail the call.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }

    fn add(&self, call: &Call<'_>, now: Timestamp) -> Option<Value> {
        let mut guard = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let sums = guard.get_or_insert_with(|| Sums {
            began: Instant::now(),
            polls: 0,
            refused: 0,
            failed: 0,
            milliseconds: Vec::new(),
        });
        sums.polls += u32::from(POLLS.contains(&call.field));
        sums.refused += u32::from(call.ending == Ending::Refused);
        sums.failed += u32::from(call.ending == Ending::Failed);
        sums.milliseconds.push(call.took.as_secs_f64() * 1000.0);
        let is_due = sums.began.elapsed() >= self.interval;
        if !is_due && sums.milliseconds.len() < MAX_VALUES {
            return None;
        }
        guard.take().map(|sums| sums.line(self.stage, now))
    }
}

#[cfg(test)]
impl Emf {
    /// The durations that wait for their line.
    pub fn milliseconds(&self) -> Vec<f64> {
        let sums = self.sums.lock().expect("no panic");
        let durations = sums.as_ref().map(|sums| sums.milliseconds.clone());
        durations.unwrap_or_default()
    }
}

impl Sums {
    fn line(self, stage: &str, now: Timestamp) -> Value {
        let counts = ["Calls", "Polls", "Refused", "Failures"];
        let counts = counts.map(|name| json!({"Name": name, "Unit": "Count"}));
        let duration = json!({"Name": "Duration", "Unit": "Milliseconds"});
        let metrics: Vec<_> = counts.into_iter().chain([duration]).collect();
        json!({
            "_aws": {
                "Timestamp": now.millis(),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["Stage"]],
                    "Metrics": metrics,
                }],
            },
            "Stage": stage,
            "Calls": self.milliseconds.len(),
            "Polls": self.polls,
            "Refused": self.refused,
            "Failures": self.failed,
            "Duration": self.milliseconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(field: &str, ending: Ending) -> Call<'_> {
        let took = Duration::from_millis(20);
        Call {
            field,
            ending,
            took,
        }
    }

    #[test]
    fn calls_are_added_up_until_the_interval_is_over() {
        let (emf, now) = (
            Emf::new("stg", Duration::from_hours(1)),
            Timestamp::from_millis(7),
        );
        assert_eq!(emf.add(&call("pollGroupData", Ending::Answered), now), None);
        assert_eq!(emf.add(&call("createGroup", Ending::Refused), now), None);
        assert_eq!(
            emf.add(&call("reportDataByNode", Ending::Failed), now),
            None
        );
        let sums = emf.sums.lock().unwrap().take().expect("sums");
        let line = sums.line("stg", now);
        for (name, value) in [("Calls", 3), ("Polls", 1), ("Refused", 1), ("Failures", 1)] {
            assert_eq!(line[name], value, "{name}");
        }
        assert_eq!(line["Duration"], json!([20.0, 20.0, 20.0]));
        assert_eq!(
            (&line["Stage"], &line["_aws"]["Timestamp"]),
            (&json!("stg"), &json!(7))
        );
        let described = &line["_aws"]["CloudWatchMetrics"][0];
        let described = described["Metrics"].as_array().expect("metrics");
        assert!(
            described
                .iter()
                .all(|it| !line[it["Name"].as_str().unwrap()].is_null())
        );
    }

    #[test]
    fn a_line_has_as_many_values_as_cloudwatch_takes() {
        let (emf, now) = (
            Emf::new("stg", Duration::from_hours(1)),
            Timestamp::from_millis(7),
        );
        let lines = (0..250).filter_map(|_| emf.add(&call("leaveGroup", Ending::Answered), now));
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines[0]["Duration"].as_array().map(Vec::len),
            Some(MAX_VALUES)
        );
        let at_once = Emf::new("stg", Duration::ZERO);
        assert!(
            at_once
                .add(&call("leaveGroup", Ending::Answered), now)
                .is_some()
        );
    }
}
