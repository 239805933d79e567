//! The idiom of real lessons: every pupil sets a variable, often to the value that it has,
//! then broadcasts, and those that hear the broadcast read the variable. Pupils follow the
//! editor's own rules (contract 5.3 to 5.6), and several send at once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join, join_all};
use mesh_v2::heartbeat::clock::Clock;
use mesh_v2::mesh::NextSince;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::case;
use crate::support::people::{Status, event, list, text};
use crate::support::{Group, Node, Setup, TestMesh};

const VARIABLE: &str = "こたえ";

/// Pupils of a lesson; all of them send, and all of them hear.
const PUPILS: usize = 4;

/// How often each pupil sets the variable and broadcasts.
fn rounds() -> usize {
    let pairs = std::env::var("MESH_PAIRS").map(|pairs| pairs.parse().expect("a number"));
    let pairs = pairs.unwrap_or(if case::current().deployment.is_on_a_table() {
        60
    } else {
        400
    });
    pairs / PUPILS
}

/// The stage of a lesson of which no event ends before it is polled.
async fn stage() -> TestMesh {
    TestMesh::own(|setup: &mut Setup| {
        setup.timings.event_ttl = 120;
        setup.timings.host_ttl = 3600;
        setup.timings.member_ttl = 3600;
        setup.timings.max_connection = 3600;
        setup.next_since = NextSince::Empty;
    })
    .await
}

/// How a pupil hears the others.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    WebSocket,
    Polling,
}

/// A pupil's value of the variable, and the server's time of it.
#[derive(Clone, Default)]
struct Reading {
    value: String,
    stamp: Option<String>,
}

/// What a pupil found when a broadcast came.
struct Found {
    order_key: String,
    /// The sender's own value.
    senders: Reading,
    /// What a block reads: the newest over all nodes.
    newest: Reading,
}

/// What one pupil's editor knows.
#[derive(Default)]
struct Editor {
    node: String,
    /// By node.
    variable: BTreeMap<String, Reading>,
    /// By sender.
    found: BTreeMap<String, Vec<Found>>,
    /// Reports of each node that came.
    reports: BTreeMap<String, Vec<(String, String)>>,
    /// Events that came, own ones too.
    events: usize,
    since: String,
}

impl Editor {
    fn sets(&mut self, value: &str) {
        let own = self.variable.entry(self.node.clone()).or_default();
        own.value = value.into();
    }

    fn hears_report(&mut self, status: &Status) {
        for (key, value) in &status.data {
            assert_eq!(key, VARIABLE);
            let came = (value.clone(), status.timestamp.clone());
            let reports = self.reports.entry(status.node.clone()).or_default();
            reports.push(came);
            let known = self.variable.entry(status.node.clone()).or_default();
            // Of its own reports only the time is news, and only of the value that it has.
            if status.node != self.node || known.value == *value {
                *known = Reading {
                    value: value.clone(),
                    stamp: Some(status.timestamp.clone()),
                };
            }
        }
    }

    fn hears_events(&mut self, events: &[Value]) {
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
struct Pupil<'a> {
    node: Node<'a>,
    way: Way,
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
    async fn joins(group: &Group<'a>, name: &str, way: Way) -> Self {
        let node = match way {
            Way::WebSocket => group.join(name).await,
            Way::Polling => group.join_polling(name).await,
        };
        let editor = Editor {
            node: node.id.clone(),
            // As the editor begins: by its own clock.
            since: Clock::system().now().to_string(),
            ..Editor::default()
        };
        let editor = RefCell::new(editor);
        Self { node, way, editor }
    }

    /// Sets the variable and broadcasts, again and again; answers the times of its reports.
    async fn acts(&self) -> Vec<String> {
        let mut stamps = Vec::new();
        for round in 0..rounds() {
            let value = value(round);
            self.editor.borrow_mut().sets(&value);
            let told = self.node.reports([(VARIABLE, &*value)]).await;
            stamps.push(text(&told["timestamp"]));
            let go = event("go", json!({"payload": "", "orderKey": order_key(round)}));
            let events = json!({"events": [go]});
            match self.way {
                Way::WebSocket => {
                    self.node.calls("fireEventsByNode", events).await.value();
                }
                Way::Polling => {
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

    /// Hears until everything came that everybody sends; nobody sends before all hear.
    async fn hears(&self, group: &Group<'_>, begin: &Barrier) {
        let all = PUPILS * rounds();
        match self.way {
            Way::Polling => {
                self.polls(group).await;
                begin.wait().await;
                while self.editor.borrow().events < all {
                    self.polls(group).await;
                    // More often than the editor, and not as fast as it goes.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            Way::WebSocket => {
                let mut listening = group.listen().await;
                begin.wait().await;
                let mut reports = 0;
                while reports < all || self.editor.borrow().events < all {
                    let message = listening.message().await;
                    let mut editor = self.editor.borrow_mut();
                    if message["nodeStatus"].is_null() {
                        editor.hears_events(list(&message["batchEvent"]["events"]));
                    } else {
                        editor.hears_report(&Status::of(&message["nodeStatus"]));
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
        // Statuses are told with every poll; a lesson's pupils have one variable each.
        for status in list(&polled["nodeStatuses"]).iter().map(Status::of) {
            let known = editor.reports.get(&status.node).and_then(|all| all.last());
            if known.is_none_or(|(_, stamp)| *stamp != status.timestamp) {
                editor.hears_report(&status);
            }
        }
        let events = list(&polled["events"]);
        editor.hears_events(events);
        if let Some(last) = events.last() {
            editor.since = text(&last["cursor"]);
        }
    }

    /// What this pupil found when the broadcasts of another came, who reported at `stamps`.
    fn was_never_overtaken_by(&self, sender: &str, stamps: &[String]) {
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

    /// Every report came, though most did not change the value; a poll shows the last alone.
    fn heard_reports_of(&self, sender: &str, stamps: &[String]) {
        let editor = self.editor.borrow();
        let came = &editor.reports[sender];
        let sent = stamps.iter().enumerate();
        let sent: Vec<_> = sent.map(|(n, stamp)| (value(n), stamp.clone())).collect();
        if self.way == Way::WebSocket {
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
            "{sender} at {}: own reports tell their time as well",
            editor.node
        );
    }
}

/// A lesson of pupils that hear so.
async fn lesson(ways: [Way; PUPILS]) {
    let mesh = stage().await;
    let host = mesh.host("teacher");
    let wish = json!({
        "useWebSocket": ways.contains(&Way::WebSocket), "maxConnectionTimeSeconds": 3000,
    });
    let group = host.group(&host.wishes("class", wish).await);
    let joining = ways.iter().enumerate();
    let joining = joining.map(async |(n, way)| {
        let name = format!("pupil {n}");
        Pupil::joins(&group, &name, *way).await
    });
    let pupils = join_all(joining).await;
    let begin = Barrier::new(2 * PUPILS);
    let hearing = join_all(pupils.iter().map(|pupil| pupil.hears(&group, &begin)));
    let acting = join_all(pupils.iter().map(async |pupil| {
        begin.wait().await;
        pupil.acts().await
    }));
    let (_, stamps) = join(hearing, acting).await;
    for pupil in &pupils {
        for (other, stamps) in pupils.iter().zip(&stamps) {
            if other.node.id != pupil.node.id {
                pupil.was_never_overtaken_by(&other.node.id, stamps);
            }
            pupil.heard_reports_of(&other.node.id, stamps);
        }
    }
}

#[apply(parallel_case!)]
async fn d18_a_broadcast_never_overtakes_the_variable_on_websockets() {
    lesson([Way::WebSocket; PUPILS]).await;
}

#[apply(parallel_case!)]
async fn d18_a_broadcast_never_overtakes_the_variable_where_all_poll() {
    lesson([Way::Polling; PUPILS]).await;
}

#[apply(parallel_case!)]
async fn d18_a_broadcast_never_overtakes_the_variable_where_some_poll() {
    use Way::{Polling, WebSocket};
    lesson([WebSocket, Polling, WebSocket, Polling]).await;
}

#[apply(case!)]
async fn a_report_of_the_value_that_it_has_is_stamped_anew_and_told() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut listening = group.listen().await;
    let kitten = group.join("kitten").await;
    let mut stamps = Vec::new();
    // More than twice: the first by the engine, then by the direct way.
    for _ in 0..4 {
        let told = kitten.reports([(VARIABLE, "1")]).await;
        let heard = listening.status().await;
        assert_eq!(heard, Status::of(&told), "told as it is answered");
        assert_eq!(heard, (&*kitten.id, [(VARIABLE, "1")]));
        assert_eq!(group.statuses().await, std::slice::from_ref(&heard));
        let polled = group.calls("pollGroupData", json!({"since": ""})).await;
        assert_eq!(polled.value()["nodeStatuses"], json!([told]));
        stamps.push(heard.timestamp);
        mesh.passes_seconds(1).await;
    }
    assert!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
}
