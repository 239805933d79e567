//! Calls of the store, and operations that are answered with an error.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::metrics::held::Held;
use crate::metrics::labels::{ErrorType, StoreCall};

/// Upper bounds of a store call's time in seconds: from a state in memory to a table far away.
const SECONDS: [f64; 13] = [
    0.000_005, 0.000_02, 0.0001, 0.0005, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
];

/// Their counters.
#[derive(Debug)]
pub struct Calls {
    seconds: Held<StoreCall, Histogram>,
    failures: Held<StoreCall, Counter>,
    errors: Held<ErrorType, Counter>,
}

impl Calls {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let histogram = || Histogram::new(SECONDS);
        let text = "Seconds that calls of the store took, refused and failed ones included";
        let seconds = Held::register(registry, "store_call_seconds", text, histogram);
        let text = "Calls of the store that failed, by the call";
        let failures = Held::register(registry, "store_failures", text, Counter::default);
        let text = "Operations that were answered with an error, by its type";
        let errors = Held::register(registry, "errors", text, Counter::default);
        Self {
            seconds,
            failures,
            errors,
        }
    }

    /// Counts a call of the store.
    pub fn store(&self, call: StoreCall, took: Duration, failed: bool) {
        self.seconds.of(call).observe(took.as_secs_f64());
        if failed {
            self.failures.of(call).inc();
        }
    }

    /// Counts an operation that is answered with an error of this type.
    pub fn error(&self, kind: &str) {
        self.errors.of(ErrorType::of(kind)).inc();
    }
}
