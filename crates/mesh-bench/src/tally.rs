//! What all listeners and publishers of a run add up to, while it runs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hdrhistogram::Histogram;

/// The shortest and longest time told apart, in nanoseconds, and the digits that count.
const TIMES: (u64, u64, u8) = (1_000, 600_000_000_000, 3);

/// Times in nanoseconds.
pub type Times = Histogram<u64>;

/// An empty histogram.
pub fn times() -> Times {
    Histogram::new_with_bounds(TIMES.0, TIMES.1, TIMES.2).expect("bounds that work")
}

/// Counts of a run, from its first message to its last.
pub struct Tally {
    began: Instant,
    /// Messages that count as measured were sent from here on …
    from: AtomicU64,
    /// … until here.
    until: AtomicU64,
    /// Mutations that the stage took.
    pub published: AtomicU64,
    /// Mutations that it refused.
    pub refused: AtomicU64,
    /// Mutations without an answer: they may have been told or not.
    pub unanswered: AtomicU64,
    /// Messages heard by subscribers.
    pub heard: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
    /// Events read by pollers.
    pub polled: AtomicU64,
    /// Messages of another group, or under another subscription's id.
    pub misrouted: AtomicU64,
    /// Messages that no stage should tell.
    pub strange: AtomicU64,
    /// Subscriptions that ended before they should.
    pub cut: AtomicU64,
    /// Subscribers that heard a probe.
    pub ready: AtomicU64,
    latencies: Mutex<Latencies>,
    trouble: Mutex<Option<String>>,
}

/// How long things took.
pub struct Latencies {
    /// From sending to each subscriber, over the run.
    pub heard: Times,
    /// The same, of the current second.
    pub second: Times,
    /// From sending to each poller.
    pub polled: Times,
    /// From asking to the answer.
    pub answered: Times,
}

impl Tally {
    /// Nothing so far; time begins now.
    pub fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            began: Instant::now(),
            from: AtomicU64::new(u64::MAX),
            until: AtomicU64::new(u64::MAX),
            published: zero(),
            refused: zero(),
            unanswered: zero(),
            heard: zero(),
            bytes: zero(),
            polled: zero(),
            misrouted: zero(),
            strange: zero(),
            cut: zero(),
            ready: zero(),
            latencies: Mutex::new(Latencies {
                heard: times(),
                second: times(),
                polled: times(),
                answered: times(),
            }),
            trouble: Mutex::new(None),
        }
    }

    /// Nanoseconds since the run began.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Messages sent from now on are measured.
    pub fn measure(&self) {
        self.from.store(self.now(), Relaxed);
    }

    /// Messages sent from now on are no longer measured.
    pub fn measure_no_more(&self) {
        self.until.store(self.now(), Relaxed);
    }

    /// Whether a message that was sent then is measured.
    pub fn measures(&self, sent: u64) -> bool {
        (self.from.load(Relaxed)..self.until.load(Relaxed)).contains(&sent)
    }

    /// The times so far.
    pub fn latencies(&self) -> MutexGuard<'_, Latencies> {
        self.latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What a subscriber received in one batch: messages, their bytes, and when those were
    /// sent that are measured.
    pub fn hear(&self, messages: u64, bytes: u64, sent_at: &[u64]) {
        self.heard.fetch_add(messages, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        if !sent_at.is_empty() {
            let now = self.now();
            let mut latencies = self.latencies();
            for sent_at in sent_at {
                let took = now.saturating_sub(*sent_at);
                latencies.heard.saturating_record(took);
                latencies.second.saturating_record(took);
            }
        }
    }

    /// Keeps the first thing that went wrong, in words: counts alone do not help.
    pub fn trouble(&self, what: impl FnOnce() -> String) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.get_or_insert_with(what);
    }

    /// The first thing that went wrong.
    pub fn first_trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }
}
