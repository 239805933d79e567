//! Random lessons, lived through in plain memory, on the embedded store (opened anew for
//! each) and on DynamoDB: every answer is the same. Group ids are each store's own, so they are told by the order of making.

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::new_table;
use crate::heartbeat::rules::{Rules, Timings};
use crate::model::event::{self, Channel, EventCall, EventInput};
use crate::model::group::{Delivery, GroupKey};
use crate::model::ids::{Domain, GroupName, NodeId};
use crate::model::limits::Limits;
use crate::model::status::SensorData;
use crate::model::time::Timestamp;
use crate::property::cases;
use crate::store::dynamodb::DynamoDb;
use crate::store::embedded::{Durability, Embedded};
use crate::store::{CreateGroup, Error, Store};

/// Lessons, and acts in each.
const LESSONS: u32 = 50;
const ACTS: std::ops::Range<usize> = 20..80;

/// Bounds that a short lesson reaches.
const LIMITS: Limits = Limits {
    groups: 100_000,
    groups_per_domain: 3,
    nodes_per_group: 3,
    keys_per_node: 4,
    status_bytes: 60,
    // Stores may call a group full a little sooner or later: no lesson gets there.
    status_bytes_per_group: 100_000,
    events_per_call: 10,
    calls_per_group: 12,
    event_bytes_per_group: 1_500,
    ended_groups: 100_000,
    answer_bytes: usize::MAX,
};

/// Times that a short lesson outlives: nodes sooner than their group.
const TIMES: Timings = Timings {
    host_interval: 5,
    host_ttl: 20,
    member_interval: 2,
    member_ttl: 6,
    default_connection: 300,
    max_connection: 300,
    event_ttl: 5,
    polling_interval: 2,
};

/// What somebody does; numbers choose among the lesson's domains, nodes and groups.
#[derive(Clone, Debug)]
enum Act {
    Host(u8, u8, bool, u32),
    List(u8),
    Search(bool, usize),
    Join(u8, u8, Option<bool>),
    Leave(u8, u8),
    Dissolve(u8, u8),
    Renew(u8, u8),
    Beat(u8, u8),
    Report(u8, u8, Vec<(u8, u8)>),
    Statuses(u8),
    StatusOf(u8),
    Members(u8),
    Append(u8, u8, bool, Vec<(u8, Option<u8>)>),
    Repeat(u8),
    Poll(u8, Since, bool, usize),
    Reap,
}

#[derive(Clone, Debug)]
enum Since {
    Beginning,
    Clock(i64),
    Told(u8),
    Text(&'static str),
}

fn act() -> impl Strategy<Value = Act> {
    let (domain, node, group) = (0u8..2, 0u8..4, 0u8..8);
    let since = prop_oneof![
        Just(Since::Beginning),
        (-8_000i64..8_000).prop_map(Since::Clock),
        any::<u8>().prop_map(Since::Told),
        prop_oneof![Just("zzz"), Just("EVENT#"), Just("ねこ")].prop_map(Since::Text),
    ];
    let in_group = || (group.clone(), node.clone());
    prop_oneof![
        1 => (domain.clone(), node.clone(), any::<bool>(), prop_oneof![1 => Just(20u32), 4 => Just(300)])
            .prop_map(|(d, n, ws, life)| Act::Host(d, n, ws, life)),
        1 => domain.prop_map(Act::List),
        1 => (any::<bool>(), 1usize..4).prop_map(|(all, limit)| Act::Search(all, limit)),
        6 => (in_group(), any::<Option<bool>>()).prop_map(|((g, n), ws)| Act::Join(g, n, ws)),
        1 => in_group().prop_map(|(g, n)| Act::Leave(g, n)),
        1 => (group.clone(), 2u8..6).prop_map(|(g, n)| Act::Dissolve(g, n)),
        4 => (group.clone(), 3u8..9).prop_map(|(g, n)| Act::Renew(g, n)),
        2 => in_group().prop_map(|(g, n)| Act::Beat(g, n)),
        6 => (in_group(), prop::collection::vec((0u8..6, 0u8..30), 0..4))
            .prop_map(|((g, n), data)| Act::Report(g, n, data)),
        5 => group.clone().prop_map(Act::Statuses),
        3 => node.clone().prop_map(Act::StatusOf),
        3 => group.clone().prop_map(Act::Members),
        6 => (in_group(), any::<bool>(), prop::collection::vec((0u8..40, any::<Option<u8>>()), 0..4))
            .prop_map(|((g, n), fired, events)| Act::Append(g, n, fired, events)),
        2 => any::<u8>().prop_map(Act::Repeat),
        4 => (group, since, any::<bool>(), prop_oneof![Just(usize::MAX), 0usize..2_000])
            .prop_map(|(g, since, polls, bytes)| Act::Poll(g, since, polls, bytes)),
        1 => Just(Act::Reap),
    ]
}

/// Milliseconds until the act.
fn step() -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => 1i64..50,
        6 => 300i64..2_000,
        2 => 3_000i64..9_000,
        1 => 15_000i64..30_000,
    ]
}

/// A lesson on one store.
struct Lesson<'a> {
    store: &'a dyn Store,
    salt: &'a str,
    groups: Vec<GroupKey>,
    hosts: Vec<NodeId>,
    calls: Vec<EventCall>,
    cursors: Vec<String>,
}

impl<'a> Lesson<'a> {
    fn new(store: &'a dyn Store, salt: &'a str) -> Self {
        Self {
            store,
            salt,
            groups: Vec::new(),
            hosts: Vec::new(),
            calls: Vec::new(),
            cursors: Vec::new(),
        }
    }

    fn node(&self, n: u8) -> NodeId {
        NodeId::parse("nodeId", &format!("子{n}@{}", self.salt)).unwrap()
    }

    fn domain(&self, n: u8) -> Domain {
        Domain::parse("domain", &format!("校{n}%{}", self.salt)).unwrap()
    }

    /// Mostly one of the two newest groups.
    fn at(&self, n: u8) -> Option<usize> {
        let from_last = match n {
            0..4 => 0,
            4..7 => 1,
            n => usize::from(n) - 5,
        };
        self.groups.len().checked_sub(1 + from_last)
    }

    /// The hosts of the two newest groups are heard of.
    async fn hosts_beat(&mut self, now: Timestamp) -> String {
        let newest = self.live(&Act::Renew(0, 9), now).await;
        newest + &self.live(&Act::Renew(4, 9), now).await
    }

    /// The group's host, or some other node.
    fn host(&self, group: u8, n: u8) -> NodeId {
        let host = self.at(group).filter(|_| n >= 4);
        let host = host.map(|at| self.hosts[at].clone());
        host.unwrap_or_else(|| self.node(n))
    }

    /// A group made before, or one that never was.
    fn group(&self, n: u8) -> GroupKey {
        self.at(n).map_or_else(
            || GroupKey::parse("nowhere", self.domain(0).as_str()).unwrap(),
            |at| self.groups[at].clone(),
        )
    }

    /// An answer as text that is the same on every store.
    fn told<T: Debug>(&self, answer: Result<T, Error>) -> String {
        let mut text = match answer {
            Ok(answer) => format!("{answer:?}"),
            Err(Error::Refused(refusal)) => format!("{}: {refusal}", refusal.kind()),
            Err(Error::Failed(failure)) => panic!("{failure:?}"),
        };
        for (n, group) in self.groups.iter().enumerate() {
            text = text.replace(group.id.as_str(), &format!("<group {n}>"));
        }
        text
    }

    /// The same for answers whose order is that of the groups' ids.
    fn told_each<T: Debug>(&self, answer: Result<Vec<T>, Error>) -> String {
        match answer {
            Ok(answers) => {
                let each = answers.into_iter().map(|answer| self.told(Ok(answer)));
                let mut each: Vec<_> = each.collect();
                each.sort();
                each.join("\n")
            }
            Err(error) => self.told::<()>(Err(error)),
        }
    }

    /// What concerns groups as a whole; the rest happens inside one.
    async fn live(&mut self, act: &Act, now: Timestamp) -> String {
        match act {
            Act::Host(domain, node, websocket, lifetime) => {
                let rules = Rules::new(TIMES).unwrap();
                let wish = CreateGroup {
                    domain: self.domain(*domain),
                    host: self.node(*node),
                    name: GroupName::parse("name", &format!("{}組{domain}{node}", self.salt))
                        .unwrap(),
                    delivery: if *websocket {
                        Delivery::WebSocket
                    } else {
                        rules.delivery(false)
                    },
                    lifetime: *lifetime,
                };
                let hosted = self.store.host_group(wish, now).await;
                if let Ok(hosted) = &hosted
                    && hosted.created
                {
                    self.groups.push(hosted.group.key.clone());
                    self.hosts.push(hosted.group.host.clone());
                }
                self.told(hosted)
            }
            Act::List(domain) => {
                let listed = self.store.groups_in(&self.domain(*domain), now).await;
                self.told_each(listed)
            }
            Act::Search(all, limit) => {
                let prefix = if *all {
                    self.salt.into()
                } else {
                    format!("{}組1", self.salt)
                };
                self.told(self.store.groups_named(&prefix, *limit, now).await)
            }
            Act::Dissolve(group, node) => {
                let (group, node) = (self.group(*group), self.host(*group, *node));
                self.told(self.store.dissolve(&group, &node, now).await)
            }
            Act::Renew(group, node) => {
                let (group, node) = (self.group(*group), self.host(*group, *node));
                self.told(self.store.renew(&group, &node, now).await)
            }
            Act::Reap => {
                let mut ended = self.store.reap(now).await;
                if let Ok(ended) = &mut ended {
                    ended.retain(|ended| ended.group.domain.as_str().ends_with(self.salt));
                }
                self.told_each(ended)
            }
            inside => self.live_inside(inside, now).await,
        }
    }

    async fn live_inside(&mut self, act: &Act, now: Timestamp) -> String {
        match act {
            Act::Join(group, node, websocket) => {
                let (group, node) = (self.group(*group), self.node(*node));
                self.told(self.store.join(&group, &node, *websocket, now).await)
            }
            Act::Leave(group, node) => {
                let (group, node) = (self.group(*group), self.node(*node));
                self.told(self.store.leave(&group, &node).await)
            }
            Act::Beat(group, node) => {
                let (group, node) = (self.group(*group), self.node(*node));
                self.told(self.store.beat(&group, &node, now).await)
            }
            Act::Report(group, node, data) => {
                let sensor = |(key, value): &(u8, u8)| SensorData {
                    key: format!("k{key}"),
                    value: "あ".repeat(usize::from(*value / 4)),
                };
                let data = data.iter().map(sensor).collect();
                let (group, node) = (self.group(*group), self.node(*node));
                self.told(self.store.report(&group, &node, data, now).await)
            }
            Act::Statuses(group) => self.told(self.store.statuses(&self.group(*group), now).await),
            Act::StatusOf(node) => self.told(self.store.status_of(&self.node(*node), now).await),
            Act::Members(group) => self.told(self.store.members(&self.group(*group), now).await),
            Act::Append(group, node, fired, events) => {
                let event = |(name, key): &(u8, Option<u8>)| EventInput {
                    name: "e".repeat(usize::from(*name)),
                    payload: (name % 2 == 0).then(|| "🎈".into()),
                    fired_at: now.to_string(),
                    order_key: key.map(|key| format!("{}", key % 3)),
                };
                let call = EventCall {
                    group: self.group(*group),
                    node: self.node(*node),
                    channel: if *fired {
                        Channel::Fired
                    } else {
                        Channel::Recorded
                    },
                    events: Arc::new(events.iter().map(event).collect()),
                };
                self.calls.push(call.clone());
                self.append(call, now).await
            }
            Act::Repeat(n) => {
                let from_last = self.calls.len().checked_sub(1 + usize::from(n % 4));
                match from_last.map(|at| self.calls[at].clone()) {
                    Some(call) => self.append(call, now).await,
                    None => String::new(),
                }
            }
            Act::Poll(group, since, polls, max_bytes) => {
                let since = self.since(since, now);
                let since = if *polls {
                    event::Since::Polled(&since)
                } else {
                    event::Since::Exactly(&since)
                };
                let polled = self
                    .store
                    .events_since(&self.group(*group), since, *max_bytes, now)
                    .await;
                if let Ok(events) = &polled {
                    let cursors = events.iter().filter_map(|event| event.cursor);
                    self.cursors
                        .extend(cursors.map(|cursor| cursor.to_string()));
                }
                self.told(polled)
            }
            outside => unreachable!("{outside:?} happens outside"),
        }
    }

    async fn append(&self, call: EventCall, now: Timestamp) -> String {
        let mut taken = self.store.append(call, now).await;
        if let Ok(taken) = &mut taken
            && taken.batch.events.is_empty()
        {
            // An empty call has no place in the log; what it answers is any place before the next.
            taken.next_since = String::new();
        }
        self.told(taken)
    }

    fn since(&self, since: &Since, now: Timestamp) -> String {
        match since {
            Since::Beginning => String::new(),
            Since::Clock(ahead) => Timestamp::from_millis(now.millis() + ahead).to_string(),
            Since::Text(text) => (*text).into(),
            Since::Told(n) => {
                let at = usize::from(*n).checked_rem(self.cursors.len());
                at.map(|at| self.cursors[at].clone()).unwrap_or_default()
            }
        }
    }
}

#[test]
fn any_lesson_is_told_alike_in_memory_by_the_embedded_store_and_by_dynamodb() {
    let rules = Rules::new(TIMES).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dynamodb = runtime.block_on(async {
        let (settings, _) = new_table().await;
        DynamoDb::connect(settings, rules, LIMITS).await
    });
    let memory = Embedded::in_memory(rules, LIMITS);
    let folder = tempfile::tempdir().unwrap();
    // Each lesson is later than those before it, whose groups have ended by then.
    let start = RefCell::new(Timestamp::from_seconds(3_900_000_000));
    let acts = (step(), prop::bool::weighted(0.35), act());
    let lessons = prop::collection::vec(acts, ACTS);
    let config = Config {
        cases: cases(LESSONS),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let lived = TestRunner::new(config).run(&lessons, |acts| {
        let salt = &uuid::Uuid::new_v4().simple().to_string()[..4];
        let embedded = Embedded::open(folder.path(), Durability::Process, rules, LIMITS).unwrap();
        let stores: [&dyn Store; 3] = [&memory, &embedded, &dynamodb];
        let mut lessons = stores.map(|store| Lesson::new(store, salt));
        let mut now = start.borrow().plus_seconds(3_600);
        let opening = [Act::Host(0, 0, true, 300), Act::Host(1, 1, false, 300)];
        let opening = opening.into_iter().map(|act| (1, false, act));
        for (step, beat, act) in opening.chain(acts) {
            now = Timestamp::from_millis(now.millis() + step);
            let mut told = Vec::new();
            for lesson in &mut lessons {
                let beating = async {
                    if beat {
                        lesson.hosts_beat(now).await
                    } else {
                        String::new()
                    }
                };
                let beaten = runtime.block_on(beating);
                told.push((beaten, runtime.block_on(lesson.live(&act, now))));
            }
            prop_assert_eq!(&told[0], &told[1], "memory and embedded, at {:?}", act);
            prop_assert_eq!(&told[0], &told[2], "memory and DynamoDB, at {:?}", act);
        }
        *start.borrow_mut() = now;
        Ok(())
    });
    lived.unwrap();
}
