//! Lines of the log whose rate is bounded, for what clients may cause as often as they like.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The least time between two lines of one kind.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// One kind of line.
#[derive(Debug, Default)]
pub struct Sampled {
    admits_all: bool,
    state: Mutex<State>,
}

/// The lines of hosts and members that poll.
#[derive(Debug, Default)]
pub struct PollingLines {
    /// Those of createGroup.
    pub hosts: Sampled,
    /// Those of joinGroup.
    pub members: Sampled,
}

impl PollingLines {
    /// A line for each, for a log whose lines are counted.
    pub fn all() -> Self {
        Self {
            hosts: Sampled::all(),
            members: Sampled::all(),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    omitted: u64,
}

impl Sampled {
    fn all() -> Self {
        Self {
            admits_all: true,
            ..Self::default()
        }
    }

    /// Whether a line may be logged now: `Some` with the number of those that were omitted
    /// since the last one.
    pub fn admit(&self) -> Option<u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<u64> {
        if self.admits_all {
            return Some(0);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_early = |last| now.saturating_duration_since(last) < BETWEEN_LINES;
        if state.last.is_some_and(is_early) {
            state.omitted += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.omitted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_logs_a_line_a_second_with_the_number_of_those_omitted() {
        let (lines, began) = (Sampled::default(), Instant::now());
        assert_eq!(lines.admit_at(began), Some(0));
        for millis in 1..1000 {
            assert_eq!(lines.admit_at(began + Duration::from_millis(millis)), None);
        }
        assert_eq!(lines.admit_at(began + BETWEEN_LINES), Some(999));
        assert_eq!(lines.admit_at(began + 3 * BETWEEN_LINES), Some(0));
    }

    #[test]
    fn a_log_whose_lines_are_counted_omits_none() {
        let (lines, now) = (PollingLines::all(), Instant::now());
        assert_eq!([(); 3].map(|()| lines.members.admit_at(now)), [Some(0); 3]);
        assert_eq!([(); 3].map(|()| lines.hosts.admit_at(now)), [Some(0); 3]);
    }
}
