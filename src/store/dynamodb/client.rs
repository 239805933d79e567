//! The DynamoDB client and its settings.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
pub use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Builder, Credentials, SharedHttpClient};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};

/// How the store reaches its table, and how long it retries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The table's name.
    pub table: String,
    /// An endpoint other than AWS's, such as `http://127.0.0.1:8000` for DynamoDB Local. With
    /// `http://`, test credentials are used.
    pub endpoint: Option<String>,
    /// How often a request is sent before it fails. Throttling, timeouts and 5xx are retried with
    /// jitter.
    pub attempts: u32,
    /// Timeout for connecting.
    pub connect_timeout: Duration,
    /// Timeout of one attempt.
    pub attempt_timeout: Duration,
    /// Timeout of a request with all its attempts.
    pub request_timeout: Duration,
    /// The number of concurrent requests, and so of connections.
    pub connections: usize,
    /// How often a call is attempted when concurrent writes conflict with it.
    pub conflict_attempts: u32,
    /// How long a group's record is cached. A dissolve can make it stale, and every write checks
    /// that the group was not dissolved; so can a control of the lesson at another server.
    pub cache_ttl: Duration,
    /// How many groups' records are cached.
    pub cached_groups: usize,
    /// How many bytes of nodes' records are cached, as this server wrote them last; 0 for none.
    pub cached_node_bytes: usize,
    /// The shortest time between two writes of a group's poll mark (decision D13). The mark is
    /// valid for this much longer.
    pub poll_mark_interval: Duration,
    /// How long a run of the reaper begins to check groups; the rest is left to the next run. The
    /// function behind AppSync has 30 seconds for a run and all that it publishes.
    pub reap_time: Duration,
    /// How many calls of a group may wait for their numbers in its log.
    pub log_queue: usize,
    /// How long a poll waits for a call whose number is taken and whose events are not there.
    pub gap_wait: Duration,
}

impl Settings {
    /// The default settings for this table.
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            endpoint: None,
            attempts: 4,
            connect_timeout: Duration::from_secs(1),
            attempt_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(8),
            connections: 128,
            conflict_attempts: 24,
            cache_ttl: Duration::from_secs(5),
            cached_groups: 10_000,
            cached_node_bytes: 16 * 1024 * 1024,
            poll_mark_interval: Duration::from_secs(20),
            reap_time: Duration::from_secs(8),
            log_queue: 2_000,
            gap_wait: Duration::from_millis(100),
        }
    }
}

/// The default name of an environment's table (docs/compatibility.md, The table).
pub fn table_of(stage: &str) -> String {
    match stage {
        "prod" => "MeshV2Table".into(),
        stage => format!("MeshV2Table-{stage}"),
    }
}

/// The configuration of a client.
pub async fn config(settings: &Settings) -> Builder {
    Builder::from(&aws_config(settings).await)
}

/// The environment's region and credentials, with the settings of a client.
pub async fn aws_config(settings: &Settings) -> SdkConfig {
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
                // Emulators accept any region and any key.
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
    loader.load().await
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
    fn the_table_is_named_after_the_stage_except_for_prod() {
        assert_eq!(table_of("stg"), "MeshV2Table-stg");
        assert_eq!(table_of("prod"), "MeshV2Table");
    }
}
