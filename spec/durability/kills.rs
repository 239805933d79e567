//! The program is killed at moments that a seed chooses, during calls, repeatedly over one
//! folder: what it answered is there afterwards, and each call that it did not answer has
//! taken effect completely or not at all.

use std::time::Instant;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{KEY, again, settings};
use crate::support::clients::event;
use crate::support::dice::{Dice, number};
use crate::support::json::text;
use crate::support::program::{Server, folder};
use crate::support::{Group, Node, TestMesh, documents};

/// Nodes that write at once.
const WRITERS: usize = 6;
/// A round is killed after so many pairs of answers at most.
const ANSWERS: u64 = 200;

/// What one writer requested before the kill, and what was answered.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub reports_answered: u64,
    pub reports_sent: u64,
    pub records_answered: u64,
    pub records_sent: u64,
    /// When each pair of calls was answered.
    pub answered_at: Vec<Instant>,
    /// When the server did not answer any more.
    pub ended: Option<Instant>,
}

/// What a server returns of one writer.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    pub reports: u64,
    pub records: u64,
}

/// Calls a root field; `None` when the server died before it answered.
async fn calls(mesh: &TestMesh, field: &str, arguments: Value) -> Option<()> {
    let envelope = json!({"query": documents::of(field), "variables": arguments});
    let request = mesh.http().post(&mesh.endpoint);
    let request = request.header("x-api-key", &mesh.key).json(&envelope);
    let answer = request.send().await.ok()?.text().await.ok()?;
    let value: Value = serde_json::from_str(&answer).expect("a whole answer");
    assert!(value.get("errors").is_none(), "{answer}");
    Some(())
}

/// Reports and records 1, 2, 3, … until the server dies. The reports' values are longer by
/// `padding`, which has no digits.
pub async fn writes(
    group: &Group<'_>,
    node: &Node<'_>,
    answers: &watch::Sender<u64>,
    padding: &str,
) -> Written {
    let mut written = Written::default();
    for number in 1_u64.. {
        let value = number.to_string();
        let padded = format!("{value}{padding}");
        let data = json!({"nodeId": node.id, "data": [{"key": "n", "value": padded}]});
        written.reports_sent = number;
        if calls(group.mesh, "reportDataByNode", group.and(data))
            .await
            .is_none()
        {
            break;
        }
        written.reports_answered = number;
        let events = json!({"nodeId": node.id, "events": [event(&value, json!({}))]});
        written.records_sent = number;
        if calls(group.mesh, "recordEventsByNode", group.and(events))
            .await
            .is_none()
        {
            break;
        }
        written.records_answered = number;
        written.answered_at.push(Instant::now());
        answers.send_modify(|answers| *answers += 1);
    }
    written.ended = Some(Instant::now());
    written
}

pub fn nodes<'a>(group: &Group<'a>, count: usize) -> Vec<Node<'a>> {
    let names = (0..count).map(|n| format!("writer {n}"));
    names.map(|name| group.node(&name)).collect()
}

/// Checks that the server has what it answered, and nothing that was not requested.
pub async fn holds(group: &Group<'_>, written: &[Written]) -> Vec<Shown> {
    let mut shown = Vec::new();
    let statuses = group.statuses().await;
    let events = group.reads_on_from(String::new()).await;
    for (node, written) in nodes(group, written.len()).iter().zip(written) {
        let status = statuses.iter().find(|status| status.node == node.id);
        let reported = status.map_or(0, |status| {
            let digits = status.data[0]
                .1
                .trim_end_matches(|c: char| !c.is_ascii_digit());
            digits.parse().expect("a number")
        });
        let possible = written.reports_answered..=written.reports_sent;
        assert!(possible.contains(&reported), "{reported} of {written:?}");
        let own = events
            .iter()
            .filter(|event| event["firedByNodeId"] == *node.id);
        let own: Vec<_> = own.map(|event| text(&event["name"])).collect();
        let recorded = own.len() as u64;
        let possible = written.records_answered..=written.records_sent;
        assert!(possible.contains(&recorded), "{own:?} of {written:?}");
        let in_order = (1..=recorded).map(|number| number.to_string());
        assert!(own.iter().cloned().eq(in_order), "{own:?}");
        shown.push(Shown {
            reports: reported,
            records: recorded,
        });
    }
    shown
}

#[apply(case!)]
async fn what_was_answered_survives_kills_at_any_moment() {
    let (rounds, seed) = (number("MESH_KILL_ROUNDS", 3), number("MESH_SEED", 1));
    let folder = folder();
    let data = folder.path().join("data");
    let mut dice = Dice(seed);
    let mut answered = 0;
    for round in 1..=rounds {
        let mut settings = settings(&data);
        settings.push((
            "MESH_DURABILITY",
            match dice.rolls(3) {
                1 => "always",
                2 => "everysec",
                _ => "no",
            },
        ));
        let server = Server::start(folder.path(), &settings);
        let mesh = server.mesh(KEY);
        let group = mesh.host("teacher").creates_polling("class").await;
        let nodes = nodes(&group, WRITERS);
        for node in &nodes {
            node.calls("joinGroup", json!({})).await.value();
        }
        let (answers, mut progress) = watch::channel(0);
        let enough = dice.rolls(ANSWERS);
        let kill = async {
            let waited = progress.wait_for(|answers| *answers >= enough).await;
            drop(waited.expect("the writers write"));
            server.gets_killed();
        };
        let write = join_all(nodes.iter().map(|node| writes(&group, node, &answers, "")));
        let (written, ()) = join(write, kill).await;
        answered += *answers.borrow();

        let server = Server::start(folder.path(), &settings);
        let mesh = server.mesh(KEY);
        let group = again(&group, &mesh);
        println!("round {round} of {rounds}, seed {seed}: killed after {enough} pairs of answers");
        holds(&group, &written).await;
        // Half of the rounds end in another kill, of a server that only read.
        if dice.rolls(2) == 1 {
            server.gets_killed();
            let server = Server::start(folder.path(), &settings);
            let mesh = server.mesh(KEY);
            holds(&again(&group, &mesh), &written).await;
        }
    }
    println!("{answered} pairs of answers held through {rounds} kills, seed {seed}");
}
