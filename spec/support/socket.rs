//! WebSockets in the clients' protocols, and a subscriber of one group.

use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

use super::clients::Status;
use super::documents;
use super::json::text;
use super::mesh::{TIMEOUT, TestMesh};
use super::trust;

/// The credentials of an AppSync client: the key and the host that it connects to.
pub fn header_object(mesh: &TestMesh, key: &str) -> String {
    json!({"host": mesh.address(), "x-amz-date": "20261121T033523Z", "x-api-key": key}).to_string()
}

/// The query string in which `aws-appsync` sends its key: standard base64, not escaped.
pub fn header_in_query(mesh: &TestMesh, key: &str) -> String {
    let header = BASE64.encode(header_object(mesh, key).as_bytes());
    format!("?header={header}&payload=e30=")
}

/// The subprotocol in which Amplify sends its key.
pub fn header_in_protocol(mesh: &TestMesh, key: &str) -> String {
    let header = BASE64URL_NOPAD.encode(header_object(mesh, key).as_bytes());
    format!("header-{header}")
}

/// The upgrade request of a client: a path with its query, and the subprotocols it offers.
pub fn upgrade(mesh: &TestMesh, path: &str, protocols: &str) -> Request {
    let url = format!("{}{path}", mesh.origin().replacen("http", "ws", 1));
    let mut request = url.into_client_request().expect("a WebSocket URL");
    if let Some(address) = &mesh.forwarded {
        let address = address.parse().expect("a header");
        request.headers_mut().insert("x-forwarded-for", address);
    }
    if !protocols.is_empty() {
        let protocols = protocols.parse().expect("a header");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocols);
    }
    request
}

/// An open socket.
pub struct Socket {
    frames: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub response: Response,
}

impl Socket {
    /// Opens a socket with a request made by [`upgrade`].
    pub async fn open(request: Request) -> Self {
        let opened = Self::try_open(request).await;
        opened.unwrap_or_else(|status| panic!("the upgrade is refused: {status}"))
    }

    /// The same; a refusal's status.
    pub async fn try_open(request: Request) -> Result<Self, u16> {
        let secure = request.uri().scheme_str() == Some("wss");
        let connector = if secure {
            Connector::Rustls(trust::tls().into())
        } else {
            Connector::Plain
        };
        let opening =
            tokio_tungstenite::connect_async_tls_with_config(request, None, true, Some(connector));
        match opening.await {
            Ok((frames, response)) => Ok(Self { frames, response }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("the upgrade fails: {error}"),
        }
    }

    /// Opens a socket as `aws-appsync` does.
    pub async fn connect(mesh: &TestMesh, path: &str, key: Option<&str>) -> Self {
        let query = key
            .map(|key| header_in_query(mesh, key))
            .unwrap_or_default();
        Self::open(upgrade(mesh, &format!("{path}{query}"), "graphql-ws")).await
    }

    /// Opens a socket as `graphql-ws` does and is acknowledged.
    pub async fn transport(mesh: &TestMesh) -> Self {
        let mut socket = Self::open(upgrade(mesh, "/graphql", "graphql-transport-ws")).await;
        socket
            .sends(&json!({"type": "connection_init", "payload": {"x-api-key": mesh.key}}))
            .await;
        assert_eq!(
            socket.receives_any().await,
            json!({"type": "connection_ack"})
        );
        socket
    }

    /// Sends `connection_init` and receives the acknowledgement and the keep-alive after it.
    pub async fn is_acknowledged(&mut self) {
        self.sends(&json!({"type": "connection_init"})).await;
        let ack = self.receives_any().await;
        assert_eq!(ack["type"], "connection_ack");
        // AppSync sends 300,000; one published client replaces less than 60,000 by that.
        let wait = ack["payload"]["connectionTimeoutMs"].as_u64();
        assert!(
            wait.is_some_and(|wait| (60_000..=300_000).contains(&wait)),
            "{ack}"
        );
        assert_eq!(self.receives_any().await, json!({"type": "ka"}));
    }

    pub async fn sends(&mut self, message: &Value) {
        self.sends_frame(Message::text(message.to_string())).await;
    }

    pub async fn sends_frame(&mut self, message: Message) {
        self.frames
            .send(message)
            .await
            .expect("the socket takes a message");
    }

    /// Sends `start` as an AppSync client.
    pub async fn starts(&mut self, id: &str, document: &str, variables: Value) {
        let data = json!({"query": document, "variables": variables}).to_string();
        self.sends(
            &json!({"id": id, "type": "start", "payload": {"data": data, "extensions": {}}}),
        )
        .await;
    }

    /// Subscribes to a group as an AppSync client and is acknowledged.
    pub async fn subscribes(&mut self, id: &str, group: &str, domain: &str) {
        let variables = json!({"groupId": group, "domain": domain});
        self.starts(id, &documents::of("onMessageInGroup"), variables)
            .await;
        assert_eq!(
            self.receives().await,
            json!({"id": id, "type": "start_ack"})
        );
    }

    /// The next message, keep-alives included.
    #[track_caller]
    pub fn receives_any(&mut self) -> impl Future<Output = Value> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            loop {
                match self.next(TIMEOUT).await {
                    Some(Message::Text(text)) => {
                        return serde_json::from_str(&text).expect("JSON in every message");
                    }
                    Some(Message::Ping(_)) => {}
                    other => panic!("{other:?} instead of a message, at {caller}"),
                }
            }
        }
    }

    /// The next message that is no keep-alive.
    pub async fn receives(&mut self) -> Value {
        loop {
            let message = self.receives_any().await;
            if message["type"] != "ka" {
                return message;
            }
        }
    }

    /// The next frame of any kind, pongs included; `None` at the end or when nothing comes.
    pub async fn next(&mut self, limit: Duration) -> Option<Message> {
        match timeout(limit, self.frames.next()).await.ok()?? {
            Ok(message) => Some(message),
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Skips messages and returns the code with which the server closes.
    #[track_caller]
    pub fn is_closed(&mut self) -> impl Future<Output = u16> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            loop {
                match self.next(TIMEOUT).await {
                    Some(Message::Close(Some(frame))) => {
                        assert!(!frame.reason.is_empty(), "a close code has its reason");
                        return frame.code.into();
                    }
                    Some(Message::Text(_) | Message::Ping(_) | Message::Pong(_)) => {}
                    other => panic!("{other:?} instead of a close, at {caller}"),
                }
            }
        }
    }

    /// Ends the connection without a close frame, as a network failure does.
    pub fn breaks(self) {
        drop(self);
    }
}

/// An AppSync subscription to one group.
pub struct TestSubscriber {
    pub socket: Socket,
    id: String,
}

impl TestSubscriber {
    pub async fn to(mesh: &TestMesh, group: &str, domain: &str) -> Self {
        let mut socket = mesh.opens().await;
        socket.is_acknowledged().await;
        let id = uuid::Uuid::new_v4().to_string();
        socket.subscribes(&id, group, domain).await;
        Self { socket, id }
    }

    /// The next `MeshMessage`.
    pub async fn message(&mut self) -> Value {
        let received = self.socket.receives().await;
        let expected = json!({"id": self.id, "type": "data", "payload": received["payload"]});
        assert_eq!(
            received, expected,
            "every message is data of the subscription"
        );
        let payload = received["payload"].as_object().expect("a payload");
        assert_eq!(
            payload.keys().collect::<Vec<_>>(),
            ["data"],
            "no errors beside data: {received}"
        );
        let message = received["payload"]["data"]["onMessageInGroup"].clone();
        let members = ["nodeStatus", "batchEvent", "groupDissolve"];
        let set = members
            .iter()
            .filter(|member| !message[**member].is_null())
            .count();
        assert_eq!(set, 1, "exactly one member is set: {message}");
        message
    }

    /// The next message, which must be a report.
    pub async fn status(&mut self) -> Status {
        Status::of(&self.message().await["nodeStatus"])
    }

    /// The names of the next message's events.
    pub async fn events(&mut self) -> Vec<String> {
        let message = self.message().await;
        super::json::all("name", super::json::list(&message["batchEvent"]["events"]))
    }

    /// The text of the next message, which must be the group's end.
    pub async fn dissolution(&mut self) -> String {
        text(&self.message().await["groupDissolve"]["message"])
    }
}
