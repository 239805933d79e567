//! Every fault at every request: no call reports a live group as missing, acknowledged changes
//! are kept, and a retry completes the others.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use futures_util::future::join_all;

use super::engine::engine;
use super::proxy::{Fault, Plan, Proxy};
use super::{new_group, new_table, records, rules, server};
use crate::model::cursor::Since;
use crate::model::event::{EventCall, EventInput, EventKind};
use crate::model::group::Group;
use crate::model::ids::{Domain, NodeId};
use crate::model::limits::Limits;
use crate::model::status::SensorData;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::client::Settings;
use crate::store::{CreateGroup, Error, Result, Store};

const NOW: Timestamp = Timestamp::from_seconds(3_900_000_000);

/// More requests than any call sends.
const REQUESTS: usize = 7;

/// The calls that are tested with faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Create,
    Join,
    Report,
    Record,
    Fire,
    Heartbeat,
    Renew,
    Leave,
    Dissolve,
    Reap,
    Poll,
}

const CALLS: [Call; 11] = [
    Call::Create,
    Call::Join,
    Call::Report,
    Call::Record,
    Call::Fire,
    Call::Heartbeat,
    Call::Renew,
    Call::Leave,
    Call::Dissolve,
    Call::Reap,
    Call::Poll,
];

fn node(name: &str) -> NodeId {
    NodeId::parse("nodeId", name).unwrap()
}

/// One test: a domain, a store behind the fault proxy, and one without it.
struct Scenario<'a> {
    direct: &'a DynamoDb,
    proxied: DynamoDb,
    proxy: Proxy,
    domain: Domain,
}

impl<'a> Scenario<'a> {
    async fn new(direct: &'a DynamoDb, settings: &Settings, plan: Plan) -> Self {
        let proxy = Proxy::start(&engine().endpoint).await;
        let settings = Settings {
            endpoint: Some(proxy.endpoint.clone()),
            // Only a lasting fault may exhaust the attempts, not a slow machine.
            attempts: if plan.times == 1 { 10 } else { 3 },
            attempt_timeout: match (plan.fault.stalls(), plan.times) {
                (false, _) => settings.attempt_timeout,
                (true, 1) => Duration::from_secs(2),
                (true, _) => Duration::from_millis(250),
            },
            conflict_attempts: 4,
            ..settings.clone()
        };
        let domain = format!("school-{}", uuid::Uuid::new_v4());
        Self {
            direct,
            proxied: server(&settings, Limits::default()).await,
            proxy,
            domain: Domain::parse("domain", &domain).unwrap(),
        }
    }

    fn request(&self) -> CreateGroup {
        new_group(&format!("teacher@{}", self.domain), self.domain.as_str())
    }

    fn kitten(&self) -> NodeId {
        node(&format!("kitten@{}", self.domain))
    }

    fn late(&self) -> NodeId {
        node(&format!("late@{}", self.domain))
    }

    /// A group with a member that reported and recorded.
    async fn group(&self) -> Group {
        let group = self
            .direct
            .host_group(self.request(), NOW)
            .await
            .unwrap()
            .group;
        let kitten = self.kitten();
        self.direct
            .join(&group.key, &kitten.clone().into(), None, NOW)
            .await
            .unwrap();
        let data = data("before");
        self.direct
            .report(&group.key, &kitten.clone().into(), data, NOW)
            .await
            .unwrap();
        let call = self.call(&group, EventKind::Recorded, "before");
        self.direct.append(call, NOW).await.unwrap();
        group
    }

    fn call(&self, group: &Group, kind: EventKind, name: &str) -> EventCall {
        let event = EventInput {
            name: name.into(),
            payload: Some("🎈".into()),
            fired_at: "2026-11-21T04:40:35.740Z".into(),
            order_key: Some("1".into()),
        };
        EventCall {
            token: None,
            group: group.key.clone(),
            node: self.kitten(),
            kind,
            events: vec![event].into(),
        }
    }

    async fn execute(&self, store: &DynamoDb, verb: Call, group: &Group) -> Result<String> {
        let (key, kitten) = (&group.key, self.kitten());
        let now = NOW.plus_seconds(1);
        let result = match verb {
            Call::Create => store
                .host_group(self.request(), now)
                .await?
                .group
                .key
                .to_string(),
            Call::Join => store
                .join(key, &self.late().into(), Some(true), now)
                .await?
                .key
                .to_string(),
            Call::Report => format!(
                "{:?}",
                store
                    .report(key, &kitten.clone().into(), data("now"), now)
                    .await?
            ),
            Call::Record | Call::Fire => {
                let kind = if verb == Call::Fire {
                    EventKind::Fired
                } else {
                    EventKind::Recorded
                };
                let appended = store.append(self.call(group, kind, "now"), now).await?;
                format!("repeated: {}", appended.repeated)
            }
            Call::Heartbeat => store
                .heartbeat(key, &kitten.clone().into(), now)
                .await?
                .to_string(),
            Call::Renew => store
                .renew(key, &group.host.clone().into(), now)
                .await?
                .heartbeat_at
                .to_string(),
            Call::Leave => format!("{:?}", store.leave(key, &kitten.clone().into()).await?),
            Call::Dissolve => format!(
                "{:?}",
                store.dissolve(key, &group.host.clone().into(), now).await?
            ),
            Call::Poll => {
                let all = Since::Exactly("");
                let events = store.events_since(key, all, usize::MAX, now).await?;
                format!("{}", events.len())
            }
            Call::Reap => {
                let ended = store.reap(NOW.plus_seconds(100)).await?;
                let own = ended.into_iter().filter(|ended| ended.group == *key);
                format!("{}", own.count())
            }
        };
        Ok(result)
    }

    /// Asserts that the call's change is stored.
    async fn assert_stored(&self, verb: Call, group: &Group, client: &Client, table: &str) {
        let (key, store, now) = (&group.key, self.direct, NOW.plus_seconds(1));
        let listed = store.groups_in(&self.domain, now).await.unwrap();
        if matches!(verb, Call::Dissolve | Call::Reap) {
            assert_eq!(listed, []);
            if verb == Call::Reap {
                // Removes the tombstone.
                store.reap(now.plus_seconds(1_000)).await.unwrap();
            }
            let left = records(client, table).await;
            let part = self.domain.as_str();
            let left: Vec<_> = left
                .iter()
                .filter(|key| key.pk.contains(part) || key.sk.contains(part))
                .collect();
            assert!(left.is_empty(), "orphans: {left:?}");
            return;
        }
        assert_eq!(listed.len(), 1, "one group per host");
        let members = store.members(key, now).await.unwrap();
        let members: Vec<_> = members.iter().map(|member| member.node.as_str()).collect();
        let statuses = store.statuses(key, now).await.unwrap();
        if verb == Call::Poll {
            // What is fired after a poll is kept (decision D13).
            let fired = self.call(group, EventKind::Fired, "now");
            store.append(fired, now).await.unwrap();
        }
        // A page ends before a number that a fault left unused.
        let (mut names, mut since) = (Vec::new(), String::new());
        loop {
            let page = store.events_since(key, Since::Exactly(&since), usize::MAX, now);
            let page = page.await.unwrap();
            let Some(end) = page.last().and_then(|event| event.cursor) else {
                break;
            };
            since = end.to_string();
            names.extend(page.into_iter().map(|event| event.name));
        }
        match verb {
            Call::Create => {}
            Call::Join => assert!(members.contains(&self.late().as_str())),
            Call::Leave => assert_eq!((members.len(), statuses.len()), (0, 0)),
            Call::Report => assert_eq!(*statuses[0].data, data("now")),
            Call::Record | Call::Poll => assert_eq!(names, ["before", "now"]),
            Call::Renew => assert_eq!(listed[0].heartbeat_at, now),
            _ => assert_eq!(names, ["before"]),
        }
    }
}

fn data(value: &str) -> Vec<SensorData> {
    vec![SensorData {
        key: "k".into(),
        value: value.into(),
    }]
}

/// Runs one call with one fault. Returns whether the fault occurred.
async fn run_with_fault(
    scenario: Scenario<'_>,
    verb: Call,
    plan: Plan,
    client: &Client,
    table: &str,
) -> bool {
    let group = match verb {
        // The group does not exist yet.
        Call::Create => Group {
            key: crate::model::group::GroupKey::parse("none", scenario.domain.as_str()).unwrap(),
            ..scenario
                .direct
                .host_group(
                    CreateGroup {
                        host: node("other"),
                        domain: Domain::parse("domain", &format!("x{}", scenario.domain)).unwrap(),
                        ..scenario.request()
                    },
                    NOW,
                )
                .await
                .unwrap()
                .group
        },
        _ => scenario.group().await,
    };
    let what = format!("{verb:?} with {plan:?}");
    scenario.proxy.plan(Some(plan));
    let first = scenario.execute(&scenario.proxied, verb, &group).await;
    let hit = scenario.proxy.hit();
    scenario.proxy.plan(None);
    match &first {
        Ok(result) => {
            let appends = matches!(verb, Call::Record | Call::Fire);
            assert!(!appends || result == "repeated: false", "{what}: {result}");
            assert!(
                verb != Call::Reap || result == "1",
                "{what}: reported {result} times"
            );
        }
        Err(Error::Refused(error)) => panic!("{what}: {error}"),
        Err(Error::Failed(_)) => assert!(plan.times > 1, "{what}: failed by a single fault"),
    }
    if first.is_err() {
        // The client, or the next run of the reaper, retries.
        let again = scenario.execute(scenario.direct, verb, &group).await;
        match again {
            Ok(_) => {}
            // The first call was applied.
            Err(Error::Refused(error)) if verb == Call::Dissolve => {
                assert_eq!(error.kind(), "GroupNotFound", "{what}");
            }
            Err(error) => panic!("{what}, then again: {error:?}"),
        }
    }
    if verb == Call::Reap {
        // The reaper does not continue another server's removal at once.
        scenario.direct.reap(NOW.plus_seconds(200)).await.unwrap();
    }
    scenario.assert_stored(verb, &group, client, table).await;
    hit
}

/// Runs every call with every fault at every request, each pair on its own table.
async fn run_all(faults: &[Fault], times: usize) {
    // Stalling faults run separately: their short timeouts must not expire because of the others'
    // load.
    let (stalling, others): (Vec<Fault>, Vec<Fault>) =
        faults.iter().partition(|fault| fault.stalls());
    for faults in [others, stalling] {
        let pairs = CALLS
            .iter()
            .flat_map(|verb| faults.iter().map(move |fault| (*verb, *fault)));
        let runs = pairs.map(|(verb, fault)| Box::pin(at_every_request(verb, fault, times)));
        join_all(runs).await;
    }
}

async fn at_every_request(verb: Call, fault: Fault, times: usize) {
    let (settings, client) = new_table().await;
    let direct = DynamoDb::connect(settings.clone(), rules(), Limits::default()).await;
    for from in 0..REQUESTS {
        let plan = Plan { fault, from, times };
        let scenario = Scenario::new(&direct, &settings, plan).await;
        let run = Box::pin(run_with_fault(
            scenario,
            verb,
            plan,
            &client,
            &settings.table,
        ));
        if !run.await {
            assert!(from > 0, "{verb:?} sent no request");
            return;
        }
    }
}

#[tokio::test]
async fn a_single_fault_is_retried() {
    tokio::task::LocalSet::new()
        .run_until(run_all(&Fault::ALL, 1))
        .await;
}

#[tokio::test]
async fn a_lasting_fault_is_a_failure_and_a_retry_completes_the_call() {
    tokio::task::LocalSet::new()
        .run_until(run_all(&Fault::LASTING, usize::MAX))
        .await;
}
