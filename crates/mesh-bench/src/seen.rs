//! What one listener has heard of one publisher: nothing here waits.

use std::collections::{BTreeMap, BTreeSet};

/// A publisher's messages as one listener heard them.
#[derive(Debug, Default)]
pub struct Seen {
    /// The number after the highest one heard.
    next: u32,
    /// What was skipped below it: from each number up to, not including, the other.
    gaps: BTreeMap<u32, u32>,
    /// Messages heard again.
    pub duplicated: u64,
    /// Messages heard after a later one.
    pub reordered: u64,
}

impl Seen {
    /// Hears a message.
    pub fn hear(&mut self, number: u32) {
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

    /// How many of the first `sent` messages were not heard, those aside that the stage
    /// never took.
    pub fn lost(&self, sent: u32, not_taken: &BTreeSet<u32>) -> u64 {
        let tail = u64::from(sent.saturating_sub(self.next));
        let gaps: u64 = self
            .gaps
            .iter()
            .map(|(from, until)| u64::from(until - from))
            .sum();
        let excused = not_taken
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

    fn heard(numbers: &[u32]) -> Seen {
        let mut seen = Seen::default();
        for number in numbers {
            seen.hear(*number);
        }
        seen
    }

    fn lost(seen: &Seen, sent: u32) -> u64 {
        seen.lost(sent, &BTreeSet::new())
    }

    #[test]
    fn all_in_order_is_nothing_to_tell() {
        let seen = heard(&[0, 1, 2, 3]);
        assert_eq!((lost(&seen, 4), seen.duplicated, seen.reordered), (0, 0, 0));
    }

    #[test]
    fn what_never_came_is_lost_in_the_middle_and_at_the_end() {
        assert_eq!(lost(&heard(&[0, 2, 5]), 8), 5);
        assert_eq!(lost(&heard(&[]), 3), 3);
    }

    #[test]
    fn what_came_late_is_reordered_and_not_lost() {
        let seen = heard(&[0, 4, 2, 1, 3]);
        assert_eq!((lost(&seen, 5), seen.duplicated, seen.reordered), (0, 0, 3));
    }

    #[test]
    fn what_came_twice_is_duplicated_late_ones_too() {
        let seen = heard(&[0, 0, 3, 1, 1]);
        assert_eq!((lost(&seen, 4), seen.duplicated, seen.reordered), (1, 2, 1));
    }

    #[test]
    fn what_the_stage_did_not_take_is_not_lost() {
        let not_taken = BTreeSet::from([1, 4, 9]);
        assert_eq!(heard(&[0, 2, 3]).lost(5, &not_taken), 0);
        // One whose answer got lost may have been told all the same.
        assert_eq!(heard(&[0, 1, 2, 3]).lost(5, &not_taken), 0);
    }
}
