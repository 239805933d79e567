//! Smalruby's editors behind a network filter: each records its events and polls, and keeps
//! its cursor by the editor's rules (docs/compatibility.md, What the editor does).

use std::collections::BTreeMap;

use mesh_v2::mesh::NextSince;
use serde_json::{Value, json};

use crate::support::clients::{Node, event};
use crate::support::json::{all, list, text};
use crate::support::{Group, Setup, TestMesh};

const EDITORS: usize = 6;
/// Seconds in which all editors record.
const LESSON: usize = 8;

/// One editor, as far as a poll is concerned.
struct Editor<'a> {
    node: Node<'a>,
    since: String,
    got: Vec<String>,
}

impl<'a> Editor<'a> {
    /// Joins as one that polls. It has polled before: what a first poll gets is D14's.
    async fn joins(group: &Group<'a>, name: String, since: &str) -> Self {
        Self {
            node: group.join_polling(&name).await,
            since: since.into(),
            got: Vec::new(),
        }
    }

    /// The name of its event in this second.
    fn event_at(&self, second: usize) -> String {
        format!("{} at {second:02}", self.node.id)
    }

    async fn records(&self, second: usize) -> String {
        let key = format!("20260207010203-{second:07}");
        let events = [event(
            &self.event_at(second),
            json!({"payload": "", "orderKey": key}),
        )];
        let recorded = self
            .node
            .calls("recordEventsByNode", json!({"events": events}));
        text(&recorded.await.value()["nextSince"])
    }

    /// A nextSince becomes the cursor, if it is truthy.
    fn takes(&mut self, next_since: String) {
        if !next_since.is_empty() {
            self.since = next_since;
        }
    }

    /// After each poll the cursor is the last element's, its own events included; those are
    /// dropped only then.
    async fn polls(&mut self, group: &Group<'_>) {
        let polled = group.calls("pollGroupData", json!({"since": self.since}));
        let polled = polled.await.value();
        let events = list(&polled["events"]);
        if let Some(last) = events.last() {
            self.since = text(&last["cursor"]);
        }
        let of_others = |event: &&Value| event["firedByNodeId"] != self.node.id;
        let of_others: Vec<_> = events.iter().filter(of_others).cloned().collect();
        self.got.extend(all("name", &of_others));
    }
}

/// How many events of others the editors of a lesson should have received, did not receive,
/// and received once too often.
async fn lesson(mesh: &TestMesh) -> (usize, usize, usize) {
    let group = mesh.host("teacher").creates_polling("class").await;
    group.hosting_node().records(["good morning"]).await;
    let before = text(&group.events_since("").await[0]["cursor"]);
    let mut editors = Vec::new();
    for i in 0..EDITORS {
        editors.push(Editor::joins(&group, format!("editor-{i}"), &before).await);
    }
    let end = LESSON + 2;
    for second in 0..=end {
        let mut late = Vec::new();
        if second < LESSON {
            for (i, editor) in editors.iter_mut().enumerate() {
                let next_since = editor.records(second).await;
                // Two requests are in flight, and either may be answered first.
                match i % 3 {
                    0 => late.push((i, next_since)),
                    _ => editor.takes(next_since),
                }
            }
        }
        for (i, editor) in editors.iter_mut().enumerate() {
            if (second + i) % 2 == 0 || second == end {
                editor.polls(&group).await;
            }
        }
        for (i, next_since) in late {
            editors[i].takes(next_since);
        }
        mesh.passes_seconds(1).await;
    }
    let (mut lost, mut twice) = (0, 0);
    for editor in &editors {
        let mut got = BTreeMap::<&str, usize>::new();
        for name in &editor.got {
            *got.entry(name).or_default() += 1;
        }
        for other in editors
            .iter()
            .filter(|other| other.node.id != editor.node.id)
        {
            for second in 0..LESSON {
                match got.remove(&*other.event_at(second)).unwrap_or(0) {
                    0 => lost += 1,
                    times => twice += times - 1,
                }
            }
        }
        assert!(got.is_empty(), "no editor recorded {got:?}");
    }
    (EDITORS * (EDITORS - 1) * LESSON, lost, twice)
}

/// On a busy machine no event may expire before it is polled.
fn patient(setup: &mut Setup) {
    setup.timings.event_ttl = 60;
    setup.timings.host_ttl = 600;
}

#[apply(case!)]
async fn d16_polling_editors_that_record_receive_each_event_once() {
    let mesh = TestMesh::own_still(patient).await;
    assert_eq!(lesson(&mesh).await, (240, 0, 0));
}

/// What the default is for. With the cursors that AppSync Mesh v2 answers, more than half of this
/// lesson's events are lost, and some come twice; 40 unmodified editors lost 2,481 of 9,360
/// and got 143 twice.
#[apply(case!)]
async fn d16_with_cursors_the_same_editors_lose_events_and_receive_some_twice() {
    let cursors = |setup: &mut Setup| {
        patient(setup);
        setup.next_since = NextSince::Cursor;
    };
    let mesh = TestMesh::own_still(cursors).await;
    let (expected, lost, twice) = lesson(&mesh).await;
    println!("with cursors: of {expected} events {lost} were lost, {twice} came twice");
    assert!(lost > 0 && lost < expected, "{lost} of {expected}");
    assert!(twice > 0, "none of {expected}");
}
