//! The settings of the function behind AppSync alone: how it pushes messages to its API.

use std::time::Duration;

use clap::Parser;

use crate::lambda::appsync::Settings;

/// The longest that a message may take: the call that made it waits, and Lambda ends that after 30
/// seconds.
const MAX_MS: i64 = 8_000;

/// How the function calls its API. The stack sets the URL; without it nothing is pushed.
#[derive(Debug, Parser)]
pub struct AppSyncArgs {
    /// The API's GraphQL endpoint
    #[arg(long, env = "MESH_APPSYNC_URL", value_name = "URL")]
    url: Option<String>,

    /// How often a message is sent before it counts as failed
    #[arg(
        long,
        env = "MESH_APPSYNC_ATTEMPTS",
        default_value = "3",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=10)
    )]
    attempts: u32,

    /// Milliseconds that one attempt may take
    #[arg(
        long,
        env = "MESH_APPSYNC_ATTEMPT_MS",
        default_value = "1500",
        value_name = "MS",
        value_parser = clap::value_parser!(u32).range(1..=MAX_MS)
    )]
    attempt_ms: u32,

    /// Milliseconds that a message may take with all its attempts; the call that made it waits
    #[arg(
        long,
        env = "MESH_APPSYNC_MESSAGE_MS",
        default_value = "4000",
        value_name = "MS",
        value_parser = clap::value_parser!(u32).range(1..=MAX_MS)
    )]
    message_ms: u32,
}

impl AppSyncArgs {
    /// How the API is reached, if messages are pushed.
    pub fn settings(self) -> Option<Settings> {
        let millis = |ms: u32| Duration::from_millis(ms.into());
        let url = self.url.filter(|url| !url.is_empty())?;
        Some(Settings {
            url,
            attempts: self.attempts,
            attempt_timeout: millis(self.attempt_ms),
            message_timeout: millis(self.message_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_less_time_than_the_function() {
        for flag in ["--attempt-ms", "--message-ms"] {
            let parse = |ms: &str| AppSyncArgs::try_parse_from(["mesh-v2-lambda", flag, ms]);
            for refused in ["0", "8001", "20000"] {
                assert!(parse(refused).is_err(), "{flag} {refused}");
            }
            for taken in ["1", "8000"] {
                assert!(parse(taken).is_ok(), "{flag} {taken}");
            }
        }
    }
}
