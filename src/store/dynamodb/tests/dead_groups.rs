//! Groups that ended where no reaper runs.

use super::{new_group, new_table, records, server};
use crate::model::group::GroupKey;
use crate::model::ids::{Domain, NodeId};
use crate::model::limits::Limits;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::{Error, Result, Store};

const NOW: Timestamp = Timestamp::from_seconds(3_900_000_000);

/// A class whose stage has few groups.
struct Stage {
    store: DynamoDb,
    client: aws_sdk_dynamodb::Client,
    table: String,
}

impl Stage {
    async fn start(groups: usize) -> Self {
        let (settings, client) = new_table().await;
        let limits = Limits {
            groups,
            groups_per_domain: 3,
            ..Limits::default()
        };
        Self {
            store: server(&settings, limits).await.without_reaper(),
            client,
            table: settings.table,
        }
    }

    async fn creates(&self, domain: &str, host: &str, second: u32) -> Result<GroupKey> {
        let request = new_group(host, domain);
        let hosted = self.store.host_group(request, NOW.plus_seconds(second));
        Ok(hosted.await?.group.key)
    }

    async fn listed(&self, domain: &str, second: u32) -> usize {
        let domain = Domain::parse("domain", domain).unwrap();
        let listed = self.store.groups_in(&domain, NOW.plus_seconds(second));
        listed.await.unwrap().len()
    }

    /// The records of domains' partitions, without those of groups' own.
    async fn in_domains(&self) -> usize {
        let keys = records(&self.client, &self.table).await;
        let of_group = |sk: &str| sk.starts_with("GROUP#");
        keys.iter().filter(|key| of_group(&key.sk)).count()
    }
}

#[track_caller]
fn refused<T>(result: Result<T>) -> String {
    match result {
        Err(Error::Refused(error)) => error.to_string(),
        Err(Error::Failed(failure)) => panic!("{failure:?}"),
        Ok(_) => panic!("not refused"),
    }
}

#[tokio::test]
async fn groups_of_silent_hosts_fill_neither_the_domain_nor_the_stage() {
    let stage = Stage::start(3).await;
    for host in ["a", "b", "c"] {
        stage.creates("school", host, 0).await.unwrap();
    }
    let full = refused(stage.creates("school", "d", 0).await);
    assert!(full.contains("full"), "{full}");
    assert_eq!(stage.listed("school", 65).await, 0);
    for host in ["d", "e", "f"] {
        stage.creates("school", host, 65).await.unwrap();
    }
    assert_eq!(stage.listed("school", 65).await, 3);
    refused(stage.creates("other", "g", 65).await);
    // The tombstones of the first three go with the next that is created later.
    assert_eq!(stage.in_domains().await, 6);
    assert_eq!(stage.listed("school", 400).await, 0);
    stage.creates("school", "h", 400).await.unwrap();
    stage.creates("school", "i", 700).await.unwrap();
    assert_eq!(stage.listed("school", 700).await, 1);
    assert_eq!(stage.in_domains().await, 2, "h's tombstone and i");
}

#[tokio::test]
async fn groups_whose_hosts_renew_count_however_old_their_watches_are() {
    let stage = Stage::start(3).await;
    for host in ["a", "b", "c"] {
        let key = stage.creates(host, host, 0).await.unwrap();
        let host = NodeId::parse("hostId", host).unwrap().into();
        let renewed = stage.store.renew(&key, &host, NOW.plus_seconds(50));
        renewed.await.unwrap();
    }
    let full = refused(stage.creates("other", "d", 100).await);
    assert!(full.contains("server"), "{full}");
    stage.creates("other", "d", 200).await.unwrap();
}

#[tokio::test]
async fn dead_groups_of_other_domains_are_ended_by_later_creates() {
    let stage = Stage::start(100).await;
    for host in 0..12 {
        let host = host.to_string();
        stage.creates(&host, &host, 0).await.unwrap();
    }
    // The first one counts them, and each one ends some.
    for host in 12..16 {
        stage
            .creates("school", &host.to_string(), 70 * (host - 11))
            .await
            .unwrap();
    }
    let left = records(&stage.client, &stage.table).await;
    let heads = left.iter().filter(|key| key.sk == "ROOM").count();
    assert_eq!(heads, 1, "{left:?}");
}
