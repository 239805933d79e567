//! What is counted elsewhere and looked up for a scrape: what lives, the journal, memory. What a
//! store does not know is not shown.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// What a store has.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoreFigures {
    /// What lives, if the store knows that.
    pub population: Option<Population>,
    /// The journal, if the store has one.
    pub journal: Option<JournalFigures>,
}

/// What lives in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Population {
    /// Groups.
    pub groups: usize,
    /// Nodes, members or not.
    pub nodes: usize,
    /// Members that receive by a subscription.
    pub subscribing: usize,
    /// Members that poll.
    pub polling: usize,
}

/// The journal of the embedded store.
#[derive(Clone, Copy, Debug, Default)]
pub struct JournalFigures {
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes that were appended.
    pub written: u64,
    /// Syncs.
    pub syncs: u64,
    /// The time that they took.
    pub sync_time: Duration,
    /// How often it was rewritten.
    pub rewrites: u64,
    /// How long ago the first of the changes was written that is not known to be on the disk.
    pub unsynced: Duration,
}

/// Everything that is looked up.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The store.
    pub store: StoreFigures,
    /// Bytes of memory that are counted, by what they are used for.
    pub memory: Vec<(&'static str, usize)>,
    /// The memory budget.
    pub memory_limit: usize,
    /// Bytes that the process holds, where the system says so.
    pub resident: Option<usize>,
    /// How long the server runs.
    pub uptime: Duration,
}

/// The snapshot of the last scrape.
#[derive(Clone, Debug, Default)]
pub struct Snapshots(Arc<Mutex<Snapshot>>);

impl Snapshots {
    /// Takes a newer one.
    pub fn set(&self, snapshot: Snapshot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }
}

/// Writes what is looked up.
struct Rows<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Rows<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.write(name, help, None, &ConstGauge::new(value))
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.write(name, help, None, &ConstCounter::new(value))
    }

    fn write(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        metric: &impl EncodeMetric,
    ) -> fmt::Result {
        let encoder = self
            .0
            .encode_descriptor(name, help, unit, metric.metric_type())?;
        metric.encode(encoder)
    }

    fn by_label(
        &mut self,
        (name, help): (&str, &str),
        label: &'static str,
        values: impl IntoIterator<Item = (&'static str, usize)>,
    ) -> fmt::Result {
        let kind = ConstGauge::new(0.0).metric_type();
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (text, value) in values {
            let labels = [(label, text)];
            ConstGauge::new(gauge(value)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// A number as gauges have it.
#[expect(clippy::cast_precision_loss, reason = "a figure for people and graphs")]
fn gauge(value: usize) -> f64 {
    value as f64
}

impl Collector for Snapshots {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut rows = Rows(&mut encoder);
        if let Some(population) = snapshot.store.population {
            rows.population(population)?;
        }
        if let Some(journal) = snapshot.store.journal {
            rows.journal(journal)?;
        }
        let help = "Bytes of memory that the server counts, by what they are used for; queues are \
                    what waits for clients";
        rows.by_label(("memory_bytes", help), "purpose", snapshot.memory)?;
        let help = "Bytes of memory that the server means to use";
        rows.gauge("memory_limit_bytes", help, gauge(snapshot.memory_limit))?;
        if let Some(resident) = snapshot.resident {
            let help = "Bytes of memory that the process holds";
            rows.gauge("resident_memory_bytes", help, gauge(resident))?;
        }
        let help = "Seconds since the server started";
        rows.gauge("uptime_seconds", help, snapshot.uptime.as_secs_f64())
    }
}

impl Rows<'_, '_> {
    fn population(&mut self, population: Population) -> fmt::Result {
        self.gauge("groups", "Groups that are alive", gauge(population.groups))?;
        let help = "Nodes that are alive, members or not";
        self.gauge("nodes", help, gauge(population.nodes))?;
        let help = "Members that are alive, by whether they receive by a subscription or poll, \
                    because their group does or they said so";
        let members = [
            ("subscription", population.subscribing),
            ("polling", population.polling),
        ];
        self.by_label(("members", help), "delivery", members)
    }

    fn journal(&mut self, journal: JournalFigures) -> fmt::Result {
        let bytes = usize::try_from(journal.bytes).unwrap_or(usize::MAX);
        self.gauge("journal_bytes", "Bytes of the journal", gauge(bytes))?;
        let help = "Bytes that were appended to the journal";
        self.counter("journal_written_bytes", help, journal.written)?;
        self.counter("journal_syncs", "Syncs of the journal", journal.syncs)?;
        let help = "Seconds that syncs of the journal took";
        let took = ConstCounter::new(journal.sync_time.as_secs_f64());
        self.write("journal_sync_seconds", help, None, &took)?;
        let help = "How often the journal was rewritten";
        self.counter("journal_rewrites", help, journal.rewrites)?;
        let help = "Age in seconds of the oldest change that is not known to be on the disk; 0 \
                    without one";
        self.gauge(
            "journal_unsynced_seconds",
            help,
            journal.unsynced.as_secs_f64(),
        )
    }
}
