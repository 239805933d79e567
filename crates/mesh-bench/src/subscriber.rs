//! One subscriber: a WebSocket or an event stream with a subscription to its group.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context as _, bail};
use data_encoding::BASE64;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_util::sync::CancellationToken;

use crate::args::Protocol;
use crate::counters::Counters;
use crate::documents::ON_MESSAGE_IN_GROUP;
use crate::endpoint::{CONNECT_TIMEOUT, Endpoint};
use crate::event_stream::EventStream;
use crate::group::Group;
use crate::http_client::excerpt;
use crate::receiver::Receiver;
use crate::sequence::SequenceTracker;
use crate::socket::Socket;

/// An open subscription.
pub struct Subscriber {
    feed: Feed,
    /// A text in each of its messages.
    id: String,
    group: Arc<Group>,
}

/// What its messages come over.
enum Feed {
    Socket(Box<Socket>),
    Stream(EventStream),
}

impl Feed {
    async fn receive(&mut self, on_message: impl FnMut(&[u8])) -> anyhow::Result<()> {
        match self {
            Self::Socket(socket) => socket.receive(on_message).await,
            Self::Stream(stream) => stream.receive(on_message).await,
        }
    }

    async fn answers_ping(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Socket(socket) => socket.send(&json!({"type": "pong"})).await,
            Self::Stream(_) => Ok(()),
        }
    }
}

/// What differs between the two protocols of WebSockets.
struct Handshake {
    path: String,
    subprotocol: &'static str,
    connection_init: Value,
    subscribe: Value,
}

impl Subscriber {
    /// Connects, the `number`th of the run, and subscribes to the group.
    pub async fn connect(
        endpoint: &Endpoint,
        number: u32,
        group: Arc<Group>,
        protocol: Protocol,
    ) -> anyhow::Result<Self> {
        let connecting = Self::subscribe(endpoint, number, group, protocol);
        timeout(CONNECT_TIMEOUT, connecting)
            .await
            .unwrap_or_else(|_| bail!("no acknowledgement within {} s", CONNECT_TIMEOUT.as_secs()))
    }

    async fn subscribe(
        endpoint: &Endpoint,
        number: u32,
        group: Arc<Group>,
        protocol: Protocol,
    ) -> anyhow::Result<Self> {
        let id = uuid::Uuid::new_v4().to_string();
        let (target, handshake) = match protocol {
            Protocol::AppSync => (&endpoint.realtime, appsync(endpoint, &id, &group)),
            Protocol::GraphqlTransportWs => {
                (&endpoint.http, graphql_transport_ws(endpoint, &id, &group))
            }
            Protocol::Sse => {
                let stream = EventStream::open(endpoint, number, &request(&group)).await?;
                return Ok(Self {
                    feed: Feed::Stream(stream),
                    id: group.id.clone(),
                    group,
                });
            }
        };
        let stream = endpoint.connect(target, number).await?;
        let url = format!("ws://{}{}", target.authority, handshake.path);
        let mut upgrade = url.into_client_request()?;
        let subprotocol = handshake.subprotocol.parse()?;
        upgrade
            .headers_mut()
            .insert("sec-websocket-protocol", subprotocol);
        let mut socket = Socket::open(upgrade, stream).await?;
        socket.send(&handshake.connection_init).await?;
        expect(&mut socket, "connection_ack").await?;
        socket.send(&handshake.subscribe).await?;
        // The other protocol has no acknowledgement: probes show that it is subscribed.
        if protocol == Protocol::AppSync {
            expect(&mut socket, "start_ack").await?;
        }
        let feed = Feed::Socket(Box::new(socket));
        Ok(Self { feed, id, group })
    }

    /// Receives until it is stopped, or until the server ends the subscription; returns what
    /// it received of each publisher.
    pub async fn run(
        self,
        counters: Arc<Counters>,
        stop: CancellationToken,
    ) -> (Arc<Group>, Vec<SequenceTracker>) {
        let Self {
            mut feed,
            id,
            group,
        } = self;
        let mut receiver = Receiver::new(&id, &group, &counters);
        let receiving = stop.run_until_cancelled(async {
            loop {
                let batch = feed.receive(|message| receiver.receive(message)).await;
                receiver.flush();
                if let Some(reason) = receiver.ended.take() {
                    break reason;
                }
                if let Err(error) = batch {
                    break error.to_string();
                }
                if std::mem::take(&mut receiver.pinged)
                    && let Err(error) = feed.answers_ping().await
                {
                    break error.to_string();
                }
            }
        });
        let ended = receiving.await;
        let trackers = receiver.trackers;
        if let Some(reason) = ended {
            counters.cut.fetch_add(1, Relaxed);
            counters.note_error(|| format!("a subscription ended: {reason}"));
        }
        (group, trackers)
    }
}

fn appsync(endpoint: &Endpoint, id: &str, group: &Group) -> Handshake {
    let target = &endpoint.realtime;
    let authorization = json!({"host": target.authority, "x-api-key": endpoint.key});
    let header = BASE64.encode(authorization.to_string().as_bytes());
    let payload = json!({
        "data": request(group).to_string(),
        "extensions": {"authorization": authorization},
    });
    Handshake {
        path: format!("{}?header={header}&payload=e30=", target.path),
        subprotocol: "graphql-ws",
        connection_init: json!({"type": "connection_init"}),
        subscribe: json!({"id": id, "type": "start", "payload": payload}),
    }
}

fn graphql_transport_ws(endpoint: &Endpoint, id: &str, group: &Group) -> Handshake {
    let payload = json!({"x-api-key": endpoint.key});
    Handshake {
        path: endpoint.http.path.clone(),
        subprotocol: "graphql-transport-ws",
        connection_init: json!({"type": "connection_init", "payload": payload}),
        subscribe: json!({"id": id, "type": "subscribe", "payload": request(group)}),
    }
}

fn request(group: &Group) -> Value {
    json!({"query": ON_MESSAGE_IN_GROUP, "variables": group.arguments(json!({}))})
}

/// Waits for a message of this type.
async fn expect(socket: &mut Socket, wanted: &str) -> anyhow::Result<()> {
    loop {
        let mut messages = Vec::new();
        let received = socket
            .receive(|message| messages.push(message.to_vec()))
            .await;
        for message in messages {
            let json: Value = serde_json::from_slice(&message).context("no JSON on the socket")?;
            match json["type"].as_str() {
                Some(kind) if kind == wanted => return Ok(()),
                Some("ka" | "ping") => {}
                _ => bail!("the server sends {} instead of {wanted}", excerpt(&message)),
            }
        }
        received.with_context(|| format!("before {wanted}"))?;
    }
}
