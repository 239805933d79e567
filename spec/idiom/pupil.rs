//! A pupil with the state of its editor.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use mesh_v2::heartbeat::clock::Clock;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::{PUPILS, VARIABLE, rounds};
use crate::support::clients::{Status, event};
use crate::support::json::{list, text};
use crate::support::{Group, Node};

/// How a pupil receives the others' messages.
#[derive(Clone, Copy, PartialEq)]
pub enum Transport {
    WebSocket,
    Polling,
}

/// A pupil's value of the variable, and the server's time of it.
#[derive(Clone, Default)]
struct Reading {
    value: String,
    stamp: Option<String>,
}

/// What a pupil's blocks read when a broadcast arrives.
struct Found {
    order_key: String,
    /// The sender's own value.
    senders: Reading,
    /// What a block reads: the newest over all nodes.
    newest: Reading,
}

/// The state of one pupil's editor.
#[derive(Default)]
struct Editor {
    node: String,
    /// By node.
    variable: BTreeMap<String, Reading>,
    /// By sender.
    found: BTreeMap<String, Vec<Found>>,
    /// Received reports by node.
    reports: BTreeMap<String, Vec<(String, String)>>,
    /// Received events, its own included.
    events: usize,
    since: String,
}

impl Editor {
    fn sets(&mut self, value: &str) {
        let own = self.variable.entry(self.node.clone()).or_default();
        own.value = value.into();
    }

    fn receives_report(&mut self, status: &Status) {
        for (key, value) in &status.data {
            assert_eq!(key, VARIABLE);
            let came = (value.clone(), status.timestamp.clone());
            let reports = self.reports.entry(status.node.clone()).or_default();
            reports.push(came);
            let known = self.variable.entry(status.node.clone()).or_default();
            // Its own report only updates the time, and only for the present value.
            if status.node != self.node || known.value == *value {
                *known = Reading {
                    value: value.clone(),
                    stamp: Some(status.timestamp.clone()),
                };
            }
        }
    }

    fn receives_events(&mut self, events: &[Value]) {
        self.events += events.len();
        let mut events: Vec<_> = events
            .iter()
            .map(|event| (text(&event["timestamp"]), text(&event["orderKey"]), event))
            .collect();
        events.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        for (_, order_key, event) in events {
            let sender = text(&event["firedByNodeId"]);
            if sender == self.node {
                continue;
            }
            let senders = self.variable.get(&sender).cloned().unwrap_or_default();
            let newest = self.variable.values().max_by_key(|reading| &reading.stamp);
            let found = Found {
                order_key,
                senders,
                newest: newest.cloned().unwrap_or_default(),
            };
            self.found.entry(sender).or_default().push(found);
        }
    }
}

/// One pupil.
pub struct Pupil<'a> {
    pub node: Node<'a>,
    transport: Transport,
    editor: RefCell<Editor>,
}

fn order_key(round: usize) -> String {
    format!("20261121100000-{:07}", round + 1)
}

/// Two rounds have the same value.
fn value(round: usize) -> String {
    (round / 2).to_string()
}

impl<'a> Pupil<'a> {
    pub async fn joins(group: &Group<'a>, name: &str, transport: Transport) -> Self {
        let node = match transport {
            Transport::WebSocket => group.join(name).await,
            Transport::Polling => group.join_polling(name).await,
        };
        let editor = Editor {
            node: node.id.clone(),
            // As the editor starts: by its own clock.
            since: Clock::system().now().to_string(),
            ..Editor::default()
        };
        let editor = RefCell::new(editor);
        Self {
            node,
            transport,
            editor,
        }
    }

    /// Sets the variable and broadcasts, repeatedly; returns the times of its reports.
    pub async fn sends_frame(&self) -> Vec<String> {
        let mut stamps = Vec::new();
        for round in 0..rounds() {
            let value = value(round);
            self.editor.borrow_mut().sets(&value);
            let answer = self.node.reports([(VARIABLE, &*value)]).await;
            stamps.push(text(&answer["timestamp"]));
            let go = event("go", json!({"payload": "", "orderKey": order_key(round)}));
            let events = json!({"events": [go]});
            match self.transport {
                Transport::WebSocket => {
                    self.node.calls("fireEventsByNode", events).await.value();
                }
                Transport::Polling => {
                    let recorded = self.node.calls("recordEventsByNode", events).await;
                    let next = text(&recorded.value()["nextSince"]);
                    if !next.is_empty() {
                        self.editor.borrow_mut().since = next;
                    }
                }
            }
        }
        stamps
    }

    /// Receives until everything has arrived; no pupil sends before all receive.
    pub async fn receives(&self, group: &Group<'_>, begin: &Barrier) {
        let all = PUPILS * rounds();
        match self.transport {
            Transport::Polling => {
                self.polls(group).await;
                begin.wait().await;
                while self.editor.borrow().events < all {
                    self.polls(group).await;
                    // More often than the editor, but with a pause.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            Transport::WebSocket => {
                let mut subscriber = group.subscribe().await;
                begin.wait().await;
                let mut reports = 0;
                while reports < all || self.editor.borrow().events < all {
                    let message = subscriber.message().await;
                    let mut editor = self.editor.borrow_mut();
                    if message["nodeStatus"].is_null() {
                        editor.receives_events(list(&message["batchEvent"]["events"]));
                    } else {
                        editor.receives_report(&Status::of(&message["nodeStatus"]));
                        reports += 1;
                    }
                }
            }
        }
    }

    async fn polls(&self, group: &Group<'_>) {
        let since = self.editor.borrow().since.clone();
        let polled = group.calls("pollGroupData", json!({"since": since})).await;
        let polled = polled.value();
        let mut editor = self.editor.borrow_mut();
        // Every poll answers all statuses; a lesson's pupils have one variable each.
        for status in list(&polled["nodeStatuses"]).iter().map(Status::of) {
            let known = editor.reports.get(&status.node).and_then(|all| all.last());
            if known.is_none_or(|(_, stamp)| *stamp != status.timestamp) {
                editor.receives_report(&status);
            }
        }
        let events = list(&polled["events"]);
        editor.receives_events(events);
        if let Some(last) = events.last() {
            editor.since = text(&last["cursor"]);
        }
    }

    /// Checks what this pupil read at the broadcasts of another one, who reported at `stamps`.
    pub fn was_never_overtaken_by(&self, sender: &str, stamps: &[String]) {
        let editor = self.editor.borrow();
        let found = &editor.found[sender];
        let keys = found.iter().map(|found| found.order_key.clone());
        assert!(
            keys.eq((0..stamps.len()).map(order_key)),
            "every broadcast of {sender} once and in its order"
        );
        let overtakings = found.iter().zip(stamps).enumerate();
        let overtakings = overtakings.filter(|(round, (found, stamp))| {
            let behind = |reading: &Reading| reading.stamp.as_ref() < Some(stamp);
            let number: usize = found.senders.value.parse().unwrap_or_default();
            behind(&found.senders) || behind(&found.newest) || number < round / 2
        });
        assert_eq!(overtakings.count(), 0, "{sender} at {}", editor.node);
    }

    /// Checks that every report arrived, though most did not change the value; a poll has only
    /// the last one.
    pub fn received_reports_of(&self, sender: &str, stamps: &[String]) {
        let editor = self.editor.borrow();
        let came = &editor.reports[sender];
        let sent = stamps.iter().enumerate();
        let sent: Vec<_> = sent.map(|(n, stamp)| (value(n), stamp.clone())).collect();
        if self.transport == Transport::WebSocket {
            assert_eq!(*came, sent, "{sender} at {}", editor.node);
        } else {
            let mut rest = sent.iter();
            let in_order = came.iter().all(|one| rest.any(|other| other.1 == one.1));
            assert!(in_order, "{came:?} of {sent:?}");
        }
        let known = &editor.variable[sender];
        let last = sent.last().map(|(value, stamp)| (value, Some(stamp)));
        assert_eq!(
            Some((&known.value, known.stamp.as_ref())),
            last,
            "{sender} at {}: own reports have their time as well",
            editor.node
        );
    }
}
