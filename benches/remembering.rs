//! The embedded store, in memory and on disk.

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use mesh_v2::model::event::EventKind;
use mesh_v2::model::group::GroupKey;
use mesh_v2::model::limits::Limits;
use mesh_v2::model::time::Timestamp;
use mesh_v2::store::Store;
use mesh_v2::store::embedded::{Durability, Embedded};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::lesson::{NOW, data, event, group, in_memory, node, rules, runtime};

/// Milliseconds between two calls: so the log holds what 10 seconds bring, and no more.
const PACE: i64 = 10;

/// A store with one group.
struct Stage {
    runtime: Runtime,
    store: Arc<dyn Store>,
    group: GroupKey,
    calls: i64,
    _folder: Option<TempDir>,
}

impl Stage {
    fn in_memory() -> Self {
        Self::over(Arc::new(in_memory()), None)
    }

    /// On the disk of the system's temporary folder (`TMPDIR`).
    fn on_disk(durability: Durability) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Embedded::open(folder.path(), durability, rules(), Limits::default());
        let store = store.expect("a store");
        Self::over(Arc::new(store), Some(folder))
    }

    fn over(store: Arc<dyn Store>, folder: Option<TempDir>) -> Self {
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

    fn next(&mut self) -> Timestamp {
        self.calls += 1;
        Timestamp::from_millis(NOW.millis() + self.calls * PACE)
    }

    fn report(&mut self) {
        let (now, kitten) = (self.next(), node("kitten"));
        let reporting = self.store.report(&self.group, &kitten, data(), now);
        self.runtime.block_on(reporting).expect("an answer");
    }

    fn append(&mut self) {
        let now = self.next();
        let call = event(&self.group, EventKind::Recorded, self.calls.unsigned_abs());
        let appending = self.store.append(call, now);
        self.runtime.block_on(appending).expect("an answer");
    }

    /// Reports of so many nodes that wait for the same commit.
    fn reports_at_once(&mut self, count: usize) {
        let now = self.next();
        let mut reporting = JoinSet::new();
        for number in 0..count {
            let (store, group) = (Arc::clone(&self.store), self.group.clone());
            let node = node(&format!("kitten-{number}"));
            let report = async move { store.report(&group, &node, data(), now).await };
            reporting.spawn_on(report, self.runtime.handle());
        }
        for answer in self.runtime.block_on(reporting.join_all()) {
            answer.expect("an answer");
        }
    }
}

#[divan::bench]
fn report_in_memory(bencher: Bencher<'_, '_>) {
    let mut stage = Stage::in_memory();
    bencher.bench_local(|| stage.report());
}

#[divan::bench]
fn event_in_memory(bencher: Bencher<'_, '_>) {
    let mut stage = Stage::in_memory();
    bencher.bench_local(|| stage.append());
}

/// One at a time: each waits for its commit.
#[divan::bench(args = [Durability::Power, Durability::Process])]
fn report_on_disk(bencher: Bencher<'_, '_>, durability: Durability) {
    let mut stage = Stage::on_disk(durability);
    bencher.bench_local(|| stage.report());
}

#[divan::bench(args = [Durability::Power, Durability::Process])]
fn event_on_disk(bencher: Bencher<'_, '_>, durability: Durability) {
    let mut stage = Stage::on_disk(durability);
    bencher.bench_local(|| stage.append());
}

/// Many at once share commits: items per second is what the store takes.
#[divan::bench(args = [16, 256])]
fn reports_on_disk_at_once(bencher: Bencher<'_, '_>, count: usize) {
    let mut stage = Stage::on_disk(Durability::Power);
    bencher
        .counter(ItemsCount::new(count))
        .bench_local(|| stage.reports_at_once(count));
}

/// The same without waiting for the disk itself.
#[divan::bench(args = [16, 256])]
fn reports_kept_by_the_system_at_once(bencher: Bencher<'_, '_>, count: usize) {
    let mut stage = Stage::on_disk(Durability::Process);
    bencher
        .counter(ItemsCount::new(count))
        .bench_local(|| stage.reports_at_once(count));
}
