//! The records of nodes as this server wrote them last, so that a node's next report needs no
//! read. Another server may have written such a record since. So a call that decides by it writes
//! on the condition that the record still has its version, and reads after a lost condition and
//! before it refuses anything.
//!
//! A record leaves the cache when it is used or written, and enters it when a write of it
//! succeeded. One that is not used for some minutes is dropped, at the latest by the reaper.
//! Records are part of the memory budget (decision D26).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::memory::{Lease, Memory, Purpose};
use crate::store::dynamodb::items::keys::{Item, Key, NODES};
use crate::store::dynamodb::requests::Step;

/// How long records enter one generation: longer than an idle member is silent.
const GENERATION: Duration = Duration::from_secs(150);
/// Memory of an attribute beside its name and its value.
const ATTRIBUTE: usize = 128;
/// Memory of a record's place beside its key's texts and its attributes.
const PLACE: usize = 2 * size_of::<(Key, Item)>();
/// The most of the memory budget that the cache may take, in percent.
const MEMORY_PERCENT: usize = 10;

/// The cached records.
#[derive(Debug)]
pub struct NodeCache {
    max_bytes: usize,
    generations: Mutex<Generations>,
}

/// A new generation begins after some time, and when the young one has half of the bytes. Then the
/// old one is dropped.
#[derive(Debug)]
struct Generations {
    young: HashMap<Key, Item>,
    old: HashMap<Key, Item>,
    young_bytes: Lease,
    old_bytes: Lease,
    begun: Instant,
}

impl NodeCache {
    /// A cache of up to about `max_bytes`, and less where that is too much of the memory budget;
    /// 0 for none.
    pub fn new(max_bytes: usize, memory: &Memory) -> Self {
        let max_bytes = max_bytes.min(memory.share(MEMORY_PERCENT));
        let generations = Generations {
            young: HashMap::new(),
            old: HashMap::new(),
            young_bytes: memory.lease(Purpose::Stored, 0),
            old_bytes: memory.lease(Purpose::Stored, 0),
            begun: Instant::now(),
        };
        Self {
            max_bytes,
            generations: Mutex::new(generations),
        }
    }

    /// The same cache, without its records, as part of a memory budget.
    #[must_use]
    pub fn within(&self, memory: &Memory) -> Self {
        Self::new(self.max_bytes, memory)
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        let locked = self.generations.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a node's record out.
    pub fn take(&self, key: &Key) -> Option<Item> {
        self.lock().take(key)
    }

    /// Takes the records out that a write will change; returns those that it puts.
    pub fn begin_write(&self, steps: &[Step]) -> Vec<(Key, Item)> {
        if self.max_bytes == 0 {
            return Vec::new();
        }
        let mut generations = self.lock();
        let written = steps.iter().filter_map(Step::record);
        let nodes = written.filter(|(key, _)| key.sk.starts_with(NODES));
        let puts = nodes.filter_map(|(key, item)| {
            generations.take(&key);
            Some((key, item?.clone()))
        });
        puts.collect()
    }

    /// Caches the records that a write has put.
    pub fn insert(&self, records: Vec<(Key, Item)>) {
        if records.is_empty() {
            return;
        }
        let mut generations = self.lock();
        for (key, item) in records {
            let bytes = bytes(&key, &item);
            if bytes > self.max_bytes / 2 {
                continue;
            }
            generations.take(&key);
            if generations.young_bytes.bytes() + bytes > self.max_bytes / 2 {
                generations.begin();
            }
            generations.young_bytes.grow(bytes);
            generations.young.insert(key, item);
        }
    }

    /// Drops the records that were removed.
    pub fn remove(&self, keys: &[Key]) {
        let mut generations = self.lock();
        for key in keys {
            generations.take(key);
        }
    }

    /// Drops the records that were not used for a while.
    pub fn drop_unused(&self) {
        let mut generations = self.lock();
        if generations.begun.elapsed() > GENERATION {
            generations.begin();
        }
    }
}

impl Generations {
    fn take(&mut self, key: &Key) -> Option<Item> {
        let young = self
            .young
            .remove(key)
            .map(|item| (item, &mut self.young_bytes));
        let found = young.or_else(|| Some((self.old.remove(key)?, &mut self.old_bytes)));
        let (item, held) = found?;
        held.shrink(bytes(key, &item));
        Some(item)
    }

    fn begin(&mut self) {
        self.old = std::mem::take(&mut self.young);
        std::mem::swap(&mut self.old_bytes, &mut self.young_bytes);
        self.young_bytes.resize(0);
        self.begun = Instant::now();
    }
}

/// The memory of a record, about.
fn bytes(key: &Key, item: &Item) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        _ => 0,
    };
    let attributes = item.iter();
    let attributes = attributes.map(|(name, v)| ATTRIBUTE + name.len() + value(v));
    PLACE + key.pk.len() + key.sk.len() + attributes.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(node: usize, bytes: usize) -> (Key, Item) {
        let key = Key {
            pk: "DOMAIN#d#GROUP#g".into(),
            sk: format!("NODE#{node}"),
        };
        let mut item = key.attributes();
        item.insert("d".into(), AttributeValue::S("x".repeat(bytes)));
        (key, item)
    }

    #[test]
    fn a_record_is_cached_from_its_write_to_its_use() {
        let cache = NodeCache::new(100_000, &Memory::unlimited());
        let (key, item) = record(1, 10);
        let written = cache.begin_write(&[Step::put(item.clone())]);
        assert_eq!(cache.take(&key), None, "it may fail");
        cache.insert(written);
        assert_eq!(cache.take(&key), Some(item.clone()));
        assert_eq!(cache.take(&key), None);
        cache.insert(vec![(key.clone(), item.clone())]);
        cache.begin_write(&[Step::delete(key.clone())]);
        assert_eq!(cache.take(&key), None);
        let head = Key {
            sk: "ROOM".into(),
            ..key
        };
        let others = cache.begin_write(&[Step::put(head.attributes())]);
        assert_eq!(others, [], "only nodes");
        let none = NodeCache::new(0, &Memory::unlimited());
        assert_eq!(none.begin_write(&[Step::put(item)]), []);
    }

    #[test]
    fn its_bytes_are_bounded_and_the_newest_records_stay() {
        let cache = NodeCache::new(100_000, &Memory::unlimited());
        for n in 0..1_000 {
            cache.insert(vec![record(n, 1_000)]);
            let generations = cache.lock();
            let all = generations.young.iter().chain(&generations.old);
            let all: usize = all.map(|(key, item)| bytes(key, item)).sum();
            let held = generations.young_bytes.bytes() + generations.old_bytes.bytes();
            assert!(all <= 100_000 && all == held, "{all} of {held}");
        }
        let found = (0..1_000).filter(|n| cache.take(&record(*n, 0).0).is_some());
        let found: Vec<_> = found.collect();
        assert!(
            found.len() >= 30 && found.iter().all(|n| *n > 900),
            "{found:?}"
        );
        assert_eq!(cache.lock().young_bytes.bytes(), 0);
        cache.insert(vec![record(1, 60_000)]);
        assert_eq!(cache.take(&record(1, 0).0), None, "too large");
    }

    #[test]
    fn its_records_and_their_keys_are_part_of_the_memory_budget() {
        let memory = Memory::new(1_000_000);
        let cache = NodeCache::new(usize::MAX, &Memory::unlimited()).within(&memory);
        for n in 0..1_000 {
            let (mut key, item) = record(n, 1);
            key.sk.push_str(&"k".repeat(1_000));
            cache.insert(vec![(key, item)]);
            assert!(memory.leased(Purpose::Stored) <= 100_000, "a tenth");
        }
        assert!(memory.leased(Purpose::Stored) > 40_000);
        cache.lock().begin();
        cache.lock().begin();
        assert_eq!(memory.leased(Purpose::Stored), 0);
        cache.insert(vec![record(1, 1_000)]);
        drop(cache);
        assert_eq!(memory.leased(Purpose::Stored), 0);
    }

    #[test]
    fn what_is_not_used_for_two_generations_is_dropped() {
        let cache = NodeCache::new(100_000, &Memory::unlimited());
        cache.insert(vec![record(1, 10)]);
        let next = || {
            let mut generations = cache.lock();
            generations.begun = generations.begun.checked_sub(GENERATION * 2).unwrap();
            drop(generations);
            cache.drop_unused();
        };
        cache.drop_unused();
        next();
        cache.insert(
            cache
                .take(&record(1, 0).0)
                .map(|item| (record(1, 0).0, item))
                .into_iter()
                .collect(),
        );
        next();
        assert!(cache.take(&record(1, 0).0).is_some());
        cache.insert(vec![record(1, 10)]);
        next();
        next();
        assert_eq!(cache.take(&record(1, 0).0), None);
    }
}
