//! Kept calls of one server and of many that meet in one group's log.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::engine::engine;
use super::proxy::Proxy;
use super::{new_group, new_table, server};
use crate::model::event::{EventCall, EventInput, EventKind};
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::limits::Limits;
use crate::model::time::Timestamp;
use crate::store::Store;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::client::Settings;

const NOW: Timestamp = Timestamp::from_seconds(3_900_000_000);
const PUPILS: usize = 40;

fn node(n: usize) -> NodeId {
    NodeId::parse("nodeId", &format!("node{n}")).unwrap()
}

fn call(group: &GroupKey, n: usize, kind: EventKind) -> EventCall {
    let event = EventInput {
        name: "go".into(),
        payload: None,
        fired_at: "2026-11-21T04:40:35.740Z".into(),
        order_key: Some(n.to_string()),
    };
    EventCall {
        token: None,
        group: group.clone(),
        node: node(n % PUPILS),
        kind,
        events: vec![event].into(),
    }
}

/// Servers with a class of forty, one of which polls, on a table with delays.
struct Lesson {
    servers: Vec<DynamoDb>,
    proxy: Proxy,
    group: GroupKey,
}

impl Lesson {
    async fn start(servers: usize, delays: [Duration; 2]) -> Self {
        let (direct, _) = new_table().await;
        let proxy = Proxy::delaying(&engine().endpoint, delays).await;
        let settings = Settings {
            endpoint: Some(proxy.endpoint.clone()),
            ..direct.clone()
        };
        let direct = server(&direct, Limits::default()).await;
        let request = new_group("teacher", "school");
        let group = direct.host_group(request, NOW).await.unwrap().group.key;
        for pupil in 0..PUPILS {
            let actor = node(pupil).into();
            let joined = direct.join(&group, &actor, Some(pupil > 0), NOW);
            joined.await.unwrap();
        }
        let servers = join_all((0..servers).map(|_| server(&settings, Limits::default()))).await;
        for server in &servers {
            // A warm instance.
            server.group_lives(&group, NOW).await.unwrap();
        }
        proxy.measured();
        Self {
            servers,
            proxy,
            group,
        }
    }

    /// One call each `pause`.
    async fn run(&self, calls: usize, kind: EventKind, pause: Duration) -> Run {
        let started = tokio::time::Instant::now();
        let runs = (0..calls).map(|n| async move {
            tokio::time::sleep_until(started + pause * u32::try_from(n).unwrap()).await;
            let (store, begun) = (&self.servers[n % self.servers.len()], Instant::now());
            let appended = store.append(call(&self.group, n, kind), NOW).await;
            (begun.elapsed(), appended.is_ok())
        });
        let runs = join_all(runs).await;
        let failed = runs.iter().filter(|(_, succeeded)| !succeeded).count();
        let mut took: Vec<_> = runs.into_iter().map(|(took, _)| took).collect();
        took.sort_unstable();
        let measured = self.proxy.measured();
        let a_call = |operation| {
            let of_it = measured.iter().filter(|one| one.operation == operation);
            f64::from(u32::try_from(of_it.count()).unwrap())
                / f64::from(u32::try_from(calls).unwrap())
        };
        Run {
            took,
            tries: a_call("TransactWriteItems"),
            numberings: a_call("UpdateItem"),
            failed,
        }
    }
}

/// What calls took.
struct Run {
    /// How long each took, sorted.
    took: Vec<Duration>,
    /// Transactions a call.
    tries: f64,
    /// Updates of single records a call: those that take numbers.
    numberings: f64,
    /// Calls that failed.
    failed: usize,
}

#[tokio::test]
async fn fires_of_a_class_with_one_poller_write_once_each() {
    let test = async {
        let lesson = Lesson::start(1, [Duration::ZERO; 2]).await;
        let first = lesson.run(60, EventKind::Fired, Duration::ZERO).await;
        let later = lesson.run(60, EventKind::Fired, Duration::ZERO).await;
        assert_eq!((first.failed, later.failed), (0, 0));
        assert!(later.tries < 1.05, "{} {}", first.tries, later.tries);
        // Those that wait are numbered together.
        assert!(later.numberings < 0.5, "{}", later.numberings);
    };
    tokio::task::LocalSet::new().run_until(Box::pin(test)).await;
}

#[tokio::test]
async fn records_of_sixteen_servers_do_not_conflict() {
    let test = async {
        let delays = [1, 8].map(Duration::from_millis);
        let lesson = Lesson::start(16, delays).await;
        lesson.run(16, EventKind::Recorded, Duration::ZERO).await;
        let pause = Duration::from_millis(4);
        let run = lesson.run(80, EventKind::Recorded, pause).await;
        assert_eq!(run.failed, 0);
        assert!(run.tries <= 1.3, "{}", run.tries);
        assert!(run.numberings <= 1.1, "{}", run.numberings);
    };
    tokio::task::LocalSet::new().run_until(Box::pin(test)).await;
}

/// The figures of docs/performance.md: `cargo test --lib contention_figures -- --ignored --nocapture`
/// with `DYNAMODB_ENDPOINT`.
#[tokio::test]
#[ignore = "measures for a minute"]
async fn contention_figures() {
    let millis = Duration::from_millis;
    let test = async {
        let delays = [millis(5), millis(20)];
        for (what, servers, kind, calls, pause) in [
            (
                "1 server, fires, 1 poller",
                1,
                EventKind::Fired,
                300,
                millis(33),
            ),
            ("1 server, records", 1, EventKind::Recorded, 300, millis(25)),
            (
                "1 server, 200 records/s",
                1,
                EventKind::Recorded,
                1_000,
                millis(5),
            ),
            (
                "16 servers, records",
                16,
                EventKind::Recorded,
                400,
                millis(25),
            ),
        ] {
            let lesson = Lesson::start(servers, delays).await;
            let run = lesson.run(calls, kind, pause).await;
            let (p50, p99) = (run.took[calls / 2], run.took[calls * 99 / 100]);
            println!(
                "{what}: p50 {p50:?}, p99 {p99:?}, {:.2} transactions and {:.2} updates a call, {} failed",
                run.tries, run.numberings, run.failed
            );
        }
    };
    tokio::task::LocalSet::new().run_until(Box::pin(test)).await;
}
