//! A client that reads an event stream (docs/protocols.md, Event streams).

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::clients::Group;
use super::documents;
use super::mesh::{TIMEOUT, TestMesh};

/// An event, or an id or comment alone.
#[derive(Debug, Default, PartialEq)]
pub struct Block {
    pub event: String,
    pub data: String,
    pub id: String,
    pub comment: Option<String>,
}

impl Block {
    fn parse(text: &str) -> Self {
        let mut block = Self::default();
        for line in text.lines() {
            let (field, value) = line.split_once(':').expect("a field");
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "" => block.comment = Some(value),
                "event" => block.event = value,
                "data" => block.data = value,
                "id" => block.id = value,
                other => panic!("no field {other:?}: {text}"),
            }
        }
        block
    }

    /// Its data.
    #[track_caller]
    pub fn json(&self) -> Value {
        let parsed = serde_json::from_str(&self.data);
        parsed.unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// An event stream that is read to its end.
pub struct EventStream {
    pub response: reqwest::Response,
    unread: Vec<u8>,
}

/// The address of event streams.
pub fn address(mesh: &TestMesh) -> String {
    format!("{}/stream", mesh.endpoint)
}

/// A request for an event stream of this operation.
pub fn request(mesh: &TestMesh, document: &str, variables: &Value) -> RequestBuilder {
    let body = json!({"query": document, "variables": variables});
    let request = mesh.http().post(address(mesh)).json(&body);
    mesh.signs(request).header("accept", "text/event-stream")
}

impl EventStream {
    /// The answer to a request.
    pub async fn to(request: RequestBuilder) -> Self {
        let response = timeout(TIMEOUT, request.send()).await.expect("an answer");
        let response = response.expect("the server answers");
        assert_eq!(response.status(), 200);
        for (name, value) in [
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "no-cache, no-transform"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(response.headers()[name], value, "{name}");
        }
        let unread = Vec::new();
        Self { response, unread }
    }

    /// A subscription to a group.
    pub async fn of(group: &Group<'_>) -> Self {
        let document = documents::of("onMessageInGroup");
        Self::to(request(group.mesh, &document, &group.and(json!({})))).await
    }

    /// The next block; `None` at the end, or an error if the stream was cut.
    pub async fn try_block(&mut self) -> reqwest::Result<Option<Block>> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..end + 2).collect();
                let block = String::from_utf8(block).expect("text");
                return Ok(Some(Block::parse(block.trim_end_matches('\n'))));
            }
            let read = timeout(TIMEOUT, self.response.chunk()).await;
            match read.expect("a chunk in time")? {
                Some(chunk) => self.unread.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }

    /// The next block with an event.
    pub async fn event(&mut self) -> Block {
        loop {
            let block = self.try_block().await.expect("no cut");
            let block = block.expect("the stream goes on");
            if !block.event.is_empty() {
                return block;
            }
        }
    }

    /// The next result.
    pub async fn next(&mut self) -> Value {
        let event = self.event().await;
        assert_eq!(event.event, "next", "{event:?}");
        event.json()
    }

    /// The next message to the group.
    pub async fn message(&mut self) -> Value {
        self.next().await["data"]["onMessageInGroup"].clone()
    }

    /// Expects that the operation is complete, and with it the stream.
    pub async fn is_complete(&mut self) {
        let event = self.event().await;
        assert_eq!((&*event.event, &*event.data), ("complete", ""), "{event:?}");
        assert_eq!(self.try_block().await.expect("no cut"), None);
    }
}
