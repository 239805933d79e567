//! What waits at a time, by its holder: who floods takes no more than a share of the places.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::quota::Quota;

/// A bounded number of places, each for as long as its guard is there.
#[derive(Debug)]
pub struct Waiting<K> {
    quota: Quota,
    /// Has at most as many entries as there are places.
    held: Mutex<Held<K>>,
}

#[derive(Debug)]
struct Held<K> {
    all: usize,
    by_holder: HashMap<K, usize>,
}

impl<K: Copy + Eq + Hash> Waiting<K> {
    /// Places of which a holder may have an eighth. The last fifth is for holders of a hundredth.
    pub fn new(places: usize) -> Self {
        let quota = Quota {
            limit: places,
            share: (places / 8).max(1),
            reserve: places / 5,
            small: (places / 100).max(1),
        };
        let (all, by_holder) = (0, HashMap::new());
        let held = Mutex::new(Held { all, by_holder });
        Self { quota, held }
    }

    /// A place, if the holder may have one more.
    pub fn acquire(&self, holder: K) -> Option<Place<'_, K>> {
        let mut held = self.lock();
        let own = held.by_holder.get(&holder).map_or(1, |own| own + 1);
        if !self.quota.admits(held.all + 1, own) {
            return None;
        }
        held.all += 1;
        held.by_holder.insert(holder, own);
        Some(Place {
            waiting: self,
            holder,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Held<K>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is free again when it is dropped.
#[must_use = "dropping the place frees it"]
#[derive(Debug)]
pub struct Place<'a, K: Copy + Eq + Hash> {
    waiting: &'a Waiting<K>,
    holder: K,
}

impl<K: Copy + Eq + Hash> Drop for Place<'_, K> {
    fn drop(&mut self) {
        let mut held = self.waiting.lock();
        held.all -= 1;
        if let Some(own) = held.by_holder.get_mut(&self.holder) {
            *own -= 1;
            if *own == 0 {
                held.by_holder.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_few_holders_leaves_places_to_others() {
        let waiting = Waiting::new(1000);
        let take = |holder| std::iter::from_fn(|| waiting.acquire(holder)).collect::<Vec<_>>();
        let flood: Vec<_> = (0..8).map(take).collect();
        let taken: Vec<_> = flood.iter().map(Vec::len).collect();
        assert_eq!(taken, [125, 125, 125, 125, 125, 125, 50, 10]);
        assert_eq!(take(8).len(), 10);
        drop(flood);
        assert_eq!(take(9).len(), 125);
        assert!(waiting.lock().by_holder.is_empty());
        assert_eq!(waiting.lock().all, 0);
    }
}
