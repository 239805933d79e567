//! Requests, each on a connection of its own: a network may treat each differently.

use std::pin::pin;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Connection, handshake};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::endpoint::Endpoint;
use crate::facts::{Attempt, Failure, Rejection};
use crate::network::{Network, Stream};

/// Bytes of a response at most.
const BODY_MAX: usize = 512 * 1024;
/// Headers that an editor sends with a request, and that its browser asks about.
pub const EDITOR_HEADERS: &str = "content-type,x-amz-user-agent,x-api-key";
/// What the editor's library calls itself.
const USER_AGENT: &str = "aws-amplify/2.0.8";

/// What drives a connection.
type Http = Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>;

/// A client as an editor on a page of `origin`.
pub struct Client {
    /// The server.
    pub endpoint: Endpoint,
    /// Connections to it.
    pub network: Network,
    /// The API key.
    pub key: String,
    /// The editor's page.
    pub origin: String,
}

impl Client {
    /// Posts a document.
    pub async fn post(&self, query: &str, variables: &Value, accept: &str) -> Attempt<Answer> {
        let body = json!({"query": query, "variables": variables}).to_string();
        let request = self
            .request(Method::POST)
            .header("accept", accept)
            .header("content-type", "application/json")
            .header("x-api-key", &self.key)
            .header("x-amz-user-agent", USER_AGENT);
        self.send(request, body).await
    }

    /// Asks what a browser asks before the editor's requests.
    pub async fn preflight(&self) -> Attempt<Answer> {
        let request = self
            .request(Method::OPTIONS)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", EDITOR_HEADERS);
        self.send(request, String::new()).await
    }

    /// Executes a document of one root field; returns its value.
    pub async fn execute(&self, query: &str, variables: &Value) -> Result<Value, Rejection> {
        let answer = self.post(query, variables, "*/*").await.result;
        let answer = answer.map_err(Rejection::Failed)?;
        let json = answer.json().unwrap_or_default();
        if let Some(error) = json["errors"].get(0) {
            let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
            return Err(Rejection::Error {
                kind: text("errorType"),
                message: text("message"),
            });
        }
        let value = json["data"]
            .as_object()
            .and_then(|data| data.values().next());
        value.cloned().ok_or(Rejection::Odd(answer))
    }

    /// Asks for an event stream; answers its response and what drives its connection.
    pub async fn open_stream(&self, body: String) -> Result<(Response<Incoming>, Http), Failure> {
        let path = format!("{}/stream", self.endpoint.http.path.trim_end_matches('/'));
        let request = self
            .request_to(Method::POST, &path)
            .header("accept", "text/event-stream")
            .header("content-type", "application/json")
            .header("x-api-key", &self.key)
            .body(Full::from(body))
            .map_err(|error| broken(&error))?;
        let stream = self.network.connect(&self.endpoint.http).await?;
        let opened = handshake(TokioIo::new(stream)).await;
        let (mut sender, mut connection) = opened.map_err(|error| broken(&error))?;
        let answered = pin!(sender.send_request(request));
        match select(answered, &mut connection).await {
            Either::Left((response, _)) => {
                Ok((response.map_err(|error| broken(&error))?, connection))
            }
            Either::Right(_) => Err(Failure::Broken("no answer".into())),
        }
    }

    fn request(&self, method: Method) -> hyper::http::request::Builder {
        self.request_to(method, &self.endpoint.http.path)
    }

    fn request_to(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        let endpoint = &self.endpoint;
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", endpoint.http.authority(endpoint.secure))
            .header("origin", &self.origin)
            .header(
                "user-agent",
                concat!("mesh-v2-doctor/", env!("CARGO_PKG_VERSION")),
            )
    }

    async fn send(&self, request: hyper::http::request::Builder, body: String) -> Attempt<Answer> {
        let exchange = async {
            let request = request.body(Full::from(body)).map_err(|e| broken(&e))?;
            self.exchange(request).await
        };
        self.network.attempt(exchange).await
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let stream = self.network.connect(&self.endpoint.http).await?;
        let opened = handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = opened.map_err(|error| broken(&error))?;
        let answered = pin!(async move {
            let response = sender.send_request(request).await.map_err(|e| broken(&e))?;
            answer(response).await
        });
        match select(answered, pin!(connection)).await {
            Either::Left((answer, _)) => answer,
            // The connection may end before its last response is read.
            Either::Right((_, answered)) => answered.await,
        }
    }
}

/// Reads a response.
async fn answer(response: Response<Incoming>) -> Result<Answer, Failure> {
    let (head, body) = response.into_parts();
    let headers = head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let headers = headers.collect();
    let body = Limited::new(body, BODY_MAX).collect().await;
    let body = body.map_err(|error| Failure::Broken(error.to_string()))?;
    Ok(Answer {
        status: head.status.as_u16(),
        headers,
        body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    })
}

fn broken(error: &dyn std::error::Error) -> Failure {
    // The cause says more than its wrapping.
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Failure::Broken(cause.to_string())
}
