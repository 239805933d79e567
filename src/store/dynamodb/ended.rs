//! Groups that ended by themselves, remembered for a while in the place of their record
//! (decision D30). The reaper forgets them now and then; behind AppSync, where none runs,
//! the table's TTL does.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::group::{GroupKey, Tombstone};
use crate::model::ids::Domain;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::items::attributes::text;
use crate::store::dynamodb::items::group::{Standing, Why};
use crate::store::dynamodb::items::keys::{self, ENDED, Key};
use crate::store::dynamodb::items::points_at;
use crate::store::dynamodb::items::tombstone::Record;
use crate::store::dynamodb::requests::Search;

/// Seconds between two looks for tombstones whose time is over.
const LOOK_EVERY: i64 = 30;
/// Tombstones that one look removes; if there are more, the next look is soon.
const PER_LOOK: u16 = 400;

/// Tombstones that a domain may have however few groups it may hold: a listing reads as
/// many in one page, and their members are told why they are out.
const PER_DOMAIN_AT_LEAST: usize = 100;

/// How many tombstones this server has left: the bounds on them are kept by each server, so
/// several may leave as many times more. Whatever ends past them is removed without one.
#[derive(Debug, Default)]
pub struct EndedCount {
    places: Mutex<TombstoneSlots>,
    looked_at: AtomicI64,
}

#[derive(Debug, Default)]
struct TombstoneSlots {
    /// How many of a domain are remembered until which second.
    until: BTreeMap<(i64, Domain), usize>,
    /// How many of a domain there are.
    of_domain: HashMap<Domain, usize>,
    /// How many there are.
    all: usize,
}

impl TombstoneSlots {
    fn free(&mut self, place: &(i64, Domain), many: usize) {
        self.all -= many;
        if let Some(count) = self.of_domain.get_mut(&place.1) {
            *count -= many;
            if *count == 0 {
                self.of_domain.remove(&place.1);
            }
        }
    }

    fn free_until(&mut self, now: i64) {
        while let Some(first) = self.until.first_entry().filter(|e| e.key().0 < now) {
            let (place, many) = first.remove_entry();
            self.free(&place, many);
        }
    }

    fn give_back(&mut self, place: &(i64, Domain)) {
        // Its time may have come meanwhile.
        if let Some(count) = self.until.get_mut(place) {
            *count -= 1;
            if *count == 0 {
                self.until.remove(place);
            }
            self.free(place, 1);
        }
    }
}

/// How many tombstones there may be.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    all: usize,
    of_domain: usize,
}

/// A place for a tombstone. It is given back unless the tombstone was written.
#[derive(Debug)]
pub struct Place<'a> {
    count: &'a EndedCount,
    place: Option<(i64, Domain)>,
}

impl Place<'_> {
    /// The tombstone was written.
    pub fn keep(mut self) {
        self.place = None;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.count.lock().give_back(&place);
        }
    }
}

impl EndedCount {
    fn lock(&self) -> MutexGuard<'_, TombstoneSlots> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a tombstone until `until`, if at `now` less than `bounds` allow
    /// are taken, and less stand in the domain's partition as far as the caller has seen.
    fn take(
        &self,
        (domain, until): (&Domain, Timestamp),
        seen: usize,
        bounds: Bounds,
        now: Timestamp,
    ) -> Option<Place<'_>> {
        let mut places = self.lock();
        places.free_until(now.seconds());
        let own = places.of_domain.get(domain).copied().unwrap_or_default();
        if places.all >= bounds.all || own.max(seen) >= bounds.of_domain {
            return None;
        }
        let place = (until.seconds(), domain.clone());
        places.all += 1;
        *places.of_domain.entry(domain.clone()).or_default() += 1;
        *places.until.entry(place.clone()).or_default() += 1;
        Some(Place {
            count: self,
            place: Some(place),
        })
    }

    /// How many places are taken.
    #[cfg(test)]
    pub fn taken(&self) -> usize {
        self.lock().all
    }

    /// Whether it is time for a look; if so, the next is some time later.
    fn look_is_due(&self, now: Timestamp) -> bool {
        let (now, last) = (now.seconds(), self.looked_at.load(Ordering::Relaxed));
        let due = (now - last).abs() >= LOOK_EVERY;
        due && self
            .looked_at
            .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// The look did not reach the end: the next one goes on at once.
    fn look_again(&self) {
        self.looked_at.store(0, Ordering::Relaxed);
    }
}

impl DynamoDb {
    /// The group's record, unless the group is only remembered.
    pub(super) async fn standing(
        &self,
        doing: &'static str,
        group: &GroupKey,
    ) -> Result<Option<Standing>, AttemptError> {
        let found = self.table.read(doing, &[Key::group(group)]).await?;
        let record = found.first().and_then(Option::as_ref).map(Record::read);
        Ok(record.transpose()?.and_then(Record::standing))
    }

    /// What is to stay of a group that is being removed, and the place taken for it.
    /// `seen` ended groups were seen in its domain.
    pub(super) fn to_remember(
        &self,
        standing: &Standing,
        seen: usize,
    ) -> Option<(Tombstone, Place<'_>)> {
        let Some((Why::By(end), at)) = standing.ended else {
            return None;
        };
        let tombstone = self.rules.tombstone(&standing.group, end, at);
        let bounds = Bounds {
            all: self.limits.ended_groups,
            of_domain: self.limits.groups_per_domain.max(PER_DOMAIN_AT_LEAST),
        };
        let wanted = (&standing.group.key.domain, tombstone.until);
        let place = self.ended.take(wanted, seen, bounds, at)?;
        Some((tombstone, place))
    }

    /// Forgets the groups whose time is over, now and then.
    pub(super) async fn forget_ended(&self, now: Timestamp) -> Result<(), AttemptError> {
        const DOING: &str = "forget ended groups";
        if !self.ended.look_is_due(now) {
            return Ok(());
        }
        let due = Search {
            keys: "#pk = :ended AND #sk < :now",
            values: vec![
                (":ended", text(ENDED)),
                (":now", text(keys::watch_time(now.seconds()))),
            ],
            may_lag: true,
            page: Some(PER_LOOK.into()),
            ..Search::default()
        };
        let (due, _) = self.table.page(DOING, &due, None).await?;
        let mut over = Vec::new();
        for item in &due {
            over.push(Key::group(&points_at(item)?));
            over.extend(Key::of(item));
        }
        self.table.remove(DOING, &over).await?;
        if due.len() == usize::from(PER_LOOK) {
            self.ended.look_again();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        all: 3,
        of_domain: 2,
    };

    /// A minute's place in a domain.
    fn place<'a>(count: &'a EndedCount, domain: &str, now: i64, seen: usize) -> Option<Place<'a>> {
        let domain = Domain::parse("domain", domain).unwrap();
        let at = Timestamp::from_seconds;
        count.take((&domain, at(now + 60)), seen, BOUNDS, at(now))
    }

    /// Whether a tombstone is left.
    fn left(count: &EndedCount, domain: &str, now: i64) -> bool {
        place(count, domain, now, 0).map(Place::keep).is_some()
    }

    #[test]
    fn no_more_tombstones_stand_at_once_than_the_bounds_allow() {
        let count = EndedCount::default();
        let a = [0, 1, 2].map(|now| left(&count, "a", now));
        assert_eq!(a, [true, true, false]);
        let others = ["b", "b", "c"].map(|domain| left(&count, domain, 2));
        assert_eq!(others, [true, false, false]);
        assert!(!left(&count, "a", 60), "the first place's last second");
        let later = [61, 62, 63].map(|now| left(&count, "a", now));
        assert_eq!(later, [true, true, false]);
    }

    #[test]
    fn a_domain_that_is_seen_full_gets_no_more() {
        let count = EndedCount::default();
        assert!(place(&count, "a", 0, 2).is_none());
        assert!(place(&count, "a", 0, 1).is_some());
    }

    #[test]
    fn a_place_is_given_back_unless_the_tombstone_was_written() {
        let count = EndedCount::default();
        for now in 0..10 {
            assert!(place(&count, "a", now, 0).is_some());
        }
        assert_eq!(count.taken(), 0);
        let first = place(&count, "a", 0, 0);
        assert!(left(&count, "a", 0));
        drop(first);
        assert_eq!(count.taken(), 1);
    }

    #[test]
    fn a_place_whose_time_came_meanwhile_is_not_given_back_twice() {
        let count = EndedCount::default();
        let slow = place(&count, "a", 0, 0);
        assert!(left(&count, "a", 61));
        drop(slow);
        assert_eq!(count.taken(), 1);
        assert!(left(&count, "a", 61));
        assert!(!left(&count, "a", 61));
        assert!(left(&count, "a", 122));
        let TombstoneSlots {
            until, of_domain, ..
        } = &*count.lock();
        assert_eq!((until.len(), of_domain.len()), (1, 1));
    }
}
