//! One HTTP connection that sends GraphQL requests.

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

use crate::endpoint::Endpoint;

/// How long a response may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// Characters of an unexpected response that an error message shows.
const EXCERPT: usize = 200;

/// A connection that is kept open, and opened again when it broke.
pub struct HttpClient {
    endpoint: Arc<Endpoint>,
    tasks: TaskTracker,
    number: u32,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl HttpClient {
    /// Connects, the `number`th connection of the run; its task is spawned on `tasks`.
    pub async fn connect(
        endpoint: &Arc<Endpoint>,
        tasks: &TaskTracker,
        number: u32,
    ) -> anyhow::Result<Self> {
        let mut client = Self {
            endpoint: Arc::clone(endpoint),
            tasks: tasks.clone(),
            number,
            sender: None,
        };
        client.sender = Some(client.sender().await?);
        Ok(client)
    }

    async fn sender(&mut self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        if let Some(mut sender) = self.sender.take()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let stream = self.endpoint.connect(&self.endpoint.http, self.number);
        let (sender, connection) = handshake(TokioIo::new(stream.await?)).await?;
        self.tasks.spawn(async move {
            // The next request fails with the connection's error.
            let _ = connection.await;
        });
        Ok(sender)
    }

    /// Posts a GraphQL request; returns status and body.
    pub async fn post(&mut self, body: Bytes) -> anyhow::Result<(StatusCode, Bytes)> {
        let posted = timeout(RESPONSE_TIMEOUT, async {
            let mut sender = self.sender().await?;
            let request = Request::post(&self.endpoint.http.path)
                .header("host", &self.endpoint.http.authority)
                .header("content-type", "application/json")
                .header("x-api-key", &self.endpoint.key)
                .body(Full::from(body))?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            self.sender = Some(sender);
            Ok((status, body))
        });
        posted
            .await
            .unwrap_or_else(|_| bail!("no answer within {} s", RESPONSE_TIMEOUT.as_secs()))
    }

    /// Executes a document; returns the value of its one root field.
    pub async fn execute(&mut self, document: &str, variables: &Value) -> anyhow::Result<Value> {
        let body = serde_json::json!({"query": document, "variables": variables}).to_string();
        let (status, body) = self.post(body.into()).await?;
        ensure!(
            status != StatusCode::UNAUTHORIZED && status != StatusCode::FORBIDDEN,
            "the server refuses the API key ({status}): give the right one with --api-key"
        );
        let response: Value = serde_json::from_slice(&body).unwrap_or_default();
        let data = response["data"].as_object();
        let value = data.and_then(|data| data.values().next());
        match value {
            Some(value) if status == StatusCode::OK && response.get("errors").is_none() => {
                Ok(value.clone())
            }
            _ => bail!("the server answers {status}: {}", excerpt(&body)),
        }
    }
}

/// The beginning of a response or message, for an error message.
pub fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.chars().take(EXCERPT).collect()
}

/// Checks that the endpoint is reachable, speaks GraphQL and accepts the API key.
pub async fn check_endpoint(
    client: anyhow::Result<HttpClient>,
    url: &str,
) -> anyhow::Result<HttpClient> {
    let mut client = client.with_context(|| {
        format!(
            "cannot reach {url}; is a server running there? --serve memory starts one for the run"
        )
    })?;
    client
        .execute("{ __typename }", &Value::Null)
        .await
        .with_context(|| format!("{url} cannot be measured"))?;
    Ok(client)
}
