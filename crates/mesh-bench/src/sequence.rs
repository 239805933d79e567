//! Which of one publisher's messages a client received: nothing here waits.

use std::collections::{BTreeMap, BTreeSet};

/// A publisher's messages as one client received them.
#[derive(Debug, Default)]
pub struct SequenceTracker {
    /// The number after the highest one received.
    next: u32,
    /// Ranges below it that were not received: start to end, end excluded.
    gaps: BTreeMap<u32, u32>,
    /// Messages received again.
    pub duplicated: u64,
    /// Messages received after a later one.
    pub reordered: u64,
}

impl SequenceTracker {
    /// The tracker of a publisher, made when it is the first message from it.
    pub fn of(trackers: &mut Vec<Self>, publisher: u32) -> &mut Self {
        let publisher = publisher as usize;
        if publisher >= trackers.len() {
            trackers.resize_with(publisher + 1, Self::default);
        }
        &mut trackers[publisher]
    }

    /// Records that a message was received.
    pub fn record(&mut self, number: u32) {
        if number >= self.next {
            if number > self.next {
                self.gaps.insert(self.next, number);
            }
            self.next = number.saturating_add(1);
        } else if let Some((from, until)) = self.gap_around(number) {
            self.reordered += 1;
            self.gaps.remove(&from);
            if from < number {
                self.gaps.insert(from, number);
            }
            if number + 1 < until {
                self.gaps.insert(number + 1, until);
            }
        } else {
            self.duplicated += 1;
        }
    }

    /// How many of the first `sent` messages were not received, except those that the server
    /// did not accept.
    pub fn lost(&self, sent: u32, rejected: &BTreeSet<u32>) -> u64 {
        let tail = u64::from(sent.saturating_sub(self.next));
        let gaps: u64 = self
            .gaps
            .iter()
            .map(|(from, until)| u64::from(until - from))
            .sum();
        let excused = rejected
            .range(..sent)
            .filter(|number| self.misses(**number));
        tail + gaps - excused.count() as u64
    }

    fn misses(&self, number: u32) -> bool {
        number >= self.next || self.gap_around(number).is_some()
    }

    fn gap_around(&self, number: u32) -> Option<(u32, u32)> {
        let (from, until) = self.gaps.range(..=number).next_back()?;
        (number < *until).then_some((*from, *until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(numbers: &[u32]) -> SequenceTracker {
        let mut tracker = SequenceTracker::default();
        for number in numbers {
            tracker.record(*number);
        }
        tracker
    }

    fn lost(tracker: &SequenceTracker, sent: u32) -> u64 {
        tracker.lost(sent, &BTreeSet::new())
    }

    #[test]
    fn all_in_order_is_no_fault() {
        let tracker = received(&[0, 1, 2, 3]);
        assert_eq!(
            (lost(&tracker, 4), tracker.duplicated, tracker.reordered),
            (0, 0, 0)
        );
    }

    #[test]
    fn what_never_came_is_lost_in_the_middle_and_at_the_end() {
        assert_eq!(lost(&received(&[0, 2, 5]), 8), 5);
        assert_eq!(lost(&received(&[]), 3), 3);
    }

    #[test]
    fn what_came_late_is_reordered_and_not_lost() {
        let tracker = received(&[0, 4, 2, 1, 3]);
        assert_eq!(
            (lost(&tracker, 5), tracker.duplicated, tracker.reordered),
            (0, 0, 3)
        );
    }

    #[test]
    fn what_came_twice_is_duplicated_late_ones_too() {
        let tracker = received(&[0, 0, 3, 1, 1]);
        assert_eq!(
            (lost(&tracker, 4), tracker.duplicated, tracker.reordered),
            (1, 2, 1)
        );
    }

    #[test]
    fn what_the_server_rejected_is_not_lost() {
        let rejected = BTreeSet::from([1, 4, 9]);
        assert_eq!(received(&[0, 2, 3]).lost(5, &rejected), 0);
        // One whose response got lost may have been delivered all the same.
        assert_eq!(received(&[0, 1, 2, 3]).lost(5, &rejected), 0);
    }
}
