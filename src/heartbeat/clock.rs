//! The only source of the time of day (clippy forbids the others).
//!
//! A server's clock is monotonic: it reads the wall clock when it starts and counts from there.
//! Every age within a run is therefore real, also when the machine's clock is set. The
//! reaper compares both clocks and moves this one (`reaper.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::model::time::Timestamp;

/// A clock. Clones are one clock, so a test that advances it affects the whole server.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    made: Instant,
    /// Milliseconds to add to the source's time.
    base: AtomicI64,
    /// By how much a test advanced the clock, and the wall clock with it.
    advanced: AtomicI64,
}

#[derive(Debug)]
enum Source {
    /// The wall clock.
    Wall,
    /// The time since the clock was made.
    Monotonic(Instant),
    /// Stands still.
    Fixed,
    /// A wall clock and a monotonic one, both set by the test.
    #[cfg(test)]
    Simulated(Arc<Simulated>),
}

/// A machine's clocks, in milliseconds.
#[cfg(test)]
#[derive(Debug, Default)]
pub struct Simulated {
    /// The wall clock.
    pub wall: AtomicI64,
    /// The time since the machine started.
    pub monotonic: AtomicI64,
}

impl Clock {
    /// The wall clock as it is, for processes that nothing watches: a function on AWS is frozen
    /// between two calls, and a monotonic clock with it.
    pub fn system() -> Self {
        Self::new(Source::Wall, 0)
    }

    /// A monotonic clock that begins at the wall clock's time. Its process runs the reaper,
    /// which corrects it.
    pub fn monotonic() -> Self {
        Self::new(Source::Monotonic(Instant::now()), wall_time().millis())
    }

    /// A clock that starts at the wall clock's time and is moved only by [`Clock::advance`], so
    /// that tests do not depend on the machine's speed.
    pub fn fixed() -> Self {
        Self::new(Source::Fixed, wall_time().millis())
    }

    /// The clock of a server on a machine whose clocks a test sets.
    #[cfg(test)]
    pub fn simulated(machine: &Arc<Simulated>) -> Self {
        let base = machine.wall.load(Ordering::Relaxed) - machine.monotonic.load(Ordering::Relaxed);
        Self::new(Source::Simulated(Arc::clone(machine)), base)
    }

    fn new(source: Source, base: i64) -> Self {
        Self(Arc::new(Inner {
            source,
            made: Instant::now(),
            base: AtomicI64::new(base),
            advanced: AtomicI64::new(0),
        }))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        let advanced = self.0.advanced.load(Ordering::Relaxed);
        Timestamp::from_millis(self.unadvanced() + advanced)
    }

    /// The time since the clock was made: it never goes back, however clocks are set.
    pub fn uptime(&self) -> Duration {
        let advanced = self.0.advanced.load(Ordering::Relaxed);
        let passed = match &self.0.source {
            Source::Fixed => Duration::ZERO,
            _ => self.0.made.elapsed(),
        };
        passed + Duration::from_millis(u64::try_from(advanced).unwrap_or_default())
    }

    /// By how many milliseconds the wall clock is ahead of this one.
    pub fn drift(&self) -> i64 {
        let wall = match &self.0.source {
            Source::Wall | Source::Fixed => return 0,
            Source::Monotonic(_) => wall_time().millis(),
            #[cfg(test)]
            Source::Simulated(machine) => machine.wall.load(Ordering::Relaxed),
        };
        wall - self.unadvanced()
    }

    /// Moves this clock by some milliseconds towards the wall clock.
    pub fn step(&self, by: i64) {
        self.0.base.fetch_add(by, Ordering::Relaxed);
    }

    /// Moves this clock ahead, and with it what it takes for the wall clock.
    pub fn advance(&self, by: Duration) {
        self.0.advanced.fetch_add(millis(by), Ordering::Relaxed);
    }

    fn unadvanced(&self) -> i64 {
        let source = match &self.0.source {
            Source::Wall => wall_time().millis(),
            Source::Monotonic(since) => millis(since.elapsed()),
            Source::Fixed => 0,
            #[cfg(test)]
            Source::Simulated(machine) => machine.monotonic.load(Ordering::Relaxed),
        };
        source + self.0.base.load(Ordering::Relaxed)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the only place that reads the wall clock"
)]
fn wall_time() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(millis(since_epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monotonic_clock_does_not_follow_the_wall_clock_by_itself() {
        let machine = Arc::new(Simulated::default());
        machine.wall.store(1_000_000, Ordering::Relaxed);
        machine.monotonic.store(500, Ordering::Relaxed);
        let clock = Clock::simulated(&machine);
        assert_eq!((clock.now().millis(), clock.drift()), (1_000_000, 0));
        machine.wall.store(4_600_000, Ordering::Relaxed);
        machine.monotonic.store(700, Ordering::Relaxed);
        assert_eq!(
            (clock.now().millis(), clock.drift()),
            (1_000_200, 3_599_800)
        );
        clock.step(clock.drift());
        assert_eq!((clock.now().millis(), clock.drift()), (4_600_000, 0));
    }

    #[test]
    fn an_advanced_clock_does_not_drift() {
        for clock in [Clock::system(), Clock::fixed(), Clock::monotonic()] {
            let before = clock.now();
            clock.advance(Duration::from_mins(1));
            assert!(clock.now() >= before.plus_seconds(60), "{clock:?}");
            assert!(clock.drift().abs() < 1000, "{clock:?}");
        }
    }

    #[test]
    fn clones_are_one_clock() {
        let clock = Clock::fixed();
        let clone = clock.clone();
        clone.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), clone.now());
    }
}
