//! The settings of traces for a collector (OpenTelemetry).

use clap::Args;

/// What `--help` has above these settings. docs/monitoring.md describes them: docs/limits.md is
/// generated with the features of a usual build.
pub const HEADING: &str = "Traces (OpenTelemetry)";

/// Where traces go, and how many.
#[derive(Debug, Args)]
#[command(next_help_heading = HEADING)]
pub struct OtlpArgs {
    /// The collector that gets the spans of requests, sockets and operations (OTLP over HTTP), such
    /// as <http://127.0.0.1:4318>; without it there are no traces
    #[arg(long, env = "MESH_OTLP_ENDPOINT", value_name = "URL", value_parser = collector)]
    pub otlp_endpoint: Option<String>,

    /// Of 100 requests, how many are traced, with what follows from them
    #[arg(
        long,
        env = "MESH_OTLP_SAMPLE_PERCENT",
        default_value = "100",
        value_name = "N",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(1..=100)
    )]
    pub otlp_sample_percent: u32,

    /// Spans that may wait for the collector; more are dropped
    #[arg(
        long,
        env = "MESH_OTLP_QUEUE",
        default_value = "2048",
        value_name = "N",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(1..=65_536)
    )]
    pub otlp_queue: u32,

    /// Seconds between two batches of spans; a full batch is sent earlier
    #[arg(
        long,
        env = "MESH_OTLP_INTERVAL_SECONDS",
        default_value = "5",
        value_name = "S",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(1..=60)
    )]
    pub otlp_interval: u32,

    /// Seconds that the collector may take for a batch, and a stop for the last of them
    #[arg(
        long,
        env = "MESH_OTLP_TIMEOUT_SECONDS",
        default_value = "3",
        value_name = "S",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(1..=60)
    )]
    pub otlp_timeout: u32,
}

/// The address of a collector, without a slash at its end.
fn collector(text: &str) -> Result<String, String> {
    let url = text.trim().trim_end_matches('/');
    if url.starts_with("https://") {
        return Err(
            "spans are sent by plain HTTP: run a collector beside the server, which passes them on by TLS"
                .into(),
        );
    }
    let rest = url.strip_prefix("http://").unwrap_or_default();
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_graphic() && !"@?#\\\"<>".contains(c);
    if host.is_empty() || !rest.chars().all(is_plain) {
        return Err(
            "it is an address such as http://127.0.0.1:4318, without a user or a query".into(),
        );
    }
    Ok(url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_an_address_of_plain_http() {
        for (text, url) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
            ("http://[::1]:4318/", "http://[::1]:4318"),
            (" http://collector/otlp/ ", "http://collector/otlp"),
        ] {
            assert_eq!(collector(text).as_deref(), Ok(url));
        }
        for text in [
            "",
            "http://",
            "http://:4318",
            "127.0.0.1:4318",
            "https://collector",
            "http://user:secret@collector",
            "http://collector/?key=secret",
            "http://collector:4318/ x",
        ] {
            assert!(collector(text).is_err(), "{text}");
        }
    }
}
