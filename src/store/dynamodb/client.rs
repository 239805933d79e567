//! The one place where a DynamoDB client is made, and every knob of it.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Builder, Credentials, SharedHttpClient};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};

/// How the store reaches its table, and how long it tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The table's name.
    pub table: String,
    /// Another address than AWS's, such as `http://127.0.0.1:8000` for DynamoDB Local.
    /// A plain `http://` one is spoken to with test credentials.
    pub endpoint: Option<String>,
    /// How often one request is sent before it fails: throttling, time-outs and 5xx
    /// are repeated with jitter.
    pub attempts: u32,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
    /// How long a request with all its attempts may take.
    pub request_timeout: Duration,
    /// How many requests may be under way at once, and so how many connections.
    pub connections: usize,
    /// How often a call starts over after another caller got ahead of it.
    pub races: u32,
    /// How long a group's record may be taken as it was read. Only a dissolve can make
    /// it untrue, and every write proves anew that the group was not dissolved.
    pub remember_groups_for: Duration,
    /// How many groups' records are remembered.
    pub remembered_groups: usize,
    /// How often, at most, a group's polls are written down (decision D13): until then
    /// polls are counted as this much longer ago.
    pub note_polls_every: Duration,
}

impl Settings {
    /// The usual settings for this table.
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            endpoint: None,
            attempts: 4,
            connect_timeout: Duration::from_secs(1),
            attempt_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(8),
            connections: 128,
            races: 24,
            remember_groups_for: Duration::from_secs(5),
            remembered_groups: 10_000,
            note_polls_every: Duration::from_secs(20),
        }
    }
}

/// The table of a stage, unless a setting names another (contract 2).
pub fn table_of(stage: &str) -> String {
    match stage {
        "prod" => "MeshV2Table".into(),
        stage => format!("MeshV2Table-{stage}"),
    }
}

/// The configuration of a client; tests add their interceptors to it.
pub async fn config(settings: &Settings) -> Builder {
    let retry = RetryConfig::standard()
        .with_max_attempts(settings.attempts)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_secs(1));
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(settings.connect_timeout)
        .operation_attempt_timeout(settings.attempt_timeout)
        .operation_timeout(settings.request_timeout)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client(settings))
        .retry_config(retry)
        .timeout_config(timeouts);
    if let Some(endpoint) = &settings.endpoint {
        loader = loader.endpoint_url(endpoint);
        if endpoint.starts_with("http://") {
            loader = loader
                // Moto knows no other regions than AWS's; the rest take any.
                .region(Region::from_static("ap-northeast-1"))
                .credentials_provider(Credentials::new(
                    "local",
                    "local",
                    None,
                    None,
                    "local endpoint",
                ));
        }
    }
    aws_sdk_dynamodb::config::Builder::from(&loader.load().await)
}

/// A client.
pub async fn client(settings: &Settings) -> Client {
    Client::from_conf(config(settings).await.build())
}

fn http_client(settings: &Settings) -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new()
        .pool_idle_timeout(Duration::from_secs(50))
        .pool_max_idle_per_host(settings.connections);
    let plain = settings
        .endpoint
        .as_ref()
        .is_some_and(|endpoint| endpoint.starts_with("http://"));
    if plain {
        builder.build_http()
    } else {
        builder
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .build_https()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_named_after_the_stage_but_for_prod() {
        assert_eq!(table_of("stg"), "MeshV2Table-stg");
        assert_eq!(table_of("prod"), "MeshV2Table");
    }
}
