//! A random lesson on a store. All results are text that is the same on every store and after
//! any restart: group ids are replaced by the order of creation.

pub mod call;

use std::fmt::Debug;
use std::sync::Arc;

use self::call::{Call, Choice, Since};
use crate::model::authority::{Actor, TokenHash};
use crate::model::event::{EventCall, EventInput, EventKind};
use crate::model::group::{Delivery, GroupKey};
use crate::model::ids::{Domain, GroupName, NodeId};
use crate::model::join_code::JoinCode;
use crate::model::lesson::Control;
use crate::model::limits::Limits;
use crate::model::origin::{Network, Origin};
use crate::model::rules::{Rules, Timings};
use crate::model::status::SensorData;
use crate::model::time::Timestamp;
use crate::store::{CreateGroup, Error, Store};

/// Limits that a short lesson reaches.
pub const LIMITS: Limits = Limits {
    groups: 100_000,
    groups_per_domain: 3,
    groups_per_address: 100_000,
    nodes_per_group: 3,
    reporters_per_group: 2,
    removed_per_group: 2,
    keys_per_node: 4,
    status_bytes: 60,
    // No lesson reaches it, because stores may refuse a little sooner or later.
    status_bytes_per_group: 100_000,
    events_per_call: 10,
    calls_per_group: 12,
    event_bytes_per_group: 1_500,
    ended_groups: 100_000,
    response_bytes: usize::MAX,
};

/// Times shorter than a lesson; nodes expire before their group.
pub const TIMES: Timings = Timings {
    host_interval: 5,
    host_ttl: 20,
    member_interval: 2,
    member_ttl: 6,
    default_connection: 300,
    max_connection: 300,
    event_ttl: 5,
    polling_interval: 2,
};

/// A lesson on one store.
pub struct Lesson<'a> {
    store: &'a dyn Store,
    salt: String,
    groups: Vec<GroupKey>,
    hosts: Vec<NodeId>,
    calls: Vec<EventCall>,
    cursors: Vec<String>,
}

impl<'a> Lesson<'a> {
    /// A lesson that begins; `salt` is in all its names.
    pub fn new(store: &'a dyn Store, salt: &str) -> Self {
        Self {
            store,
            salt: salt.into(),
            groups: Vec::new(),
            hosts: Vec::new(),
            calls: Vec::new(),
            cursors: Vec::new(),
        }
    }

    /// The same lesson on another store, which has the same groups.
    pub fn on(self, store: &dyn Store) -> Lesson<'_> {
        let Self {
            store: _,
            salt,
            groups,
            hosts,
            calls,
            cursors,
        } = self;
        Lesson {
            store,
            salt,
            groups,
            hosts,
            calls,
            cursors,
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

    /// The hosts of the two newest groups renew.
    pub async fn renew_hosts(&mut self, now: Timestamp) -> String {
        let newest = self.execute(&Call::Renew(0, 9), now).await;
        newest + &self.execute(&Call::Renew(4, 9), now).await
    }

    /// The group's host, or some other node, with its token.
    fn host(&self, group: u8, n: u8) -> Actor {
        let host = self.at(group).filter(|_| n >= 4);
        let host = host.map(|at| self.hosts[at].clone());
        let id = host.unwrap_or_else(|| self.node(n));
        let has_token = id == self.node(WITH_TOKEN);
        Actor {
            token: has_token.then(|| token_of(WITH_TOKEN)).flatten(),
            ..id.into()
        }
    }

    /// A group created before, or one that never existed.
    fn group(&self, n: u8) -> GroupKey {
        self.at(n).map_or_else(
            || GroupKey::parse("nowhere", self.domain(0).as_str()).unwrap(),
            |at| self.groups[at].clone(),
        )
    }

    /// A result as text that is the same on every store.
    fn normalize<T: Debug>(&self, result: Result<T, Error>) -> String {
        let mut text = match result {
            Ok(value) => format!("{value:?}"),
            Err(Error::Refused(error)) => format!("{}: {error}", error.kind()),
            Err(Error::Failed(failure)) => panic!("{failure:?}"),
        };
        for (n, group) in self.groups.iter().enumerate() {
            text = text.replace(group.id.as_str(), &format!("<group {n}>"));
        }
        text
    }

    /// The same for results that are sorted by the groups' ids.
    fn normalize_each<T: Debug>(&self, result: Result<Vec<T>, Error>) -> String {
        match result {
            Ok(values) => {
                let each = values.into_iter().map(|value| self.normalize(Ok(value)));
                let mut each: Vec<_> = each.collect();
                each.sort();
                each.join("\n")
            }
            Err(error) => self.normalize::<()>(Err(error)),
        }
    }

    /// Executes calls on groups; the others are executed by `execute_inside`.
    pub async fn execute(&mut self, call: &Call, now: Timestamp) -> String {
        match call {
            Call::Host(domain, node, websocket, lifetime) => {
                let rules = Rules::new(TIMES).unwrap();
                let request = CreateGroup {
                    token: token_of(*node),
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
                    origin: origin(*node),
                    host_ttl: None,
                    is_exempt: false,
                    join_code: JoinCode::random(),
                    name_is_join_code: false,
                };
                let hosted = self.store.host_group(request, now).await;
                if let Ok(hosted) = &hosted
                    && hosted.created
                {
                    self.groups.push(hosted.group.key.clone());
                    self.hosts.push(hosted.group.host.clone());
                }
                self.normalize(hosted)
            }
            Call::List(domain) => {
                let listed = self.store.groups_in(&self.domain(*domain), now).await;
                self.normalize_each(listed)
            }
            Call::Query(all, limit) => {
                let prefix = if *all {
                    self.salt.clone()
                } else {
                    format!("{}組1", self.salt)
                };
                self.normalize(self.store.groups_named(&prefix, *limit, now).await)
            }
            Call::Dissolve(group, node) => {
                let (group, host) = (self.group(*group), self.host(*group, *node));
                self.normalize(self.store.dissolve(&group, &host, now).await)
            }
            Call::Renew(group, node) => {
                let (group, host) = (self.group(*group), self.host(*group, *node));
                self.normalize(self.store.renew(&group, &host, now).await)
            }
            Call::Control(group, node, choice) => {
                let (group, host) = (self.group(*group), self.host(*group, *node));
                let control = match *choice {
                    Choice::Lock(locked) => Control::Lock(locked),
                    Choice::Pause(seconds) => Control::Pause(seconds),
                    Choice::Remove(node) => Control::RemoveNode(self.node(node)),
                    Choice::Clear => Control::ClearData,
                };
                let controlled = self.store.control(&group, &host, &control, now).await;
                self.normalize(controlled)
            }
            Call::Reap => {
                let mut ended = self.store.reap(now).await;
                if let Ok(ended) = &mut ended {
                    ended.retain(|ended| ended.group.domain.as_str().ends_with(&self.salt));
                }
                self.normalize_each(ended)
            }
            inside => self.execute_inside(inside, now).await,
        }
    }

    async fn execute_inside(&mut self, call: &Call, now: Timestamp) -> String {
        match call {
            Call::Join(group, member, websocket) => {
                let (group, node) = (self.group(*group), self.node(*member));
                let actor = Actor {
                    origin: origin(*member),
                    ..node.into()
                };
                self.normalize(self.store.join(&group, &actor, *websocket, now).await)
            }
            Call::Leave(group, node) => {
                let (group, node) = (self.group(*group), self.node(*node));
                self.normalize(self.store.leave(&group, &node.clone().into()).await)
            }
            Call::Heartbeat(group, node) => {
                let (group, node) = (self.group(*group), self.node(*node));
                self.normalize(
                    self.store
                        .heartbeat(&group, &node.clone().into(), now)
                        .await,
                )
            }
            Call::Report(group, node, data) => {
                let sensor = |(key, value): &(u8, u8)| SensorData {
                    key: format!("k{key}"),
                    value: "あ".repeat(usize::from(*value / 4)),
                };
                let data = data.iter().map(sensor).collect();
                let (group, node) = (self.group(*group), self.node(*node));
                self.normalize(
                    self.store
                        .report(&group, &node.clone().into(), data, now)
                        .await,
                )
            }
            Call::Statuses(group) => {
                self.normalize(self.store.statuses(&self.group(*group), now).await)
            }
            Call::StatusOf(node) => {
                self.normalize(self.store.status_of(&self.node(*node), now).await)
            }
            Call::Members(group) => {
                self.normalize(self.store.members(&self.group(*group), now).await)
            }
            Call::Append(group, node, fired, events) => {
                let event = |(name, key): &(u8, Option<u8>)| EventInput {
                    name: "e".repeat(usize::from(*name)),
                    payload: (name % 2 == 0).then(|| "🎈".into()),
                    fired_at: now.to_string(),
                    order_key: key.map(|key| format!("{}", key % 3)),
                };
                let call = EventCall {
                    token: None,
                    group: self.group(*group),
                    node: self.node(*node),
                    kind: if *fired {
                        EventKind::Fired
                    } else {
                        EventKind::Recorded
                    },
                    events: Arc::new(events.iter().map(event).collect()),
                };
                self.calls.push(call.clone());
                self.append(call, now).await
            }
            Call::Repeat(n) => {
                let from_last = self.calls.len().checked_sub(1 + usize::from(n % 4));
                match from_last.map(|at| self.calls[at].clone()) {
                    Some(call) => self.append(call, now).await,
                    None => String::new(),
                }
            }
            Call::Poll(group, since, polls, max_bytes) => {
                let since = self.since(since, now);
                let since = if *polls {
                    crate::model::cursor::Since::Polled(&since)
                } else {
                    crate::model::cursor::Since::Exactly(&since)
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
                self.normalize(polled)
            }
            outside => unreachable!("{outside:?} happens outside"),
        }
    }

    async fn append(&self, call: EventCall, now: Timestamp) -> String {
        let mut appended = self.store.append(call, now).await;
        if let Ok(outcome) = &mut appended
            && outcome.batch.events.is_empty()
        {
            // An empty call has no position in the log; stores may return any position before the
            // next call's.
            outcome.next_since = String::new();
        }
        self.normalize(appended)
    }

    fn since(&self, since: &Since, now: Timestamp) -> String {
        match since {
            Since::Beginning => String::new(),
            Since::Clock(ahead) => Timestamp::from_millis(now.millis() + ahead).to_string(),
            Since::Text(text) => (*text).into(),
            Since::Cursor(n) => {
                let at = usize::from(*n).checked_rem(self.cursors.len());
                at.map(|at| self.cursors[at].clone()).unwrap_or_default()
            }
        }
    }
}

/// The node whose groups have a token.
const WITH_TOKEN: u8 = 3;

/// The token of a host.
fn token_of(node: u8) -> Option<TokenHash> {
    let token = (node == WITH_TOKEN).then_some("a token of a host");
    TokenHash::parse("hostToken", token).unwrap()
}

/// Where a node comes from: two networks, and some callers whose address is unknown.
fn origin(node: u8) -> Option<Origin> {
    let network = Network::new([node % 3; 8]);
    (!node.is_multiple_of(3)).then_some(Origin {
        network,
        site: network,
    })
}
