//! A class of forty on one server while one client floods its group: the class is answered and
//! receives everything, and nobody is disconnected.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use futures_util::future::join_all;
use mesh_v2::rate_limits::rates::{Rate, Rates};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::another;
use crate::support::clients::{Group, event};
use crate::support::socket::TestSubscriber;
use crate::support::{Socket, TestMesh, documents};

const PUPILS: usize = 40;
/// Reports and event calls of each pupil, a tenth of a second apart: the editor's fastest.
const CALLS: usize = 20;
/// Requests that the flooding client has under way at a time.
const UNDER_WAY: usize = 16;

/// What a flood was answered.
#[derive(Default)]
struct Flood {
    over: AtomicBool,
    admitted: AtomicU32,
    refused: AtomicU32,
}

impl Flood {
    #[track_caller]
    fn count(&self, answer: &Value) {
        let Some(error) = answer.pointer("/errors/0") else {
            self.admitted.fetch_add(1, Relaxed);
            return;
        };
        // Invented nodes also fill the group.
        if error["errorType"] != "LimitExceeded" {
            assert_eq!(error["errorType"], "RateLimited", "{answer}");
            assert!(error["extensions"]["retryAfterMs"].is_u64(), "{answer}");
        }
        self.refused.fetch_add(1, Relaxed);
    }

    /// Floods over HTTP; `node` names the sender of each call.
    async fn over_http(&self, mesh: &TestMesh, group: &Group<'_>, node: impl Fn(usize) -> String) {
        let sender = |first: usize| {
            let node = &node;
            async move {
                let mut n = first;
                while !self.over.load(Relaxed) {
                    let data = json!([{"key": "flood", "value": n.to_string()}]);
                    let arguments = group.and(json!({"nodeId": node(n), "data": data}));
                    self.count(&mesh.calls("reportDataByNode", arguments).await.json);
                    n += UNDER_WAY;
                }
            }
        };
        join_all((0..UNDER_WAY).map(sender)).await;
    }

    /// Floods over a WebSocket.
    async fn over_a_socket(&self, mesh: &TestMesh, group: &Group<'_>) {
        let mut socket = Socket::transport(mesh).await;
        let document = documents::of("fireEventsByNode");
        let mut n = 0;
        while !self.over.load(Relaxed) {
            let events = [event("flood", json!({"orderKey": n.to_string()}))];
            let variables = group.and(json!({"nodeId": "flooding", "events": events}));
            let payload = json!({"query": document, "variables": variables});
            socket
                .sends(&json!({"id": n.to_string(), "type": "subscribe", "payload": payload}))
                .await;
            n += 1;
            // Some are under way at a time.
            if n > UNDER_WAY {
                let next = loop {
                    let message = socket.receives_any().await;
                    if message["type"] == "next" {
                        break message;
                    }
                };
                self.count(&next["payload"]);
            }
        }
    }
}

/// A pupil, with connections of its own.
struct Pupil {
    name: String,
    mesh: TestMesh,
    subscriber: TestSubscriber,
}

impl Pupil {
    async fn joins(number: usize, mesh: &TestMesh, group: &Group<'_>) -> Self {
        let mut pupil = Self {
            name: format!("pupil {number}"),
            mesh: another(mesh),
            subscriber: group.subscribe().await,
        };
        let more = json!({"useWebSocket": true});
        pupil.calls(group, "joinGroup", more).await;
        pupil
    }

    /// Calls a field as this pupil; it is answered without an error.
    async fn calls(&mut self, group: &Group<'_>, field: &str, more: Value) {
        let mut arguments = group.and(more);
        arguments["nodeId"] = json!(self.name);
        self.mesh.calls(field, arguments).await.value();
    }

    /// Two seconds at the editor's fastest setting, and all that the class sends.
    async fn plays(mut self, group: &Group<'_>, start: Instant) {
        let mut received = Received::default();
        for call in 0..CALLS {
            sleep_until(start + Duration::from_millis(100 * call as u64)).await;
            let data = json!([{"key": "n", "value": call.to_string()}]);
            self.calls(group, "reportDataByNode", json!({"data": data}))
                .await;
            let events = json!([event("meow", json!({}))]);
            self.calls(group, "fireEventsByNode", json!({"events": events}))
                .await;
        }
        while !received.is_complete() {
            received.count(&self.subscriber.message().await);
        }
    }
}

/// What a pupil received of the class.
struct Received {
    reports: [usize; PUPILS],
    events: usize,
}

impl Default for Received {
    fn default() -> Self {
        let reports = [0; PUPILS];
        Self { reports, events: 0 }
    }
}

impl Received {
    fn is_complete(&self) -> bool {
        self.reports.iter().all(|n| *n == CALLS) && self.events == PUPILS * CALLS
    }

    #[track_caller]
    fn count(&mut self, message: &Value) {
        let status = &message["nodeStatus"];
        let sender = status["nodeId"].as_str();
        if let Some(number) = sender.and_then(|id| id.strip_prefix("pupil ")) {
            let number: usize = number.parse().expect("a pupil");
            let value = status["data"][0]["value"].as_str().expect("a value");
            let next = &mut self.reports[number];
            assert_eq!(value, next.to_string(), "in order, none missing");
            *next += 1;
        }
        let event = message.pointer("/batchEvent/events/0/name");
        self.events += usize::from(event == Some(&json!("meow")));
    }
}

async fn while_flooded(invented: bool) {
    let mesh = TestMesh::own(|_| {}).await;
    let group = mesh.host("teacher").creates("class").await;
    let joining = (0..PUPILS).map(|number| Pupil::joins(number, &mesh, &group));
    let class = join_all(joining).await;
    let (flood, flooding) = (Flood::default(), another(&mesh));
    let over_http = flood.over_http(&flooding, &group, |n| {
        if invented {
            format!("invented {n}")
        } else {
            "flooding".into()
        }
    });
    let began = Instant::now();
    let lesson = async {
        let start = Instant::now() + Duration::from_millis(200);
        join_all(class.into_iter().map(|pupil| pupil.plays(&group, start))).await;
        flood.over.store(true, Relaxed);
    };
    let over_a_socket = async {
        if !invented {
            flood.over_a_socket(&flooding, &group).await;
        }
    };
    tokio::join!(over_http, over_a_socket, lesson);
    // How much is refused depends on the machine's speed; what is admitted does not.
    let (rates, senders) = (Rates::default(), UNDER_WAY + 1);
    let limit = if invented {
        [rates.group_calls, Rate::new(0)]
    } else {
        [rates.node_reports, rates.node_events]
    };
    let seconds = began.elapsed().as_secs_f64();
    let most =
        |rate: Rate| f64::from(rate.burst().get()) + seconds * f64::from(rate.per_second.get());
    let steady = most(rates.steady) * f64::from(u32::try_from(senders).expect("few"));
    let most = limit.map(most).iter().sum::<f64>() + steady;
    let (admitted, refused) = (flood.admitted.load(Relaxed), flood.refused.load(Relaxed));
    println!("the flood: {admitted} calls admitted, {refused} refused in {seconds:.1} s");
    assert!(f64::from(admitted) <= most, "{admitted}, not {most}");
}

#[apply(parallel_case!)]
async fn a_class_of_forty_goes_on_while_one_node_floods_it() {
    while_flooded(false).await;
}

#[apply(parallel_case!)]
async fn a_class_of_forty_goes_on_while_invented_nodes_flood_it() {
    while_flooded(true).await;
}
