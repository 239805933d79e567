//! What the server needed: its CPU time, and its memory for each connection.

use serde::Serialize;

use crate::args::BenchArgs;
use crate::report::units::ratio;
use crate::sample::Sample;

/// Memory is divided by connections from this many on: fewer are lost in the noise.
const CONNECTIONS_MIN: u32 = 100;

/// The WebSockets of the run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Connections {
    /// How many.
    pub subscribers: u32,
    /// How many were opened and subscribed per second.
    pub opened_per_second: f64,
    /// The server's memory before, with all of them, and at the end.
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
    /// CPU per delivered message.
    pub cpu_us_per_delivered: Option<f64>,
    /// CPU per published message, its deliveries included.
    pub cpu_us_per_published: Option<f64>,
    /// Memory before the subscribers connected.
    pub rss_before_bytes: Option<u64>,
    /// Memory with all of them, before anything was published.
    pub rss_subscribed_bytes: Option<u64>,
    /// Memory at the end of the measured seconds.
    pub rss_end_bytes: Option<u64>,
    /// Memory per idle subscriber; with at least 100 of them.
    pub rss_per_connection_bytes: Option<f64>,
}

impl Connections {
    /// The subscribers, which connected between two samples.
    pub fn new(args: &BenchArgs, took: f64, before: &Sample, after: &Sample, end: &Sample) -> Self {
        let memory = [before, after, end].map(|sample| sample.server.map(|server| server.rss));
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
    /// A server without results.
    pub fn new(pid: u32) -> Self {
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

    /// Adds what it used.
    pub fn fill(&mut self, begin: &Sample, end: &Sample, connections: &Connections) {
        if let Some(cpu) = end.server_cpu_since(begin) {
            let per = |count| (count > 0).then(|| cpu * 1e6 / ratio(count, 1));
            self.cpu_percent = Some(cpu / end.seconds_since(begin) * 100.0);
            self.cpu_us_per_delivered = per(end.delivered - begin.delivered);
            self.cpu_us_per_published = per(end.published - begin.published);
        }
        if let Some([before, after, end]) = connections.memory {
            self.rss_before_bytes = Some(before);
            self.rss_subscribed_bytes = Some(after);
            self.rss_end_bytes = Some(end);
            let count = connections.subscribers;
            self.rss_per_connection_bytes = (count >= CONNECTIONS_MIN)
                .then(|| ratio(after.saturating_sub(before), count.into()));
        }
    }
}
