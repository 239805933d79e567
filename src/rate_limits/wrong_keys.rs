//! Callers that try keys: counted, slowed down by their address, and named in the log once in a
//! while, without the address or the key.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::heartbeat::clock::Clock;
use crate::metrics::Metrics;
use crate::rate_limits::cells::Limiter;
use crate::rate_limits::rates::Rates;
use crate::rate_limits::waiting::Waiting;

/// States in a row.
const ADDRESSES: usize = 1024;
/// How often an address is warned of.
const WARNING: Duration = Duration::from_mins(10);

/// What happens to wrong keys. Clones share it. Who has a right key never comes here.
#[derive(Clone, Debug)]
pub struct WrongKeys(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    seed: RandomState,
    metrics: Metrics,
    warnings: Limiter,
    slowing: Option<Slowing>,
}

/// How answers are delayed.
#[derive(Debug)]
struct Slowing {
    at_once: Limiter,
    wait: Duration,
    /// Answers that wait; others are given at once.
    waiting: Waiting<Option<IpAddr>>,
}

impl WrongKeys {
    /// With these rates; without, answers are not delayed.
    pub fn new(rates: Option<&Rates>, clock: &Clock, metrics: Metrics) -> Self {
        let slowing = rates.map(|rates| Slowing {
            at_once: Limiter::new(rates.wrong_keys, ADDRESSES, clock),
            wait: rates.wrong_key_wait,
            waiting: Waiting::new(rates.wrong_keys_waiting),
        });
        Self(Arc::new(Inner {
            seed: RandomState::new(),
            metrics,
            warnings: Limiter::once_in(WARNING, ADDRESSES, clock),
            slowing,
        }))
    }

    /// Counts a wrong key, and waits until it may be answered.
    pub async fn slow(&self, address: Option<IpAddr>) {
        let inner = &self.0;
        inner.metrics.wrong_key();
        let key = inner.seed.hash_one(address);
        if inner.warnings.check(key).is_ok() {
            tracing::warn!(
                "an address sent a key that is none of this server's: a client has an old one, or \
                 somebody is guessing (mesh_wrong_keys_total in /metrics counts them)"
            );
        }
        let Some(slowing) = &inner.slowing else {
            return;
        };
        if slowing.at_once.check(key).is_ok() {
            return;
        }
        if let Some(_place) = slowing.waiting.acquire(address) {
            tokio::time::sleep(slowing.wait).await;
        }
    }
}
