//! What all clients of a run add up to, while it runs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Times in nanoseconds.
pub type Histogram = hdrhistogram::Histogram<u64>;

/// An empty histogram of 1 µs to 10 minutes, with three significant digits.
pub fn histogram() -> Histogram {
    Histogram::new_with_bounds(1_000, 600_000_000_000, 3).expect("bounds that work")
}

/// Counters of a run, from its first message to its last.
pub struct Counters {
    started: Instant,
    /// Messages sent from here on are measured …
    measure_from: AtomicU64,
    /// … until here.
    measure_until: AtomicU64,
    /// Mutations that the server accepted.
    pub published: AtomicU64,
    /// Mutations that it refused.
    pub refused: AtomicU64,
    /// Mutations without a response: they may or may not have been published.
    pub unanswered: AtomicU64,
    /// Messages received by subscribers.
    pub delivered: AtomicU64,
    /// Their bytes.
    pub delivered_bytes: AtomicU64,
    /// Events received by pollers.
    pub polled: AtomicU64,
    /// Messages of another group, or under another subscription's id.
    pub misrouted: AtomicU64,
    /// Messages that no server should send.
    pub strange: AtomicU64,
    /// Subscriptions that ended too early.
    pub cut: AtomicU64,
    /// Subscribers that received a probe.
    pub ready: AtomicU64,
    latencies: Mutex<Latencies>,
    first_error: Mutex<Option<String>>,
}

/// How long messages and calls took.
pub struct Latencies {
    /// From sending to each subscriber, over the run.
    pub delivered: Histogram,
    /// The same, of the current second.
    pub current_second: Histogram,
    /// From sending to each poller.
    pub polled: Histogram,
    /// From a mutation to its response.
    pub answered: Histogram,
    /// The same, of the current second.
    pub answered_in_second: Histogram,
}

impl Counters {
    /// All zero; the run's clock starts now.
    pub fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            started: Instant::now(),
            measure_from: AtomicU64::new(u64::MAX),
            measure_until: AtomicU64::new(u64::MAX),
            published: zero(),
            refused: zero(),
            unanswered: zero(),
            delivered: zero(),
            delivered_bytes: zero(),
            polled: zero(),
            misrouted: zero(),
            strange: zero(),
            cut: zero(),
            ready: zero(),
            latencies: Mutex::new(Latencies {
                delivered: histogram(),
                current_second: histogram(),
                polled: histogram(),
                answered: histogram(),
                answered_in_second: histogram(),
            }),
            first_error: Mutex::new(None),
        }
    }

    /// Nanoseconds since the run began.
    pub fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Messages sent from now on are measured.
    pub fn start_measuring(&self) {
        self.measure_from.store(self.now(), Relaxed);
    }

    /// Messages sent from now on are no longer measured.
    pub fn stop_measuring(&self) {
        self.measure_until.store(self.now(), Relaxed);
    }

    /// Whether a message that was sent then is measured.
    pub fn measures(&self, sent_at: u64) -> bool {
        (self.measure_from.load(Relaxed)..self.measure_until.load(Relaxed)).contains(&sent_at)
    }

    /// The latencies so far.
    pub fn latencies(&self) -> MutexGuard<'_, Latencies> {
        self.latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A subscriber received a batch now: messages, their bytes, and when those were sent
    /// that are measured.
    pub fn record_deliveries(&self, messages: u64, bytes: u64, sent_at: &[u64]) {
        self.delivered.fetch_add(messages, Relaxed);
        self.delivered_bytes.fetch_add(bytes, Relaxed);
        if !sent_at.is_empty() {
            let now = self.now();
            let mut latencies = self.latencies();
            for sent_at in sent_at {
                let latency = now.saturating_sub(*sent_at);
                latencies.delivered.saturating_record(latency);
                latencies.current_second.saturating_record(latency);
            }
        }
    }

    /// A mutation was answered after so many nanoseconds.
    pub fn record_answer(&self, latency: u64) {
        let mut latencies = self.latencies();
        latencies.answered.saturating_record(latency);
        latencies.answered_in_second.saturating_record(latency);
    }

    /// Keeps the first error's text: counts alone do not explain.
    pub fn note_error(&self, text: impl FnOnce() -> String) {
        let first = self.first_error.lock();
        first
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(text);
    }

    /// The first error's text.
    pub fn first_error(&self) -> Option<String> {
        let first = self.first_error.lock();
        first.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
