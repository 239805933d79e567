//! The WebSocket as the editor uses it: the upgrade, the handshake of AppSync realtime, a
//! subscription, and two events that must arrive at once.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::answer::plain;
use crate::clock::{ahead, now};
use crate::facts::{Failure, SocketFacts, Upgrade};
use crate::group::Group;
use crate::http::Client;
use crate::inbox::Inbox;
use crate::upgrade::{Socket, authorization, open};

/// A host must renew its group within this.
const RENEW_EVERY: Duration = Duration::from_secs(10);
const SUBSCRIPTION: &str = "subscription OnMessageInGroup($groupId: ID!, $domain: String!) { onMessageInGroup(groupId: $groupId, domain: $domain) { groupId domain batchEvent { events { name } } } }";

/// Opens a WebSocket and tries it; without a group, only its handshake.
pub async fn try_socket(client: &Client, group: Option<&Group>, pause: Duration) -> SocketFacts {
    let began = Instant::now();
    let opened = timeout(client.network.wait, open(client)).await;
    let mut facts = SocketFacts {
        upgrade: Upgrade::Opened,
        upgrade_took: began.elapsed(),
        acknowledged: None,
        subscribed: None,
        events: Vec::new(),
        closed: None,
        rejected: None,
        clock: None,
    };
    let socket = match opened.unwrap_or(Err(Upgrade::Failed(Failure::Timeout))) {
        Ok(socket) => socket,
        Err(upgrade) => {
            facts.upgrade = upgrade;
            return facts;
        }
    };
    let began = Instant::now();
    let inbox = Inbox::default();
    let (mut sink, mut stream) = socket.split();
    let receiving = async {
        while let Some(message) = stream.next().await {
            match message {
                Ok(Message::Text(text)) => inbox.add(&text),
                Ok(Message::Close(close)) => {
                    return close.map_or_else(
                        || "no close code".into(),
                        |close| plain(&format!("{} {}", u16::from(close.code), close.reason)),
                    );
                }
                Ok(_) => {}
                Err(error) => return plain(&error.to_string()),
            }
        }
        "the connection ended".to_owned()
    };
    // In a block: the script borrows the facts until it is dropped.
    let closed = {
        let script = script(client, group, pause, &mut sink, &inbox, &mut facts);
        match select(pin!(script), pin!(receiving)).await {
            Either::Left(_) => None,
            Either::Right((why, _)) => Some((began.elapsed(), why)),
        }
    };
    facts.closed = closed;
    facts
}

async fn script(
    client: &Client,
    group: Option<&Group>,
    pause: Duration,
    sink: &mut SplitSink<Socket, Message>,
    inbox: &Inbox,
    facts: &mut SocketFacts,
) {
    let wait = client.network.wait;
    let began = Instant::now();
    let init = json!({"type": "connection_init"});
    if sink.send(Message::text(init.to_string())).await.is_err() {
        return;
    }
    let is_answer = |message: &Value| {
        ["connection_ack", "connection_error"]
            .contains(&message["type"].as_str().unwrap_or_default())
    };
    let Some((at, message)) = inbox.wait_for(wait, is_answer).await else {
        return;
    };
    facts.acknowledged = Some(at - began);
    if message["type"] == "connection_error" {
        facts.rejected = Some(error_text(&message));
        return;
    }
    let Some(group) = group else { return };
    let began = Instant::now();
    let start = start(client, group).to_string();
    if sink.send(Message::text(start)).await.is_err() {
        return;
    }
    let is_answer = |message: &Value| {
        ["start_ack", "error"].contains(&message["type"].as_str().unwrap_or_default())
    };
    let Some((at, message)) = inbox.wait_for(wait, is_answer).await else {
        return;
    };
    if message["type"] == "error" {
        facts.rejected = Some(error_text(&message));
        return;
    }
    facts.subscribed = Some(at - began);
    for name in ["doctor-1", "doctor-2"] {
        if name == "doctor-2" {
            rest(client, group, pause).await;
        }
        let sent = now();
        let is_event = |message: &Value| {
            message["type"] == "data" && message["payload"].to_string().contains(name)
        };
        match group.fire(client, name).await {
            Ok(time) => {
                let time = time.as_str().and_then(|time| time.parse().ok());
                facts.clock = time.map(|time| ahead(time, sent, now()));
            }
            Err(why) => {
                facts.rejected = Some(why.to_string());
                return;
            }
        }
        // The server publishes before it answers: opening the request's connection does not count.
        let answered = Instant::now();
        let arrived = inbox.wait_for(wait, is_event).await;
        let is_missing = arrived.is_none();
        facts
            .events
            .push(arrived.map(|(at, _)| at.saturating_duration_since(answered)));
        if is_missing {
            return;
        }
    }
}

/// Lets time pass without anything on the socket; the host renews its group meanwhile.
async fn rest(client: &Client, group: &Group, pause: Duration) {
    let end = Instant::now() + pause;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        sleep(left.min(RENEW_EVERY)).await;
        if left <= RENEW_EVERY {
            return;
        }
        let _ = group.renew(client).await;
    }
}

fn start(client: &Client, group: &Group) -> Value {
    let data = json!({
        "query": SUBSCRIPTION,
        "variables": {"groupId": group.id, "domain": group.domain},
    });
    let extensions = json!({"authorization": authorization(client)});
    let payload = json!({"data": data.to_string(), "extensions": extensions});
    json!({"id": "doctor", "type": "start", "payload": payload})
}

fn error_text(message: &Value) -> String {
    let errors = &message["payload"]["errors"];
    let error = errors.get(0).unwrap_or(errors);
    let text = |name: &str| error[name].as_str().unwrap_or_default();
    plain(format!("{} {}", text("errorType"), text("message")).trim())
}
