//! One HTTP connection that asks a stage.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::door::Door;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// Characters of an unexpected answer that are worth showing.
const SHOWN: usize = 200;

/// A connection that is kept open.
pub struct Caller {
    door: Arc<Door>,
    tasks: TaskTracker,
    number: u32,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Caller {
    /// Connects; the connection is the `number`th of the run and lives among `tasks`.
    pub async fn connect(
        door: &Arc<Door>,
        tasks: &TaskTracker,
        number: u32,
    ) -> anyhow::Result<Self> {
        let mut caller = Self {
            door: Arc::clone(door),
            tasks: tasks.clone(),
            number,
            sender: None,
        };
        caller.open().await?;
        Ok(caller)
    }

    async fn open(&mut self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        if let Some(mut sender) = self.sender.take()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let stream = self.door.open(&self.door.http, self.number).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        self.tasks.spawn(async move {
            // Whoever asks next is told.
            let _ = connection.await;
        });
        Ok(sender)
    }

    /// Posts a GraphQL request and answers status and body.
    pub async fn post(&mut self, body: Bytes) -> anyhow::Result<(StatusCode, Bytes)> {
        let asking = timeout(ANSWER, async {
            let mut sender = self.open().await?;
            let request = Request::post(&self.door.http.path)
                .header("host", &self.door.http.authority)
                .header("content-type", "application/json")
                .header("x-api-key", &self.door.key)
                .body(Full::from(body))?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            self.sender = Some(sender);
            Ok((status, body))
        });
        asking
            .await
            .unwrap_or_else(|_| bail!("no answer within {} s", ANSWER.as_secs()))
    }

    /// Asks a document and answers the value of its one root field.
    pub async fn ask(&mut self, query: &str, variables: &Value) -> anyhow::Result<Value> {
        let body = serde_json::json!({"query": query, "variables": variables}).to_string();
        let (status, body) = self.post(body.into()).await?;
        ensure!(
            status != StatusCode::UNAUTHORIZED && status != StatusCode::FORBIDDEN,
            "the stage refuses the API key ({status}): give its own with --api-key"
        );
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let data = answer["data"].as_object();
        let value = data.and_then(|data| data.values().next());
        match value {
            Some(value) if status == StatusCode::OK && answer.get("errors").is_none() => {
                Ok(value.clone())
            }
            _ => bail!("the stage answers {status}: {}", shown(&body)),
        }
    }
}

/// The beginning of an answer, for a message.
pub fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(SHOWN).collect()
}

/// The first question: whether somebody is there, speaks GraphQL and takes the key.
pub async fn is_there(caller: anyhow::Result<Caller>, endpoint: &str) -> anyhow::Result<Caller> {
    let mut caller = caller.with_context(|| {
        format!(
            "cannot reach {endpoint}; is a server running there? --serve memory starts one for the run"
        )
    })?;
    caller
        .ask("{ __typename }", &Value::Null)
        .await
        .with_context(|| format!("{endpoint} cannot be measured"))?;
    Ok(caller)
}
