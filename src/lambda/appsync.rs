//! Calls the mutation that only the function may call (schema/appsync.graphql): one request per
//! message, signed with the function's credentials.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::{sleep, timeout};

use crate::heartbeat::clock::Clock;
use crate::model::message::MESSAGE_BYTES;

/// The mutation. Subscribers get what it selects, so it selects everything.
const DOCUMENT: &str = "mutation Publish($message: MeshMessageInput!) { \
    publishMessage(message: $message) { groupId domain \
    batchEvent { events { name firedByNodeId groupId domain payload timestamp cursor orderKey } \
    firedByNodeId groupId domain timestamp } \
    groupDissolve { groupId domain message } } }";
/// The wait before the second attempt; each further one waits twice as long.
const BACKOFF: Duration = Duration::from_millis(50);
/// The largest response: a message, and what AppSync adds.
const RESPONSE_BYTES: usize = MESSAGE_BYTES + 64 * 1024;
/// The longest error type that is logged.
const ERROR_TYPE_BYTES: usize = 64;

/// How the API is reached, and how long a call is retried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The API's GraphQL endpoint.
    pub url: String,
    /// How often a message is sent before it fails.
    pub attempts: u32,
    /// Timeout of one attempt, connecting included.
    pub attempt_timeout: Duration,
    /// Timeout of a message with all its attempts.
    pub message_timeout: Duration,
}

/// The API, as the function calls it.
#[derive(Debug)]
pub struct AppSync {
    settings: Settings,
    connector: Connector,
    credentials: SharedCredentialsProvider,
    region: String,
    clock: Clock,
}

/// Why a message was not published. No text contains anything of the message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The API was not reached.
    #[error("the API was not reached")]
    Unreachable,
    /// The time was over.
    #[error("the API did not answer in time")]
    TimedOut,
    /// The response has an HTTP status that is no success.
    #[error("the API answered with the status {0}")]
    Status(u16),
    /// The mutation failed.
    #[error("the API refused the mutation: {0}")]
    Refused(String),
    /// The request cannot be signed.
    #[error("the request could not be signed: {0}")]
    Unsigned(&'static str),
}

impl Error {
    /// Whether another attempt may succeed.
    fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable | Self::TimedOut => true,
            Self::Status(status) => *status == 429 || *status >= 500,
            Self::Refused(_) | Self::Unsigned(_) => false,
        }
    }
}

impl AppSync {
    /// The API at the settings' URL, with the credentials and the region of `aws`.
    pub fn new(settings: Settings, aws: &SdkConfig, clock: Clock) -> Result<Self, Error> {
        let credentials = aws.credentials_provider();
        let region = aws
            .region()
            .ok_or(Error::Unsigned("AWS_REGION is not set"))?;
        Ok(Self {
            connector: connector(&settings),
            credentials: credentials.ok_or(Error::Unsigned("there are no credentials"))?,
            region: region.to_string(),
            settings,
            clock,
        })
    }

    /// How long a message may take.
    pub fn message_timeout(&self) -> Duration {
        self.settings.message_timeout
    }

    /// Publishes a message, a `MeshMessageInput`. An attempt whose answer is lost is repeated, so
    /// subscribers may get the message twice.
    pub async fn publish(&self, message: &Value) -> Result<(), Error> {
        let body = json!({"query": DOCUMENT, "variables": {"message": message}}).to_string();
        let sent = timeout(self.settings.message_timeout, self.send(&body)).await;
        sent.unwrap_or(Err(Error::TimedOut))
    }

    async fn send(&self, body: &str) -> Result<(), Error> {
        let mut backoff = BACKOFF;
        for _ in 1..self.settings.attempts {
            match self.attempt_in_time(body).await {
                Err(error) if error.is_temporary() => sleep(backoff).await,
                outcome => return outcome,
            }
            backoff *= 2;
        }
        self.attempt_in_time(body).await
    }

    async fn attempt_in_time(&self, body: &str) -> Result<(), Error> {
        let attempt = timeout(self.settings.attempt_timeout, self.attempt(body)).await;
        attempt.unwrap_or(Err(Error::TimedOut))
    }

    async fn attempt(&self, body: &str) -> Result<(), Error> {
        let request = self.signed(body).await?;
        let response = self.connector.call(request).await;
        let response = response.map_err(|_| Error::Unreachable)?;
        let status = response.status();
        if !status.is_success() {
            return Err(Error::Status(status.as_u16()));
        }
        let body = Limited::new(response.into_body(), RESPONSE_BYTES).collect();
        let body = body.await.map_err(|_| Error::Unreachable)?.to_bytes();
        let response: Value = serde_json::from_slice(&body).unwrap_or_default();
        match &response["errors"][0] {
            Value::Null if response["data"]["publishMessage"].is_object() => Ok(()),
            Value::Null => Err(Error::Refused("no result".into())),
            error => Err(Error::Refused(error_type(&error["errorType"]))),
        }
    }

    /// A POST with its signature.
    async fn signed(&self, body: &str) -> Result<HttpRequest, Error> {
        let url = &*self.settings.url;
        let now = self.clock.now().millis().unsigned_abs();
        let since_epoch = Duration::from_millis(now);
        let credentials = self.credentials.provide_credentials().await;
        let identity = credentials
            .map_err(|_| Error::Unsigned("there are no credentials"))?
            .into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("appsync")
            .time(SystemTime::UNIX_EPOCH + since_epoch)
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| Error::Unsigned("a parameter is missing"))?;
        let content_type = ("content-type", "application/json");
        let payload = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new("POST", url, [content_type].into_iter(), payload);
        let signable = signable.map_err(|_| Error::Unsigned("MESH_APPSYNC_URL is no URL"))?;
        let signature = sign(signable, &parameters.into());
        let (signature, _) = signature
            .map_err(|_| Error::Unsigned("the signature failed"))?
            .into_parts();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request
            .set_method("POST")
            .map_err(|_| Error::Unsigned("there is no POST"))?;
        request
            .set_uri(url)
            .map_err(|_| Error::Unsigned("MESH_APPSYNC_URL is no URL"))?;
        let headers = request.headers_mut();
        headers.insert(content_type.0, content_type.1);
        for (name, value) in signature.headers() {
            headers.insert(name.to_owned(), value.to_owned());
        }
        Ok(request)
    }
}

/// With the TLS library of the store's client.
fn connector(settings: &Settings) -> Connector {
    let builder = ConnectorBuilder::default();
    if settings.url.starts_with("http://") {
        builder.build_http()
    } else {
        builder
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .build()
    }
}

/// AppSync's name for an error, which has nothing of the message in it.
fn error_type(value: &Value) -> String {
    let name = value.as_str().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == ':' || c == '.';
    let plain = name.chars().filter(|c| is_plain(*c));
    plain.take(ERROR_TYPE_BYTES).collect()
}
