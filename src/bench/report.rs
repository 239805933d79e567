//! What a run found, as it is written to JSON. `benches/README.md` says what each figure
//! means; names end in their unit.

pub mod chart;
pub mod page;
mod table;

use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use crate::bench::machine::Machine;
use crate::bench::measure::{AllSent, Measured, Moment, Second};
use crate::bench::tally::{Tally, Times};
use crate::config::bench::{BenchArgs, Protocol, ServedStore};
use crate::model::time::Timestamp;

/// Connections that say something about memory: fewer drown in the rest.
const ENOUGH_CONNECTIONS: u32 = 100;
/// Bars of the distribution for each doubling of the time.
const BARS_PER_DOUBLING: f64 = 4.0;

/// A run's report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// This program's version.
    pub version: &'static str,
    /// When the run began.
    pub started_at: String,
    /// Where it ran.
    pub machine: Machine,
    /// What was asked for.
    pub settings: Settings,
    /// Seconds that were measured; warm-up and stragglers aside.
    pub measured_seconds: f64,
    /// Whether a signal, or the stage, ended it before its time.
    pub ended_early: bool,
    /// What was published in the measured seconds.
    pub published: Published,
    /// What subscribers heard in them.
    pub delivered: Delivered,
    /// What pollers read in them.
    pub polled: Option<Polled>,
    /// The whole run's messages, warm-up included, counted one by one.
    pub checked: Checked,
    /// The WebSockets.
    pub connections: Connections,
    /// The server, when it runs on this machine.
    pub server: Option<Server>,
    /// This tool: above 90 % of its threads it measures itself.
    pub client_cpu_percent: f64,
    /// Its threads.
    pub client_threads: usize,
    /// Second by second.
    pub series: Vec<Second>,
    /// Why the exit code is 1; empty when all is well.
    pub problems: Vec<String>,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    pub endpoint: String,
    pub serve: Option<&'static str>,
    pub protocol: &'static str,
    pub groups: u32,
    pub subscribers_per_group: u32,
    pub publishers_per_group: u32,
    pub pollers_per_group: u32,
    pub poll_every_seconds: f64,
    pub rate_per_group: Option<f64>,
    pub in_flight_per_group: Option<u32>,
    pub mix: String,
    pub variables: u32,
    pub payload_bytes: u32,
    pub seconds: u32,
    pub warm_up_seconds: u32,
    pub patience_seconds: u32,
}

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

impl Report {
    /// A report that still lacks what the run found.
    pub fn new(args: &BenchArgs, endpoint: &str, started_at: Timestamp, pid: Option<u32>) -> Self {
        let machine = Machine::this();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started_at: started_at.to_string(),
            client_threads: args.threads.map_or(machine.cores_allowed, |n| n as usize),
            machine,
            settings: Settings::new(args, endpoint),
            measured_seconds: 0.0,
            ended_early: false,
            published: Published::default(),
            delivered: Delivered::default(),
            polled: None,
            checked: Checked::default(),
            connections: Connections::default(),
            server: pid.map(Server::unseen),
            client_cpu_percent: 0.0,
            series: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Puts in what the run found.
    pub fn fill(
        &mut self,
        measured: &Measured,
        tally: &Tally,
        sent: &AllSent,
        checked: Checked,
        connections: Connections,
    ) {
        let (begin, end) = (&measured.begin, &measured.end);
        let seconds = end.seconds_since(begin);
        let (published, heard) = (end.published - begin.published, end.heard - begin.heard);
        let (polled, bytes) = (end.polled - begin.polled, end.bytes - begin.bytes);
        let per_second = |count| ratio(count, 1) / seconds;
        let latencies = tally.latencies();
        self.measured_seconds = seconds;
        self.ended_early = measured.ended_early;
        self.published = Published {
            messages: published,
            per_second: per_second(published),
            answer_us: Latency::of(&latencies.answered),
        };
        self.delivered = Delivered {
            messages: heard,
            per_second: per_second(heard),
            bytes_per_message: ratio(bytes, heard.max(1)),
            megabytes_per_second: per_second(bytes) / 1e6,
            latency_us: Latency::of(&latencies.heard),
            distribution: Bar::all(&latencies.heard),
        };
        self.polled = (self.settings.pollers_per_group > 0).then(|| Polled {
            events: polled,
            per_second: per_second(polled),
            latency_us: Latency::of(&latencies.polled),
        });
        self.client_cpu_percent = (end.own.cpu - begin.own.cpu) / seconds * 100.0;
        if let Some(server) = &mut self.server {
            server.fill(begin, end, &connections);
        }
        self.series.clone_from(&measured.series);
        self.problems = checked.problems(sent.is_empty(), tally);
        self.checked = checked;
        self.connections = connections;
    }
}

impl Settings {
    fn new(args: &BenchArgs, endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            serve: args.serve.map(|store| match store {
                ServedStore::Memory => "memory",
                ServedStore::Embedded => "embedded",
            }),
            protocol: match args.protocol {
                Protocol::AppSync => "appsync",
                Protocol::GraphqlTransportWs => "graphql-transport-ws",
            },
            groups: args.groups,
            subscribers_per_group: args.subscribers,
            publishers_per_group: args.publishers,
            pollers_per_group: args.pollers,
            poll_every_seconds: args.poll_every,
            rate_per_group: (!args.as_fast).then_some(args.rate),
            in_flight_per_group: args.as_fast.then_some(args.in_flight),
            mix: args.mix.to_string(),
            variables: args.variables,
            payload_bytes: args.payload,
            seconds: args.seconds,
            warm_up_seconds: args.warm_up,
            patience_seconds: args.patience,
        }
    }

    /// Whether only connections were measured.
    pub fn is_idle(&self) -> bool {
        self.rate_per_group == Some(0.0)
    }
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

    fn problems(&self, idle: bool, tally: &Tally) -> Vec<String> {
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
    fn unseen(pid: u32) -> Self {
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

    fn fill(&mut self, begin: &Moment, end: &Moment, connections: &Connections) {
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
    fn of(times: &Times) -> Option<Self> {
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
    fn all(times: &Times) -> Vec<Self> {
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

/// Nanoseconds as microseconds.
pub fn micros(nanos: u64) -> f64 {
    ratio(nanos, 1_000)
}

/// One count by another.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a run stay far below 2^52"
)]
pub fn ratio(count: u64, by: u64) -> f64 {
    count as f64 / by as f64
}
