//! A run's report, as it is written to JSON. `benches/README.md` says what each figure means;
//! names end in their unit.

mod chart;
pub mod figures;
pub mod lesson;
pub mod page;
pub mod server;
mod system;
mod table;
pub mod units;

use jiff::Timestamp;
use serde::Serialize;

use crate::args::{BenchArgs, Protocol, ServedStore};
use crate::counters::Counters;
use crate::delivery::SentByPublisher;
use crate::load::MachineLoad;
use crate::machine::Machine;
use crate::measure::{Measurement, SeriesPoint};
use crate::report::figures::{Bucket, Checked, Delivered, Latency, Polled, Published};
use crate::report::lesson::Played;
use crate::report::server::{Connections, Server};
use crate::report::units::ratio;

/// A run's report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// This program's version.
    pub version: &'static str,
    /// When the run began.
    pub started_at: String,
    /// Where it ran.
    pub machine: Machine,
    /// The command line.
    pub settings: Settings,
    /// When measuring began.
    pub measured_since: String,
    /// Seconds that were measured, without warm-up and last deliveries.
    pub measured_seconds: f64,
    /// Whether a signal, or the server, ended it early.
    pub ended_early: bool,
    /// What was published in the measured seconds.
    pub published: Published,
    /// What subscribers received in them.
    pub delivered: Delivered,
    /// What pollers received in them.
    pub polled: Option<Polled>,
    /// Every message of the whole run, warm-up included, compared with what was sent.
    pub checked: Checked,
    /// The WebSockets.
    pub connections: Connections,
    /// The server, when it runs on this machine.
    pub server: Option<Server>,
    /// CPU of this tool: above 90 % of its threads the figures are its own.
    pub client_cpu_percent: f64,
    /// Its threads.
    pub client_threads: usize,
    /// How busy the machine was besides; null where that is unknown.
    pub machine_load: Option<MachineLoad>,
    /// Second by second.
    pub series: Vec<SeriesPoint>,
    /// The lesson of --lesson, in words, and its price.
    pub lesson: Option<Played>,
    /// Why the exit code is 1; empty when all is well.
    pub problems: Vec<String>,
}

/// The options of a run.
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

impl Report {
    /// A report without results.
    pub fn new(args: &BenchArgs, endpoint: &str, started_at: Timestamp, pid: Option<u32>) -> Self {
        let machine = Machine::this();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started_at: format!("{started_at:.3}"),
            client_threads: args.threads.map_or(machine.cores_allowed, |n| n as usize),
            machine,
            settings: Settings::new(args, endpoint),
            measured_since: String::new(),
            measured_seconds: 0.0,
            ended_early: false,
            published: Published::default(),
            delivered: Delivered::default(),
            polled: None,
            checked: Checked::default(),
            connections: Connections::default(),
            server: pid.map(Server::new),
            client_cpu_percent: 0.0,
            machine_load: None,
            series: Vec::new(),
            lesson: None,
            problems: Vec::new(),
        }
    }

    /// Adds the results.
    pub fn fill(
        &mut self,
        measurement: &Measurement,
        counters: &Counters,
        sent: &SentByPublisher,
        checked: Checked,
        connections: Connections,
    ) {
        let (begin, end) = (&measurement.begin, &measurement.end);
        let seconds = end.seconds_since(begin);
        let published = end.published - begin.published;
        let delivered = end.delivered - begin.delivered;
        let bytes = end.delivered_bytes - begin.delivered_bytes;
        let polled = end.polled - begin.polled;
        let per_second = |count| ratio(count, 1) / seconds;
        let latencies = counters.latencies();
        self.measured_since = format!("{:.3}", measurement.since);
        self.measured_seconds = seconds;
        self.ended_early = measurement.ended_early;
        self.published = Published {
            messages: published,
            per_second: per_second(published),
            answer_us: Latency::of(&latencies.answered),
        };
        self.delivered = Delivered {
            messages: delivered,
            per_second: per_second(delivered),
            bytes_per_message: ratio(bytes, delivered.max(1)),
            megabytes_per_second: per_second(bytes) / 1e6,
            latency_us: Latency::of(&latencies.delivered),
            distribution: Bucket::all(&latencies.delivered),
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
        self.series.clone_from(&measurement.series);
        self.machine_load.clone_from(&measurement.load);
        self.problems = checked.problems(sent.is_empty(), counters);
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
                Protocol::Sse => "sse",
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

    /// Whether idle connections were measured.
    pub fn is_idle(&self) -> bool {
        self.rate_per_group == Some(0.0)
    }
}
