//! The idiom of real lessons: every pupil sets a variable, often to its present value, then
//! broadcasts, and those that receive the broadcast read the variable. Pupils follow the
//! editor's rules (docs/compatibility.md, What the editor does), and several send at once.

mod pupil;

use futures_util::future::{join, join_all};
use mesh_v2::mesh::NextSince;
use serde_json::json;
use tokio::sync::Barrier;

use self::pupil::{Pupil, Transport, Transport::Polling, Transport::WebSocket};
use crate::harness::case;
use crate::support::clients::Status;
use crate::support::{Setup, TestMesh};

const VARIABLE: &str = "こたえ";

/// Pupils of a lesson; all of them send and receive.
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

/// A server on which no event expires before it is polled.
async fn server() -> TestMesh {
    TestMesh::own(|setup: &mut Setup| {
        setup.timings.event_ttl = 120;
        setup.timings.host_ttl = 3600;
        setup.timings.member_ttl = 3600;
        setup.timings.max_connection = 3600;
        setup.next_since = NextSince::Empty;
    })
    .await
}

/// Runs a lesson of pupils with these transports.
async fn lesson(transports: [Transport; PUPILS]) {
    let mesh = server().await;
    let host = mesh.host("teacher");
    let arguments = json!({
        "useWebSocket": transports.contains(&WebSocket), "maxConnectionTimeSeconds": 3000,
    });
    let group = host.group(&host.calls_create_group("class", arguments).await);
    let joining = transports.iter().enumerate();
    let joining = joining.map(async |(n, transport)| {
        let name = format!("pupil {n}");
        Pupil::joins(&group, &name, *transport).await
    });
    let pupils = join_all(joining).await;
    let begin = Barrier::new(2 * PUPILS);
    let receiving = join_all(pupils.iter().map(|pupil| pupil.receives(&group, &begin)));
    let sending = join_all(pupils.iter().map(async |pupil| {
        begin.wait().await;
        pupil.sends_frame().await
    }));
    let (_, stamps) = join(receiving, sending).await;
    for pupil in &pupils {
        for (other, stamps) in pupils.iter().zip(&stamps) {
            if other.node.id != pupil.node.id {
                pupil.was_never_overtaken_by(&other.node.id, stamps);
            }
            pupil.received_reports_of(&other.node.id, stamps);
        }
    }
}

#[apply(parallel_case!)]
async fn d18_a_broadcast_never_overtakes_the_variable_on_websockets() {
    lesson([WebSocket; PUPILS]).await;
}

#[apply(parallel_case!)]
async fn d18_a_broadcast_never_overtakes_the_variable_where_all_poll() {
    lesson([Polling; PUPILS]).await;
}

#[apply(parallel_case!)]
async fn d18_a_broadcast_never_overtakes_the_variable_where_some_poll() {
    lesson([WebSocket, Polling, WebSocket, Polling]).await;
}

#[apply(case!)]
async fn a_report_of_the_same_value_has_a_new_time_and_is_published() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut subscriber = group.subscribe().await;
    let kitten = group.join("kitten").await;
    let mut stamps = Vec::new();
    // More than twice: the first by the engine, then by the direct transport.
    for _ in 0..4 {
        let answer = kitten.reports([(VARIABLE, "1")]).await;
        let received = subscriber.status().await;
        assert_eq!(received, Status::of(&answer), "published as it is answered");
        assert_eq!(received, (&*kitten.id, [(VARIABLE, "1")]));
        assert_eq!(group.statuses().await, std::slice::from_ref(&received));
        let polled = group.calls("pollGroupData", json!({"since": ""})).await;
        assert_eq!(polled.value()["nodeStatuses"], json!([answer]));
        stamps.push(received.timestamp);
        mesh.passes_seconds(1).await;
    }
    assert!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
}
