//! One subscriber: a WebSocket that listens to its group.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context as _, bail};
use data_encoding::BASE64;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_util::sync::CancellationToken;

use crate::args::Protocol;
use crate::caller::shown;
use crate::door::{Door, OPENING};
use crate::ear::Ear;
use crate::group::Group;
use crate::seen::Seen;
use crate::socket::Socket;
use crate::tally::Tally;
use crate::words;

/// An open subscription.
pub struct Subscriber {
    socket: Socket,
    id: String,
    group: Arc<Group>,
}

impl Subscriber {
    /// Connects, the `number`th of the run, and subscribes to the group.
    pub async fn open(
        door: &Door,
        number: u32,
        group: Arc<Group>,
        protocol: Protocol,
    ) -> anyhow::Result<Self> {
        let opening = timeout(OPENING, Self::subscribe(door, number, group, protocol));
        opening
            .await
            .unwrap_or_else(|_| bail!("no acknowledgement within {} s", OPENING.as_secs()))
    }

    async fn subscribe(
        door: &Door,
        number: u32,
        group: Arc<Group>,
        protocol: Protocol,
    ) -> anyhow::Result<Self> {
        let id = uuid::Uuid::new_v4().to_string();
        let request = json!({"query": words::LISTEN, "variables": group.and(json!({}))});
        let appsync = protocol == Protocol::AppSync;
        let site = if appsync { &door.realtime } else { &door.http };
        let shown = json!({"host": site.authority, "x-api-key": door.key});
        let (path, name, init, start) = if appsync {
            let header = BASE64.encode(shown.to_string().as_bytes());
            let payload =
                json!({"data": request.to_string(), "extensions": {"authorization": shown}});
            (
                format!("{}?header={header}&payload=e30=", site.path),
                "graphql-ws",
                json!({"type": "connection_init"}),
                json!({"id": id, "type": "start", "payload": payload}),
            )
        } else {
            (
                site.path.clone(),
                "graphql-transport-ws",
                json!({"type": "connection_init", "payload": {"x-api-key": door.key}}),
                json!({"id": id, "type": "subscribe", "payload": request}),
            )
        };
        let stream = door.open(site, number).await?;
        let mut upgrade = format!("ws://{}{path}", site.authority).into_client_request()?;
        upgrade
            .headers_mut()
            .insert("sec-websocket-protocol", name.parse()?);
        let mut socket = Socket::open(upgrade, stream).await?;
        socket.send(&init).await?;
        expect(&mut socket, "connection_ack").await?;
        socket.send(&start).await?;
        if appsync {
            expect(&mut socket, "start_ack").await?;
        }
        Ok(Self { socket, id, group })
    }

    /// Listens until told to stop, or until the stage ends it; answers what was heard of
    /// each publisher.
    pub async fn listen(
        self,
        tally: Arc<Tally>,
        stop: CancellationToken,
    ) -> (Arc<Group>, Vec<Seen>) {
        let Self {
            mut socket,
            id,
            group,
        } = self;
        let mut ear = Ear::new(&id, &group, &tally);
        let listening = stop.run_until_cancelled(async {
            loop {
                let received = socket.receive(|message| ear.take(message)).await;
                ear.count();
                if let Some(why) = ear.ended.take() {
                    break why;
                }
                if let Err(error) = received {
                    break error.to_string();
                }
                if std::mem::take(&mut ear.pinged)
                    && let Err(error) = socket.send(&json!({"type": "pong"})).await
                {
                    break error.to_string();
                }
            }
        });
        let ended = listening.await;
        let seen = ear.seen;
        if let Some(why) = ended {
            tally.cut.fetch_add(1, Relaxed);
            tally.trouble(|| format!("a subscription ended: {why}"));
        }
        (group, seen)
    }
}

/// Waits for a message of this type.
async fn expect(socket: &mut Socket, wanted: &str) -> anyhow::Result<()> {
    loop {
        let mut messages = Vec::new();
        let received = socket.receive(|message| messages.push(message.to_vec()));
        let received = received.await;
        for message in messages {
            let json: Value = serde_json::from_slice(&message).context("no JSON on the socket")?;
            match json["type"].as_str() {
                Some(kind) if kind == wanted => return Ok(()),
                Some("ka" | "ping") => {}
                _ => bail!("the stage says {} instead of {wanted}", shown(&message)),
            }
        }
        received.with_context(|| format!("before {wanted}"))?;
    }
}
