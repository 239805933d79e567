//! The number of tombstones in the table is limited, whatever faults occur.

use futures_util::future::join_all;

use super::engine::engine;
use super::proxy::{Fault, Plan, Proxy};
use super::{new_group, new_table, records, server};
use crate::model::group::{EndReason, GroupKey, Tombstone};
use crate::model::ids::Domain;
use crate::model::limits::Limits;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::client::Settings;
use crate::store::dynamodb::items;
use crate::store::dynamodb::items::group::EndCause;
use crate::store::dynamodb::items::keys::{Key, TOMBSTONES};
use crate::store::dynamodb::removal::end_steps;
use crate::store::dynamodb::requests::Step;
use crate::store::{HostOutcome, Store};

const NOW: Timestamp = Timestamp::from_seconds(3_900_000_000);
/// When the host TTL of a group created at [`NOW`] has passed.
const SILENT: Timestamp = NOW.plus_seconds(100);

/// The smallest limit of tombstones in a domain.
const MANY: usize = 100;
const LIMITS: Limits = Limits {
    groups: 20_000,
    groups_per_domain: MANY,
    groups_per_address: MANY,
    nodes_per_group: 10,
    reporters_per_group: 10,
    removed_per_group: 8,
    keys_per_node: 10,
    status_bytes: 1_000,
    status_bytes_per_group: 100_000,
    events_per_call: 10,
    calls_per_group: 10,
    event_bytes_per_group: 1_000,
    ended_groups: 1_000,
    response_bytes: usize::MAX,
};

fn domain(name: &str) -> Domain {
    Domain::parse("domain", name).unwrap()
}

async fn host(store: &DynamoDb, school: &str, host: &str, now: Timestamp) -> HostOutcome {
    let request = new_group(&format!("{host}@{school}"), school);
    store.host_group(request, now).await.unwrap()
}

async fn create_many(store: &DynamoDb, school: &str, many: usize) -> Vec<GroupKey> {
    let hosted = (0..many).map(async |n| host(store, school, &format!("h{n}"), NOW).await);
    let hosted = join_all(hosted).await;
    hosted.into_iter().map(|hosted| hosted.group.key).collect()
}

/// Writes tombstones that no server has counted.
async fn write_tombstones(store: &DynamoDb, school: &str, many: usize, until: Timestamp) {
    let writes = (0..many).map(async |n| {
        let group = GroupKey::parse(&format!("g{n}"), school).unwrap();
        let tombstone = Tombstone {
            reason: EndReason::HostSilent,
            expires_at: until,
            until,
        };
        let steps = vec![
            Step::put(items::tombstone::item(&group, &tombstone)),
            Step::put(items::tombstone::expiry_item(&group, &tombstone)),
        ];
        store.table.write("write a tombstone", steps).await.unwrap();
    });
    join_all(writes).await;
}

/// The number of group records and tombstones in a domain.
async fn in_domain(client: &aws_sdk_dynamodb::Client, table: &str, school: &str) -> usize {
    let partition = format!("DOMAIN#{school}");
    let records = records(client, table).await;
    records.iter().filter(|key| key.pk == partition).count()
}

/// Marks a group as ended, without removing it.
async fn mark_ended(store: &DynamoDb, group: &GroupKey) {
    let record = store.group_record("end", group).await.unwrap().unwrap();
    let steps = end_steps(
        &record,
        EndCause::Ended(EndReason::HostSilent),
        false,
        SILENT,
    );
    store.table.write("end", steps).await.unwrap();
}

async fn reap_all(store: &DynamoDb, now: Timestamp) {
    while !store.reap(now).await.unwrap().is_empty() {}
}

#[tokio::test]
async fn an_end_that_could_not_be_written_reserves_no_slot() {
    let test = async {
        let (settings, client) = new_table().await;
        let limits = Limits {
            ended_groups: 1,
            ..LIMITS
        };
        let proxy = Proxy::start(&engine().endpoint).await;
        let proxied = Settings {
            endpoint: Some(proxy.endpoint.clone()),
            attempts: 1,
            ..settings.clone()
        };
        let store = server(&proxied, limits).await;
        let group = create_many(&store, "school", 1).await.remove(0);
        mark_ended(&store, &group).await;
        // The reaper does not continue a new removal at once.
        let now = SILENT.plus_seconds(20);
        // Each run gets one request further; the last one completes the transaction.
        for from in 0.. {
            assert_eq!(store.tombstones.reserved(), 0, "after {from} runs");
            proxy.plan(Some(Plan {
                fault: Fault::Fails,
                from,
                times: usize::MAX,
            }));
            let reaped = store.reap(now).await;
            let hit = proxy.hit();
            proxy.plan(None);
            if reaped.is_ok_and(|ended| ended.len() == 1) {
                break;
            }
            assert!(hit, "the group ended without being reported");
        }
        assert_eq!(store.tombstones.reserved(), 1);
        let left = records(&client, &settings.table).await;
        assert!(left.contains(&Key::group(&group)), "there is no tombstone");
    };
    tokio::task::LocalSet::new().run_until(Box::pin(test)).await;
}

#[tokio::test]
async fn servers_that_end_the_same_groups_reserve_one_slot_each() {
    let (settings, client) = new_table().await;
    let (one, other) = (
        server(&settings, LIMITS).await,
        server(&settings, LIMITS).await,
    );
    let groups = create_many(&one, "school", 20).await;
    let removals = groups.iter().map(async |group| {
        mark_ended(&one, group).await;
        let remove = async |store: &DynamoDb| loop {
            match store.remove_group(group, 0).await {
                Err(AttemptError::Retry(..)) => {}
                removed => return removed.unwrap(),
            }
        };
        let (one, other) = tokio::join!(remove(&one), remove(&other));
        assert!(one != other, "one of them reports its end");
    });
    join_all(removals).await;
    assert_eq!(in_domain(&client, &settings.table, "school").await, 20);
    assert_eq!(one.tombstones.reserved() + other.tombstones.reserved(), 20);
}

#[tokio::test]
async fn a_listing_reads_no_more_tombstones_than_the_limit() {
    let test = async {
        let (settings, client) = new_table().await;
        let large = Limits {
            groups_per_domain: 2 * MANY,
            ..LIMITS
        };
        let creator = server(&settings, large).await;
        create_many(&creator, "busy", MANY + 5).await;
        create_many(&creator, "calm", 1).await;
        let proxy = Proxy::measuring(&engine().endpoint).await;
        let measured = Settings {
            endpoint: Some(proxy.endpoint.clone()),
            ..settings.clone()
        };
        let store = server(&measured, LIMITS).await;
        reap_all(&store, SILENT).await;
        let left = async |school| in_domain(&client, &settings.table, school).await;
        assert_eq!((left("busy").await, left("calm").await), (MANY, 1));
        proxy.measured();
        let listed = store.groups_in(&domain("busy"), SILENT).await.unwrap();
        assert_eq!(listed, []);
        let units: f64 = proxy.measured().iter().map(|used| used.units).sum();
        // A quarter of a kilobyte each, as docs/costs.md says.
        assert!(units <= 7.0, "{units} units");
    };
    tokio::task::LocalSet::new().run_until(Box::pin(test)).await;
}

#[tokio::test]
async fn a_new_server_counts_existing_tombstones() {
    let (settings, client) = new_table().await;
    let new_server = async || server(&settings, LIMITS).await;
    let later = NOW.plus_seconds(10_000);
    for (school, many, kept) in [("full", MANY, 0), ("almost", MANY - 1, 1)] {
        write_tombstones(&new_server().await, school, many, later).await;
        let former = host(&new_server().await, school, "h", NOW).await.group.key;
        let next = host(&new_server().await, school, "h", SILENT).await;
        assert_eq!(next.replaced.map(|ended| ended.group), Some(former));
        let left = in_domain(&client, &settings.table, school).await;
        assert_eq!(left, many + kept + 1, "with the new group, {school}");
    }
}

#[tokio::test]
async fn a_run_that_finds_too_many_tombstones_is_followed_at_once() {
    let (settings, client) = new_table().await;
    let store = server(&settings, LIMITS).await;
    write_tombstones(&store, "school", 450, NOW).await;
    let now = NOW.plus_seconds(1);
    for _ in 0..2 {
        store.reap(now).await.unwrap();
    }
    let left = records(&client, &settings.table).await;
    assert!(
        left.iter().all(|key| key.pk != TOMBSTONES),
        "{}",
        left.len()
    );
    assert_eq!(in_domain(&client, &settings.table, "school").await, 0);
}
