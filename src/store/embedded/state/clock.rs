//! Steps of the server's clock (decision D35).

use std::time::Duration;

use crate::model::time::{ClockStep, Timestamp};
use crate::store::embedded::record::Record;
use crate::store::embedded::state::State;

/// How long a call may be under way before it reaches the state.
const CALL_TIME: Duration = Duration::from_secs(30);

/// The last step, by which the times of calls are recognized that were begun before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastStep {
    step: ClockStep,
    /// The last time that was seen after the step.
    newest: Timestamp,
}

impl LastStep {
    /// The time of a call by the clock after the step.
    fn corrected(&self, now: Timestamp) -> Timestamp {
        let ClockStep { from, to } = self.step;
        let by = self.step.millis();
        if by >= 0 {
            return now.max(to);
        }
        // The new times reach the old ones again, but little by little.
        let window = CALL_TIME.min(Duration::from_millis(by.unsigned_abs() / 2));
        let around = from.minus(window) < now && now.minus(window) <= from;
        if around && now.minus(window / 2) > self.newest {
            now.shifted(by)
        } else {
            now
        }
    }
}

impl State {
    /// See [`Store::clock_stepped`](crate::store::Store::clock_stepped).
    pub fn clock_stepped(&mut self, step: ClockStep) {
        if self.at(step.from) != step.from {
            // Repeated, because the call seemed to have failed.
            return;
        }
        self.shift(step.millis());
        self.changes.record(&Record::ClockStepped(step.millis()));
        self.last_step = Some(LastStep {
            step,
            newest: step.to,
        });
    }

    /// Moves the times by which groups, nodes and tombstones live by some milliseconds.
    pub(super) fn shift(&mut self, by: i64) {
        for state in self.groups.values_mut() {
            state.shift(by);
        }
        for groups in self.by_domain.values_mut() {
            groups.clock_stepped();
        }
        self.tombstones.shift(by);
    }

    /// The time of a call that may have read the clock before its last step.
    pub(super) fn at(&self, now: Timestamp) -> Timestamp {
        self.last_step.map_or(now, |last| last.corrected(now))
    }

    /// Notes that the clock's time has come to `now`.
    pub(super) fn time_is(&mut self, now: Timestamp) {
        if let Some(last) = &mut self.last_step {
            last.newest = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(from: i64, to: i64, newest: i64, now: i64) -> i64 {
        let step = ClockStep {
            from: Timestamp::from_seconds(from),
            to: Timestamp::from_seconds(to),
        };
        let newest = Timestamp::from_seconds(newest);
        let last = LastStep { step, newest };
        last.corrected(Timestamp::from_seconds(now)).seconds()
    }

    #[test]
    fn a_call_from_before_a_step_forward_gets_the_time_of_the_step() {
        assert_eq!(after(100, 3700, 3700, 99), 3700);
        assert_eq!(after(100, 3700, 3700, 103), 3700);
        assert_eq!(after(100, 3700, 3700, 3701), 3701);
    }

    #[test]
    fn a_call_from_before_a_step_back_is_moved_with_the_clock() {
        assert_eq!(after(3700, 100, 100, 3699), 99);
        assert_eq!(after(3700, 100, 101, 3702), 102);
        assert_eq!(after(3700, 100, 100, 101), 101);
        // An hour later, the same times are the clock's.
        assert_eq!(after(3700, 100, 3699, 3700), 3700);
        assert_eq!(after(3700, 100, 3698, 3699), 3699);
    }
}
