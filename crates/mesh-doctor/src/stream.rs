//! The event stream, as a program uses it that does not get a WebSocket: its beginning and an
//! event must arrive at once, each in a piece of its own.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::facts::{Failure, StreamFacts};
use crate::group::Group;
use crate::http::Client;

const SUBSCRIPTION: &str = "subscription OnMessageInGroup($groupId: ID!, $domain: String!) {
  onMessageInGroup(groupId: $groupId, domain: $domain) { batchEvent { events { name } } } }";
const NAME: &str = "doctor-stream";

/// Opens an event stream and sends an event.
pub async fn try_stream(client: &Client, group: &Group) -> StreamFacts {
    let variables = json!({"groupId": group.id, "domain": group.domain});
    let body = json!({"query": SUBSCRIPTION, "variables": variables}).to_string();
    let opened = client.network.attempt(client.open_stream(body)).await;
    let (response, connection) = match opened.result {
        Ok(opened) => opened,
        // Some relays hold even the head.
        Err(Failure::Timeout) => return StreamFacts::Silent,
        Err(why) => return StreamFacts::Failed(why),
    };
    let kind = response.headers().get("content-type");
    let kind = kind.map(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if response.status() != 200 || kind != Some(true) {
        return StreamFacts::Absent;
    }
    let mut body = response.into_body();
    let listening = listen(client, group, &mut body);
    match select(pin!(listening), pin!(connection)).await {
        Either::Left((facts, _)) => facts,
        Either::Right(_) => StreamFacts::Failed(Failure::Broken("the stream ended".into())),
    }
}

async fn listen(client: &Client, group: &Group, body: &mut Incoming) -> StreamFacts {
    let mut text = String::new();
    let Some(first) = arrives(body, &mut text, ":", client.network.wait).await else {
        return StreamFacts::Silent;
    };
    if let Err(why) = group.fire(client, NAME).await {
        return StreamFacts::Failed(Failure::Broken(why.to_string()));
    }
    // The server publishes before it answers.
    match arrives(body, &mut text, NAME, client.network.wait).await {
        Some(event) => StreamFacts::Arrived(event.max(first)),
        None => StreamFacts::Silent,
    }
}

/// After what time a text arrived; `None` if it did not in time.
async fn arrives(
    body: &mut Incoming,
    text: &mut String,
    wanted: &str,
    wait: Duration,
) -> Option<Duration> {
    let began = Instant::now();
    let reading = async {
        while !text.contains(wanted) {
            let data = body.frame().await?.ok()?.into_data().ok()?;
            text.push_str(&String::from_utf8_lossy(&data));
        }
        Some(began.elapsed())
    };
    timeout(wait, reading).await.ok().flatten()
}
