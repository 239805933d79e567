//! The embedded store, in memory and on disk.

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use mesh_v2::model::event::EventKind;
use mesh_v2::model::group::GroupKey;
use mesh_v2::model::time::Timestamp;
use mesh_v2::store::Store;
use mesh_v2::store::embedded::{Durability, Embedded};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::fixture::{NOW, data, event, group, in_memory, limits, node, rules, runtime};

/// Milliseconds between two calls, so that the log has the events of 10 seconds.
const INTERVAL_MILLIS: i64 = 10;

/// A store with one group.
struct Fixture {
    runtime: Runtime,
    store: Arc<dyn Store>,
    group: GroupKey,
    calls: i64,
    _folder: Option<TempDir>,
}

impl Fixture {
    fn in_memory() -> Self {
        Self::with_store(Arc::new(in_memory()), None)
    }

    /// On the disk of the system's temporary folder (`TMPDIR`).
    fn on_disk(durability: Durability) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Embedded::open(folder.path(), durability, rules(), limits());
        let store = store.expect("a store");
        Self::with_store(Arc::new(store), Some(folder))
    }

    fn with_store(store: Arc<dyn Store>, folder: Option<TempDir>) -> Self {
        let runtime = runtime();
        let group = group(&runtime, store.as_ref(), NOW);
        Self {
            runtime,
            store,
            group,
            calls: 0,
            _folder: folder,
        }
    }

    fn next_time(&mut self) -> Timestamp {
        self.calls += 1;
        Timestamp::from_millis(NOW.millis() + self.calls * INTERVAL_MILLIS)
    }

    fn report(&mut self) {
        let (now, kitten) = (self.next_time(), node("kitten").into());
        let report = self.store.report(&self.group, &kitten, data(), now);
        self.runtime.block_on(report).expect("a report");
    }

    fn append(&mut self) {
        let now = self.next_time();
        let call = event(&self.group, EventKind::Recorded, self.calls.unsigned_abs());
        let append = self.store.append(call, now);
        self.runtime.block_on(append).expect("an event");
    }

    /// Reports of `count` nodes that wait for the same commit.
    fn concurrent_reports(&mut self, count: usize) {
        let now = self.next_time();
        let mut reports = JoinSet::new();
        for number in 0..count {
            let (store, group) = (Arc::clone(&self.store), self.group.clone());
            let node = node(&format!("kitten-{number}")).into();
            let report = async move { store.report(&group, &node, data(), now).await };
            reports.spawn_on(report, self.runtime.handle());
        }
        for report in self.runtime.block_on(reports.join_all()) {
            report.expect("a report");
        }
    }
}

#[divan::bench]
fn report_in_memory(bencher: Bencher<'_, '_>) {
    let mut fixture = Fixture::in_memory();
    bencher.bench_local(|| fixture.report());
}

#[divan::bench]
fn event_in_memory(bencher: Bencher<'_, '_>) {
    let mut fixture = Fixture::in_memory();
    bencher.bench_local(|| fixture.append());
}

/// Sequential reports: each waits for its commit.
#[divan::bench(args = [Durability::Always, Durability::EverySecond])]
fn report_on_disk(bencher: Bencher<'_, '_>, durability: Durability) {
    let mut fixture = Fixture::on_disk(durability);
    bencher.bench_local(|| fixture.report());
}

#[divan::bench(args = [Durability::Always, Durability::EverySecond])]
fn event_on_disk(bencher: Bencher<'_, '_>, durability: Durability) {
    let mut fixture = Fixture::on_disk(durability);
    bencher.bench_local(|| fixture.append());
}

/// Concurrent reports share commits: items per second is the store's throughput.
#[divan::bench(args = [16, 256])]
fn concurrent_reports_on_disk(bencher: Bencher<'_, '_>, count: usize) {
    let mut fixture = Fixture::on_disk(Durability::Always);
    bencher
        .counter(ItemsCount::new(count))
        .bench_local(|| fixture.concurrent_reports(count));
}

/// The same without waiting for the disk.
#[divan::bench(args = [16, 256])]
fn concurrent_reports_in_page_cache(bencher: Bencher<'_, '_>, count: usize) {
    let mut fixture = Fixture::on_disk(Durability::EverySecond);
    bencher
        .counter(ItemsCount::new(count))
        .bench_local(|| fixture.concurrent_reports(count));
}
