//! A school class: a domain and nodes of a test case's own, with short names for store calls.

use crate::model::cursor::Since;
use crate::model::error::ClientError;
use crate::model::event::{Event, EventCall, EventInput, EventKind};
use crate::model::group::{Delivery, Group, GroupKey};
use crate::model::ids::{Domain, GroupName, NodeId};
use crate::model::join_code::JoinCode;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;
use crate::store::suite::{START, TIMES};
use crate::store::{AppendOutcome, CreateGroup, Error, Result, Store};

/// The delivery of a polling group.
pub const POLLING: Delivery = Delivery::Polling {
    every_seconds: TIMES.polling_interval,
};

/// A domain and nodes that no other test case uses.
pub struct Class<'a, S> {
    pub store: &'a S,
    pub domain: Domain,
    salt: String,
}

impl<'a, S: Store> Class<'a, S> {
    pub fn new(store: &'a S) -> Self {
        let salt = uuid::Uuid::new_v4().simple().to_string();
        Self {
            store,
            domain: domain(&format!("school-{salt}")),
            salt,
        }
    }

    /// The id of the node `name` in this class.
    pub fn node(&self, name: &str) -> NodeId {
        NodeId::parse("nodeId", &format!("{name}~{}", self.salt)).unwrap()
    }

    /// The name of a node in this class.
    pub fn name_of(&self, node: &NodeId) -> String {
        let own = node.as_str().strip_suffix(&format!("~{}", self.salt));
        own.unwrap_or(node.as_str()).to_owned()
    }

    /// A text that is unique to this class.
    pub fn own(&self, text: &str) -> String {
        format!("{text}{}", self.salt)
    }

    /// A request for a WebSocket group with the longest lifetime.
    pub fn request(&self, host: &str) -> CreateGroup {
        CreateGroup {
            token: None,
            domain: self.domain.clone(),
            host: self.node(host),
            name: group_name("name"),
            delivery: Delivery::WebSocket,
            lifetime: TIMES.max_connection,
            host_ttl: None,
            origin: None,
            is_exempt: false,
            join_code: JoinCode::random(),
            name_is_join_code: false,
        }
    }

    /// A WebSocket group, created at the start.
    pub async fn group(&self, host: &str) -> Group {
        self.created(self.request(host), START).await
    }

    /// A polling group, created at the start.
    pub async fn polling_group(&self, host: &str) -> Group {
        let request = CreateGroup {
            delivery: POLLING,
            ..self.request(host)
        };
        self.created(request, START).await
    }

    /// A new group.
    pub async fn created(&self, request: CreateGroup, now: Timestamp) -> Group {
        let hosted = self.store.host_group(request, now).await.unwrap();
        assert!(hosted.created, "the host has a group already: {hosted:?}");
        hosted.group
    }

    pub async fn joins(&self, group: &GroupKey, node: &str, now: Timestamp) -> Group {
        let node = self.node(node);
        self.store
            .join(group, &node.clone().into(), None, now)
            .await
            .unwrap()
    }

    pub async fn reports(
        &self,
        group: &GroupKey,
        node: &str,
        pairs: &[(&str, &str)],
        now: Timestamp,
    ) -> NodeStatus {
        self.try_report(group, node, data(pairs), now)
            .await
            .unwrap()
    }

    pub async fn try_report(
        &self,
        group: &GroupKey,
        node: &str,
        data: Vec<SensorData>,
        now: Timestamp,
    ) -> Result<NodeStatus> {
        let node = self.node(node);
        self.store
            .report(group, &node.clone().into(), data, now)
            .await
    }

    pub async fn renews(&self, group: &Group, now: Timestamp) -> Group {
        let renewed = self
            .store
            .renew(&group.key, &group.host.clone().into(), now)
            .await;
        renewed.unwrap()
    }

    pub fn call(
        &self,
        kind: EventKind,
        group: &GroupKey,
        node: &str,
        events: Vec<EventInput>,
    ) -> EventCall {
        EventCall {
            token: None,
            group: group.clone(),
            node: self.node(node),
            kind,
            events: events.into(),
        }
    }

    pub async fn records(
        &self,
        group: &GroupKey,
        node: &str,
        events: Vec<EventInput>,
        now: Timestamp,
    ) -> AppendOutcome {
        let call = self.call(EventKind::Recorded, group, node, events);
        self.store.append(call, now).await.unwrap()
    }

    pub async fn fires(
        &self,
        group: &GroupKey,
        node: &str,
        events: Vec<EventInput>,
        now: Timestamp,
    ) -> AppendOutcome {
        let call = self.call(EventKind::Fired, group, node, events);
        self.store.append(call, now).await.unwrap()
    }

    /// Up to a page of events.
    pub async fn polls(&self, group: &GroupKey, since: &str, now: Timestamp) -> Vec<Event> {
        self.reads(group, Since::Exactly(since), usize::MAX, now)
            .await
    }

    /// Up to a page of events that fit in `max_bytes`.
    pub async fn reads(
        &self,
        group: &GroupKey,
        since: Since<'_>,
        max_bytes: usize,
        now: Timestamp,
    ) -> Vec<Event> {
        let page = self.store.events_since(group, since, max_bytes, now).await;
        page.unwrap()
    }

    /// All events, page by page.
    pub async fn reads_all(&self, group: &GroupKey, now: Timestamp) -> Vec<Event> {
        let mut all: Vec<Event> = Vec::new();
        loop {
            let since = all.last().map(cursor).unwrap_or_default();
            let page = self.polls(group, &since, now).await;
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    /// The ids of the groups that the domain lists.
    pub async fn listed(&self, now: Timestamp) -> Vec<GroupKey> {
        let groups = self.store.groups_in(&self.domain, now).await.unwrap();
        groups.into_iter().map(|group| group.key).collect()
    }

    /// The names of the members.
    pub async fn members(&self, group: &GroupKey, now: Timestamp) -> Vec<String> {
        let members = self.store.members(group, now).await.unwrap();
        assert!(members.iter().all(|member| member.group == *group));
        members.iter().map(|m| self.name_of(&m.node)).collect()
    }

    /// The statuses as name, milliseconds since the start, and `key=value …`.
    pub async fn statuses(&self, group: &GroupKey, now: Timestamp) -> Vec<(String, i64, String)> {
        let statuses = self.store.statuses(group, now).await.unwrap();
        assert!(statuses.iter().all(|status| status.group == *group));
        statuses.iter().map(|s| self.brief(s)).collect()
    }

    /// The same of one node.
    pub async fn status_of(&self, node: &str, now: Timestamp) -> Option<(String, i64, String)> {
        let status = self.store.status_of(&self.node(node), now).await.unwrap();
        status.map(|status| self.brief(&status))
    }

    pub fn brief(&self, status: &NodeStatus) -> (String, i64, String) {
        let pairs: Vec<_> = status
            .data
            .iter()
            .map(|d| format!("{}={}", d.key, d.value))
            .collect();
        let millis = status.timestamp.millis() - START.millis();
        (self.name_of(&status.node), millis, pairs.join(" "))
    }

    /// Asserts that nothing of the group and of its nodes can be read.
    pub async fn sees_nothing(&self, group: &Group, nodes: &[&str], now: Timestamp) {
        let key = &group.key;
        assert!(!self.listed(now).await.contains(key), "it is listed");
        let named = self.store.groups_named(group.name.as_str(), 100, now).await;
        let found = named.unwrap().iter().any(|found| found.key == *key);
        assert!(!found, "it is found by name");
        assert_eq!(self.members(key, now).await, [""; 0]);
        assert_eq!(self.statuses(key, now).await, []);
        assert_eq!(self.polls(key, "", now).await, []);
        for node in nodes {
            assert_eq!(self.status_of(node, now).await, None);
        }
    }

    /// The error of every write that needs a live group; that of dissolve is the last.
    pub async fn all_errors(&self, group: &Group, node: &str, now: Timestamp) -> Vec<ClientError> {
        let key = &group.key;
        let id = self.node(node);
        let record = self.call(EventKind::Recorded, key, node, events(&["late"]));
        let fire = self.call(EventKind::Fired, key, node, events(&["late"]));
        vec![
            client_error(self.store.join(key, &id.clone().into(), None, now).await),
            client_error(
                self.try_report(key, node, data(&[("k", "late")]), now)
                    .await,
            ),
            client_error(self.store.renew(key, &group.host.clone().into(), now).await),
            client_error(self.store.heartbeat(key, &id.clone().into(), now).await),
            client_error(self.store.append(record, now).await),
            client_error(self.store.append(fire, now).await),
            client_error(
                self.store
                    .dissolve(key, &group.host.clone().into(), now)
                    .await,
            ),
        ]
    }
}

/// The client error of a refused call.
#[track_caller]
pub fn client_error<T: std::fmt::Debug>(result: Result<T>) -> ClientError {
    match result {
        Err(Error::Refused(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

/// A client error as a client gets it.
pub fn kind_and_text(error: &ClientError) -> (&'static str, String) {
    (error.kind(), error.to_string())
}

pub fn domain(text: &str) -> Domain {
    Domain::parse("domain", text).unwrap()
}

pub fn group_name(text: &str) -> GroupName {
    GroupName::parse("name", text).unwrap()
}

pub fn data(pairs: &[(&str, &str)]) -> Vec<SensorData> {
    let sensor = |(key, value): &(&str, &str)| SensorData {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    };
    pairs.iter().map(sensor).collect()
}

/// An event without an order key.
pub fn event(name: &str) -> EventInput {
    EventInput {
        name: name.to_owned(),
        payload: None,
        fired_at: "2026-11-21T04:40:35.740Z".to_owned(),
        order_key: None,
    }
}

/// An event with an order key.
pub fn keyed(name: &str, order_key: &str) -> EventInput {
    EventInput {
        order_key: Some(order_key.to_owned()),
        ..event(name)
    }
}

pub fn events(names: &[&str]) -> Vec<EventInput> {
    names.iter().map(|name| event(name)).collect()
}

pub fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

/// A polled event's cursor.
pub fn cursor(event: &Event) -> String {
    event
        .cursor
        .expect("a polled event has a cursor")
        .to_string()
}
