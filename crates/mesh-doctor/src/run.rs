//! One check, from the first name lookup to the end of its group.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::clock::{ahead, now};
use crate::facts::{Facts, Polled};
use crate::group::Group;
use crate::http::Client;
use crate::socket::try_socket;
use crate::stream::try_stream;
use crate::verdict::post::passes;

/// Asks for nothing of the store.
const HARMLESS: &str = "{ __typename }";
/// The header Date has whole seconds, cut off.
const HALF_SECOND: f64 = 0.5;
/// Time between two polls.
const POLL_EVERY: Duration = Duration::from_millis(500);

/// Observes the network. What depends on a step that failed is not tried.
pub async fn observe(client: &Client, pause: Duration) -> Facts {
    let mut facts = Facts {
        at: now(),
        ..Facts::default()
    };
    let network = &client.network;
    network.observe(&client.endpoint.http, &mut facts).await;
    let handshake = facts.tls.as_ref().is_none_or(|tls| tls.result.is_ok());
    if !handshake || facts.tcp.as_ref().is_none_or(|tcp| tcp.result.is_err()) {
        return facts;
    }
    let before = now();
    let post = client.post(HARMLESS, &Value::Null, "*/*").await;
    facts.clock = post.result.as_ref().ok().and_then(|answer| {
        let date = answer.header("date")?;
        let server = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
        Some(ahead(server, before, now()) + HALF_SECOND)
    });
    let is_server = passes(&post);
    facts.post = Some(post);
    if !is_server {
        // A WebSocket may pass where requests do not; without a group, its handshake is all.
        if !refuses_key(&facts) {
            facts.socket = Some(try_socket(client, None, pause).await);
        }
        return facts;
    }
    facts.preflight = Some(client.preflight().await);
    for _ in 0..2 {
        let domain = client
            .execute("mutation { createDomain }", &Value::Null)
            .await;
        facts
            .domains
            .push(domain.map(|domain| domain.as_str().unwrap_or_default().to_owned()));
    }
    match Group::create(client).await {
        Ok(group) => {
            lesson(client, &group, pause, &mut facts).await;
            facts.group = Some(Ok(group.dissolve(client).await));
        }
        Err(why) => {
            facts.group = Some(Err(why));
            facts.socket = Some(try_socket(client, None, pause).await);
        }
    }
    facts
}

/// What a lesson does: the WebSocket, polling, and the event stream.
async fn lesson(client: &Client, group: &Group, pause: Duration, facts: &mut Facts) {
    let socket = try_socket(client, Some(group), pause).await;
    // A proxy may write the header Date, and nothing but the server this time.
    facts.clock = socket.clock.or(facts.clock);
    facts.socket = Some(socket);
    facts.polled = Some(poll(client, group).await);
    facts.stream = Some(try_stream(client, group).await);
}

async fn poll(client: &Client, group: &Group) -> Polled {
    const NAME: &str = "doctor-recorded";
    let began = Instant::now();
    if let Err(why) = group.record(client, NAME).await {
        return Polled::Rejected(why);
    }
    loop {
        match group.polls(client, NAME).await {
            Ok(true) => return Polled::Found(began.elapsed()),
            Ok(false) if began.elapsed() > client.network.wait => return Polled::Missing,
            Ok(false) => sleep(POLL_EVERY).await,
            Err(why) => return Polled::Rejected(why),
        }
    }
}

/// Whether the server refused the API key: it would refuse it on the WebSocket as well.
fn refuses_key(facts: &Facts) -> bool {
    let answer = facts
        .post
        .as_ref()
        .and_then(|post| post.result.as_ref().ok());
    answer.is_some_and(|answer| answer.status == 401)
}
