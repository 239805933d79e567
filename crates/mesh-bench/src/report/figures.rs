//! What was published, delivered and polled, and whether every message was delivered once, in
//! order, and to its own group.

use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use crate::counters::{Counters, Histogram};
use crate::report::units::micros;

/// Buckets of the distribution for each doubling of the time.
const BUCKETS_PER_DOUBLING: f64 = 4.0;

/// What was published.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Published {
    /// Mutations that the server accepted.
    pub messages: u64,
    /// The same per second.
    pub per_second: f64,
    /// From a mutation to its response.
    pub answer_us: Option<Latency>,
}

/// What subscribers received.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Delivered {
    /// Messages, each as often as it was received.
    pub messages: u64,
    /// The same per second.
    pub per_second: f64,
    /// Bytes of a message, without its frame's header.
    pub bytes_per_message: f64,
    /// Megabytes per second.
    pub megabytes_per_second: f64,
    /// From sending to each delivery.
    pub latency_us: Option<Latency>,
    /// How many deliveries took how long.
    pub distribution: Vec<Bucket>,
}

/// What pollers received.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Polled {
    /// Events, each as often as it was received.
    pub events: u64,
    /// The same per second.
    pub per_second: f64,
    /// From sending to each poll; half of the polling interval on average.
    pub latency_us: Option<Latency>,
}

/// Times in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub max: f64,
}

/// How many deliveries took longer than the bucket before, and up to this.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bucket {
    /// Microseconds.
    pub up_to_us: f64,
    /// Messages.
    pub messages: u64,
}

/// Every message of the run, compared with what was sent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Checked {
    /// Mutations that the server accepted.
    pub published: u64,
    /// Those that it refused.
    pub refused: u64,
    /// Those that it did not answer: they count neither as lost nor as expected.
    pub unanswered: u64,
    /// Accepted messages, times subscribers.
    pub deliveries_expected: u64,
    /// Messages received.
    pub deliveries_received: u64,
    /// Accepted events, times pollers.
    pub polls_expected: u64,
    /// Events received.
    pub polls_received: u64,
    /// Never received by a client that should have.
    pub lost: u64,
    /// Received again.
    pub duplicated: u64,
    /// Received after a later one of the same publisher.
    pub reordered: u64,
    /// Of another group, or under another subscription's id.
    pub misrouted: u64,
    /// Received, but sent by no publisher.
    pub strange: u64,
    /// Subscriptions that ended before the run did.
    pub cut: u64,
}

impl Checked {
    /// The counters so far, with what is expected.
    pub fn expecting(deliveries: u64, polls: u64, counters: &Counters) -> Self {
        Self {
            published: counters.published.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            unanswered: counters.unanswered.load(Relaxed),
            deliveries_expected: deliveries,
            deliveries_received: counters.delivered.load(Relaxed),
            polls_expected: polls,
            polls_received: counters.polled.load(Relaxed),
            misrouted: counters.misrouted.load(Relaxed),
            strange: counters.strange.load(Relaxed),
            cut: counters.cut.load(Relaxed),
            ..Self::default()
        }
    }

    /// What is wrong, as text.
    pub fn problems(&self, idle: bool, counters: &Counters) -> Vec<String> {
        let counts = [
            (self.lost, "lost"),
            (self.duplicated, "duplicated"),
            (self.reordered, "reordered"),
            (self.misrouted, "misrouted"),
            (self.strange, "strange"),
            (self.refused, "refused"),
            (self.unanswered, "without an answer"),
        ];
        let mut problems: Vec<_> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} messages were {what}"))
            .collect();
        if self.cut > 0 {
            problems.push(format!("{} subscriptions were cut", self.cut));
        }
        let received = self.deliveries_received + self.polls_received;
        let expected = self.deliveries_expected + self.polls_expected;
        if !idle && (self.published == 0 || (received == 0 && expected > 0)) {
            problems.push("nothing was delivered".to_owned());
        }
        if !problems.is_empty() {
            problems.extend(counters.first_error());
        }
        problems
    }
}

impl Latency {
    /// The percentiles of times, if there are any.
    pub fn of(times: &Histogram) -> Option<Self> {
        let at = |quantile| micros(times.value_at_quantile(quantile));
        (!times.is_empty()).then(|| Self {
            mean: times.mean() / 1e3,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: micros(times.max()),
        })
    }
}

impl Bucket {
    /// The whole distribution.
    pub fn all(times: &Histogram) -> Vec<Self> {
        if times.is_empty() {
            return Vec::new();
        }
        let buckets = times.iter_log(times.min().max(1_000), BUCKETS_PER_DOUBLING.recip().exp2());
        buckets
            .map(|bucket| Self {
                up_to_us: micros(bucket.value_iterated_to()),
                messages: bucket.count_since_last_iteration(),
            })
            .collect()
    }
}
