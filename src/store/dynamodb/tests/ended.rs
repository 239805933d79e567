//! What ended groups leave in the table is bounded, whatever goes wrong while they end.

use futures_util::future::join_all;

use super::engine::engine;
use super::proxy::{Fault, Plan, Proxy};
use super::{new_table, records, server};
use crate::model::group::{Delivery, EndReason, GroupKey, Tombstone};
use crate::model::ids::{Domain, GroupName, NodeId};
use crate::model::limits::Limits;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::client::Settings;
use crate::store::dynamodb::groups::mark;
use crate::store::dynamodb::items::group::Why;
use crate::store::dynamodb::items::keys::{ENDED, Key};
use crate::store::dynamodb::items::tombstone;
use crate::store::dynamodb::requests::Step;
use crate::store::{CreateGroup, HostOutcome, Store};

const NOW: Timestamp = Timestamp::from_seconds(3_900_000_000);
/// When the host of a group made at [`NOW`] has been silent for too long.
const SILENT: Timestamp = NOW.plus_seconds(100);

/// As many as a domain may leave at the least.
const MANY: usize = 100;
const LIMITS: Limits = Limits {
    groups: 20_000,
    groups_per_domain: MANY,
    nodes_per_group: 10,
    keys_per_node: 10,
    status_bytes: 1_000,
    status_bytes_per_group: 100_000,
    events_per_call: 10,
    calls_per_group: 10,
    event_bytes_per_group: 1_000,
    ended_groups: 1_000,
    answer_bytes: usize::MAX,
};

fn domain(name: &str) -> Domain {
    Domain::parse("domain", name).unwrap()
}

async fn hosts(store: &DynamoDb, school: &str, host: &str, now: Timestamp) -> HostOutcome {
    let wish = CreateGroup {
        domain: domain(school),
        host: NodeId::parse("hostId", &format!("{host}@{school}")).unwrap(),
        name: GroupName::parse("name", "ねこ").unwrap(),
        delivery: Delivery::WebSocket,
        lifetime: 300,
    };
    store.host_group(wish, now).await.unwrap()
}

async fn makes(store: &DynamoDb, school: &str, many: usize) -> Vec<GroupKey> {
    let hosted = (0..many).map(async |n| hosts(store, school, &format!("h{n}"), NOW).await);
    let hosted = join_all(hosted).await;
    hosted.into_iter().map(|made| made.group.key).collect()
}

/// Leaves tombstones that no server has counted.
async fn leaves_tombstones(store: &DynamoDb, school: &str, many: usize, until: Timestamp) {
    let left = (0..many).map(async |n| {
        let group = GroupKey::parse(&format!("g{n}"), school).unwrap();
        let kept = Tombstone {
            end: EndReason::HostSilent,
            expires_at: until,
            until,
        };
        let steps = vec![
            Step::put(tombstone::item(&group, &kept)),
            Step::put(tombstone::due(&group, &kept)),
        ];
        store.table.write("leave a tombstone", steps).await.unwrap();
    });
    join_all(left).await;
}

/// How many tombstones or groups a domain's listing reads.
async fn in_domain(client: &aws_sdk_dynamodb::Client, table: &str, school: &str) -> usize {
    let place = format!("DOMAIN#{school}");
    let records = records(client, table).await;
    records.iter().filter(|key| key.pk == place).count()
}

/// Marks a group as ended: all but its removal.
async fn ends(store: &DynamoDb, group: &GroupKey) {
    let standing = store.standing("end", group).await.unwrap().unwrap();
    let steps = mark(&standing, Why::By(EndReason::HostSilent), false, SILENT);
    store.table.write("end", steps).await.unwrap();
}

async fn reaps_all(store: &DynamoDb, now: Timestamp) {
    while !store.reap(now).await.unwrap().is_empty() {}
}

#[tokio::test]
async fn an_end_that_could_not_be_written_takes_no_place() {
    let test = async {
        let (settings, client) = new_table().await;
        let limits = Limits {
            ended_groups: 1,
            ..LIMITS
        };
        let proxy = Proxy::start(&engine().endpoint).await;
        let behind = Settings {
            endpoint: Some(proxy.endpoint.clone()),
            attempts: 1,
            ..settings.clone()
        };
        let store = server(&behind, limits).await;
        let group = makes(&store, "school", 1).await.remove(0);
        ends(&store, &group).await;
        // What was begun is left alone for a while.
        let now = SILENT.plus_seconds(20);
        // Each look gets one request further, the last of them past the end's transaction.
        for from in 0.. {
            assert_eq!(store.ended.taken(), 0, "after {from} looks");
            proxy.plan(Some(Plan {
                fault: Fault::Fails,
                from,
                times: usize::MAX,
            }));
            let told = store.reap(now).await;
            let hit = proxy.hit();
            proxy.plan(None);
            if told.is_ok_and(|ended| ended.len() == 1) {
                break;
            }
            assert!(hit, "it ended unnoticed");
        }
        assert_eq!(store.ended.taken(), 1);
        let left = records(&client, &settings.table).await;
        assert!(left.contains(&Key::group(&group)), "it is not remembered");
    };
    tokio::task::LocalSet::new().run_until(Box::pin(test)).await;
}

#[tokio::test]
async fn servers_that_end_the_same_groups_take_one_place_for_each() {
    let (settings, client) = new_table().await;
    let (one, other) = (
        server(&settings, LIMITS).await,
        server(&settings, LIMITS).await,
    );
    let groups = makes(&one, "school", 20).await;
    let cleared = groups.iter().map(async |group| {
        ends(&one, group).await;
        let clear = async |store: &DynamoDb| loop {
            match store.clear(group, 0).await {
                Err(AttemptError::Lost(_)) => {}
                cleared => return cleared.unwrap(),
            }
        };
        let (one, other) = tokio::join!(clear(&one), clear(&other));
        assert!(one != other, "one of them tells its end");
    });
    join_all(cleared).await;
    assert_eq!(in_domain(&client, &settings.table, "school").await, 20);
    assert_eq!(one.ended.taken() + other.ended.taken(), 20);
}

#[tokio::test]
async fn a_domains_listing_reads_no_more_ended_groups_than_it_may_hold() {
    let test = async {
        let (settings, client) = new_table().await;
        let roomy = Limits {
            groups_per_domain: 2 * MANY,
            ..LIMITS
        };
        let maker = server(&settings, roomy).await;
        makes(&maker, "busy", MANY + 5).await;
        makes(&maker, "calm", 1).await;
        let proxy = Proxy::measuring(&engine().endpoint).await;
        let measured = Settings {
            endpoint: Some(proxy.endpoint.clone()),
            ..settings.clone()
        };
        let store = server(&measured, LIMITS).await;
        reaps_all(&store, SILENT).await;
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
async fn a_new_server_sees_what_others_left_before_it_leaves_more() {
    let (settings, client) = new_table().await;
    let fresh = async || server(&settings, LIMITS).await;
    let later = NOW.plus_seconds(10_000);
    for (school, many, kept) in [("full", MANY, 0), ("almost", MANY - 1, 1)] {
        leaves_tombstones(&fresh().await, school, many, later).await;
        let former = hosts(&fresh().await, school, "h", NOW).await.group.key;
        let next = hosts(&fresh().await, school, "h", SILENT).await;
        assert_eq!(next.replaced.map(|ended| ended.group), Some(former));
        let left = in_domain(&client, &settings.table, school).await;
        assert_eq!(left, many + kept + 1, "with the new group, {school}");
    }
}

#[tokio::test]
async fn looks_that_find_more_to_forget_than_they_take_go_on_at_once() {
    let (settings, client) = new_table().await;
    let store = server(&settings, LIMITS).await;
    leaves_tombstones(&store, "school", 450, NOW).await;
    let now = NOW.plus_seconds(1);
    for _ in 0..2 {
        store.reap(now).await.unwrap();
    }
    let left = records(&client, &settings.table).await;
    assert!(left.iter().all(|key| key.pk != ENDED), "{}", left.len());
    assert_eq!(in_domain(&client, &settings.table, "school").await, 0);
}
