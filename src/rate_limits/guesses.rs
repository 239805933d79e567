//! Callers that guess keys or join codes: counted, slowed down by their address, and named in the
//! log once in a while, without the address or what they sent.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::heartbeat::clock::Clock;
use crate::metrics::Metrics;
use crate::rate_limits::cells::Limiter;
use crate::rate_limits::rates::GuessRate;
use crate::rate_limits::waiting::Waiting;

/// States in a row.
const ADDRESSES: usize = 1024;
/// How often an address is warned of.
const WARNING: Duration = Duration::from_mins(10);

/// What is guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// An API key or a token: each wrong one is worth a warning.
    Key,
    /// A join code: children mistype it, so only a flood is worth a warning.
    JoinCode,
}

impl Secret {
    fn count(self, metrics: &Metrics) {
        match self {
            Self::Key => metrics.wrong_key(),
            Self::JoinCode => metrics.wrong_code(),
        }
    }

    fn warning(self) -> &'static str {
        match self {
            Self::Key => {
                "an address sent a key that is none of this server's: a client has an old one, or \
                 somebody is guessing (mesh_wrong_keys_total in /metrics counts them)"
            }
            Self::JoinCode => {
                "an address sends join codes that no group has, faster than a class mistypes them: \
                 somebody is guessing (mesh_wrong_codes_total in /metrics counts them)"
            }
        }
    }
}

/// What happens to wrong guesses of one kind. Clones share it. A right key or code never comes
/// here.
#[derive(Clone, Debug)]
pub struct Guesses(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    secret: Secret,
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

impl Guesses {
    /// With this rate; without, answers are not delayed.
    pub fn new(secret: Secret, rate: Option<GuessRate>, clock: &Clock, metrics: Metrics) -> Self {
        let slowing = rate.map(|rate| Slowing {
            at_once: Limiter::new(rate.at_once, ADDRESSES, clock),
            wait: rate.wait,
            waiting: Waiting::new(rate.waiting),
        });
        Self(Arc::new(Inner {
            secret,
            seed: RandomState::new(),
            metrics,
            warnings: Limiter::once_in(WARNING, ADDRESSES, clock),
            slowing,
        }))
    }

    /// Counts a wrong guess, and waits until it may be answered.
    pub async fn slow(&self, address: Option<IpAddr>) {
        let inner = &self.0;
        inner.secret.count(&inner.metrics);
        let key = inner.seed.hash_one(address);
        let late = inner.slowing.as_ref();
        let late = late.filter(|slowing| slowing.at_once.check(key).is_err());
        let is_worth_a_warning = late.is_some() || inner.secret == Secret::Key;
        if is_worth_a_warning && inner.warnings.check(key).is_ok() {
            tracing::warn!("{}", inner.secret.warning());
        }
        if let Some(slowing) = late
            && let Some(_place) = slowing.waiting.acquire(address)
        {
            tokio::time::sleep(slowing.wait).await;
        }
    }
}
