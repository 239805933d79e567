//! Lines of the log whose rate is bounded, for what clients may cause as often as they like.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The least time between two lines of one kind.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// One kind of line.
#[derive(Debug, Default)]
pub struct Sampled(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    omitted: u64,
}

impl Sampled {
    /// Whether a line may be logged now: `Some` with the number of those that were omitted
    /// since the last one.
    pub fn admit(&self) -> Option<u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
}
