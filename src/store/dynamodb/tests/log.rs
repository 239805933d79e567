//! The log of a group that many servers write and read.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};

use super::engine::engine;
use super::proxy::{Fault, Plan, Proxy};
use super::{new_group, new_table, recorded, records, server};
use crate::model::cursor::Since;
use crate::model::event::Event;
use crate::model::group::{Delivery, GroupKey};
use crate::model::ids::NodeId;
use crate::model::limits::Limits;
use crate::model::message::Message;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::client::Settings;
use crate::store::suite::order::PublishedMessages;
use crate::store::{CreateGroup, Error, Publisher, Store};

const NOW: Timestamp = Timestamp::from_seconds(3_900_000_000);

async fn polling_group(store: &DynamoDb) -> GroupKey {
    let request = CreateGroup {
        delivery: Delivery::Polling { every_seconds: 2 },
        ..new_group("teacher", "school")
    };
    store.host_group(request, NOW).await.unwrap().group.key
}

async fn page(store: &DynamoDb, group: &GroupKey, since: &str) -> Vec<Event> {
    let since = Since::Exactly(since);
    let page = store.events_since(group, since, usize::MAX, NOW.plus_seconds(1));
    page.await.unwrap()
}

async fn names(store: &DynamoDb, group: &GroupKey) -> Vec<String> {
    let events = page(store, group, "").await;
    events.into_iter().map(|event| event.name).collect()
}

/// Pages until there are so many events.
async fn read_all(store: &DynamoDb, group: &GroupKey, calls: usize) -> Vec<Event> {
    let (mut all, mut since): (Vec<Event>, String) = (Vec::new(), String::new());
    while all.len() < calls {
        all.extend(page(store, group, &since).await);
        if let Some(last) = all.last().and_then(|event| event.cursor) {
            since = last.to_string();
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn paging_misses_no_call_of_sixteen_servers() {
    const CALLS: usize = 240;
    let (settings, _) = new_table().await;
    let settings = Settings {
        // Readers that wait for so short a time void numbers of writers that are only slow.
        gap_wait: Duration::from_millis(5),
        ..settings
    };
    let servers = (0..16).map(|_| server(&settings, Limits::default()));
    let servers: Vec<DynamoDb> = join_all(servers).await;
    let group = polling_group(&servers[0]).await;
    let calls = (0..CALLS).map(|n| {
        let call = recorded(&group, &format!("node{}", n % 40), &format!("e{n}"));
        // The servers' clocks differ.
        let skew = i64::try_from(n % 16).unwrap() * 53 % 400;
        let now = Timestamp::from_millis(NOW.millis() + skew);
        let store = &servers[n % 16];
        async move {
            tokio::time::sleep(Duration::from_millis(n as u64 / 8)).await;
            store.append(call, now).await.unwrap()
        }
    });
    let readers = [0, 5, 9].map(|reader| read_all(&servers[reader], &group, CALLS));
    let (reads, appended) = join(join_all(readers), join_all(calls)).await;
    for read in &reads {
        let names: HashSet<_> = read.iter().map(|event| &event.name).collect();
        assert_eq!((read.len(), names.len()), (CALLS, CALLS));
        assert!(read.is_sorted_by(|a, b| a.cursor < b.cursor));
        assert_eq!(read, &reads[0]);
    }
    for (n, appended) in appended.iter().enumerate() {
        let name = format!("e{n}");
        let event = reads[0].iter().find(|event| event.name == name).unwrap();
        assert_eq!(event.cursor.unwrap().to_string(), appended.next_since);
    }
}

/// Two servers, of which one is behind a proxy that a test controls.
struct Pair {
    direct: DynamoDb,
    proxied: DynamoDb,
    proxy: Proxy,
    group: GroupKey,
}

impl Pair {
    async fn start(limits: Limits) -> Self {
        let (settings, _) = new_table().await;
        let direct = server(&settings, limits).await;
        let group = polling_group(&direct).await;
        let proxy = Proxy::measuring(&engine().endpoint).await;
        let settings = Settings {
            endpoint: Some(proxy.endpoint.clone()),
            attempts: 1,
            conflict_attempts: 2,
            ..settings
        };
        Self {
            direct,
            proxied: server(&settings, limits).await,
            proxy,
            group,
        }
    }

    async fn records(&self, store: &DynamoDb, name: &str) -> Result<(), Error> {
        let call = recorded(&self.group, "kitten", name);
        store.append(call, NOW).await.map(drop)
    }
}

#[tokio::test]
async fn a_server_that_is_cut_off_after_it_took_a_number_blocks_no_poll() {
    let test = async {
        let pair = Pair::start(Limits::default()).await;
        pair.records(&pair.proxied, "before").await.unwrap();
        // After the read of the node and the number; so it cannot give its number up either.
        pair.proxy.plan(Some(Plan {
            fault: Fault::Cut,
            from: 2,
            times: usize::MAX,
        }));
        pair.records(&pair.proxied, "lost").await.unwrap_err();
        assert!(pair.proxy.hit());
        pair.records(&pair.direct, "after").await.unwrap();
        assert_eq!(names(&pair.direct, &pair.group).await, ["before"]);
        let end = page(&pair.direct, &pair.group, "").await[0].cursor.unwrap();
        let next = page(&pair.direct, &pair.group, &end.to_string()).await;
        assert_eq!(next[0].name, "after");
        // Its client tries again.
        pair.records(&pair.direct, "lost").await.unwrap();
        let all = ["before", "after", "lost"];
        assert_eq!(names(&pair.direct, &pair.group).await, all);
    };
    tokio::task::LocalSet::new().run_until(Box::pin(test)).await;
}

#[tokio::test]
async fn a_call_whose_number_a_poll_voided_takes_another() {
    let test = async {
        let pair = Pair::start(Limits::default()).await;
        let call = recorded(&pair.group, "kitten", "slow");
        pair.proxy.plan(Some(Plan {
            fault: Fault::Conflicts,
            // After two reads the log is made, and a number taken by the second try.
            from: 5,
            times: 1,
        }));
        let mut numbered = None;
        let request = uuid::Uuid::new_v4();
        let first = pair.proxied.try_append(&call, request, &mut numbered, NOW);
        first.await.unwrap_err();
        assert!(numbered.is_some());
        pair.records(&pair.direct, "fast").await.unwrap();
        assert_eq!(names(&pair.direct, &pair.group).await, ["fast"]);
        let again = pair.proxied.try_append(&call, request, &mut numbered, NOW);
        assert!(!again.await.unwrap().0.repeated);
        assert!(numbered.is_none());
        assert_eq!(names(&pair.direct, &pair.group).await, ["fast", "slow"]);
    };
    tokio::task::LocalSet::new().run_until(Box::pin(test)).await;
}

#[tokio::test]
async fn servers_that_fill_a_log_never_exceed_its_limit_and_then_refuse_without_a_write() {
    let test = async {
        let limits = Limits {
            calls_per_group: 40,
            ..Limits::default()
        };
        let pair = Pair::start(limits).await;
        let nodes: Vec<_> = (0..12).map(|n| format!("node{n}")).collect();
        for node in &nodes {
            let node = NodeId::parse("nodeId", node).unwrap().into();
            let joined = pair.direct.join(&pair.group, &node, Some(false), NOW);
            joined.await.unwrap();
        }
        let calls = (0..96).map(|n| {
            let store = [&pair.direct, &pair.proxied][n % 2];
            let call = recorded(&pair.group, &nodes[n % 12], &n.to_string());
            async move { store.append(call, NOW).await.is_ok() }
        });
        let kept = join_all(calls)
            .await
            .into_iter()
            .filter(|kept| *kept)
            .count();
        let read = names(&pair.direct, &pair.group).await.len();
        assert_eq!(kept, read);
        // The last fifth is for nodes that record little.
        assert!((24..=40).contains(&kept), "{kept}");
        pair.proxy.measured();
        for n in 0..5 {
            let call = recorded(&pair.group, "node0", &format!("more{n}"));
            pair.proxied.append(call, NOW).await.unwrap_err();
        }
        let reads = ["GetItem", "BatchGetItem"];
        let measured = pair.proxy.measured();
        let writes = measured
            .iter()
            .filter(|one| !reads.contains(&one.operation.as_str()));
        assert_eq!(writes.count(), 0, "{measured:?}");
    };
    tokio::task::LocalSet::new().run_until(Box::pin(test)).await;
}

/// Subscribers of one server receive its calls in the log's order, and none waits for a call whose
/// client is gone.
#[tokio::test]
async fn a_server_publishes_kept_calls_by_their_numbers_though_an_earlier_write_is_slower() {
    let test = async {
        let pair = Pair::start(Limits::default()).await;
        let sent = Arc::new(PublishedMessages::default());
        let publisher = Arc::clone(&sent) as Arc<dyn Publisher>;
        let (server, group, proxy) = (
            pair.proxied.publishing_to(publisher),
            pair.group,
            pair.proxy,
        );
        let (server, group, proxy) = (&server, &group, &proxy);
        let append = |node: &str, name: &str| {
            let call = recorded(group, node, name);
            async move { server.append(call, NOW).await.unwrap() }
        };
        let append = &append;
        append("kitten", "warm").await;
        // The transaction of the first call, after a read and its number.
        let slow_write = || {
            let (fault, from, times) = (Fault::Slow, 2, 1);
            proxy.plan(Some(Plan { fault, from, times }));
        };
        let while_it_is_slow = |node: &'static str, name: &'static str| async move {
            while !proxy.hit() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            append(node, name).await
        };
        slow_write();
        join(
            append("kitten", "first"),
            while_it_is_slow("puppy", "second"),
        )
        .await;
        slow_write();
        tokio::select! {
            _ = append("kitten", "gone") => panic!("its write is slow"),
            _ = while_it_is_slow("puppy", "third") => panic!("it waits for the one before"),
            () = tokio::time::sleep(Duration::from_millis(300)) => {}
        }
        append("duck", "fourth").await;
        let messages = sent.of(group).into_iter();
        let names = messages.map(|message| match message {
            Message::Events(batch) => batch.events[0].name.clone(),
            other => panic!("{other:?}"),
        });
        let names: Vec<_> = names.collect();
        assert!(!names.contains(&"gone".to_owned()));
        assert_eq!(names[..3], ["warm", "first", "second"]);
        assert_eq!(names.last().unwrap(), "fourth");
        let log = read_all(&pair.direct, group, 3).await;
        let log: Vec<_> = log.into_iter().map(|event| event.name).collect();
        assert_eq!(log[..3], names[..3]);
    };
    tokio::task::LocalSet::new().run_until(Box::pin(test)).await;
}

#[tokio::test]
async fn more_numbers_than_a_transaction_has_steps_are_given_up() {
    let (settings, client) = new_table().await;
    let server = server(&settings, Limits::default()).await;
    let group = polling_group(&server).await;
    let numbers: Vec<u64> = (0..250).collect();
    server.give_up(&group, &numbers, NOW).await;
    let found = records(&client, &settings.table).await;
    let voids = found.iter().filter(|key| key.sk.starts_with("LOG#"));
    assert_eq!(voids.count(), 250);
}

#[tokio::test]
async fn a_call_without_order_keys_whose_response_was_lost_is_stored_once() {
    let test = async {
        let pair = Pair::start(Limits::default()).await;
        let mut call = recorded(&pair.group, "kitten", "meow");
        Arc::make_mut(&mut call.events)[0].order_key = None;
        pair.proxied.append(call.clone(), NOW).await.unwrap();
        pair.proxy.plan(Some(Plan {
            fault: Fault::AppliesAndConflicts,
            // After a read and the number.
            from: 2,
            times: 1,
        }));
        let appended = pair.proxied.append(call, NOW).await.unwrap();
        assert!(pair.proxy.hit() && !appended.repeated);
        let log = page(&pair.direct, &pair.group, "").await;
        assert_eq!(log.len(), 2);
        assert_eq!(log[1].cursor.unwrap().to_string(), appended.next_since);
    };
    tokio::task::LocalSet::new().run_until(Box::pin(test)).await;
}
