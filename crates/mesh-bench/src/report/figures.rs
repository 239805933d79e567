//! The parts of a report, and how they follow from what a run counted.

use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use crate::args::BenchArgs;
use crate::measure::Moment;
use crate::report::{micros, ratio};
use crate::tally::{Tally, Times};

/// Connections that say something about memory: fewer drown in the rest.
const ENOUGH_CONNECTIONS: u32 = 100;
/// Bars of the distribution for each doubling of the time.
const BARS_PER_DOUBLING: f64 = 4.0;

/// What was published.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Published {
    /// Mutations that the stage took.
    pub messages: u64,
    /// The same per second.
    pub per_second: f64,
    /// From asking to the answer.
    pub answer_us: Option<Latency>,
}

/// What was heard.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Delivered {
    /// Messages, each as often as it was heard.
    pub messages: u64,
    /// The same per second.
    pub per_second: f64,
    /// Bytes of a message, its frame's head aside.
    pub bytes_per_message: f64,
    /// Megabytes per second.
    pub megabytes_per_second: f64,
    /// From sending to each subscriber's hearing.
    pub latency_us: Option<Latency>,
    /// How many took how long.
    pub distribution: Vec<Bar>,
}

/// What was polled.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Polled {
    /// Events, each as often as it was read.
    pub events: u64,
    /// The same per second.
    pub per_second: f64,
    /// From sending to each poller's reading; half of it is waiting for the next poll.
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

/// How many messages took longer than the bar before, and up to this.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bar {
    /// Microseconds.
    pub up_to_us: f64,
    /// Messages.
    pub messages: u64,
}

/// Every message of the run against what was sent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Checked {
    /// Mutations that the stage took.
    pub published: u64,
    /// Those that it refused.
    pub refused: u64,
    /// Those that it did not answer: they count neither as lost nor as heard.
    pub unanswered: u64,
    /// Messages taken, times subscribers.
    pub deliveries_expected: u64,
    /// Messages heard.
    pub deliveries_heard: u64,
    /// Events taken, times pollers.
    pub polls_expected: u64,
    /// Events polled.
    pub polls_heard: u64,
    /// Never heard by somebody who should have.
    pub lost: u64,
    /// Heard again.
    pub duplicated: u64,
    /// Heard after a later one of the same publisher.
    pub reordered: u64,
    /// Of another group, or under another subscription's id.
    pub misrouted: u64,
    /// Heard, but sent by nobody.
    pub strange: u64,
    /// Subscriptions that ended before the run did.
    pub cut: u64,
}

/// The WebSockets of the run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Connections {
    /// How many.
    pub subscribers: u32,
    /// How many were opened per second, subscribed and acknowledged.
    pub opened_per_second: f64,
    #[serde(skip)]
    memory: Option<[u64; 3]>,
}

/// What the server needed.
#[derive(Clone, Debug, Serialize)]
pub struct Server {
    /// Its process.
    pub pid: u32,
    /// CPU in the measured seconds, in percent of one core.
    pub cpu_percent: Option<f64>,
    /// CPU for each message that a subscriber heard.
    pub cpu_us_per_delivered: Option<f64>,
    /// CPU for each message that was published, its deliveries included.
    pub cpu_us_per_published: Option<f64>,
    /// Memory before the subscribers came.
    pub rss_before_bytes: Option<u64>,
    /// Memory with all of them, before anything was said.
    pub rss_subscribed_bytes: Option<u64>,
    /// Memory at the end of the measured seconds.
    pub rss_end_bytes: Option<u64>,
    /// Memory for each subscriber, idle; with at least 100 of them.
    pub rss_per_connection_bytes: Option<f64>,
}

impl Checked {
    /// Counts so far, with what should have been heard.
    pub fn expecting(heard: u64, polled: u64, tally: &Tally) -> Self {
        Self {
            published: tally.published.load(Relaxed),
            refused: tally.refused.load(Relaxed),
            unanswered: tally.unanswered.load(Relaxed),
            deliveries_expected: heard,
            deliveries_heard: tally.heard.load(Relaxed),
            polls_expected: polled,
            polls_heard: tally.polled.load(Relaxed),
            misrouted: tally.misrouted.load(Relaxed),
            strange: tally.strange.load(Relaxed),
            cut: tally.cut.load(Relaxed),
            ..Self::default()
        }
    }

    /// What is wrong, in words.
    pub fn problems(&self, idle: bool, tally: &Tally) -> Vec<String> {
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
        let heard = self.deliveries_heard + self.polls_heard;
        let expects = self.deliveries_expected + self.polls_expected;
        if !idle && (self.published == 0 || (heard == 0 && expects > 0)) {
            problems.push("nothing was delivered".to_owned());
        }
        if !problems.is_empty() {
            problems.extend(tally.first_trouble());
        }
        problems
    }
}

impl Connections {
    /// The subscribers, opened between two moments.
    pub fn new(args: &BenchArgs, took: f64, before: &Moment, after: &Moment, end: &Moment) -> Self {
        let memory = [before, after, end].map(|moment| moment.server.map(|server| server.rss));
        let [Some(before), Some(after), Some(end)] = memory else {
            return Self::opened(args, took, None);
        };
        Self::opened(args, took, Some([before, after, end]))
    }

    fn opened(args: &BenchArgs, took: f64, memory: Option<[u64; 3]>) -> Self {
        let subscribers = args.groups * args.subscribers;
        Self {
            subscribers,
            opened_per_second: f64::from(subscribers) / took.max(1e-9),
            memory,
        }
    }
}

impl Server {
    /// A server of which nothing is known yet.
    pub fn unseen(pid: u32) -> Self {
        Self {
            pid,
            cpu_percent: None,
            cpu_us_per_delivered: None,
            cpu_us_per_published: None,
            rss_before_bytes: None,
            rss_subscribed_bytes: None,
            rss_end_bytes: None,
            rss_per_connection_bytes: None,
        }
    }

    /// Puts in what it used.
    pub fn fill(&mut self, begin: &Moment, end: &Moment, connections: &Connections) {
        if let Some(cpu) = end.server_cpu_since(begin) {
            let per = |count| (count > 0).then(|| cpu * 1e6 / ratio(count, 1));
            self.cpu_percent = Some(cpu / end.seconds_since(begin) * 100.0);
            self.cpu_us_per_delivered = per(end.heard - begin.heard);
            self.cpu_us_per_published = per(end.published - begin.published);
        }
        if let Some([before, after, end]) = connections.memory {
            self.rss_before_bytes = Some(before);
            self.rss_subscribed_bytes = Some(after);
            self.rss_end_bytes = Some(end);
            let count = connections.subscribers;
            self.rss_per_connection_bytes = (count >= ENOUGH_CONNECTIONS)
                .then(|| ratio(after.saturating_sub(before), count.into()));
        }
    }
}

impl Latency {
    /// The percentiles of times, if there are any.
    pub fn of(times: &Times) -> Option<Self> {
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

impl Bar {
    /// The whole distribution.
    pub fn all(times: &Times) -> Vec<Self> {
        if times.is_empty() {
            return Vec::new();
        }
        let bars = times.iter_log(times.min().max(1_000), BARS_PER_DOUBLING.recip().exp2());
        bars.map(|bar| Self {
            up_to_us: micros(bar.value_iterated_to()),
            messages: bar.count_since_last_iteration(),
        })
        .collect()
    }
}
