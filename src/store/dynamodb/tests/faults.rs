//! Whatever goes wrong on the way to the table, at whatever step: nobody is told that a
//! living group is not there, what was answered holds, and a repetition mends the rest.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use futures_util::future::join_all;

use super::engine::engine;
use super::proxy::{Fault, Plan, Proxy};
use super::{new_table, records, rules, server};
use crate::model::event::{Channel, EventCall, EventInput, Since};
use crate::model::group::{Delivery, Group};
use crate::model::ids::{Domain, GroupName, NodeId};
use crate::model::limits::Limits;
use crate::model::status::SensorData;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::client::Settings;
use crate::store::{CreateGroup, Error, Result, Store};

const NOW: Timestamp = Timestamp::from_seconds(3_900_000_000);

/// More requests than any call makes.
const STEPS: usize = 7;

/// What is tried while something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Create,
    Join,
    Report,
    Record,
    Fire,
    Beat,
    Renew,
    Leave,
    Dissolve,
    Reap,
}

const VERBS: [Verb; 10] = [
    Verb::Create,
    Verb::Join,
    Verb::Report,
    Verb::Record,
    Verb::Fire,
    Verb::Beat,
    Verb::Renew,
    Verb::Leave,
    Verb::Dissolve,
    Verb::Reap,
];

fn node(name: &str) -> NodeId {
    NodeId::parse("nodeId", name).unwrap()
}

/// One try: its own domain, a server behind a proxy, and one that is not.
struct Scene<'a> {
    calm: &'a DynamoDb,
    behind: DynamoDb,
    proxy: Proxy,
    domain: Domain,
}

impl<'a> Scene<'a> {
    async fn set(calm: &'a DynamoDb, settings: &Settings, plan: Plan) -> Self {
        let proxy = Proxy::start(&engine().endpoint).await;
        let settings = Settings {
            endpoint: Some(proxy.endpoint.clone()),
            // Only what goes on going wrong may make it give up, not a slow machine.
            attempts: if plan.times == 1 { 10 } else { 3 },
            attempt_timeout: match (plan.fault.stalls(), plan.times) {
                (false, _) => settings.attempt_timeout,
                (true, 1) => Duration::from_secs(2),
                (true, _) => Duration::from_millis(250),
            },
            races: 4,
            ..settings.clone()
        };
        let domain = format!("school-{}", uuid::Uuid::new_v4());
        Self {
            calm,
            behind: server(&settings, Limits::default()).await,
            proxy,
            domain: Domain::parse("domain", &domain).unwrap(),
        }
    }

    fn wish(&self) -> CreateGroup {
        CreateGroup {
            domain: self.domain.clone(),
            host: node(&format!("teacher@{}", self.domain)),
            name: GroupName::parse("name", "ねこ").unwrap(),
            delivery: Delivery::WebSocket,
            lifetime: 300,
        }
    }

    fn kitten(&self) -> NodeId {
        node(&format!("kitten@{}", self.domain))
    }

    fn late(&self) -> NodeId {
        node(&format!("late@{}", self.domain))
    }

    /// A group with a member that reported and recorded.
    async fn group(&self) -> Group {
        let group = self.calm.host_group(self.wish(), NOW).await.unwrap().group;
        let kitten = self.kitten();
        self.calm
            .join(&group.key, &kitten, None, NOW)
            .await
            .unwrap();
        let data = data("before");
        self.calm
            .report(&group.key, &kitten, data, NOW)
            .await
            .unwrap();
        let call = self.call(&group, Channel::Recorded, "before");
        self.calm.append(call, NOW).await.unwrap();
        group
    }

    fn call(&self, group: &Group, channel: Channel, name: &str) -> EventCall {
        let event = EventInput {
            name: name.into(),
            payload: Some("🎈".into()),
            fired_at: "2026-11-21T04:40:35.740Z".into(),
            order_key: Some("1".into()),
        };
        EventCall {
            group: group.key.clone(),
            node: self.kitten(),
            channel,
            events: vec![event].into(),
        }
    }

    async fn acts(&self, store: &DynamoDb, verb: Verb, group: &Group) -> Result<String> {
        let (key, kitten) = (&group.key, self.kitten());
        let now = NOW.plus_seconds(1);
        let told = match verb {
            Verb::Create => store
                .host_group(self.wish(), now)
                .await?
                .group
                .key
                .to_string(),
            Verb::Join => store
                .join(key, &self.late(), Some(true), now)
                .await?
                .key
                .to_string(),
            Verb::Report => format!("{:?}", store.report(key, &kitten, data("now"), now).await?),
            Verb::Record | Verb::Fire => {
                let channel = if verb == Verb::Fire {
                    Channel::Fired
                } else {
                    Channel::Recorded
                };
                let taken = store.append(self.call(group, channel, "now"), now).await?;
                format!("repeated: {}", taken.repeated)
            }
            Verb::Beat => store.beat(key, &kitten, now).await?.to_string(),
            Verb::Renew => store
                .renew(key, &group.host, now)
                .await?
                .heartbeat_at
                .to_string(),
            Verb::Leave => format!("{:?}", store.leave(key, &kitten).await?),
            Verb::Dissolve => format!("{:?}", store.dissolve(key, &group.host, now).await?),
            Verb::Reap => {
                let ended = store.reap(NOW.plus_seconds(100)).await?;
                let own = ended.into_iter().filter(|ended| ended.group == *key);
                format!("{}", own.count())
            }
        };
        Ok(told)
    }

    /// That what was done holds.
    async fn holds(&self, verb: Verb, group: &Group, client: &Client, table: &str) {
        let (key, store, now) = (&group.key, self.calm, NOW.plus_seconds(1));
        let listed = store.groups_in(&self.domain, now).await.unwrap();
        if matches!(verb, Verb::Dissolve | Verb::Reap) {
            assert_eq!(listed, []);
            if verb == Verb::Reap {
                // By then it is not even remembered.
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
        let told = store.statuses(key, now).await.unwrap();
        let events = store
            .events_since(key, Since::Exactly(""), usize::MAX, now)
            .await
            .unwrap();
        let heard: Vec<_> = events.iter().map(|event| &*event.name).collect();
        match verb {
            Verb::Create => {}
            Verb::Join => assert!(members.contains(&self.late().as_str())),
            Verb::Leave => assert_eq!((members.len(), told.len()), (0, 0)),
            Verb::Report => assert_eq!(*told[0].data, data("now")),
            Verb::Record => assert_eq!(heard, ["before", "now"]),
            Verb::Renew => assert_eq!(listed[0].heartbeat_at, now),
            _ => assert_eq!(heard, ["before"]),
        }
    }
}

fn data(value: &str) -> Vec<SensorData> {
    vec![SensorData {
        key: "k".into(),
        value: value.into(),
    }]
}

/// One verb meets one fault at one step, once or until the store gives up.
async fn meets(scene: Scene<'_>, verb: Verb, plan: Plan, client: &Client, table: &str) -> bool {
    let group = match verb {
        // The group that is made only now.
        Verb::Create => Group {
            key: crate::model::group::GroupKey::parse("none", scene.domain.as_str()).unwrap(),
            ..scene
                .calm
                .host_group(
                    CreateGroup {
                        host: node("other"),
                        domain: Domain::parse("domain", &format!("x{}", scene.domain)).unwrap(),
                        ..scene.wish()
                    },
                    NOW,
                )
                .await
                .unwrap()
                .group
        },
        _ => scene.group().await,
    };
    let what = format!("{verb:?} meets {plan:?}");
    scene.proxy.plan(Some(plan));
    let first = scene.acts(&scene.behind, verb, &group).await;
    let hit = scene.proxy.hit();
    scene.proxy.plan(None);
    match &first {
        Ok(told) => {
            let fresh = matches!(verb, Verb::Record | Verb::Fire);
            assert!(!fresh || told == "repeated: false", "{what}: {told}");
            assert!(
                verb != Verb::Reap || told == "1",
                "{what}: told {told} times"
            );
        }
        Err(Error::Refused(refusal)) => panic!("{what}: {refusal}"),
        Err(Error::Failed(_)) => assert!(plan.times > 1, "{what} once and gave up"),
    }
    if first.is_err() {
        // The caller, or the next look of the reaper, tries again.
        let again = scene.acts(scene.calm, verb, &group).await;
        match again {
            Ok(_) => {}
            // It was done after all.
            Err(Error::Refused(refusal)) if verb == Verb::Dissolve => {
                assert_eq!(refusal.kind(), "GroupNotFound", "{what}");
            }
            Err(error) => panic!("{what}, then again: {error:?}"),
        }
    }
    if verb == Verb::Reap {
        // What another server began is left to it for a while.
        scene.calm.reap(NOW.plus_seconds(200)).await.unwrap();
    }
    scene.holds(verb, &group, client, table).await;
    hit
}

/// Every verb meets every fault at every step, each pair on a table of its own.
async fn whatever_goes_wrong(faults: &[Fault], times: usize) {
    // Those that stall by themselves: they wait most of their time, and must not take the
    // others' work for a stall.
    let (stalling, others): (Vec<Fault>, Vec<Fault>) =
        faults.iter().partition(|fault| fault.stalls());
    for faults in [others, stalling] {
        let pairs = VERBS
            .iter()
            .flat_map(|verb| faults.iter().map(move |fault| (*verb, *fault)));
        let met = pairs.map(|(verb, fault)| Box::pin(at_every_step(verb, fault, times)));
        join_all(met).await;
    }
}

async fn at_every_step(verb: Verb, fault: Fault, times: usize) {
    let (settings, client) = new_table().await;
    let calm = DynamoDb::connect(settings.clone(), rules(), Limits::default()).await;
    for from in 0..STEPS {
        let plan = Plan { fault, from, times };
        let scene = Scene::set(&calm, &settings, plan).await;
        let met = Box::pin(meets(scene, verb, plan, &client, &settings.table));
        if !met.await {
            assert!(from > 0, "{verb:?} asked nothing");
            return;
        }
    }
}

#[tokio::test]
async fn a_fault_at_any_step_is_mended_unnoticed() {
    tokio::task::LocalSet::new()
        .run_until(whatever_goes_wrong(&Fault::ALL, 1))
        .await;
}

#[tokio::test]
async fn a_fault_that_lasts_is_a_failure_and_a_repetition_mends_it() {
    tokio::task::LocalSet::new()
        .run_until(whatever_goes_wrong(&Fault::LASTING, usize::MAX))
        .await;
}
