//! Limiter states in tables of a fixed size: a flood of invented names takes no memory.
//!
//! Keys are hashed with a seed of this process. Each key has a state in both rows, and a call is
//! admitted if either admits it: a key that shares one state with a flooding key still has its
//! other one. Only a key that shares both is refused with it, which nobody can bring about
//! without knowing the seed.

use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use crate::heartbeat::clock::Clock;
use crate::rate_limits::rates::Rate;

/// The states of one limit.
#[derive(Debug)]
struct Cells {
    rows: [Box<[InMemoryState]>; 2],
}

impl Cells {
    /// Two rows of a number of states, which is a power of two.
    fn new(length: usize) -> Self {
        assert!(length.is_power_of_two() && u32::try_from(length).is_ok());
        let row = || std::iter::repeat_with(InMemoryState::default).take(length);
        Self {
            rows: [row().collect(), row().collect()],
        }
    }
}

impl StateStore for Cells {
    /// A hash, of which each row uses one half.
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let [first, second] = &self.rows;
        let index = |half: u64| usize::try_from(half).unwrap_or_default() & (first.len() - 1);
        let (low, high) = (index(key & u64::from(u32::MAX)), index(key >> 32));
        let first = first[low].measure_and_replace(&NotKeyed::NonKey, &decide);
        // Both count each call, or a key would have two shares.
        let second = second[high].measure_and_replace(&NotKeyed::NonKey, &decide);
        first.or(second)
    }
}

/// The limiters' time: never set back, and moved by tests.
#[derive(Clone, Debug)]
struct Uptime(Clock);

impl GovernorClock for Uptime {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.uptime().into()
    }
}

/// One limit, for all its keys.
#[derive(Debug)]
pub struct Limiter(RateLimiter<u64, Cells, Uptime, NoOpMiddleware<Nanos>>);

impl Limiter {
    /// A limiter with a number of states in each row.
    pub fn new(rate: Rate, states: usize, clock: &Clock) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst());
        Self::of(quota, states, clock)
    }

    /// A limiter that admits one call of a key in each period.
    pub fn once_in(period: Duration, states: usize, clock: &Clock) -> Self {
        let quota = Quota::with_period(period).expect("a period of some length");
        Self::of(quota, states, clock)
    }

    fn of(quota: Quota, states: usize, clock: &Clock) -> Self {
        let clock = Uptime(clock.clone());
        Self(RateLimiter::new(quota, Cells::new(states), clock))
    }

    /// Counts a call of a key, or refuses it with the time until one would be admitted.
    pub fn check(&self, key: u64) -> Result<(), Duration> {
        let checked = self.0.check_key(&key);
        checked.map_err(|refused| refused.wait_time_from(self.0.clock().now()))
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use super::*;

    fn limiter(per_second: u32, states: usize) -> (Limiter, Clock) {
        let clock = Clock::fixed();
        (Limiter::new(Rate::new(per_second), states, &clock), clock)
    }

    #[test]
    fn a_key_has_two_seconds_at_once_and_then_its_rate() {
        let (limiter, clock) = limiter(100, 1024);
        let admitted = || (0..1000).filter(|_| limiter.check(7).is_ok()).count();
        assert_eq!(admitted(), 200);
        assert_eq!(limiter.check(7), Err(Duration::from_millis(10)));
        clock.advance(Duration::from_millis(500));
        assert_eq!(admitted(), 50);
        clock.advance(Duration::from_hours(1));
        assert_eq!(admitted(), 200);
    }

    #[test]
    fn a_key_that_shares_one_state_with_a_flooding_key_is_admitted() {
        let (limiter, clock) = limiter(100, 1024);
        let (flooding, other) = (1 << 32 | 5, 2 << 32 | 5);
        for _ in 0..1000 {
            let _ = limiter.check(flooding);
        }
        assert!(limiter.check(flooding).is_err());
        for _ in 0..100 {
            assert_eq!(limiter.check(other), Ok(()));
            clock.advance(Duration::from_millis(10));
            let _ = limiter.check(flooding);
        }
    }

    #[test]
    fn a_million_invented_keys_refuse_no_steady_one() {
        // At 60,000 calls a second, the most that a core takes, each of its own key.
        let (limiter, clock) = limiter(100, 16_384);
        let seed = RandomState::new();
        let steady: Vec<u64> = (0..40).map(|n| seed.hash_one(("steady", n))).collect();
        for n in 0..1_000_000 {
            let _ = limiter.check(seed.hash_one(("invented", n)));
            if n % 3000 == 0 {
                clock.advance(Duration::from_millis(50));
                for key in &steady {
                    assert_eq!(limiter.check(*key), Ok(()));
                }
            }
        }
    }
}
