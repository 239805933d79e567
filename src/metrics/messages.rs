//! Messages on their way to subscribers.

use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::metrics::held::Held;
use crate::metrics::labels::{MessageKind, Resumption};

/// Upper bounds of the time to the sockets, in seconds.
const SECONDS: [f64; 14] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Their counters.
#[derive(Debug)]
pub struct Messages {
    published: Held<MessageKind, Counter>,
    delivered: Counter,
    seconds: Histogram,
    resumptions: Held<Resumption, Counter>,
}

impl Messages {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let (delivered, seconds) = (Counter::default(), Histogram::new(SECONDS));
        let text = "Messages of groups that were published, by their kind";
        let published = Held::register(registry, "published_messages", text, Counter::default);
        let text = "Messages that were delivered, each counted for each of its subscribers";
        registry.register("delivered_messages", text, delivered.clone());
        let text = "Seconds from publishing a message until it was written, or queued, for the last \
                    subscriber of a batch";
        registry.register("delivery_seconds", text, seconds.clone());
        let text = "Subscriptions with positions, by what the client got of what it had missed";
        let resumptions = Held::register(registry, "resumptions", text, Counter::default);
        Self {
            published,
            delivered,
            seconds,
            resumptions,
        }
    }

    /// Counts a published message.
    pub fn published(&self, kind: MessageKind) {
        self.published.of(kind).inc();
    }

    /// Counts messages that were published at these times and delivered now, `delivered` in total.
    pub fn delivered(&self, delivered: u64, published: impl Iterator<Item = Instant>) {
        self.delivered.inc_by(delivered);
        let now = Instant::now();
        for published in published {
            let took: Duration = now.saturating_duration_since(published);
            self.seconds.observe(took.as_secs_f64());
        }
    }

    /// Counts a subscription with positions; `recovered` says whether it got all that it missed.
    pub fn resumed(&self, recovered: Option<bool>) {
        let outcome = match recovered {
            None => Resumption::Began,
            Some(true) => Resumption::Recovered,
            Some(false) => Resumption::Lost,
        };
        self.resumptions.of(outcome).inc();
    }
}
